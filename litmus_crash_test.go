package pool_test

import (
	"cmp"
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/internal/burst"
	"github.com/pooltender/pool/pooltest"
)

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

// The second death within a moment makes the pool suspicious: whoever comes after it
// gets no worker that was there before, unless that has been checked.
func TestLitmusOfSuspicionAndCheckout(t *testing.T) {
	how := func(lease fakeLease, err error, starts int, suspected bool) string {
		w := lease.Worker()
		switch {
		case err != nil:
			return "refused: " + err.Error()
		case reason(lease) == pool.EndCrashed:
			return "dead then"
		case w.ID > starts:
			return "the replacement"
		case w.Checks() > 0:
			return "checked before"
		case suspected:
			return "a suspect is lent as it was"
		}
		return "as it was"
	}
	litmus(t, million/10, grades{
		"as it was": usual, "checked before": usual, "the replacement": rare, "dead then": usual,
	}, func(t *testing.T) race {
		reg, b := litmusRegistry(t), litmusBackend(t)
		b.Checks = true
		var p fakes
		var began time.Time
		var starts int
		var lease fakeLease
		var err error
		var suspicious atomic.Bool
		var suspected bool // when the client came
		return race{
			prepare: func() {
				p = pooltest.StartIn(t, reg, b.Spec(), litmusOptions(pool.Options{Size: 2, MaxWait: 10 * time.Second}))
				began = time.Now()
				require.True(t, pooltest.KillWorker(p, 0))
				warm(t, context.Background(), p, 2)
				starts = b.Starts()
				suspicious.Store(false)
			},
			sides: []func(){
				func() {
					suspected = suspicious.Load()
					lease, err = p.Checkout(context.Background())
				},
				func() {
					pooltest.KillWorker(p, 1)
					suspicious.Store(time.Since(began) < burst.Window) // on a busy machine it may have taken longer
				},
			},
			judge: func() string {
				how := how(lease, err, starts, suspected)
				lease.Checkin()
				require.NoError(t, p.Stop(context.Background()))
				return how
			},
		}
	})
}
