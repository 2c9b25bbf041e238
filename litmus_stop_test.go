package pool_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

func TestLitmusOfStopAndCheckout(t *testing.T) {
	litmus(t, million/10, grades{"refused": usual, "lent before": usual}, func(t *testing.T) race {
		reg, b := litmusRegistry(t), litmusBackend(t)
		contexts, n := clients(t), 0
		var p fakes
		var ctx context.Context
		var stopped, how string
		var holding bool // guarded by the pool, which stops when its worker is back
		return race{
			prepare: func() {
				n++
				ctx, how, stopped = contexts[n%2], "", ""
				p = pooltest.StartIn(t, reg, b.Spec(), litmusOptions(pool.Options{Size: 1}))
				warm(t, ctx, p, 1)
			},
			sides: []func(){
				func() {
					l, err := p.Checkout(ctx)
					if err != nil {
						if how = "refused"; !errors.Is(err, pool.ErrStopped) {
							how = err.Error()
						}
						return
					}
					holding = true
					work(l)
					holding = false
					if how = "lent before"; !l.Checkin() {
						how = "revoked by a Stop that drains: " + l.Err().Error()
					}
				},
				func() {
					if err := p.Stop(context.Background()); err != nil || holding {
						stopped = fmt.Sprintf("stopped though a client has a worker: %t, %v", holding, err)
					}
				},
			},
			judge: func() string { return cmp.Or(stopped, how) },
		}
	})
}

// A pool is stopped, and somebody starts another of that name as soon as he may:
// then the workers of the first have ended.
func TestLitmusOfStopAndStartOfTheNext(t *testing.T) {
	litmus(t, million/10, grades{"free": usual, "taken first": usual}, func(t *testing.T) race {
		reg, b := litmusRegistry(t), litmusBackend(t)
		opts := litmusOptions(pool.Options{Size: 1})
		p := pooltest.StartIn(t, reg, b.Spec(), opts)
		var old *pooltest.Worker
		var next fakes
		var err error
		var tries int
		var early bool
		return race{
			prepare: func() {
				lease := take(t, context.Background(), p)
				old, tries = lease.Worker(), 0
				lease.Checkin()
			},
			sides: []func(){
				func() { assert.NoError(t, p.Stop(context.Background())) },
				func() {
					hesitate()
					for {
						next, err = pool.Start(context.Background(), reg, p.Name(), b.Spec(), opts)
						if !errors.Is(err, pool.ErrExists) {
							break
						}
						tries++
						runtime.Gosched()
					}
					early = old.Context().Err() == nil
				},
			},
			judge: func() string {
				if err != nil || early {
					return fmt.Sprintf("started early: %t, %v", early, err)
				}
				p = next
				if tries == 0 {
					return "free"
				}
				return "taken first"
			},
		}
	})
}

// A pool is stopped by its name while it starts.
func TestLitmusOfStartAndStopByName(t *testing.T) {
	litmus(t, million/10, grades{
		"stopped before it starts": usual, "stopped while it starts": usual, "stopped when it has started": usual,
	}, func(t *testing.T) race {
		reg, b := litmusRegistry(t), litmusBackend(t)
		opts, name := litmusOptions(pool.Options{Size: 1}), t.Name()
		var p fakes
		var started, stopped error
		return race{
			prepare: func() {},
			sides: []func(){
				func() { p, started = pool.Start(context.Background(), reg, name, b.Spec(), opts) },
				func() { hesitate(); stopped = reg.Stop(context.Background(), name) },
			},
			judge: func() string {
				left := len(slices.Collect(reg.Pools()))
				switch {
				case errors.Is(stopped, pool.ErrNotFound) && started == nil && left == 1:
					lease := take(t, context.Background(), p)
					lease.Checkin()
					require.NoError(t, p.Stop(context.Background()))
					return "stopped before it starts"
				case left > 0:
				case stopped == nil && errors.Is(started, pool.ErrStopped):
					return "stopped while it starts"
				case stopped == nil && started == nil:
					return "stopped when it has started"
				}
				return fmt.Sprintf("%d left, start: %v, stop: %v", left, started, stopped)
			},
		}
	})
}
