package pool_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

// Its context never ends, so there is nothing to watch; its owner is to be known
// all the same, on the fast path too.
func TestTheOwnerIsKnownOfAClientWhoseContextNeverEnds(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.NoReset = true
		p := start(t, reg, b, pool.Options{Size: 1})
		for range 3 { // from the second on the worker is resident
			for _, owner := range []string{"", "", "ann", "ann", "bob"} {
				lease := take(t, context.Background(), p.With(pool.Terms{Owner: owner}))
				require.Equal(t, owner, p.Inspect().Slots[0].Lease.Owner)
				require.True(t, lease.Checkin())
			}
		}
	})
}
