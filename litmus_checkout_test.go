package pool_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/pooltender/pool"
)

func grantedOrCancelled(err error) string {
	switch {
	case err == nil:
		return "granted"
	case errors.Is(err, context.Canceled) && !errors.As(err, new(*pool.LeaseError)):
		return "cancelled"
	}
	return err.Error()
}

func TestLitmusOfCancelAndGrant(t *testing.T) {
	litmus(t, million, grades{"cancelled": usual, "granted": usual}, func(t *testing.T) race {
		p, _ := litmusPool(t, pool.Options{Size: 1, ReclaimGrace: time.Hour})
		lend := lender(t, p)
		var holder fakeLease
		var waiter <-chan error
		var cancel context.CancelFunc
		return race{
			prepare: func() {
				holder = lend()
				var ctx context.Context
				ctx, cancel = context.WithCancel(context.Background())
				waiter = borrow(ctx, p.Checkout)
				queued(p, 1)
			},
			sides: []func(){func() { holder.Checkin() }, func() { cancel() }},
			judge: func() string {
				how := grantedOrCancelled(<-waiter)
				return cmp.Or(atRest(p, 1), how)
			},
		}
	})
}

// Both pools may serve the client in the moment in which it goes: then both have
// their workers back, unused.
func TestLitmusOfCancelAndGrantsOfAGroup(t *testing.T) {
	litmus(t, million/4, grades{"cancelled": usual, "granted": usual}, func(t *testing.T) race {
		one, _ := litmusPool(t, pool.Options{Size: 1, ReclaimGrace: time.Hour})
		other, _ := litmusPool(t, pool.Options{Size: 1, ReclaimGrace: time.Hour})
		group := pool.NewGroup(one, other)
		lendOne, lendOther := lender(t, one), lender(t, other)
		var first, second fakeLease
		var cancel context.CancelFunc
		var waiter <-chan error
		return race{
			prepare: func() {
				first, second = lendOne(), lendOther()
				var ctx context.Context
				ctx, cancel = context.WithCancel(context.Background())
				waiter = borrow(ctx, group.Checkout)
				queued(one, 1)
				queued(other, 1)
			},
			sides: []func(){func() { first.Checkin() }, func() { second.Checkin() }, func() { cancel() }},
			judge: func() string {
				how := grantedOrCancelled(<-waiter)
				return cmp.Or(atRest(one, 1), atRest(other, 1), how)
			},
		}
	})
}

// One place to wait, and a more important client comes for it while the worker
// does.
func TestLitmusOfDisplacementAndGrant(t *testing.T) {
	litmus(t, million/2, grades{"displaced": usual, "served": usual}, func(t *testing.T) race {
		p, _ := litmusPool(t, pool.Options{Size: 1, MaxWaiting: 1})
		important := p.With(pool.Terms{Priority: pool.PriorityHigh})
		lend := lender(t, p)
		var holder fakeLease
		var waiter <-chan error
		var rival error
		return race{
			prepare: func() {
				holder = lend()
				waiter = borrow(context.Background(), p.Checkout)
				queued(p, 1)
			},
			sides: []func(){
				func() { holder.Checkin() },
				func() { rival = <-borrow(context.Background(), important.Checkout) },
			},
			judge: func() string {
				if rival != nil {
					return "the more important client is refused: " + rival.Error()
				}
				how := "served"
				if err := <-waiter; errors.Is(err, pool.ErrOverloaded) {
					how = "displaced"
				} else if err != nil {
					how = err.Error()
				}
				return cmp.Or(atRest(p, 1), how)
			},
		}
	})
}

// A worker comes back while a client, who has found none, is about to wait.
//
// djc/bb8#122, vitessio/vitess#17662: both were there, and neither knew.
func TestLitmusOfCheckinAndQueueing(t *testing.T) {
	litmus(t, million, grades{"found": usual, "waited for": usual}, func(t *testing.T) race {
		p, _ := litmusPool(t, pool.Options{Size: 1, MaxWait: 10 * time.Second})
		lend := lender(t, p)
		var lease, next fakeLease
		var waited uint64
		var err error
		return race{
			prepare: func() { lease, waited = lend(), p.Stats().Waited },
			sides: []func(){
				func() { lease.Checkin() },
				func() { next, err = p.Checkout(context.Background()) },
			},
			judge: func() string {
				if err != nil {
					return "nobody told the one who waits: " + err.Error()
				}
				work(next)
				next.Checkin()
				how := "found"
				if p.Stats().Waited > waited {
					how = "waited for"
				}
				return cmp.Or(atRest(p, 1), how)
			},
		}
	})
}

func TestLitmusOfTwoClaims(t *testing.T) {
	litmus(t, million, grades{"the first has it": usual, "the second has it": usual}, func(t *testing.T) race {
		p, _ := litmusPool(t, pool.Options{Size: 1})
		hasty := p.With(pool.Terms{MaxWait: 1})
		lend, contexts, n := lender(t, p), clients(t), 0
		var ctx context.Context
		var first, second fakeLease
		var refused, refusedToo error
		return race{
			prepare: func() {
				lend().Checkin()
				n++
				ctx = contexts[n/2%2] // whom the worker knows, or not
			},
			sides: []func(){
				func() { first, refused = hasty.Checkout(ctx) },
				func() { second, refusedToo = p.TryCheckout(ctx) },
			},
			judge: func() string {
				first.Checkin()
				second.Checkin()
				switch {
				case refused == nil && refusedToo == nil: // neither has returned it in between
					return "both have it"
				case refused == nil:
					return cmp.Or(atRest(p, 1), "the first has it")
				case refusedToo == nil:
					return cmp.Or(atRest(p, 1), "the second has it")
				}
				return fmt.Sprint("nobody has it: ", refused, refusedToo)
			},
		}
	})
}
