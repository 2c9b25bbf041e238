package pool_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

func TestRestartReturnsWhenTheNewWorkersAreUp(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 3})
		b.Always(pooltest.Script{StartAfter: time.Second})
		require.NoError(t, p.Restart(t.Context()))
		require.Equal(t, 3, p.Stats().Idle)
	})
}

func TestRestartDoesNotWaitForASlotThatIsOutOfService(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.Always(pooltest.Script{Stop: pooltest.Ignore})
		p := start(t, reg, b, pool.Options{Size: 2})
		for range 3 { // two zombies, and no room for a third
			take(t, t.Context(), p).Retire(nil)
			time.Sleep(6 * time.Second)
		}
		settle(t, p)
		require.Equal(t, 2, p.Stats().Zombies)
		require.Equal(t, 1, p.Stats().Stopping)
		restarted := inBackground(func() error { return p.Restart(t.Context()) })
		time.Sleep(6 * time.Second)
		settle(t, p)
		require.Len(t, restarted, 1)
		require.NoError(t, <-restarted)
		require.Equal(t, pool.StateDegraded, p.Stats().State)
	})
}

func TestARestartThatDoesNotWaitGoesOnEvenWhileThePoolIsStarting(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.Always(pooltest.Script{StartAfter: time.Second})
		p := start(t, reg, b, pool.Options{Size: 2, AsyncStart: true})
		settle(t, p)
		require.ErrorIs(t, p.Restart(cancelled), context.Canceled)
		require.NoError(t, p.WaitReady(t.Context(), 2))
		settle(t, p)
		require.EqualValues(t, 2, p.Inspect().Epoch)
	})
}

func TestRestartWaitsForTheLastLeaseAndNotForTheEndOfItsWorker(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.Always(pooltest.Script{StopAfter: 3 * time.Second})
		p := start(t, reg, b, pool.Options{Size: 2})
		lease := take(t, t.Context(), p)
		restart := later(func() error { return p.Restart(t.Context()) })
		time.Sleep(4 * time.Second)
		require.Equal(t, pool.StateRestarting, p.Stats().State)
		lease.Checkin()
		settle(t, p)
		require.Equal(t, 1, p.Stats().Idle)
		require.Equal(t, 1, p.Stats().Stopping)
		require.NoError(t, <-restart)
	})
}

func TestARestartOnWhichThePoolFailsSaysSo(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 1, MaxPoolRestarts: 1})
		keepKilling(t, p, 1)
		take(t, t.Context(), p)
		restart := later(func() error { return p.Restart(t.Context()) })
		settle(t, p)
		pooltest.KillManager(p, pooltest.AtIdle)
		require.ErrorIs(t, <-restart, pool.ErrUnavailable)
		require.Equal(t, pool.StateFailed, p.Stats().State)
	})
}

// A bug shows between two epochs, when there is no half that could die of it.
func TestAStateThatIsDamagedBetweenTwoEpochsIsRebuilt(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.Always(pooltest.Script{StopAfter: 50 * ms})
		p := start(t, reg, b, pool.Options{Size: 1})
		keepKilling(t, p, 3)
		pooltest.KillManager(p, pooltest.AtIdle)
		settle(t, p)
		require.Greater(t, p.Inspect().RetryIn, 100*ms)
		require.Equal(t, 1, p.Stats().Stopping)
		epoch := p.Inspect().Epoch
		pooltest.KillReport(p)
		time.Sleep(50 * ms)
		settle(t, p)
		require.Equal(t, epoch+1, p.Inspect().Epoch)
		require.NoError(t, p.WaitReady(t.Context(), 1))
		settle(t, p)
	})
}

func TestAPoolThatIsRestartedBacksOffAsANewOne(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 1})
		keepKilling(t, p, 4)
		require.NoError(t, p.Restart(t.Context()))
		delays := keepKilling(t, p, 2)
		require.Zero(t, delays[0])
		within(t, 100*ms, delays[1])
	})
}

func TestAWorkerThatIsDetachedHasNotFailed(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.Passive = true
		p := start(t, reg, b, pool.Options{Size: 1, MaxRestarts: 3})
		elapsed := stopwatch()
		for range 10 {
			lease := take(t, t.Context(), p)
			require.Equal(t, 1, lease.Slot().Attempt)
			_, ours := lease.Detach()
			require.True(t, ours)
		}
		settle(t, p)
		require.Zero(t, elapsed())
		require.Equal(t, pool.StateReady, p.Stats().State)
		require.False(t, p.Stats().Unstable)
		require.Zero(t, p.Inspect().Failures)
	})
}

// Nothing of the time before a Restart delays the pool after it.
func TestACrashWhileARestartWaitsIsNotHeldAgainstTheSlot(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 2})
		leases := []fakeLease{take(t, t.Context(), p), take(t, t.Context(), p)}
		restart := later(func() error { return p.Restart(t.Context()) })
		settle(t, p)
		slot := leases[0].Slot().Index
		require.True(t, pooltest.KillWorker(p, slot))
		settle(t, p) // it has ended, and the other lease is waited for
		require.True(t, leases[1].Checkin())
		require.NoError(t, <-restart)
		require.NoError(t, p.WaitReady(t.Context(), 2))
		require.Zero(t, p.Inspect().Slots[slot].Failures)
		elapsed := stopwatch()
		require.True(t, pooltest.KillWorker(p, slot))
		require.NoError(t, p.WaitReady(t.Context(), 2))
		require.Zero(t, elapsed(), "it is the first crash")
	})
}
