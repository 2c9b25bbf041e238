package pool_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
	"github.com/stretchr/testify/require"
)

// The worker crashes in the old epoch, ends in the new one, and backs off.
func TestACrashOfTheOldEpochDoesNotKeepTheNewOneStarting(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.Next(pooltest.Script{}, pooltest.Script{Run: pooltest.Fail}, pooltest.Script{Run: pooltest.Fail, RunAfter: time.Millisecond, StopAfter: 3 * time.Second})
		p := start(t, reg, b, pool.Options{Size: 2, MaxStarting: 1, AsyncStart: true, MaxRestarts: 100,
			Backoff: pool.Backoff{Min: 30 * time.Second}})
		time.Sleep(100 * time.Millisecond)
		settle(t, p)
		require.Equal(t, 1, p.Stats().Stopping)
		began := time.Now()
		require.NoError(t, p.Restart(t.Context()))
		require.Less(t, time.Since(began), 10*time.Second)
	})
}

func TestAPoolOfOverflowAloneThatKeepsDyingBacksOff(t *testing.T) {
	for _, opts := range []pool.Options{{Size: 1}, {MaxOverflow: 1}} {
		t.Run("", func(t *testing.T) {
			inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
				p := start(t, reg, b, opts)
				lease := take(t, t.Context(), p)
				lease.Checkin()
				time.Sleep(11 * time.Second)
				began := time.Now()
				for range 6 {
					pooltest.KillManager(p, pooltest.AtIdle)
					synctest.Wait()
					for p.Stats().State == pool.StateRestarting || p.Stats().State == pool.StateStarting {
						time.Sleep(time.Millisecond)
						synctest.Wait()
					}
				}
				require.Greater(t, time.Since(began), time.Second)
			})
		})
	}
}

func TestEachRelapseIsSlowerInAPoolOfOverflowAloneToo(t *testing.T) {
	for _, opts := range []pool.Options{{Size: 1, AsyncStart: true}, {MaxOverflow: 1}} {
		t.Run("", func(t *testing.T) {
			inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
				opts.MaxRestarts = 1
				opts.Backoff = pool.Backoff{Min: -1}
				p := start(t, reg, b, opts)
				lease := take(t, t.Context(), p)
				lease.Checkin()
				time.Sleep(11 * time.Second)
				relapse := func() time.Duration {
					b.FailNext(6)
					pooltest.KillWorker(p, 0)
					synctest.Wait()
					if p.Stats().State != pool.StateCrashLoop {
						_, err := p.Checkout(t.Context())
						require.ErrorIs(t, err, pool.ErrUnavailable)
					}
					require.Equal(t, pool.StateCrashLoop, p.Stats().State)
					in := p.Inspect().RetryIn
					for {
						l, err := p.Checkout(t.Context())
						if err == nil {
							l.Checkin()
							break
						}
						time.Sleep(10 * time.Millisecond)
					}
					synctest.Wait()
					return in
				}
				first := relapse()
				second := relapse()
				require.Greater(t, second, 2*first)
			})
		})
	}
}

func TestAStuckStartThatCannotBeDetachedIsAFailedStart(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.Next(pooltest.Script{Run: pooltest.Ignore})
		b.Always(pooltest.Script{Start: pooltest.Ignore})
		p := start(t, reg, b, pool.Options{Size: 1})
		l := take(t, t.Context(), p)
		l.Retire(nil) // becomes the one zombie there may be
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		_, err := p.Checkout(ctx)
		require.ErrorIs(t, err, pool.ErrUnavailable)
		require.Less(t, time.Since(began), time.Minute)
		b.Release()
		synctest.Wait()
		b.Always(pooltest.Script{})
		require.NoError(t, p.WaitReady(ctx, 1))
		settle(t, p)
		_ = p.Resize(ctx, 1)
	})
}

// The ramp is of one crash loop: what dies together afterwards starts together.
func TestTheRampAfterACrashLoopEndsWhenAllAreUp(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 4})
		crashLoop(t, p, b)
		b.Always(pooltest.Script{})
		require.NoError(t, p.WaitReady(t.Context(), 4))
		time.Sleep(time.Minute)
		breakDown(p, b, pooltest.Script{StartAfter: time.Second})
		settle(t, p)
		require.Equal(t, 4, p.Stats().Starting)
		require.NoError(t, p.WaitReady(t.Context(), 4))
		settle(t, p)
	})
}

func TestSlotsThatFailTogetherAreNotTriedAgainTogether(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		const size = 20
		a := &attempts{fails: func(pool.Slot) bool { return true }}
		pooltest.StartIn(t, reg, a.watch(b.Spec()), pool.Options{Size: size, AsyncStart: true, MaxStarting: -1, MaxRestarts: -1})
		began := time.Now()
		time.Sleep(100 * ms) // all slots have failed for the third time
		times := map[time.Duration]bool{}
		for _, third := range a.since(began.Add(1), -1) {
			times[third.at.Sub(began)] = true
		}
		require.Len(t, times, size)
	})
}

func TestACrashLoopProbesNothingWhileAStartFromBeforeIsUnderWay(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 2, MaxRestarts: 1})
		b.Always(pooltest.Script{StartAfter: 20 * time.Second})
		require.True(t, pooltest.KillWorker(p, 0))
		settle(t, p)
		require.Equal(t, 1, p.Stats().Starting)
		require.True(t, pooltest.KillWorker(p, 1))
		settle(t, p)
		require.Equal(t, pool.StateCrashLoop, p.Stats().State)
		starts := b.Starts()
		time.Sleep(20*time.Second - time.Nanosecond)
		settle(t, p)
		require.Equal(t, starts, b.Starts())
		time.Sleep(time.Nanosecond)
		settle(t, p)
		require.Equal(t, starts+1, b.Starts(), "the probe was due long ago")
	})
}

// A start that hangs is not a worker, and what another slot tries meanwhile does
// not make it one.
func TestTheTimeWithoutAWorkerGoesOnWhileOneSlotHangsAndAnotherFails(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 2, MaxRestarts: 10, RestartWindow: time.Second, Backoff: pool.Backoff{Min: 2 * time.Second}})
		b.Always(pooltest.Script{Start: pooltest.Hang})
		require.True(t, pooltest.KillWorker(p, 0))
		settle(t, p)
		b.Always(pooltest.Script{Start: pooltest.Fail})
		require.True(t, pooltest.KillWorker(p, 1))
		sleepUntil(time.Now().Add(10*time.Second - 1))
		require.Equal(t, pool.StateDegraded, p.Stats().State)
		require.Equal(t, 1, p.Stats().Starting)
		sleepUntil(time.Now().Add(1))
		require.Equal(t, pool.StateCrashLoop, p.Stats().State)
	})
}
