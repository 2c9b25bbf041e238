package pool_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

func TestSurplusWorkersOfAShrunkPoolLingerAndGo(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.Passive, b.NoStop, b.NoReset = true, true, true // such workers are gone as soon as they are told to
		p := start(t, reg, b, pool.Options{Size: 4, MaxOverflow: 2})
		var held [6]pool.Lease[*pooltest.Worker]
		for range held {
			lease := take(t, t.Context(), p)
			held[lease.Slot().Index] = lease
		}
		for _, slot := range []int{0, 1, 4} {
			held[slot].Checkin()
		}
		require.NoError(t, p.Resize(t.Context(), 1))
		settle(t, p)
		for _, slot := range []int{2, 3, 5} { // slot 4 is empty, and goes with the last
			held[slot].Checkin()
		}
		settle(t, p)
		require.Equal(t, 3, p.Stats().Idle)
		time.Sleep(time.Minute)
		settle(t, p)
		require.Equal(t, 1, p.Stats().Idle)
		require.EqualValues(t, 1, p.Inspect().Epoch)
	})
}

func TestOneFailedStartAfterAPauseIsNoCrashLoop(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 2})
		require.NoError(t, p.Resize(t.Context(), 0))
		time.Sleep(time.Minute)
		b.FailNext(1)
		require.NoError(t, p.Resize(t.Context(), 2))
		settle(t, p)
		require.Equal(t, pool.StateReady, p.Stats().State)
	})
}

func TestTheWorkersOfASlotAreNumberedOnWhenItWasGoneForAWhile(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 2})
		require.NoError(t, p.Resize(t.Context(), 1))
		require.NoError(t, p.Resize(t.Context(), 2))
		synctest.Wait()
		var incarnations []uint64
		for _, w := range b.Workers() {
			if w.Slot.Index == 1 {
				incarnations = append(incarnations, w.Slot.Incarnation)
			}
		}
		require.Equal(t, []uint64{1, 2}, incarnations)
	})
}

func TestAStartThatResizeGivesUpIsStartingToItsEndAndNoFailure(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 1, MaxRestarts: 1})
		b.Always(pooltest.Script{Start: pooltest.Ignore})
		up := later(func() error { return p.Resize(t.Context(), 5) })
		settle(t, p)
		require.Equal(t, 4, p.Stats().Starting)
		down := later(func() error { return p.Resize(t.Context(), 1) })
		settle(t, p)
		require.NoError(t, <-up, "it is past")
		require.Equal(t, 4, p.Stats().Starting)
		require.False(t, p.Stats().Unstable)
		require.Empty(t, down)
		b.Release()
		require.NoError(t, <-down)
		require.Equal(t, 1, p.Stats().Idle)
		settle(t, p)
	})
}
