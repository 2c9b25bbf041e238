package pool_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/internal/hatch"
	"github.com/pooltender/pool/pooltest"
)

// Of lines that a bug has damaged nobody knows any more who stands where: whoever
// can be reached is told, and the next epoch begins with none.
func TestLinesThatWereMiscountedAreFoundAndThoseWhoWaitAreTold(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 1})
		take(t, t.Context(), p)
		client := ask(t.Context(), keyed(p, "any"))
		require.NoError(t, hatch.Open(p).CheckInvariants())
		pool.Miscount(p)
		require.ErrorContains(t, hatch.Open(p).CheckInvariants(), "miscounted")
		pooltest.KillManager(p, pooltest.AtIdle)
		require.ErrorIs(t, refused(t, client), pool.ErrUnavailable)
		require.ErrorContains(t, p.Stats().LastError, "miscounted")
		take(t, t.Context(), p).Checkin()
		settle(t, p)
	})
}
