package pool_test

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/pooltender/pool"
)

// A batch: every item by a worker of the pool, and the results in order.
func ExampleMap() {
	ctx := context.Background()
	reg := pool.NewRegistry()
	defer reg.Close()
	p, _ := pool.Start(ctx, reg, "doublers", doublers, pool.Options{Size: 3})

	items := slices.Values([]int{1, 2, 3, 4, 5, 6, 7, 8})
	for twice, err := range pool.Map(ctx, p, items, func(ctx context.Context, d *Doubler, n int) (int, error) {
		return d.Compute(ctx, n)
	}) {
		if err != nil {
			fmt.Println(err) // the last there is
			continue
		}
		fmt.Print(twice, " ")
	}
	// Output:
	// 2 4 6 8 10 12 14 16
}

// The first error in the order of the items is the end, whichever came first.
func ExampleMap_error() {
	ctx := context.Background()
	reg := pool.NewRegistry()
	defer reg.Close()
	p, _ := pool.Start(ctx, reg, "doublers", doublers, pool.Options{Size: 3})

	items := slices.Values([]int{1, 2, 3, -4, 5, -6})
	for twice, err := range pool.Map(ctx, p, items, func(ctx context.Context, d *Doubler, n int) (int, error) {
		if n < 0 {
			return 0, fmt.Errorf("%d is negative", n)
		}
		return d.Compute(ctx, n)
	}) {
		fmt.Println(twice, err)
	}
	// Output:
	// 2 <nil>
	// 4 <nil>
	// 6 <nil>
	// 0 -4 is negative
}

// With Unordered a result does not wait for those of earlier items: here the
// first item is done when the others are.
func ExampleMap_unordered() {
	ctx := context.Background()
	reg := pool.NewRegistry()
	defer reg.Close()
	p, _ := pool.Start(ctx, reg, "doublers", doublers, pool.Options{Size: 2})

	others := make(chan struct{})
	seen := 0
	for twice, err := range pool.Map(ctx, p, slices.Values([]int{1, 2, 3, 4}), func(ctx context.Context, d *Doubler, n int) (int, error) {
		if n == 1 {
			<-others
		}
		return d.Compute(ctx, n)
	}, pool.MapOptions{Unordered: true}) {
		fmt.Println(twice, err)
		if seen++; seen == 3 {
			close(others)
		}
	}
	// Output:
	// 4 <nil>
	// 6 <nil>
	// 8 <nil>
	// 2 <nil>
}

// What has no result has at most an error.
func ExampleForEach() {
	ctx := context.Background()
	reg := pool.NewRegistry()
	defer reg.Close()
	p, _ := pool.Start(ctx, reg, "doublers", doublers, pool.Options{Size: 3})

	err := pool.ForEach(ctx, p, slices.Values([]int{1, 2, 3}), func(ctx context.Context, d *Doubler, n int) error {
		_, err := d.Compute(ctx, n)
		return err
	})
	fmt.Println(err)

	err = pool.ForEach(ctx, p, slices.Values([]int{1, 2, 3}), func(_ context.Context, _ *Doubler, n int) error {
		if n == 2 {
			panic("two!")
		}
		return nil
	})
	fmt.Println(errors.As(err, new(*pool.PanicError)), err)
	// Output:
	// <nil>
	// true pool: the function given panicked: two!
}
