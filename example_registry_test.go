package pool_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pooltender/pool"
)

// Whoever comes first starts the pool; the others share it.
func ExampleEnsure() {
	ctx := context.Background()
	reg := pool.NewRegistry()
	defer reg.Close()

	first, err := pool.Ensure(ctx, reg, "doublers", doublers, pool.Options{Size: 2})
	fmt.Println(first.Name(), err)
	second, err := pool.Ensure(ctx, reg, "doublers", doublers, pool.Options{Size: 9})
	fmt.Println(second.Stats().Size, err)
	// Output:
	// doublers <nil>
	// 2 <nil>
}

// Names are resolved with the type of the workers, and mistakes are named.
func ExampleLookup() {
	ctx := context.Background()
	reg := pool.NewRegistry()
	defer reg.Close()
	pool.Start(ctx, reg, "doublers", doublers, pool.Options{Size: 1})

	_, err := pool.Lookup[*Doubler](reg, "doublers")
	fmt.Println(err)
	_, err = pool.Lookup[string](reg, "doublers")
	fmt.Println(err)
	_, err = pool.Lookup[string](reg, "triplers")
	fmt.Println(errors.Is(err, pool.ErrNotFound), err)
	// Output:
	// <nil>
	// pool: workers are of another type: those of "doublers" are *pool_test.Doubler, not string
	// true pool: no such pool: "triplers"
}

// What is wrong with the arguments is reported all at once, and nothing starts.
func ExampleStart_wrong() {
	reg := pool.NewRegistry()
	defer reg.Close()
	_, err := pool.Start(context.Background(), reg, "", pool.Spec[string]{}, pool.Options{Size: -1})
	fmt.Println(err)
	// Output:
	// pool: name must not be empty, got ""
	// pool: Spec.Start must be a function that makes a worker, got <nil>
	// pool: Size must be positive, got -1
}

// A worker that does not start is an answer: nothing is left running.
func ExampleStart_failed() {
	reg := pool.NewRegistry()
	defer reg.Close()
	_, err := pool.Start(context.Background(), reg, "databases", pool.Spec[string]{
		Start: func(context.Context) (string, error) { return "", errors.New("connection refused") },
	}, pool.Options{Size: 1})
	fmt.Println(err)
	_, err = reg.Pool("databases")
	fmt.Println(errors.Is(err, pool.ErrNotFound))
	// Output:
	// pool: start of "databases": worker of "databases" slot 0 did not start: start failed: connection refused
	// true
}

// Stop lets leases run out until its context is done, then takes what is left.
func ExampleRegistry_Stop() {
	ctx := context.Background()
	reg := pool.NewRegistry()
	defer reg.Close()
	p, _ := pool.Start(ctx, reg, "doublers", doublers, pool.Options{Size: 1})
	lease, _ := p.Checkout(ctx)

	patience, cancel := context.WithTimeout(ctx, time.Millisecond)
	defer cancel()
	fmt.Println(reg.Stop(patience, "doublers"))
	fmt.Println(lease.Err())
	_, err := p.Checkout(ctx)
	fmt.Println(errors.Is(err, pool.ErrStopped))
	fmt.Println(reg.Stop(ctx, "doublers"))
	// Output:
	// <nil>
	// pool: lease of "doublers" slot 0 revoked: the pool was stopped and did not wait any longer
	// true
	// pool: no such pool: "doublers"
}

// Serve fits errgroup and other ways to run the parts of a program.
func ExampleRegistry_Serve() {
	reg := pool.NewRegistry(pool.RegistryOptions{DrainTimeout: time.Second})
	ctx, stop := context.WithCancel(context.Background())
	pool.Start(ctx, reg, "doublers", doublers, pool.Options{Size: 2})

	ended := make(chan error)
	go func() { ended <- reg.Serve(ctx) }()
	stop() // in a program: signal.NotifyContext
	fmt.Println(<-ended)
	_, err := pool.Start(context.Background(), reg, "late", doublers, pool.Options{Size: 1})
	fmt.Println(errors.Is(err, pool.ErrStopped))
	// Output:
	// <nil>
	// true
}

// Events tell what happens, in order, off every path that matters.
func ExampleRegistry_Subscribe() {
	ctx := context.Background()
	reg := pool.NewRegistry()
	reg.Subscribe(func(e pool.Event) {
		switch e.Kind {
		case pool.EventWorkerStarted:
			fmt.Println("started: slot", e.Slot.Index, "incarnation", e.Slot.Incarnation)
		case pool.EventWorkerCrashed:
			fmt.Println("crashed:", e.Err)
		}
	})
	p, _ := pool.Start(ctx, reg, "doublers", doublers, pool.Options{Size: 1})
	p.Do(ctx, func(ctx context.Context, d *Doubler) error {
		_, err := d.Compute(ctx, -7)
		return err
	})
	p.WaitReady(ctx, 1)
	reg.Close() // delivers the rest
	// Output:
	// started: slot 0 incarnation 1
	// crashed: pool: worker of "doublers" slot 0 (incarnation 1) crashed: run failed: cannot double -7
	// started: slot 0 incarnation 2
}

// The number of workers changes while the pool works.
func ExampleControl_resize() {
	ctx := context.Background()
	reg := pool.NewRegistry()
	defer reg.Close()
	pool.Start(ctx, reg, "doublers", doublers, pool.Options{Size: 1})

	control, _ := reg.Pool("doublers") // whatever its workers are
	fmt.Println(control.Resize(ctx, 4), control.Stats().Idle)
	fmt.Println(control.Resize(ctx, 2), control.Stats().Idle)
	fmt.Println(control.Resize(ctx, -2))
	// Output:
	// <nil> 4
	// <nil> 2
	// pool: Size must be positive, got -2
}

// Restart replaces every worker and keeps the name, the handle and whoever
// waits.
func ExampleControl_restart() {
	ctx := context.Background()
	reg := pool.NewRegistry()
	defer reg.Close()
	p, _ := pool.Start(ctx, reg, "doublers", doublers, pool.Options{Size: 2})
	fmt.Println(p.Restart(ctx))
	info := p.Inspect()
	fmt.Println(info.Epoch, info.Slots[0].Incarnation, info.Slots[1].Incarnation)
	// Output:
	// <nil>
	// 2 2 2
}
