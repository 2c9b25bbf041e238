package pool_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

// Stories of many pools.

// portrait is everything there is in a pool, without what only time changes.
func portrait(p pool.Control) pool.PoolInfo {
	info := p.Inspect()
	for i := range info.Slots {
		info.Slots[i].Age = 0
		if info.Slots[i].Lease != nil {
			info.Slots[i].Lease.Age = 0
		}
	}
	for i := range info.Waiters {
		info.Waiters[i].Waited = 0
	}
	return info
}

func TestScenario15SideBySide(t *testing.T) {
	story(t, func(t *testing.T, e *env) {
		first := e.start(pool.Options{Size: 3})
		held := e.take(t.Context(), first)
		before := portrait(first)

		shouters := pool.Spec[func(string) string]{
			Start: func(context.Context) (func(string) string, error) { return strings.ToUpper, nil },
		}
		second, err := pool.Start(t.Context(), e.reg, e.name("shouters"), shouters, pool.Options{Size: 2, MaxOverflow: 1})
		require.NoError(t, err)
		failing := e.newHome()
		failing.dry()
		_, err = pool.Start(t.Context(), e.reg, e.name("stillborn"), failing.spec(), pool.Options{Size: 2})
		require.ErrorIs(t, err, errNoBirth)
		require.Equal(t, before, portrait(first))
		require.NoError(t, held.Err())

		loud, err := pool.Call(t.Context(), second, func(_ context.Context, shout func(string) string) (string, error) {
			return shout("hello"), nil
		})
		require.NoError(t, err)
		require.Equal(t, "HELLO", loud)
		twice, err := held.Worker().compute(t.Context(), 21)
		require.NoError(t, err)
		require.Equal(t, 42, twice)

		_, err = pool.Lookup[*doubler](e.reg, second.Name())
		require.ErrorIs(t, err, pool.ErrWrongType)
		var names []string
		for p := range e.reg.Pools() {
			names = append(names, p.Name())
		}
		require.Equal(t, []string{first.Name(), second.Name()}, names)
		require.Equal(t, 3, first.Stats().Size)
		require.Equal(t, 2, second.Stats().Size)
		require.True(t, held.Checkin())
	})
}

func TestScenario16SameName(t *testing.T) {
	story(t, func(t *testing.T, e *env) {
		again := func() {
			_, err := pool.Start(t.Context(), e.reg, e.name("doublers"), e.home.spec(), pool.Options{Size: 5})
			require.ErrorIs(t, err, pool.ErrExists)
		}
		release := e.home.hold()
		p := e.start(pool.Options{Size: 3, AsyncStart: true})
		again()
		release()
		require.NoError(t, p.WaitReady(t.Context(), 0))
		require.Equal(t, 3, e.home.started())
		e.until("the start is over", func() bool { return p.Stats().State == pool.StateReady })

		held := e.take(t.Context(), p)
		before := portrait(p)
		again()
		require.Equal(t, before, portrait(p))
		require.NoError(t, held.Err())
		require.Equal(t, 3, e.home.started())
		require.True(t, held.Checkin())
		e.double(p, 21)
	})
}

func TestScenario17Independent(t *testing.T) {
	story(t, func(t *testing.T, e *env) {
		others := e.newHome()
		b := e.startAs("b", others.spec(), pool.Options{Size: 2})
		leases, _ := e.takeIdle(b, 2)
		var waiter sync.WaitGroup
		waiter.Go(func() { e.double(b, 21) })
		e.until("a client waits", func() bool { return b.Stats().Waiting == 1 })
		before := portrait(b)

		soon := pool.Backoff{Min: time.Millisecond, Max: time.Millisecond}
		a := e.startAs("a", e.home.spec(), pool.Options{Size: 3, MaxRestarts: 100, Backoff: soon})
		for n := range 10 {
			for _, d := range e.home.alive() {
				d.kill(deaths[n%len(deaths)])
			}
			pooltest.KillManager(a, pooltest.AtIdle)
			pooltest.KillSupervisor(a, pooltest.AtLocked)
			e.until("a has been restarted", func() bool { return a.Inspect().Epoch >= uint64(n+2) })
			require.NoError(t, a.WaitReady(t.Context(), 3))
			e.atRest(a, 3, 0)
		}
		e.home.dry()
		for _, d := range e.home.alive() {
			d.kill(byError)
		}
		e.until("a is in its crash loop", func() bool { return a.Stats().State == pool.StateCrashLoop })

		require.Equal(t, before, portrait(b))
		require.Equal(t, 2, others.started())
		require.True(t, leases[0].Checkin())
		waiter.Wait()
		require.True(t, leases[1].Checkin())
		e.atRest(b, 2, 0)
	})
}

// How often, and how far apart, a manager is killed.
const (
	managerKills = 15
	killInterval = 100 * time.Millisecond
)

func TestScenario18StopByNameAfterRestarts(t *testing.T) {
	virtually(t, func(t *testing.T, e *env) {
		p := e.start(pool.Options{Size: 3})
		for range managerKills {
			if p.Stats().State != pool.StateRestarting { // in its backoff there is no manager to kill
				pooltest.KillManager(p, pooltest.AtIdle)
			}
			time.Sleep(killInterval)
		}
		synctest.Wait()
		deaths := p.Inspect().Epoch - 1
		require.True(t, 4 <= deaths && deaths <= 6, "%d deaths", deaths)
		require.NoError(t, e.reg.Stop(t.Context(), p.Name()))
		_, err := e.reg.Pool(p.Name())
		require.ErrorIs(t, err, pool.ErrNotFound)
	})

	for stop := range managerKills + 1 {
		t.Run(fmt.Sprintf("stopped after %d kills", stop), func(t *testing.T) {
			virtually(t, func(t *testing.T, e *env) {
				for _, relentless := range []bool{false, true} { // or those spared that are in their backoff
					for later := range killInterval / time.Millisecond / 5 {
						p := e.start(pool.Options{Size: 3})
						for range stop {
							if relentless || p.Stats().State != pool.StateRestarting {
								pooltest.KillManager(p, pooltest.AtIdle)
							}
							time.Sleep(killInterval)
						}
						pooltest.KillManager(p, pooltest.AtIdle)
						time.Sleep(later * 5 * time.Millisecond)
						began := time.Now()
						require.NoError(t, e.reg.Stop(t.Context(), p.Name()), "%v later", later)
						require.Zero(t, time.Since(began))
						_, err := e.reg.Pool(p.Name())
						require.ErrorIs(t, err, pool.ErrNotFound)
						synctest.Wait()
						require.Empty(t, e.home.alive())
					}
				}
				e.double(e.start(pool.Options{Size: 3}), 21)
			})
		})
	}

	really(t, func(t *testing.T, e *env) {
		for stop := range managerKills + 1 {
			p := e.start(pool.Options{Size: 3})
			var stopping sync.WaitGroup
			for n := range managerKills + 1 {
				if n == stop {
					stopping.Go(func() { assert.NoError(t, e.reg.Stop(t.Context(), p.Name())) })
				}
				pooltest.KillManager(p, []pooltest.Point{pooltest.AtIdle, pooltest.AtLocked}[n%2])
				runtime.Gosched()
			}
			stopping.Wait()
			_, err := e.reg.Pool(p.Name())
			require.ErrorIs(t, err, pool.ErrNotFound)
		}
		e.double(e.start(pool.Options{Size: 3}), 21)
	})
}

func TestScenario19StopUnknown(t *testing.T) {
	story(t, func(t *testing.T, e *env) {
		require.ErrorIs(t, e.reg.Stop(t.Context(), e.name("nobody")), pool.ErrNotFound)
		p := e.start(pool.Options{Size: 1})
		require.ErrorIs(t, e.reg.Stop(t.Context(), e.name("nobody")), pool.ErrNotFound)
		e.double(p, 21)

		require.NoError(t, e.reg.Stop(t.Context(), p.Name()))
		err := e.reg.Stop(t.Context(), p.Name())
		require.ErrorIs(t, err, pool.ErrNotFound)
		require.ErrorContains(t, err, p.Name())
		require.NoError(t, p.Stop(t.Context()), "the handle knows that it has been stopped")
	})
}

func TestScenario20EverythingRestartsUnderLoad(t *testing.T) {
	story(t, func(t *testing.T, e *env) {
		const clients = 8
		e.home.takes = 5 * time.Millisecond
		opts := pool.Options{Size: 3}
		if e.real {
			e.home.takes = 0
			opts.Backoff = pool.Backoff{Min: -1}
		}
		p := e.start(opts)
		var right, restarted atomic.Int64
		var stopping atomic.Bool
		var load sync.WaitGroup
		for client := range clients {
			load.Go(func() {
				for n := client; ; n++ {
					twice, err := pool.Call(t.Context(), p, computing(n))
					if err == nil {
						if !assert.Equal(t, 2*n, twice) {
							return
						}
						right.Add(1)
						continue
					}
					var ended *pool.LeaseError
					if !errors.As(err, &ended) {
						var refused *pool.CheckoutError
						assert.ErrorAs(t, err, &refused)
						assert.ErrorIs(t, err, pool.ErrStopped)
						assert.True(t, stopping.Load(), "nobody is refused before the pool is stopped")
						return
					}
					if !assert.Equal(t, pool.EndRestarted, ended.Reason) {
						return
					}
					restarted.Add(1)
				}
			})
		}
		progress := func() {
			t.Helper()
			so := right.Load()
			e.until("the clients get on", func() bool { return right.Load() >= so+clients })
		}
		for range managerKills {
			if e.real {
				progress()
			}
			if p.Stats().State != pool.StateRestarting {
				pooltest.KillManager(p, pooltest.AtIdle)
			}
			if !e.real {
				time.Sleep(killInterval)
			}
		}
		progress()
		e.until("the pool is up", func() bool { return p.Stats().State == pool.StateReady })
		progress()
		deaths := int64(p.Inspect().Epoch - 1)
		require.Positive(t, deaths)

		stopping.Store(true)
		require.NoError(t, e.reg.Stop(t.Context(), p.Name()))
		load.Wait()
		require.LessOrEqual(t, restarted.Load(), 3*deaths, "a death ends the leases there are, and harms nobody else")
		_, err := e.reg.Pool(p.Name())
		require.ErrorIs(t, err, pool.ErrNotFound)
	})
}
