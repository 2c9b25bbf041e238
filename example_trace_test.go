package pool_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"time"

	"github.com/pooltender/pool"
)

// A client that returns without a Checkin loses its worker to nobody. The garbage
// collector finds the lease, and the event tells where it was checked out.
func ExampleOptions_traceLeases() {
	reg := pool.NewRegistry()
	defer reg.Close()
	found := make(chan pool.Event, 1)
	reg.Subscribe(func(e pool.Event) {
		if e.Kind == pool.EventLeaseLeaked {
			found <- e
		}
	})
	p, _ := pool.Start(context.Background(), reg, "doublers", doublers, pool.Options{Size: 1, TraceLeases: 1})
	double := func(n int) (int, error) {
		lease, err := p.Checkout(context.Background())
		if err != nil {
			return 0, err
		}
		return lease.Worker().Compute(context.Background(), n) // and no lease.Checkin
	}
	fmt.Println(double(21))

	for {
		runtime.GC() // comes by itself in a program that works
		select {
		case e := <-found:
			place, _, _ := strings.Cut(e.Stack, "\n")
			fmt.Println(e.Kind, "in", place)
			fmt.Println(double(4)) // by the replacement
			return
		case <-time.After(time.Millisecond):
		}
	}
	// Output:
	// 42 <nil>
	// lease leaked in github.com/pooltender/pool_test.ExampleOptions_traceLeases.func2
	// 8 <nil>
}

// A client that asks for a second worker while it has the only one waits for
// itself. The error says so, if the client passes on the context it was given.
func ExampleCheckoutError() {
	reg := pool.NewRegistry()
	defer reg.Close()
	p, _ := pool.Start(context.Background(), reg, "doublers", doublers, pool.Options{Size: 1, MaxWait: 10 * time.Millisecond})

	err := p.Do(context.Background(), func(ctx context.Context, d *Doubler) error {
		return p.Do(ctx, func(context.Context, *Doubler) error { return nil })
	})
	_, reason, _ := strings.Cut(err.Error(), "; ")
	fmt.Println(reason)
	// Output:
	// the client's own context holds slot 0 of this pool: a client that waits for a second worker while it keeps the first may wait for itself
}
