package pool_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

func TestWhoIsRefusedAtOnceHasNotWaited(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 1, MaxWaiting: 1})
		take(t, t.Context(), p)
		client := ask(t.Context(), p)
		_, err := p.Checkout(t.Context())
		require.ErrorIs(t, err, pool.ErrOverloaded)
		require.Zero(t, refusal(t, err).Waited)
		require.NoError(t, stopNow(p))
		require.ErrorIs(t, refused(t, client), pool.ErrStopped)
		_, err = p.Checkout(t.Context())
		require.ErrorIs(t, err, pool.ErrStopped)
		require.Zero(t, refusal(t, err).Waited)
		err = p.Each(t.Context(), func(context.Context, *pooltest.Worker) error { return nil })
		require.ErrorIs(t, err, pool.ErrStopped)
		require.Zero(t, refusal(t, err).Waited)
	})
}

func TestARefusalTellsHowLongTheFirstOfTheSameLineHasWaited(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 2})
		take(t, t.Context(), p)
		take(t, t.Context(), p)
		mine, other := keyed(p, keyOf(t, p, 0)), keyed(p, keyOf(t, p, 1))
		ask(t.Context(), mine)
		time.Sleep(2 * time.Second)
		ask(t.Context(), p)
		time.Sleep(time.Second)
		for _, row := range []struct {
			pool   fakes
			waited time.Duration
		}{{mine, 3 * time.Second}, {p, time.Second}, {other, 0}} {
			_, err := row.pool.TryCheckout(t.Context())
			require.ErrorIs(t, err, pool.ErrFull)
			require.Equal(t, row.waited, refusal(t, err).RetryAfter)
		}
	})
}

// In a crowd not everybody reads the clock, and the manager dates the others.
func TestWhoLeavesACrowdBeforeTheManagerHasLookedHasNotWaited(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 1})
		take(t, context.Background(), p)
		for range 50 { // it has looked at the first of them, and looks again a millisecond later
			ask(t.Context(), p)
		}
		ctx, leave := context.WithCancel(t.Context())
		client := ask(ctx, p)
		leave()
		refusal := refused(t, client)
		require.ErrorIs(t, refusal, context.Canceled)
		require.Zero(t, refusal.Waited)
	})
}
