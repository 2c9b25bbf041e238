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

// later runs fn at the same time as the test, and delivers its error.
func later(fn func() error) <-chan error {
	done := make(chan error, 1)
	go func() { done <- fn() }()
	return done
}

func TestRestartReturnsWhenTheFirstAttemptsHaveEnded(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		events := observe(reg)
		p := start(t, reg, b, pool.Options{Size: 2})
		b.Next(pooltest.Script{StartAfter: time.Second}, pooltest.Script{StartAfter: 2 * time.Second, Start: pooltest.Fail})
		elapsed := stopwatch()
		require.NoError(t, p.Restart(t.Context()))
		require.Equal(t, 2*time.Second, elapsed())
		settle(t, p)
		require.Equal(t, []pool.State{
			pool.StateReady, pool.StateRestarting, pool.StateStarting, pool.StateDegraded, pool.StateReady,
		}, events.states())
	})
}

func TestTheManagerDiesWhileRestartDrains(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 2})
		held := take(t, t.Context(), p)
		restart := later(func() error { return p.Restart(t.Context()) })
		settle(t, p)
		waiter := later(func() error { return p.Do(t.Context(), func(context.Context, *pooltest.Worker) error { return nil }) })
		settle(t, p)
		require.NoError(t, held.Err(), "it drains")
		require.Equal(t, pool.StateRestarting, p.Stats().State)
		require.Equal(t, 1, p.Stats().Waiting)
		pooltest.KillManager(p, pooltest.AtLocked)
		settle(t, p)
		requireRestarted(t, held)
		require.NoError(t, <-restart)
		require.NoError(t, <-waiter)
		require.EqualValues(t, 2, p.Inspect().Epoch, "one restart is enough")
	})
}

func TestTheManagerDiesWhileStopDrains(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 2})
		held := take(t, t.Context(), p)
		stop := later(func() error { return p.Stop(t.Context()) })
		settle(t, p)
		require.NoError(t, held.Err())
		require.ErrorIs(t, p.Restart(t.Context()), pool.ErrStopped)
		pooltest.KillManager(p, pooltest.AtLocked)
		require.NoError(t, <-stop)
		requireRestarted(t, held)
		require.Equal(t, 2, b.Starts(), "the new epoch never begins")
		_, err := reg.Pool(p.Name())
		require.ErrorIs(t, err, pool.ErrNotFound)
	})
}

func TestTheManagerDiesDuringResize(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 2})
		b.Always(pooltest.Script{StartAfter: time.Second})
		elapsed := stopwatch()
		resize := later(func() error { return p.Resize(t.Context(), 5) })
		time.Sleep(500 * ms)
		pooltest.KillSupervisor(p, pooltest.AtLocked)
		require.NoError(t, <-resize)
		require.LessOrEqual(t, elapsed(), 2500*ms, "five starts, four at a time")
		settle(t, p)
		require.Equal(t, 5, p.Stats().Idle)
		require.Equal(t, 5, p.Stats().Size)

		resize = later(func() error { return p.Resize(t.Context(), 1) })
		pooltest.KillSupervisor(p, pooltest.AtLocked)
		require.NoError(t, <-resize)
		settle(t, p) // whichever came first, it has died
		require.NoError(t, p.WaitReady(t.Context(), 0))
		settle(t, p)
		require.Equal(t, 1, p.Stats().Idle)
		require.Len(t, p.Inspect().Slots, 1)
	})
}

// keepKilling kills the manager as soon as a new epoch has begun, n times, and
// returns how long each restart took.
func keepKilling(t *testing.T, p pool.Control, n int) (delays []time.Duration) {
	t.Helper()
	for range n {
		elapsed := stopwatch()
		pooltest.KillManager(p, pooltest.AtIdle)
		settle(t, p)
		time.Sleep(p.Inspect().RetryIn)
		settle(t, p)
		require.NoError(t, p.WaitReady(t.Context(), 0))
		delays = append(delays, elapsed())
	}
	return delays
}

func TestAPoolThatKeepsDyingIsRestartedForEverWithBackoff(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 2})
		inDoubling := func(n int) {
			t.Helper()
			want := time.Duration(0)
			for i, delay := range keepKilling(t, p, n) {
				within(t, want, delay, "restart %d", i)
				want = min(max(100*ms, 2*want), 30*time.Second)
			}
		}
		inDoubling(7) // 3.2 s at the end: not ready for long enough to be forgiven
		time.Sleep(10 * time.Second)
		inDoubling(3)
		time.Sleep(10 * time.Second)
		pooltest.KillWorker(p, 0) // it was ready for so long, though it is not now
		b.FailNext(1)
		pooltest.KillWorker(p, 1)
		inDoubling(3)

		// Whoever waits meanwhile is served, or told at once that it will be too late.
		pooltest.KillManager(p, pooltest.AtIdle)
		settle(t, p)
		require.Equal(t, pool.StateRestarting, p.Stats().State)
		retry := p.Inspect().RetryIn
		require.Positive(t, retry)
		_, err := p.TryCheckout(t.Context())
		require.ErrorIs(t, err, pool.ErrFull)
		elapsed := stopwatch()
		_, err = p.With(pool.Terms{MaxWait: retry - ms}).Checkout(t.Context())
		require.ErrorIs(t, err, pool.ErrUnavailable)
		require.Zero(t, elapsed())
		require.True(t, take(t, t.Context(), p).Checkin())
		require.Equal(t, retry, elapsed())
	})
}

func TestStopAndRestartDoNotWaitForTheBackoffOfThePool(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 1})
		backOff := func() {
			keepKilling(t, p, 5)
			pooltest.KillManager(p, pooltest.AtIdle)
			settle(t, p)
			require.Greater(t, p.Inspect().RetryIn, 500*ms)
		}
		backOff()
		elapsed := stopwatch()
		require.NoError(t, p.Restart(t.Context()))
		require.Zero(t, elapsed())
		require.Equal(t, pool.StateReady, p.Stats().State)

		backOff()
		restart := later(func() error { <-time.After(100 * ms); return p.Restart(t.Context()) })
		waiter := later(func() error { _, err := p.Checkout(t.Context()); return err })
		time.Sleep(50 * ms)
		starts := b.Starts()
		elapsed = stopwatch()
		require.NoError(t, reg.Stop(t.Context(), p.Name()), "by name, at any moment")
		require.Zero(t, elapsed())
		require.ErrorIs(t, <-waiter, pool.ErrStopped)
		require.ErrorIs(t, <-restart, pool.ErrStopped)
		require.Equal(t, starts, b.Starts(), "Stop wins")
	})
}

func TestAPoolThatDiesTooOftenHasFailedUntilRestart(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 2, MaxPoolRestarts: 2})
		name := p.Name()
		keepKilling(t, p, 2)
		held := []workerLease{take(t, t.Context(), p), take(t, t.Context(), p)}
		waiter := later(func() error { _, err := p.Checkout(t.Context()); return err })
		settle(t, p)
		pooltest.KillSupervisor(p, pooltest.AtLocked)
		require.ErrorIs(t, <-waiter, pool.ErrUnavailable)
		settle(t, p)
		for _, l := range held {
			requireRestarted(t, l)
		}
		require.Equal(t, pool.StateFailed, p.Stats().State)
		require.ErrorContains(t, p.Stats().LastError, "worker supervisor")
		require.Empty(t, b.Alive())

		_, err := p.Checkout(t.Context())
		require.ErrorIs(t, err, pool.ErrUnavailable)
		_, err = p.TryCheckout(t.Context())
		require.ErrorIs(t, err, pool.ErrUnavailable)
		require.ErrorIs(t, p.WaitReady(t.Context(), 0), pool.ErrUnavailable)
		require.ErrorIs(t, p.Resize(t.Context(), 3), pool.ErrUnavailable, "the goal stands")
		_, err = pool.Start(t.Context(), reg, name, b.Spec(), pool.Options{Size: 1})
		require.ErrorIs(t, err, pool.ErrExists)
		time.Sleep(10 * time.Second)
		require.Empty(t, b.Alive())

		elapsed := stopwatch()
		require.NoError(t, p.Restart(t.Context()))
		require.Zero(t, elapsed())
		require.Equal(t, pool.StateReady, p.Stats().State)
		require.Equal(t, 3, p.Stats().Size)
		require.True(t, take(t, t.Context(), p).Checkin(), "the handle is good")
		settle(t, p)

		keepKilling(t, p, 2) // the budget is a new one
		time.Sleep(time.Minute + time.Second)
		keepKilling(t, p, 2) // and those before the window do not count
		pooltest.KillManager(p, pooltest.AtIdle)
		settle(t, p)
		require.Equal(t, pool.StateFailed, p.Stats().State)
		elapsed = stopwatch()
		require.NoError(t, p.Stop(t.Context()))
		require.Zero(t, elapsed())
		_, err = pool.Start(t.Context(), reg, name, b.Spec(), pool.Options{Size: 1})
		require.NoError(t, err, "the name is free")
	})
}

func TestOneStubbornWorkerCostsOneSlotNotTheEpoch(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.Next(pooltest.Script{Run: pooltest.Ignore})
		p := start(t, reg, b, pool.Options{Size: 3, MaxStarting: 1})
		pooltest.KillManager(p, pooltest.AtIdle)
		settle(t, p)
		require.Equal(t, 2, p.Stats().Idle)
		require.Equal(t, 1, p.Stats().Stopping)
		time.Sleep(5*time.Second - time.Nanosecond)
		settle(t, p)
		require.Equal(t, 2, p.Stats().Idle)
		time.Sleep(time.Nanosecond)
		settle(t, p)
		require.Equal(t, 3, p.Stats().Idle)
		require.Equal(t, 1, p.Stats().Zombies)

		pooltest.KillManager(p, pooltest.AtIdle) // zombies survive
		settle(t, p)
		require.NoError(t, p.WaitReady(t.Context(), 3))
		require.Equal(t, 1, p.Stats().Zombies)
		b.Release()
		settle(t, p)
		require.Zero(t, p.Stats().Zombies)
		require.Len(t, b.Alive(), 3)
	})
}

func TestWhatIsStuckOrBacksOffDoesNotKeepAnEpochStarting(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.Next(pooltest.Script{Run: pooltest.Ignore}, pooltest.Script{Run: pooltest.Ignore})
		p := start(t, reg, b, pool.Options{Size: 2})
		a := &attempts{fails: isPoisoned}
		q := pooltest.StartIn(t, reg, a.watch(b.Spec()), pool.Options{Size: 2, AsyncStart: true})
		time.Sleep(time.Minute)
		retry := q.Inspect().Slots[1].RetryIn
		pooltest.KillManager(q, pooltest.AtIdle)
		settle(t, q)
		require.Equal(t, pool.StateDegraded, q.Stats().State)
		require.Equal(t, retry, q.Inspect().Slots[1].RetryIn, "delays survive")

		b.Next(pooltest.Script{Run: pooltest.Ignore}, pooltest.Script{Run: pooltest.Ignore})
		pooltest.KillManager(p, pooltest.AtIdle)
		time.Sleep(5 * time.Second) // two zombies, as many as there may be
		settle(t, p)
		require.Equal(t, 2, p.Stats().Idle)
		restart := later(func() error { return p.Restart(t.Context()) })
		time.Sleep(time.Minute)
		settle(t, p)
		require.Equal(t, 2, p.Stats().Stopping, "stuck")
		require.Equal(t, pool.StateDegraded, p.Stats().State)
		require.NoError(t, <-restart)
		b.Release()
		require.NoError(t, p.WaitReady(t.Context(), 2))
	})
}

func TestALeaseOfAnOlderEpochMeansNothing(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.Passive, b.NoReset = true, true
		p := start(t, reg, b, pool.Options{Size: 1})
		old := take(t, t.Context(), p)
		work := old.Context()
		pooltest.KillManager(p, pooltest.AtIdle)
		settle(t, p)
		fresh := take(t, t.Context(), p)
		requireRestarted(t, old)
		_, ok := old.Detach()
		require.False(t, ok)
		require.False(t, p.Checkin(old))
		var end *pool.LeaseError
		require.ErrorAs(t, context.Cause(work), &end)
		require.Equal(t, pool.EndRestarted, end.Reason)
		require.False(t, errors.Is(fresh.Err(), end))
		require.NoError(t, fresh.Err())
		require.Equal(t, old.Slot().Index, fresh.Slot().Index)
		require.True(t, fresh.Checkin())
	})
}
