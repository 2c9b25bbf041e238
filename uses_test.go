package pool_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

func TestAWorkerIsLentAsOftenAsItMayAndNoMore(t *testing.T) {
	for name, reset := range map[string]bool{"no reset": false, "reset": true} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
				b.NoReset = !reset
				p := start(t, reg, b, pool.Options{Size: 1, MaxUses: 3})
				for use := 1; use <= 7; use++ {
					lease := take(t, t.Context(), p)
					require.Equal(t, (use+2)/3, lease.Worker().ID)
					require.Equal(t, use%3 == 0, p.Inspect().Slots[0].Old)
					lease.Checkin()
					settle(t, p)
				}
				require.Equal(t, 3, b.Starts())
				require.Zero(t, p.Stats().Crashes)
				require.Zero(t, p.Inspect().Failures)
			})
		})
	}
}

func TestALeaseThatWasNeverDeliveredIsNoUse(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.Always(pooltest.Script{ResetAfter: time.Second})
		p := start(t, reg, b, pool.Options{Size: 1, MaxUses: 2})
		lease := take(t, t.Context(), p)
		ctx, cancel := context.WithCancel(t.Context())
		ended := inBackground(func() error { _, err := p.Checkout(ctx); return err })
		lease.Checkin()
		cancel() // Reset runs: it is not served
		require.ErrorIs(t, <-ended, context.Canceled)
		settle(t, p)
		lease = take(t, t.Context(), p)
		require.Equal(t, 1, lease.Worker().ID)
		next, err := lease.Transfer(t.Context())
		require.NoError(t, err, "the same use")
		next.Checkin()
		settle(t, p)
		require.Equal(t, 2, b.Starts())
	})
}

func TestARevokedLeaseIsAUse(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 1, MaxUses: 1, MaxHold: time.Second, Reclaim: pool.ReclaimReuse})
		take(t, t.Context(), p)
		time.Sleep(2 * time.Second)
		settle(t, p)
		require.Equal(t, 1, b.Workers()[0].Stops())
		require.Equal(t, 1, p.Stats().Idle)
	})
}

func TestUsesAreNotPaced(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 10, MaxUses: 1})
		b.Always(pooltest.Script{Start: pooltest.Hang})
		for range 10 {
			take(t, t.Context(), p).Checkin()
			settle(t, p)
		}
		require.Zero(t, p.Stats().Idle)
		require.Equal(t, 4, p.Stats().Starting)
	})
}

// In real time, under real scheduling.
func TestNobodyGetsAWorkerThatIsUsedUp(t *testing.T) {
	t.Parallel()
	const uses, clients, rounds = 3, 8, 300
	b := pooltest.NewBackend(t)
	b.NoReset = true
	p := pooltest.Start(t, b.Spec(), pool.Options{Size: 3, MaxUses: uses})
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			for range rounds {
				err := p.Do(t.Context(), func(_ context.Context, w *pooltest.Worker) error {
					w.Use(func() { w.Note++ })
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	worked, unspent := 0, 0
	for _, w := range b.Workers() {
		worked += w.Uses()
		require.LessOrEqual(t, w.Uses(), uses)
		if w.Uses() < uses {
			unspent++
		}
	}
	require.Equal(t, clients*rounds, worked)
	require.LessOrEqual(t, unspent, 3, "those that are there")
}

func TestAPoolWithUsesLeftLendsInVirtualTimeToo(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 2, MaxUses: 2, MaxOverflow: 2})
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				_ = p.Do(t.Context(), func(_ context.Context, w *pooltest.Worker) error {
					w.Use(func() { time.Sleep(time.Second) })
					return nil
				})
			})
		}
		all.Wait()
		synctest.Wait()
		for _, w := range b.Workers() {
			require.LessOrEqual(t, w.Uses(), 2)
		}
		settle(t, p)
	})
}
