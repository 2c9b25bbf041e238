package pool_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

// While a dead manager is being replaced nobody ends a lease but the keeper. A
// client that is told so at that moment asks why, and there is a reason.
func TestALeaseThatItsClientCouldNotEndHasEnded(t *testing.T) {
	litmus(t, million/8, grades{"returned": usual, string(pool.EndRestarted): usual}, func(t *testing.T) race {
		p, _ := litmusPool(t, pool.Options{Size: 1, MaxUses: 1 << 30}) // lent and returned under the lock
		var lease fakeLease
		var ended bool
		var err error
		var epoch uint64
		return race{
			prepare: func() {
				reached(p, epoch)
				require.NoError(t, p.WaitReady(context.Background(), 1))
				lease, epoch = take(t, context.Background(), p), p.Inspect().Epoch+1
			},
			sides: []func(){
				func() { pooltest.KillManager(p, pooltest.AtLocked) },
				func() {
					for range rand.IntN(200) { // a worker with a Run cannot be had, so this takes time and the lock
						lease.Detach()
					}
					ended = lease.Checkin()
					err = lease.Err()
				},
			},
			judge: func() string {
				switch {
				case err == nil:
					return fmt.Sprintf("a lease lives that is over, ended by its client: %t", ended)
				case ended:
					return "returned"
				}
				return string(reason(lease))
			},
		}
	})
}
