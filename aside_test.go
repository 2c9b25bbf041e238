package pool_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

func TestACheckIsCalledOffForTheClientOfItsKeyAlone(t *testing.T) {
	checking(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.Always(pooltest.Script{CheckAfter: 4 * time.Second})
		p := start(t, reg, b, pool.Options{Size: 40, CheckEvery: time.Minute})
		time.Sleep(time.Minute + time.Second)
		synctest.Wait()
		checked := p.Stats().Tending
		require.Greater(t, checked, 1)
		for i, slot := range p.Inspect().Slots {
			if slot.State == pool.SlotTending {
				before := time.Now()
				lease := take(t, t.Context(), keyed(p, keyOf(t, p, i)))
				require.Equal(t, i, lease.Slot().Index)
				require.Zero(t, time.Since(before))
				require.Equal(t, 1, lease.Worker().Checks(), "it had begun")
				break
			}
		}
		synctest.Wait()
		require.Equal(t, checked, p.Stats().Tending, "another has begun in its place, and those of the others go on")
		settle(t, p)
	})
}

// A worker in its Reset comes without a check: none is called off on its account.
func TestWhoWaitsForAWorkerInItsResetHasNoOtherCheckCalledOff(t *testing.T) {
	checking(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.Always(pooltest.Script{CheckAfter: 4 * time.Second, ResetAfter: 4 * time.Second})
		p := start(t, reg, b, pool.Options{Size: 2, CheckEvery: time.Minute})
		lease := take(t, t.Context(), p)
		time.Sleep(time.Minute + time.Second)
		synctest.Wait()
		require.Equal(t, 1, p.Stats().Tending, "the other is checked")
		lease.Checkin()
		client := ask(t.Context(), keyed(p, keyOf(t, p, lease.Slot().Index)))
		require.Equal(t, 2, p.Stats().Tending, "one is reset, one is checked still")
		time.Sleep(4 * time.Second)
		require.Same(t, lease.Worker(), lentTo(t, client).Worker())
		settle(t, p)
	})
}

// It comes back from a client that did not say that it was well, while somebody
// waits for it.
func TestASuspectThatIsTakenBackIsCheckedBeforeItServesWhoWaits(t *testing.T) {
	for name, terms := range map[string]func(slot int, p fakes) fakes{
		"any worker": func(_ int, p fakes) fakes { return p },
		"that one":   func(slot int, p fakes) fakes { return keyed(p, pool.KeyOf(p, slot)) },
	} {
		t.Run(name, func(t *testing.T) {
			checking(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
				b.NoReset = true
				b.Always(pooltest.Script{CheckAfter: time.Second})
				p := start(t, reg, b, pool.Options{Size: 3, MaxHold: time.Minute, Reclaim: pool.ReclaimReuse})
				lease := take(t, t.Context(), p)
				b.Always(pooltest.Script{Start: pooltest.Hang})
				for i := range 3 {
					if i != lease.Slot().Index {
						pooltest.KillWorker(p, i)
					}
				}
				settle(t, p)
				began := time.Now()
				client := ask(context.Background(), terms(lease.Slot().Index, p))
				sleepUntil(began.Add(time.Minute + time.Second/2))
				for lease.Err() == nil {
					time.Sleep(time.Second)
				}
				waiting(t, client)
				require.Equal(t, 1, lease.Worker().Checks())
				time.Sleep(time.Second)
				require.Same(t, lease.Worker(), lentTo(t, client).Worker())
				settle(t, p)
			})
		})
	}
}

// With a negative OverflowLinger: a surplus that stands aside while somebody waits is
// not looked at again and again.
func TestASurplusWorkerThatStandsAsideWhileSomebodyWaitsKeepsNobodyBusy(t *testing.T) {
	checking(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p, leases := surplusAside(t, reg, b)
		for _, lease := range leases {
			lease.Checkin()
		}
		settle(t, p)
		require.Equal(t, 2, p.Stats().Idle)
	})
}
