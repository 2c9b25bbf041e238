package pool_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/pooltender/pool"
)

// A group lends from whichever of its pools is free first: here two backends, one
// of them small.
func ExampleGroup() {
	ctx := context.Background()
	reg := pool.NewRegistry()
	defer reg.Close()
	backend := func(name string, size int) *pool.Pool[string] {
		p, err := pool.Start(ctx, reg, name, pool.Spec[string]{
			Start: func(context.Context) (string, error) { return name, nil },
		}, pool.Options{Size: size})
		if err != nil {
			panic(err)
		}
		return p
	}
	large, small := backend("large", 2), backend("small", 1)

	group := pool.NewGroup[string]()
	_ = group.Add(large, 9) // nine of ten clients ask it first
	_ = group.Add(small, 1)

	lent := map[string]int{}
	for range 3 {
		lease, err := group.TryCheckout(ctx)
		if err != nil {
			panic(err)
		}
		lent[lease.Worker()]++
	}
	_, err := group.TryCheckout(ctx)
	fmt.Println(lent, errors.Is(err, pool.ErrFull))

	// Output:
	// map[large:2 small:1] true
}
