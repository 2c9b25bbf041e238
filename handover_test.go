package pool_test

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

func TestABugInThePoolOnAWorkersGoroutineCostsAnEpochAndNothingElse(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 2})
		lease := take(t, t.Context(), p)
		pooltest.KillReport(p)
		lease.Worker().Crash(pooltest.ErrScripted)
		time.Sleep(time.Second)
		settle(t, p)
		require.EqualValues(t, 2, p.Inspect().Epoch)
		require.Equal(t, 2, p.Stats().Idle)
		require.Zero(t, p.Stats().Zombies)
		require.ErrorContains(t, p.Stats().LastError, "killed at")
		for _, w := range b.Workers()[:2] {
			require.Equal(t, 1, w.Stops())
		}
	})
}

// When a worker crashes between hand-over and delivery: the waiter waits on with
// its old ticket, or gets a lease whose Done is closed; never lost, and nobody
// who came later is served before it.
func TestAWorkerThatCrashesInTheHandOverCostsNobodyHisTurn(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.NoReset = true
		p := start(t, reg, b, pool.Options{Size: 1})
		for range 300 {
			holder := take(t, t.Context(), p)
			var mu sync.Mutex
			var served []string
			for _, name := range []string{"first", "second"} {
				go func() {
					lease, err := p.Checkout(t.Context())
					assert.NoError(t, err)
					mu.Lock()
					served = append(served, name)
					mu.Unlock()
					lease.Checkin()
				}()
				synctest.Wait() // in line, in this order
			}
			holder.Checkin() // hands over to the first
			pooltest.KillWorker(p, 0)
			back := p.Stats().Waiting == 2
			pooltest.Check(t, p)
			settle(t, p)
			if back { // the first had not accepted yet
				require.Equal(t, []string{"first", "second"}, served)
			} else { // it had, and its lease ended while it was being served
				require.ElementsMatch(t, []string{"first", "second"}, served)
			}
		}
	})
}

// When an offer is taken back while another worker has just come back to a pool
// in which nobody waited: the waiter gets that one, though it was lent without
// the lock by then.
func TestAnOfferThatIsTakenBackIsMadeAgainWithWhateverIsIdle(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.NoReset = true
		p := start(t, reg, b, pool.Options{Size: 2})
		for range 300 {
			first, second := take(t, t.Context(), p), take(t, t.Context(), p)
			served := inBackground(func() error {
				lease, err := p.Checkout(t.Context())
				lease.Checkin()
				return err
			})
			synctest.Wait()
			first.Checkin()
			second.Checkin()
			pooltest.KillWorker(p, first.Slot().Index)
			pooltest.Check(t, p)
			settle(t, p)
			require.NoError(t, <-served)
		}
	})
}
