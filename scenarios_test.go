package pool_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

// Stories of one pool.

func TestScenario01Full(t *testing.T) {
	story(t, func(t *testing.T, e *env) {
		p := e.start(pool.Options{Size: 3})
		leases, workers := e.takeIdle(p, 3)
		require.NotSame(t, workers[0], workers[1])
		require.NotSame(t, workers[0], workers[2])
		require.NotSame(t, workers[1], workers[2])
		e.full(p)

		require.True(t, leases[1].Checkin())
		_, again := e.takeIdle(p, 1)
		require.Same(t, workers[1], again[0])
		e.full(p)
	})
}

func TestScenario02BoundedWork(t *testing.T) {
	story(t, func(t *testing.T, e *env) {
		const clients = 50
		e.home.gate = make(chan struct{})
		p := e.start(pool.Options{Size: 3})
		var work sync.WaitGroup
		for n := range clients {
			work.Go(func() {
				twice, err := pool.Call(t.Context(), p, computing(n))
				assert.NoError(t, err)
				assert.Equal(t, 2*n, twice)
			})
		}
		e.until("all clients compute or wait", func() bool {
			return e.home.computing.Load() == 3 && p.Stats().Waiting == clients-3
		})
		close(e.home.gate)
		work.Wait()
		require.EqualValues(t, 3, e.home.most.Load())
		require.EqualValues(t, clients, p.Stats().Checkouts)
		e.atRest(p, 3, 0)
	})
}

func TestScenario03ClientDiesHolding(t *testing.T) {
	graces := map[string]time.Duration{"grace over": 30 * time.Millisecond, "grace off": -1}
	for _, reclaim := range []pool.Reclaim{pool.ReclaimReplace, pool.ReclaimReuse} {
		for name, grace := range graces {
			t.Run(string(reclaim)+", "+name, func(t *testing.T) {
				story(t, func(t *testing.T, e *env) {
					p := e.start(pool.Options{Size: 3, Reclaim: reclaim, ReclaimGrace: grace})
					ctx, die := context.WithCancel(t.Context())
					lease := e.take(ctx, p)
					died := time.Now()
					die()
					e.until("the lease ends", func() bool { return lease.Err() != nil })
					require.GreaterOrEqual(t, time.Since(died), grace)
					e.endedBy(lease, pool.EndAbandoned)
					require.ErrorIs(t, lease.Err(), context.Canceled)

					e.atRest(p, 3, 0)
					_, workers := e.takeIdle(p, 3)
					if reclaim == pool.ReclaimReuse {
						require.Contains(t, workers, lease.Worker())
						require.Equal(t, 3, e.home.started())
					} else {
						require.NotContains(t, workers, lease.Worker())
						require.Equal(t, 4, e.home.started())
					}
					e.full(p)
				})
			})
		}
	}
}

func TestScenario04ReturnedThenDies(t *testing.T) {
	story(t, func(t *testing.T, e *env) {
		p := e.start(pool.Options{Size: 2, ReclaimGrace: -1})
		later, dieLater := context.WithCancel(t.Context())
		witness := e.take(later, p)
		ctx, die := context.WithCancel(t.Context())
		a := e.take(ctx, p)
		require.True(t, a.Checkin())
		b := e.take(t.Context(), p)
		require.Same(t, a.Worker(), b.Worker())

		die()
		dieLater() // whoever has noticed the later end has not overlooked the first
		e.until("the witness is reclaimed", func() bool { return witness.Err() != nil })
		e.atRest(p, 1, 1)
		require.NoError(t, b.Err())
		_, idle := e.takeIdle(p, 1)
		require.NotSame(t, b.Worker(), idle[0])
		e.full(p)
		require.False(t, a.Checkin())
		require.True(t, b.Checkin())
	})
}

func TestScenario05ReturnedDiesWhilePoolIsBusy(t *testing.T) {
	story(t, func(t *testing.T, e *env) {
		const size = 64
		p := e.start(pool.Options{Size: size, ReclaimGrace: -1})
		ctx, die := context.WithCancel(t.Context())
		var crowd []pool.Lease[*doubler]
		for range size - 1 {
			crowd = append(crowd, e.take(ctx, p))
		}
		a := e.take(ctx, p)
		require.True(t, a.Checkin())
		b := e.take(t.Context(), p)
		require.Same(t, a.Worker(), b.Worker())

		var work sync.WaitGroup
		for n := range 2 * size {
			work.Go(func() { e.double(p, n) })
		}
		die() // all at once: the manager has the others to reclaim, and clients to serve
		work.Wait()
		for _, lease := range crowd {
			require.Error(t, lease.Err())
		}
		require.NoError(t, b.Err())
		e.atRest(p, size-1, 1)
		_, workers := e.takeIdle(p, size-1)
		require.NotContains(t, workers, b.Worker())
		require.True(t, b.Checkin())
	})
}

func TestScenario06UnknownCheckin(t *testing.T) {
	story(t, func(t *testing.T, e *env) {
		other := e.startAs("others", e.home.spec(), pool.Options{Size: 1})
		foreign := e.take(t.Context(), other)

		former := e.start(pool.Options{Size: 3})
		formerLife := e.take(t.Context(), former)
		require.True(t, formerLife.Checkin())
		require.NoError(t, former.Stop(t.Context()))

		p := e.start(pool.Options{Size: 3})
		returned := e.take(t.Context(), p)
		require.True(t, returned.Checkin())
		dead := e.take(t.Context(), p)
		dead.Worker().kill(byError)
		e.until("the lease of the dead ends", func() bool { return dead.Err() != nil })
		e.atRest(p, 3, 0)
		held := e.take(t.Context(), p)

		before := p.Stats()
		for what, lease := range map[string]pool.Lease[*doubler]{
			"returned": returned, "of a dead worker": dead, "of another pool": foreign,
			"of a former pool of the name": formerLife, "forged": {},
		} {
			require.False(t, p.Checkin(lease), what)
		}
		require.Equal(t, before, p.Stats())
		require.NoError(t, held.Err())
		require.NoError(t, foreign.Err(), "to its own pool it means something")
		require.True(t, other.Checkin(foreign))
		require.True(t, p.Checkin(held))
	})
}

func TestScenario07LeasedWorkerDies(t *testing.T) {
	story(t, func(t *testing.T, e *env) {
		p := e.start(pool.Options{Size: 3})
		lease := e.take(t.Context(), p)
		work := lease.Context()
		lease.Worker().kill(byError)

		<-work.Done()
		var crash *pool.CrashError
		require.ErrorAs(t, context.Cause(work), &crash)
		require.Equal(t, lease.Slot(), crash.Slot)
		require.ErrorIs(t, crash, errKilled)
		require.NoError(t, t.Context().Err(), "the client lives")
		e.endedBy(lease, pool.EndCrashed)

		e.atRest(p, 3, 0)
		_, workers := e.takeIdle(p, 3)
		require.NotContains(t, workers, lease.Worker())
		require.Equal(t, 4, e.home.started())
	})
}

func TestScenario08IdleWorkerDies(t *testing.T) {
	story(t, func(t *testing.T, e *env) {
		p := e.start(pool.Options{Size: 3})
		victim := e.home.alive()[1]
		release := e.home.hold()
		victim.kill(byError)
		e.until("its death is known", func() bool { return p.Stats().Crashes == 1 })

		_, workers := e.takeIdle(p, 2)
		require.NotContains(t, workers, victim)
		e.full(p)
		release()
		replacement := e.take(t.Context(), p)
		require.NotSame(t, victim, replacement.Worker())
		require.Equal(t, victim.slot.Index, replacement.Slot().Index)
		require.EqualValues(t, 2, replacement.Slot().Incarnation)
		e.full(p)
	})
}

// deaths are the ways in which a doubler can die.
var deaths = []func() error{
	byError,
	func() error { return nil },
	func() error { panic(errKilled) },
	func() error { runtime.Goexit(); return nil },
}

func TestScenario09ExactlyOneReplacement(t *testing.T) {
	story(t, func(t *testing.T, e *env) {
		p := e.start(pool.Options{Size: 3, MaxRestarts: -1, Backoff: pool.Backoff{Min: -1}})
		for n := range 24 {
			alive := e.home.alive()
			require.Len(t, alive, 3)
			victim := alive[n/4%3] // the oldest is soon an original one no more

			var held pool.Lease[*doubler]
			leased := n%2 == 1
			if leased {
				leases, _ := e.takeIdle(p, 3)
				for _, lease := range leases {
					if lease.Worker() == victim {
						held = lease
					} else {
						require.True(t, lease.Checkin())
					}
				}
			}
			victim.kill(deaths[n%len(deaths)])
			e.until("its death is known", func() bool { return p.Stats().Crashes == uint64(n+1) })
			if leased { // what its client says now does not kill it twice
				e.endedBy(held, pool.EndCrashed)
			}
			require.NoError(t, p.WaitReady(t.Context(), 3))
			e.atRest(p, 3, 0)
			require.Equal(t, 3+n+1, e.home.started())
			require.EqualValues(t, n+1, p.Stats().Restarts)
		}
	})
}

func TestScenario10WorkersOwnWishesDoNotMatter(t *testing.T) {
	story(t, func(t *testing.T, e *env) {
		ctx, cancel := context.WithCancel(context.Background())
		heirs, lives := e.newHome(), sync.WaitGroup{}
		defer lives.Wait()
		defer cancel()
		restartItself := func() {
			heir, err := heirs.start(ctx)
			assert.NoError(t, err)
			lives.Go(func() { _ = heir.run(ctx) })
		}
		spec := e.home.spec()
		spec.Run = func(d *doubler, ctx context.Context) error {
			err := d.run(ctx)
			if err != nil {
				restartItself()
			}
			return err
		}
		spec.Stop = func(d *doubler, _ context.Context) error {
			restartItself()
			return nil
		}

		p := e.startAs("doublers", spec, pool.Options{Size: 3, MaxRestarts: -1, Backoff: pool.Backoff{Min: -1}})
		for n := range 6 {
			e.home.alive()[n%3].kill(byError)
			e.until("its death is known", func() bool { return p.Stats().Crashes == uint64(n+1) })
			e.atRest(p, 3, 0)
			require.Equal(t, 3+n+1, e.home.started())
			require.Equal(t, 2*(n+1), heirs.started())
			leases, workers := e.takeIdle(p, 3)
			for i, d := range workers {
				require.Same(t, e.home, d.home)
				require.True(t, leases[i].Checkin())
			}
		}
		require.NoError(t, p.Stop(t.Context()))
		require.Equal(t, 9, e.home.started())
	})
}

func TestScenario11ManagerDies(t *testing.T) {
	for _, at := range []pooltest.Point{pooltest.AtIdle, pooltest.AtLocked, pooltest.AtRevoke} {
		t.Run(string(at), func(t *testing.T) {
			story(t, func(t *testing.T, e *env) {
				p := e.start(pool.Options{Size: 3, ReclaimGrace: -1})
				old := e.home.alive()
				ctx, die := context.WithCancel(t.Context())
				defer die()
				gone, held := e.take(ctx, p), e.take(t.Context(), p)
				pooltest.KillManager(p, at)
				if at == pooltest.AtRevoke {
					die() // so that there is something to revoke
				}

				e.until("there is a new epoch", func() bool { return p.Inspect().Epoch == 2 })
				e.atRest(p, 3, 0)
				for _, d := range old {
					require.True(t, d.isDead())
				}
				require.Equal(t, 6, e.home.started())
				end := e.endedBy(held, pool.EndRestarted)
				require.ErrorContains(t, end, "manager")
				require.Error(t, gone.Err())
				require.False(t, gone.Checkin())

				found, err := pool.Lookup[*doubler](e.reg, e.name("doublers"))
				require.NoError(t, err)
				require.Same(t, p, found)
				_, workers := e.takeIdle(p, 3)
				require.NotSame(t, held.Worker(), workers[held.Slot().Index])
				e.full(p)
				require.False(t, held.Checkin(), "while another has the slot")
				e.full(p)
			})
		})
	}
}

func TestScenario12WorkerSupervisorDies(t *testing.T) {
	for _, at := range []pooltest.Point{pooltest.AtIdle, pooltest.AtLocked, pooltest.AtStarted} {
		t.Run(string(at), func(t *testing.T) {
			story(t, func(t *testing.T, e *env) {
				var died, refused atomic.Int32
				e.reg.Subscribe(func(event pool.Event) {
					if event.Kind == pool.EventPoolDied {
						died.Add(1)
					}
					if errors.Is(event.Err, pool.ErrExists) {
						refused.Add(1)
					}
				})
				p := e.start(pool.Options{Size: 3, ReclaimGrace: -1})
				leases, workers := e.takeIdle(p, 2)
				held := leases[0]
				pooltest.KillSupervisor(p, at)
				if at == pooltest.AtStarted {
					workers[1].kill(byError) // so that there is something to start
				}
				e.until("there is a new epoch", func() bool { return p.Inspect().Epoch == 2 })
				e.atRest(p, 3, 0)
				require.ErrorContains(t, e.endedBy(held, pool.EndRestarted), "worker supervisor")

				ctx, die := context.WithCancel(t.Context())
				abandoned := e.take(ctx, p)
				die()
				e.until("the manager reclaims", func() bool { return abandoned.Err() != nil })
				e.atRest(p, 3, 0)
				e.home.alive()[0].kill(byError)
				e.until("the supervisor replaces", func() bool { return len(e.home.alive()) == 3 })
				e.atRest(p, 3, 0)
				e.double(p, 21)

				require.EqualValues(t, 2, p.Inspect().Epoch)
				require.NoError(t, e.reg.Shutdown(t.Context())) // delivers the last events
				require.EqualValues(t, 1, died.Load())
				require.Zero(t, refused.Load())
			})
		})
	}
}

func TestScenario13DeferredStart(t *testing.T) {
	story(t, func(t *testing.T, e *env) {
		release := e.home.hold()
		began := time.Now()
		p := e.start(pool.Options{Size: 3, AsyncStart: true})
		if !e.real {
			require.Zero(t, time.Since(began))
		}
		require.Equal(t, pool.StateStarting, p.Stats().State)
		e.full(p)

		var served atomic.Bool
		var client sync.WaitGroup
		client.Go(func() {
			e.double(p, 21)
			served.Store(true)
		})
		e.until("the client waits for workers that are starting", func() bool {
			s := p.Stats()
			return s.Waiting == 1 && e.home.started() == 3
		})
		e.full(p)
		require.Empty(t, e.home.alive())
		require.False(t, served.Load())
		release()
		client.Wait()
		require.True(t, served.Load())
		e.atRest(p, 3, 0)
		e.until("the start is over", func() bool { return p.Stats().State == pool.StateReady })
	})
}

func TestScenario14BadArguments(t *testing.T) {
	story(t, func(t *testing.T, e *env) {
		good, name := pool.Options{Size: 1}, e.name("doublers")
		for _, c := range []struct {
			argument, must string
			reg            *pool.Registry
			name           string
			spec           pool.Spec[*doubler]
			opts           pool.Options
		}{
			{"name", "must not be empty", e.reg, "", e.home.spec(), good},
			{"Size", "must be positive", e.reg, name, e.home.spec(), pool.Options{}},
			{"Size", "must be positive", e.reg, name, e.home.spec(), pool.Options{Size: -1}},
			{"Spec.Start", "must be a function that makes a worker", e.reg, name, pool.Spec[*doubler]{Run: (*doubler).run}, good},
			{"registry", "must be one made by NewRegistry", nil, name, e.home.spec(), good},
		} {
			p, err := pool.Start(t.Context(), c.reg, c.name, c.spec, c.opts)
			require.Nil(t, p)
			var fault *pool.OptionError
			require.ErrorAs(t, err, &fault)
			require.Equal(t, c.argument, fault.Field)
			require.ErrorContains(t, err, c.argument+" "+c.must)
		}
		_, err := pool.Start(t.Context(), e.reg, "", pool.Spec[*doubler]{}, pool.Options{Size: -1})
		for _, argument := range []string{"name", "Spec.Start", "Size"} {
			require.ErrorContains(t, err, argument, "all faults are told at once")
		}
		require.Empty(t, e.reg.Inspect().Pools)
		require.Zero(t, e.home.started())
	})
}
