package pool_test

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

// What the model found, each in its shortest form.

func TestResizeDownStopsNoMoreThanItMust(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 5})
		_ = p.Resize(cancelled, 3) // it does not wait, but two workers may be gone at once
		settle(t, p)
		require.Equal(t, 3, p.Stats().Idle)
		require.Equal(t, 5, b.Starts(), "none is stopped only to be replaced")
	})
}

func TestResizeDownLeavesAWorkerToWhoHasToMove(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 2, MaxOverflow: 2, OverflowLinger: -1})
		regular := p.With(pool.Terms{Key: "regular"})
		first := take(t, t.Context(), regular)
		waits := ask(t.Context(), regular)
		waiting(t, waits)
		require.NoError(t, p.Resize(t.Context(), 0))
		settle(t, p)
		second := lentTo(t, waits)
		require.NotSame(t, first.Worker(), second.Worker(), "keys have no slot any more")
		require.True(t, second.Checkin())
		require.Equal(t, 2, b.Starts(), "none is stopped only to be replaced")
		require.True(t, first.Checkin())
	})
}

func TestAfterResizeDownSurplusWorkersThatComeBackTogetherGo(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 5})
		var leases []fakeLease
		for range 5 {
			leases = append(leases, take(t, t.Context(), p))
		}
		require.ErrorIs(t, p.Resize(cancelled, 3), context.Canceled)
		for _, l := range leases {
			require.True(t, l.Checkin())
		}
		settle(t, p)
		require.Equal(t, 3, p.Stats().Idle)
		require.Equal(t, 5, b.Starts(), "none is stopped only to be replaced")
	})
}

func TestAPoolThatShrinksWhileItDiesIsUpAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.Passive, b.NoStop = true, true // such workers have ended as soon as they are told to
		p := start(t, reg, b, pool.Options{Size: 3})
		leases := []fakeLease{take(t, t.Context(), p), take(t, t.Context(), p), take(t, t.Context(), p)}
		require.ErrorIs(t, p.Resize(cancelled, 1), context.Canceled)
		for _, l := range leases {
			if l.Slot().Index < 2 {
				require.True(t, l.Checkin())
			}
		}
		settle(t, p)
		require.Len(t, p.Inspect().Slots, 3, "the last of them is still in use")
		pooltest.KillManager(p, pooltest.AtIdle)
		settle(t, p)
		require.Equal(t, pool.StateReady, p.Stats().State)
		require.NotContains(t, fmt.Sprint(p.Stats().LastError), "panicked")
	})
}

func TestStopWinsWhenTheNextEpochIsAboutToBegin(t *testing.T) {
	t.Parallel()
	for i := range 200 { // of which the scheduler makes some meet
		synctest.Test(t, func(t *testing.T) {
			reg, b := pooltest.NewRegistry(), pooltest.NewBackend(t)
			p := start(t, reg, b, pool.Options{Size: 1, Backoff: pool.Backoff{Min: -1}})
			stopped := make(chan error, 1)
			pooltest.KillSupervisor(p, pooltest.AtLocked)
			for range i % 40 {
				runtime.Gosched()
			}
			go func() { stopped <- p.Stop(cancelled) }()
			select {
			case err := <-stopped:
				require.NoError(t, err)
			case <-time.After(time.Minute):
				t.Fatal("the stop was forgotten")
			}
			pooltest.Close(t, reg)
		})
	}
}

func TestASlotThatBacksOffDoesNotKeepTheNextEpochStarting(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 1, MaxOverflow: 1, Backoff: pool.Backoff{Min: 10 * time.Second}})
		b.FailNext(1)
		require.True(t, pooltest.KillWorker(p, 0))
		settle(t, p)
		require.Equal(t, 1, p.Stats().BackingOff)
		pooltest.KillManager(p, pooltest.AtIdle)
		settle(t, p)
		lease := take(t, t.Context(), p) // of the slot beyond Size
		settle(t, p)
		require.Equal(t, pool.StateReady, p.Stats().State)
		require.True(t, lease.Checkin())
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		require.NoError(t, p.Restart(ctx))
	})
}
