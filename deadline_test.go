package pool_test

import (
	"context"
	"testing"
	"time"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
	"github.com/stretchr/testify/require"
)

// A slot that backs off for long says nothing of an overflow slot that could
// serve at once.
func TestADeadlineIsNotHopelessWhileAnOverflowSlotIsFree(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.FailNext(2)
		p := start(t, reg, b, pool.Options{Size: 1, MaxOverflow: 1, AsyncStart: true, MaxRestarts: 100,
			Backoff: pool.Backoff{Min: 20 * time.Second}})
		settle(t, p)
		require.Equal(t, 1, p.Stats().BackingOff)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		lease, err := p.Checkout(ctx)
		require.NoError(t, err, "a client without a deadline is served at once by the overflow slot")
		lease.Checkin()
	})
}

// The only slot there is backs off for longer than the client can wait.
func TestAWaitThatIsHopelessEndsAtOnceInAPoolOfOverflowAlone(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.FailNext(100)
		p := start(t, reg, b, pool.Options{MaxOverflow: 1, AsyncStart: true, MaxRestarts: 100,
			Backoff: pool.Backoff{Min: 8 * time.Second, Max: 8 * time.Second}})
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		_, err := p.Checkout(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		ctx, cancel = context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = p.Checkout(ctx)
		require.ErrorIs(t, err, pool.ErrUnavailable)
	})
}
