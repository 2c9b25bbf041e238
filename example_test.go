package pool_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/pooltender/pool"
)

// Doubler is a worker with a mailbox: one goroutine, one question at a time.
type Doubler struct{ questions chan question }

type question struct {
	n      int
	answer chan int
}

func NewDoubler(context.Context) (*Doubler, error) {
	return &Doubler{questions: make(chan question)}, nil
}

// Run is the worker's own goroutine.
func (d *Doubler) Run(ctx context.Context) error {
	for {
		select {
		case q := <-d.questions:
			if q.n < 0 {
				return fmt.Errorf("cannot double %d", q.n)
			}
			q.answer <- 2 * q.n
		case <-ctx.Done():
			return nil
		}
	}
}

// Compute asks the worker. It gives up when ctx is done.
func (d *Doubler) Compute(ctx context.Context, n int) (int, error) {
	q := question{n, make(chan int, 1)}
	select {
	case d.questions <- q:
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
	select {
	case answer := <-q.answer:
		return answer, nil
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
}

// doublers is the spec of the pools in these examples.
var doublers = pool.Spec[*Doubler]{Start: NewDoubler, Run: (*Doubler).Run}

func Example() {
	ctx := context.Background()
	reg := pool.NewRegistry()
	defer reg.Close()

	p, err := pool.Start(ctx, reg, "doublers", doublers, pool.Options{Size: 3, MaxOverflow: 2})
	if err != nil {
		fmt.Println(err)
		return
	}
	n, err := pool.Call(ctx, p, func(ctx context.Context, d *Doubler) (int, error) {
		return d.Compute(ctx, 21)
	})
	fmt.Println(n, err)

	lease, err := p.Checkout(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer lease.Checkin()
	n, err = lease.Worker().Compute(lease.Context(), 4)
	fmt.Println(n, err)
	// Output:
	// 42 <nil>
	// 8 <nil>
}

// A worker that crashes ends the lease, and the context given to the function.
// The error tells of the crash; the next call finds a replacement.
func ExamplePool_Do_crash() {
	ctx := context.Background()
	reg := pool.NewRegistry()
	defer reg.Close()
	p, _ := pool.Start(ctx, reg, "doublers", doublers, pool.Options{Size: 1})

	err := p.Do(ctx, func(ctx context.Context, d *Doubler) error {
		_, err := d.Compute(ctx, -1)
		return err
	})
	var crash *pool.CrashError
	fmt.Println(errors.As(err, &crash), crash)

	n, err := pool.Call(ctx, p, func(ctx context.Context, d *Doubler) (int, error) {
		return d.Compute(ctx, 1)
	})
	fmt.Println(n, err)
	// Output:
	// true pool: worker of "doublers" slot 0 (incarnation 1) crashed: run failed: cannot double -1
	// 2 <nil>
}

// An error marked by Retire replaces the worker, as driver.ErrBadConn does.
func ExampleRetire() {
	ctx := context.Background()
	reg := pool.NewRegistry()
	defer reg.Close()
	connections := 0
	p, _ := pool.Start(ctx, reg, "connections", pool.Spec[int]{
		Start: func(context.Context) (int, error) { connections++; return connections, nil },
	}, pool.Options{Size: 1})

	errBroken := errors.New("broken pipe")
	err := p.Do(ctx, func(_ context.Context, n int) error {
		fmt.Println("connection", n)
		return pool.Retire(errBroken)
	})
	fmt.Println(errors.Is(err, errBroken))
	p.Do(ctx, func(_ context.Context, n int) error {
		fmt.Println("connection", n)
		return nil
	})
	// Output:
	// connection 1
	// true
	// connection 2
}

// A client that does not wait is told that the pool is full.
func ExamplePool_TryCheckout() {
	ctx := context.Background()
	reg := pool.NewRegistry()
	defer reg.Close()
	p, _ := pool.Start(ctx, reg, "doublers", doublers, pool.Options{Size: 1})

	lease, _ := p.TryCheckout(ctx)
	_, err := p.TryCheckout(ctx)
	fmt.Println(errors.Is(err, pool.ErrFull))
	fmt.Println(err)

	lease.Checkin()
	again, err := p.TryCheckout(ctx)
	fmt.Println(again.Slot().Index, err)
	again.Checkin()
	// Output:
	// true
	// pool: checkout from "doublers": no worker is idle (ready: 1 live of 1, 1 leased, 0 waiting)
	// 0 <nil>
}

// Leases are one-shot: only the first Checkin counts, and a stale lease cannot
// touch the next client's.
func ExampleLease_Checkin() {
	ctx := context.Background()
	reg := pool.NewRegistry()
	defer reg.Close()
	p, _ := pool.Start(ctx, reg, "doublers", doublers, pool.Options{Size: 1})

	mine, _ := p.Checkout(ctx)
	fmt.Println(mine.Checkin(), mine.Checkin())

	theirs, _ := p.Checkout(ctx)
	fmt.Println(mine.Checkin(), mine.Retire(nil), theirs.Err())
	fmt.Println(mine.Err())
	theirs.Checkin()
	// Output:
	// true false
	// false false <nil>
	// pool: lease of "doublers" slot 0 has been checked in
}

// A worker that is good for something else is taken out of the pool for good;
// the pool replaces it.
func ExampleLease_Detach() {
	ctx := context.Background()
	reg := pool.NewRegistry()
	defer reg.Close()
	p, _ := pool.Start(ctx, reg, "sessions", pool.Spec[*int]{
		Start: func(context.Context) (*int, error) { return new(int), nil },
		Stop:  func(*int, context.Context) error { fmt.Println("stopped"); return nil },
	}, pool.Options{Size: 1})

	lease, _ := p.Checkout(ctx)
	session, ok := lease.Detach()
	fmt.Println(session != nil, ok)
	p.WaitReady(ctx, 1)
	fmt.Println(p.Stats().Idle)
	// Output:
	// true true
	// 1
	// stopped
}

// The context of a request ends with the request. What outlives it takes the
// lease along.
func ExampleLease_Transfer() {
	reg := pool.NewRegistry()
	defer reg.Close()
	p, _ := pool.Start(context.Background(), reg, "doublers", doublers, pool.Options{Size: 1})

	request, cancel := context.WithCancel(context.Background())
	lease, _ := p.Checkout(request)
	job, err := lease.Transfer(context.Background())
	cancel() // the request is over
	fmt.Println(err, lease.Checkin(), job.Err())

	n, err := job.Worker().Compute(job.Context(), 8)
	fmt.Println(n, err, job.Checkin())
	// Output:
	// <nil> false <nil>
	// 16 <nil> true
}

// Terms say who the client is and how long it waits; the context bounds the
// lease as well, MaxWait only the wait.
func ExamplePool_With() {
	ctx := context.Background()
	reg := pool.NewRegistry()
	defer reg.Close()
	p, _ := pool.Start(ctx, reg, "doublers", doublers, pool.Options{Size: 1})
	web := p.With(pool.Terms{Owner: "web", MaxWait: 1})

	lease, _ := web.Checkout(ctx)
	fmt.Println(p.Inspect().Slots[0].Lease.Owner)
	_, err := web.Checkout(ctx)
	fmt.Println(errors.Is(err, pool.ErrOverloaded))
	lease.Checkin()
	// Output:
	// web
	// true
}
