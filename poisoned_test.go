package pool_test

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

// While a dead manager is being replaced nobody ends a lease but the keeper. A
// client that is told so at that moment asks why, and there is a reason.
func TestALeaseThatItsClientCouldNotEndHasEnded(t *testing.T) {
	o := newOutcomes(t)
	defer o.tell()
	p, _ := litmusPool(t, pool.Options{Size: 1, MaxUses: 1 << 30}) // lent and returned under the lock
	for range rounds(300) {
		require.NoError(t, p.WaitReady(t.Context(), 1))
		l := take(t, t.Context(), p)
		var ended bool
		var err error
		meet(func() { pooltest.KillManager(p, pooltest.AtLocked) }, func() {
			for range rand.IntN(200) { // a worker with a Run cannot be had, so this takes time and the lock
				l.Detach()
			}
			ended = l.Checkin()
			err = l.Err()
		})
		switch {
		case err == nil:
			o.forbidden("a lease that is over lives", ended)
		case ended:
			o.saw("returned")
		default:
			require.Equal(t, pool.EndRestarted, reason(l))
			o.saw("restarted")
		}
	}
	pooltest.Check(t, p)
}
