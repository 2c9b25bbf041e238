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
