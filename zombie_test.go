package pool_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

// mule is a worker that ends when it pleases, not when it is told.
type mule struct {
	slot pool.Slot
	life context.Context
	let  chan struct{}
}

func (m *mule) run(context.Context) error { <-m.let; return nil }

func newMule(ctx context.Context) (*mule, error) {
	slot, _ := pool.SlotFrom(ctx)
	return &mule{slot, ctx, make(chan struct{})}, nil
}

func startMules(t *testing.T, reg *pool.Registry, opts pool.Options) *pool.Pool[*mule] {
	t.Helper()
	return pooltest.StartIn(t, reg, pool.Spec[*mule]{Start: newMule, Run: (*mule).run}, opts)
}

// retireMule retires a worker that will not end.
func retireMule(t *testing.T, p *pool.Pool[*mule]) *mule {
	t.Helper()
	lease, err := p.Checkout(t.Context())
	require.NoError(t, err)
	require.True(t, lease.Retire(nil))
	return lease.Worker()
}

func TestWhatDoesNotEndIsDetachedExactlyStopTimeoutAfterItWasTold(t *testing.T) {
	for hook, row := range map[string]struct {
		script pooltest.Script
		told   time.Duration
		begin  func(t *testing.T, p fakes)
	}{
		"start": {pooltest.Script{Start: pooltest.Ignore}, 3 * time.Second, func(t *testing.T, p fakes) { take(t, t.Context(), p).Retire(nil) }},
		"run":   {pooltest.Script{Run: pooltest.Ignore}, 0, func(t *testing.T, p fakes) { take(t, t.Context(), p).Retire(nil) }},
		"reset": {pooltest.Script{Reset: pooltest.Ignore}, 2 * time.Second, func(t *testing.T, p fakes) { take(t, t.Context(), p).Checkin() }},
		"stop":  {pooltest.Script{Stop: pooltest.Ignore}, 0, func(t *testing.T, p fakes) { take(t, t.Context(), p).Retire(nil) }},
	} {
		t.Run(hook, func(t *testing.T) {
			inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
				if hook == "start" {
					b.Next(pooltest.Script{})
				}
				b.Next(row.script)
				p := start(t, reg, b, pool.Options{
					Size: 1, StartTimeout: 3 * time.Second, CheckTimeout: 2 * time.Second, StopTimeout: 6 * time.Second,
				})
				began := time.Now()
				row.begin(t, p)
				time.Sleep(row.told + 6*time.Second - time.Nanosecond)
				settle(t, p)
				require.Zero(t, p.Stats().Zombies)
				require.Zero(t, p.Stats().Idle)
				time.Sleep(time.Nanosecond)
				settle(t, p)
				require.Equal(t, 1, p.Stats().Idle, "the slot goes on")
				info := p.Inspect()
				require.Len(t, info.Zombies, 1)
				require.Equal(t, hook, info.Zombies[0].Hook)
				require.Equal(t, row.told, info.Zombies[0].Since.Sub(began))
				require.Equal(t, 0, info.Zombies[0].Slot.Index)
				require.Equal(t, p.Name(), info.Zombies[0].Slot.Pool)

				b.Release()
				settle(t, p)
				require.Zero(t, p.Stats().Zombies)
				require.Equal(t, 1, p.Stats().Idle)
				for _, w := range b.Workers() {
					require.Equal(t, w.Stops() == 0, w.Context().Err() == nil)
				}
				require.NoError(t, p.Stop(t.Context()))
			})
		})
	}
}

func TestWithMaxZombiesOutASlotStaysStuckAndVisible(t *testing.T) {
	for name, row := range map[string]struct {
		free func(zombies []*mule, stuck *mule) *mule
		left int
	}{
		"until a zombie ends": {func(zombies []*mule, _ *mule) *mule { return zombies[1] }, 3},
		"until it ends":       {func(_ []*mule, stuck *mule) *mule { return stuck }, 3},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, reg *pool.Registry, _ *pooltest.Backend) {
				p := startMules(t, reg, pool.Options{Size: 2, MaxOverflow: 1})
				var all []*mule
				t.Cleanup(func() {
					for _, m := range all {
						close(m.let)
					}
				})
				for range 3 {
					all = append(all, retireMule(t, p))
					time.Sleep(5 * time.Second)
					settle(t, p)
				}
				require.Equal(t, 3, p.Stats().Zombies)
				require.Equal(t, 2, p.Stats().Idle)
				stuck := retireMule(t, p)
				all = append(all, stuck)
				time.Sleep(time.Hour)
				settle(t, p)
				s := p.Stats()
				require.Equal(t, 3, s.Zombies, "no more than Size + MaxOverflow")
				require.Equal(t, 1, s.Stopping)
				require.Equal(t, 1, s.Idle)
				require.Equal(t, pool.StateDegraded, s.State)
				require.Equal(t, pool.SlotStopping, p.Inspect().Slots[stuck.slot.Index].State)
				require.Error(t, stuck.life.Err())

				close(row.free(all[:3], stuck).let)
				all = deleteMule(all, row.free(all[:3], stuck))
				settle(t, p)
				s = p.Stats()
				require.Equal(t, row.left, s.Zombies)
				require.Equal(t, 2, s.Idle)
				require.Equal(t, pool.StateReady, s.State)
				all = append(all, rest(t, p)...)
				elapsed := stopwatch()
				err := p.Stop(t.Context())
				require.Equal(t, 5*time.Second, elapsed())
				require.Len(t, zombieHooks(t, err), row.left+2)
			})
		})
	}
}

func deleteMule(all []*mule, gone *mule) (left []*mule) {
	for _, m := range all {
		if m != gone {
			left = append(left, m)
		}
	}
	return left
}

// rest returns the workers of a pool that lie idle.
func rest(t *testing.T, p *pool.Pool[*mule]) (idle []*mule) {
	t.Helper()
	for {
		lease, err := p.TryCheckout(t.Context())
		if errors.Is(err, pool.ErrFull) {
			return idle
		}
		require.NoError(t, err)
		defer lease.Checkin()
		idle = append(idle, lease.Worker())
	}
}

func TestStopMakesRoomForWhateverIsStuckAlready(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, _ *pooltest.Backend) {
		p := startMules(t, reg, pool.Options{Size: 1})
		var all []*mule
		for range 2 {
			all = append(all, retireMule(t, p))
			time.Sleep(time.Minute)
			settle(t, p)
		}
		require.Equal(t, 1, p.Stats().Zombies)
		require.Equal(t, 1, p.Stats().Stopping, "stuck, and nothing else to wait for")
		elapsed := stopwatch()
		err := p.Stop(t.Context())
		require.Zero(t, elapsed())
		require.Equal(t, []string{"run", "run"}, zombieHooks(t, err))
		_, err = reg.Pool(p.Name())
		require.ErrorIs(t, err, pool.ErrNotFound)
		for _, m := range all {
			close(m.let)
		}
	})
}

func TestStopReturnsStopTimeoutAfterItsContextAndNamesWhatDidNotEnd(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.Next(
			pooltest.Script{Run: pooltest.Ignore},
			pooltest.Script{Reset: pooltest.Ignore},
			pooltest.Script{Stop: pooltest.Ignore},
			pooltest.Script{}, // leased to the end
			pooltest.Script{},
		)
		p := start(t, reg, b, pool.Options{Size: 5, MaxStarting: 1, Order: pool.OrderFIFO})
		var leases []pool.Lease[*pooltest.Worker]
		for range 5 {
			leases = append(leases, take(t, t.Context(), p))
		}
		leases[0].Checkin() // run
		leases[1].Checkin() // reset
		leases[2].Checkin() // stop
		b.Next(pooltest.Script{Start: pooltest.Ignore})
		leases[4].Retire(nil) // start
		settle(t, p)

		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		elapsed := stopwatch()
		err := p.Stop(ctx)
		require.Equal(t, 5*time.Second, elapsed(), "the leased one ends in order at 3 s, the others were told at once")
		stop, ok := errors.AsType[*pool.StopError](err)
		require.True(t, ok)
		named := map[int]string{}
		for _, z := range stop.Zombies {
			named[z.Slot.Index] = z.Hook
			require.Contains(t, err.Error(), z.Hook)
		}
		require.Equal(t, map[int]string{0: "run", 1: "reset", 2: "stop", 4: "start"}, named)
		require.Equal(t, p.Name(), stop.Pool)
		end, ok := errors.AsType[*pool.LeaseError](leases[3].Err())
		require.True(t, ok)
		require.Equal(t, pool.EndStopped, end.Reason)
		require.Equal(t, pool.StateStopped, p.Stats().State)
		require.Equal(t, err, p.Stop(t.Context()), "every Stop gets the same result")
	})
}

func TestAStubbornLeasedWorkerHoldsStopNoLongerThanStopTimeoutAfterItsContext(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.Always(pooltest.Script{Stop: pooltest.Ignore})
		p := start(t, reg, b, pool.Options{Size: 2})
		take(t, t.Context(), p)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		elapsed := stopwatch()
		err := p.Stop(ctx)
		require.Equal(t, 8*time.Second, elapsed())
		require.Equal(t, []string{"stop", "stop"}, zombieHooks(t, err))
	})
}

func TestAStuckStartIsNeitherForgottenNorCountedTwice(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.Always(pooltest.Script{Start: pooltest.Ignore})
		p := start(t, reg, b, pool.Options{Size: 1, AsyncStart: true, StartTimeout: time.Second, MaxRestarts: -1})
		time.Sleep(time.Minute)
		settle(t, p)
		s := p.Stats()
		require.Equal(t, 1, s.Zombies)
		require.Equal(t, 1, s.Starting, "the second is stuck, there is no room for it")
		require.Equal(t, 2, b.Starts())
		require.Equal(t, "start timeout", hookEnd(s.LastError))

		b.Always(pooltest.Script{})
		b.Release()
		time.Sleep(100 * ms) // its second failure in a row
		settle(t, p)
		require.Len(t, b.Workers(), 3)
		for _, w := range b.Workers()[:2] {
			require.Equal(t, 1, w.Stops(), "they came too late")
		}
		require.Equal(t, 1, p.Stats().Idle)
		require.Zero(t, p.Stats().Zombies)
	})
}
