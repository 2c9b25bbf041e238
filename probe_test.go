package pool_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

func TestAPoolOfOverflowWorkersAloneLeavesCrashLoop(t *testing.T) {
	for name, linger := range map[string]time.Duration{"lingering": 0, "not lingering": -1} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
				p := start(t, reg, b, pool.Options{MaxOverflow: 2, OverflowLinger: linger})
				b.Always(pooltest.Script{Start: pooltest.Fail})
				_, err := p.Checkout(t.Context())
				require.ErrorIs(t, err, pool.ErrUnavailable)
				require.Equal(t, pool.StateCrashLoop, p.Stats().State)
				b.Always(pooltest.Script{})
				time.Sleep(5 * time.Second)
				settle(t, p)
				lease := take(t, t.Context(), p)
				lease.Checkin()
				time.Sleep(time.Second)
				settle(t, p)
				require.Equal(t, pool.StateReady, p.Stats().State)
			})
		})
	}
}

func TestOneFailedStartWhenNobodyWantedAWorkerForLongIsNoCrashLoop(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{MaxOverflow: 2})
		time.Sleep(time.Minute)
		b.FailNext(1)
		take(t, t.Context(), p)
		settle(t, p)
	})
}

func TestAnHourOfHealthMakesProbesPromptAgain(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 1})
		crashLoop := func() {
			b.Always(pooltest.Script{Start: pooltest.Fail})
			pooltest.KillWorker(p, 0)
			for p.Stats().State != pool.StateCrashLoop {
				time.Sleep(time.Millisecond)
			}
			require.LessOrEqual(t, p.Inspect().RetryIn, 100*time.Millisecond)
		}
		crashLoop()
		time.Sleep(time.Minute)
		b.Always(pooltest.Script{})
		time.Sleep(time.Hour)
		require.Equal(t, pool.StateReady, p.Stats().State)
		crashLoop()
		settle(t, p)
	})
}

func TestASlotThatBacksOffHoldsUpNoOther(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		spec, poisoned := b.Spec(), false
		healthy := spec.Start
		spec.Start = func(ctx context.Context) (*pooltest.Worker, error) {
			if slot, _ := pool.SlotFrom(ctx); poisoned && slot.Index == 0 {
				return nil, pooltest.ErrScripted
			}
			return healthy(ctx)
		}
		p := pooltest.StartIn(t, reg, spec, pool.Options{Size: 3, MaxOverflow: 1})
		time.Sleep(time.Minute)
		poisoned = true
		pooltest.KillWorker(p, 0)
		for p.Inspect().Slots[0].RetryIn < 20*time.Second {
			time.Sleep(time.Second)
		}
		held := [3]pool.Lease[*pooltest.Worker]{take(t, t.Context(), p), take(t, t.Context(), p), take(t, t.Context(), p)}
		for _, lease := range held { // one of them in the overflow slot, so slot 0 is not wanted
			lease.Checkin()
		}
		settle(t, p)
		require.Equal(t, 3, p.Stats().Idle)
		pooltest.KillWorker(p, 1)
		settle(t, p)
		require.Equal(t, 3, p.Stats().Idle)
	})
}

func TestTheOrderlyEndOfTheWorkerThatEndedACrashLoopIsNoRelapse(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.NoReset = true
		p := start(t, reg, b, pool.Options{Size: 1})
		b.Always(pooltest.Script{Start: pooltest.Fail})
		pooltest.KillWorker(p, 0)
		for p.Stats().State != pool.StateCrashLoop {
			time.Sleep(10 * time.Millisecond)
		}
		b.Always(pooltest.Script{StopAfter: time.Second})
		require.NoError(t, p.WaitReady(t.Context(), 1))
		time.Sleep(10 * time.Second)
		settle(t, p)
		require.Equal(t, pool.StateReady, p.Stats().State)
		take(t, t.Context(), p).Retire(nil)
		settle(t, p)
		require.Equal(t, pool.StateDegraded, p.Stats().State)
		time.Sleep(time.Second)
		settle(t, p)
		require.Equal(t, pool.StateReady, p.Stats().State)
	})
}
