package pool_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

func TestStopEndsAPoolWhoseSlotIsOutOfService(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.Always(pooltest.Script{Stop: pooltest.Ignore})
		p := start(t, reg, b, pool.Options{Size: 1})
		for range 2 { // a zombie, and no room for a second
			take(t, t.Context(), p).Retire(nil)
			time.Sleep(6 * time.Second)
		}
		settle(t, p)
		require.Equal(t, 1, p.Stats().Stopping)
		stopped := inBackground(func() error { return p.Stop(t.Context()) })
		time.Sleep(5 * time.Second)
		settle(t, p)
		require.Len(t, stopped, 1)
		var report *pool.StopError
		require.ErrorAs(t, <-stopped, &report)
		require.Len(t, report.Zombies, 2)
	})
}

func TestASlotOutOfServiceGoesOnWhenAZombieOfAnotherEnds(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.Next(pooltest.Script{}, pooltest.Script{Stop: pooltest.Ignore})
		spec, free := b.Spec(), make(chan struct{})
		stop := spec.Stop
		spec.Stop = func(w *pooltest.Worker, ctx context.Context) error {
			if w.ID == 1 {
				<-free
			}
			return stop(w, ctx)
		}
		p := pooltest.StartIn(t, reg, spec, pool.Options{Size: 1})
		for range 2 {
			take(t, t.Context(), p).Retire(nil)
			time.Sleep(6 * time.Second)
		}
		settle(t, p)
		require.Equal(t, 1, p.Stats().Stopping)
		close(free)
		settle(t, p)
		require.Equal(t, 1, p.Stats().Zombies, "the second takes the place of the first")
		require.Equal(t, 1, p.Stats().Idle)
	})
}

func TestAStartThatNeverEndsHoldsUpNoProbe(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 2, StartTimeout: time.Second, StopTimeout: time.Second})
		b.Always(pooltest.Script{Start: pooltest.Fail})
		never := pooltest.Script{Start: pooltest.Ignore}
		b.Next(never, never, never)
		pooltest.KillWorker(p, 0)
		pooltest.KillWorker(p, 1)
		time.Sleep(time.Minute)
		settle(t, p)
		require.Equal(t, pool.StateCrashLoop, p.Stats().State)
		require.Equal(t, 2, p.Stats().Zombies)
		require.Equal(t, 1, p.Stats().Starting)
		starts := b.Starts()
		time.Sleep(time.Minute)
		require.GreaterOrEqual(t, b.Starts(), starts+10)
	})
}

func TestAStartThatNeverEndsMakesNoOtherWorkerSurplus(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{
			Size: 1, MaxOverflow: 1, OverflowLinger: -1, StartTimeout: time.Second, StopTimeout: time.Second,
		})
		never := pooltest.Script{Start: pooltest.Ignore}
		b.Next(never, never, never)
		lease := take(t, t.Context(), p)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		_, err := p.Checkout(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 1, p.Stats().Starting)
		require.Equal(t, 2, p.Stats().Zombies)
		lease.Checkin()
		settle(t, p)
		require.Zero(t, lease.Worker().Stops())
		require.Equal(t, 1, p.Stats().Idle)
	})
}

func TestASurplusWorkerThatEndsSlowlyDelaysNoReplacement(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 1, MaxOverflow: 1, OverflowLinger: -1})
		b.Next(pooltest.Script{StopAfter: 3 * time.Second})
		take(t, t.Context(), p)
		surplus := take(t, t.Context(), p)
		surplus.Checkin()
		settle(t, p)
		require.Equal(t, 1, p.Stats().Stopping)
		pooltest.KillWorker(p, 0)
		settle(t, p)
		require.Equal(t, 1, p.Stats().Stopping)
		require.Equal(t, 1, p.Stats().Idle)
	})
}
