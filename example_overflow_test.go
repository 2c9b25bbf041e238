package pool_test

import (
	"context"
	"fmt"
	"time"

	"github.com/pooltender/pool"
)

// Workers only while there is demand: a pool of Size 0 starts one when a client
// comes, and stops it when it has been idle for a while.
func ExampleOptions_maxOverflow() {
	reg := pool.NewRegistry()
	defer reg.Close()
	ctx := context.Background()
	gone := make(chan pool.Event, 1)
	defer reg.Subscribe(func(e pool.Event) {
		if e.Kind == pool.EventWorkerStopped {
			gone <- e
		}
	})()
	p, _ := pool.Start(ctx, reg, "tickets", tickets(), pool.Options{MaxOverflow: 8, OverflowLinger: 50 * time.Millisecond})
	fmt.Println("at first:", p.Stats().Overflow)

	lease, _ := p.Checkout(ctx)
	fmt.Println("for a client:", p.Stats().Overflow)
	lease.Checkin()

	<-gone
	fmt.Println("and then:", p.Stats().Overflow)
	// Output:
	// at first: 0
	// for a client: 1
	// and then: 0
}

// Leases are watched: one held longer than WarnHold is reported, one held longer
// than MaxHold is taken away and its worker replaced.
func ExampleOptions_maxHold() {
	reg := pool.NewRegistry()
	defer reg.Close()
	ctx := context.Background()
	overdue := make(chan pool.Event, 1)
	defer reg.Subscribe(func(e pool.Event) {
		if e.Kind == pool.EventLeaseOverdue {
			overdue <- e
		}
	})()
	p, _ := pool.Start(ctx, reg, "tickets", tickets(),
		pool.Options{Size: 1, WarnHold: 20 * time.Millisecond, MaxHold: 40 * time.Millisecond})

	lease, _ := p.With(pool.Terms{Owner: "ann"}).Checkout(ctx)
	fmt.Println("overdue:", (<-overdue).Owner)
	<-lease.Context().Done()
	fmt.Println("and revoked; it can be checked in:", lease.Checkin())
	// Output:
	// overdue: ann
	// and revoked; it can be checked in: false
}
