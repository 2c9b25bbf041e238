package pool_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/pooltender/pool"
)

// ticket is a worker of the examples: it knows only its number.
type ticket int

// tickets numbers the workers it makes.
func tickets() pool.Spec[ticket] {
	var last atomic.Int64
	return pool.Spec[ticket]{Start: func(context.Context) (ticket, error) { return ticket(last.Add(1)), nil }}
}

// Every worker of a pool is replaced, one after another, while it serves: after a
// password was changed, say, or a model.
func ExampleControl_recycle() {
	reg := pool.NewRegistry()
	defer reg.Close()
	ctx := context.Background()
	p, _ := pool.Start(ctx, reg, "tickets", tickets(), pool.Options{Size: 2})

	lease, _ := p.Checkout(ctx)
	recycled := make(chan error)
	go func() { recycled <- p.Recycle(ctx) }()
	fmt.Println("the lease goes on:", lease.Err() == nil)
	lease.Checkin()
	fmt.Println("recycled:", <-recycled)
	_ = p.Do(ctx, func(_ context.Context, t ticket) error {
		fmt.Println("a new worker:", t > 2)
		return nil
	})
	// Output:
	// the lease goes on: true
	// recycled: <nil>
	// a new worker: true
}

func ExampleOptions_maxUses() {
	reg := pool.NewRegistry()
	defer reg.Close()
	ctx := context.Background()
	p, _ := pool.Start(ctx, reg, "tickets", tickets(), pool.Options{Size: 1, MaxUses: 2})
	for range 5 {
		_ = p.Do(ctx, func(_ context.Context, t ticket) error {
			fmt.Print(t, " ")
			return nil
		})
	}
	// Output: 1 1 2 2 3
}

func ExampleOptions_maxLifetime() {
	reg := pool.NewRegistry()
	defer reg.Close()
	ctx := context.Background()
	const life = 50 * time.Millisecond
	p, _ := pool.Start(ctx, reg, "tickets", tickets(), pool.Options{Size: 1, MaxLifetime: life})
	lease, _ := p.Checkout(ctx)
	time.Sleep(2 * life)
	fmt.Println("still lent:", lease.Err() == nil)
	lease.Checkin()
	_ = p.Do(ctx, func(_ context.Context, t ticket) error {
		fmt.Println("then another:", t != lease.Worker())
		return nil
	})
	// Output:
	// still lent: true
	// then another: true
}

// A connection that has died in silence is found before a client gets it.
func ExampleOptions_checkEvery() {
	reg := pool.NewRegistry()
	defer reg.Close()
	ctx := context.Background()
	spec := tickets()
	spec.Check = func(t ticket, _ context.Context) error {
		if t == 1 {
			return errors.New("no answer")
		}
		return nil
	}
	found := make(chan error, 1)
	defer reg.Subscribe(func(e pool.Event) {
		if e.Kind == pool.EventWorkerCrashed {
			found <- e.Err
		}
	})()
	p, _ := pool.Start(ctx, reg, "tickets", spec, pool.Options{Size: 1, CheckEvery: 20 * time.Millisecond})
	fmt.Println(<-found)
	_ = p.Do(ctx, func(_ context.Context, t ticket) error {
		fmt.Println("worker", t)
		return nil
	})
	// Output:
	// pool: worker of "tickets" slot 0 (incarnation 1) crashed: check failed: no answer
	// worker 2
}
