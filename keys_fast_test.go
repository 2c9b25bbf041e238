package pool_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

// Not even where another is at hand that can be had without the lock.
func TestTryCheckoutWithAKeyTakesNoOtherWorker(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.NoReset = true
		p := start(t, reg, b, pool.Options{Size: 4})
		for i, key := range keysOf(t, p) {
			warm(t, context.Background(), p, 4)
			lease, err := keyed(p, key).TryCheckout(context.Background())
			require.NoError(t, err)
			require.Equal(t, i, lease.Slot().Index)
			_, err = keyed(p, key).TryCheckout(context.Background())
			require.ErrorIs(t, err, pool.ErrFull)
			lease.Checkin()
		}
	})
}
