package pool_test

import (
	"cmp"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
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

func TestLitmusOfCrashAndClaim(t *testing.T) {
	litmus(t, million/2, grades{
		"dead before it was lent": usual, "the replacement was lent": usual, "lent, and dead then": usual,
	}, func(t *testing.T) race {
		p, b := litmusPool(t, pool.Options{Size: 1})
		contexts, n := clients(t), 0
		stranger := make([]context.Context, 64) // whom the worker does not know
		for i := range stranger {
			var cancel context.CancelFunc
			stranger[i], cancel = context.WithCancel(context.Background())
			t.Cleanup(cancel)
		}
		var ctx context.Context
		var starts int
		var lease fakeLease
		var err error
		return race{
			prepare: func() {
				n++
				ctx = contexts[n%2]
				warm(t, ctx, p, 1)
				if n%3 == 0 {
					ctx = stranger[n%len(stranger)]
				}
				starts = b.Starts()
			},
			sides: []func(){
				func() { lease, err = p.TryCheckout(ctx) },
				func() { pooltest.KillWorker(p, 0) },
			},
			judge: func() string {
				how := "dead before it was lent"
				switch {
				case err != nil:
				case lease.Worker().ID > starts:
					how = "the replacement was lent"
					work(lease)
				case reason(lease) == pool.EndCrashed:
					how = "lent, and dead then"
				default:
					return "a dead worker is lent: " + string(reason(lease))
				}
				lease.Checkin()
				require.NoError(t, p.WaitReady(t.Context(), 1))
				return cmp.Or(atRest(p, 1), how)
			},
		}
	})
}

func TestLitmusOfEachAndCrash(t *testing.T) {
	litmus(t, million/4, grades{
		"left out": usual, "visited, and dead then": usual, "visited": usual, "the replacement was visited": rare,
	}, func(t *testing.T) race {
		p, b := litmusPool(t, pool.Options{Size: 1})
		lend := lender(t, p)
		var starts int
		var visited []*pooltest.Worker
		var err error
		return race{
			prepare: func() {
				lend().Checkin()
				starts, visited = b.Starts(), nil
			},
			sides: []func(){
				func() {
					err = p.Each(context.Background(), func(ctx context.Context, w *pooltest.Worker) error {
						w.Use(func() { w.Note++ })
						visited = append(visited, w)
						return context.Cause(ctx)
					})
				},
				func() { pooltest.KillWorker(p, 0) },
			},
			judge: func() string {
				require.NoError(t, p.WaitReady(t.Context(), 1))
				var how string
				switch {
				case len(visited) > 1:
					return "a worker and its replacement are visited"
				case len(visited) == 0 && err == nil:
					how = "left out"
				case len(visited) == 0:
					return "left out for a reason: " + err.Error()
				case visited[0].ID > starts:
					how = "the replacement was visited"
				case err == nil:
					how = "visited"
				case errors.As(err, new(*pool.CrashError)):
					how = "visited, and dead then"
				}
				return cmp.Or(atRest(p, 1), how)
			},
		}
	})
}

// Two workers, of which one dies: after so many deaths the other is not lent before
// it has been checked, unless it was lent already.
func TestLitmusOfSuspicionAndCheckout(t *testing.T) {
	how := func(lease fakeLease, err error, checks, starts int) string {
		w := lease.Worker()
		switch {
		case err != nil:
			return "refused: " + err.Error()
		case reason(lease) == pool.EndCrashed:
			return "dead then"
		case w.ID > starts:
			work(lease)
			return "the replacement"
		}
		work(lease)
		if w.Checks() > checks {
			return "checked before"
		}
		return "as it was"
	}
	litmus(t, million/4, grades{
		"as it was": usual, "checked before": usual, "the replacement": rare, "dead then": usual,
	}, func(t *testing.T) race {
		b := litmusBackend(t)
		b.Checks = true
		p := pooltest.StartIn(t, litmusRegistry(t), b.Spec(), litmusOptions(pool.Options{Size: 2, MaxWait: 10 * time.Second}))
		var checks, starts int
		var lease fakeLease
		var err error
		return race{
			prepare: func() {
				warm(t, context.Background(), p, 2)
				held := []fakeLease{take(t, context.Background(), p), take(t, context.Background(), p)}
				starts, checks = b.Starts(), 0
				for _, l := range held {
					if l.Slot().Index == 1 {
						checks = l.Worker().Checks()
					}
					l.Checkin()
				}
			},
			sides: []func(){
				func() { lease, err = p.Checkout(context.Background()) },
				func() { pooltest.KillWorker(p, 0) },
			},
			judge: func() string {
				how := how(lease, err, checks, starts)
				lease.Checkin()
				require.NoError(t, p.WaitReady(t.Context(), 2))
				return how
			},
		}
	})
}
