package pool_test

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/pooltender/pool"
)

func ExampleOptions_Validate() {
	options := pool.Options{
		Size:        -1,
		Order:       "random",
		WarnHold:    time.Minute,
		MaxHold:     30 * time.Second,
		StopTimeout: -1,
	}
	fmt.Println(options.Validate())
	// Output:
	// pool: Size must be positive, got -1
	// pool: Order must be "recent", "lifo" or "fifo", got "random"
	// pool: WarnHold must be less than MaxHold (30s), got 1m0s
	// pool: StopTimeout must not be negative, got -1ns
}

func ExampleOptions_UnmarshalJSON() {
	options := pool.Options{Size: 3, MaxWait: time.Second} // the application's own defaults
	err := json.Unmarshal([]byte(`{"size": 10, "max_hold": "5m", "backoff": {"max": "10s"}}`), &options)
	fmt.Println(err)
	fmt.Println(options.Size, options.MaxWait, options.MaxHold, options.Backoff.Max)
	// Output:
	// <nil>
	// 10 1s 5m0s 10s
}
