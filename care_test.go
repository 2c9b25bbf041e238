package pool_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

// Under real scheduling everything at once: workers that live for milliseconds and
// serve a few clients, checks all the time, crashes in bursts, Recycle and Resize.
// Worker.Use and the hooks of the backend see who overlaps.
//
// commons-pool POOL-184, 287, 340: the evictor and a client had the same object.
func TestWorkersThatAgeAndAreCheckedAreStillLentOneByOne(t *testing.T) {
	t.Parallel()
	const clients, rounds, uses = 8, 300, 20
	for name, opts := range map[string]pool.Options{
		"without the lock": {MaxLifetime: 5 * time.Millisecond},
		"under the lock":   {MaxLifetime: 5 * time.Millisecond, MaxUses: uses, CheckEvery: 100 * time.Microsecond},
		"with overflow":    {MaxUses: uses, CheckEvery: time.Millisecond, MaxOverflow: 2, OverflowLinger: time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := pooltest.NewBackend(t)
			b.Checks, b.NoReset = true, true
			opts.Size, opts.MaxRestarts, opts.Backoff = 4, -1, pool.Backoff{Min: -1}
			p := pooltest.Start(t, b.Spec(), opts)
			var all sync.WaitGroup
			for client := range clients {
				all.Go(func() {
					for round := range rounds {
						lease, err := p.Checkout(context.Background())
						if err != nil {
							t.Error(err)
							return
						}
						lease.Worker().Use(func() { lease.Worker().Note++ })
						switch {
						case round%50 == 49:
							lease.Retire(pooltest.ErrScripted)
						case round%64 == 63:
							pooltest.KillWorker(p, client%opts.Size)
						}
						lease.Checkin()
						if lease, err := p.TryCheckout(context.Background()); err == nil {
							lease.Checkin()
						}
						if round%100 == 99 {
							_ = p.Recycle(cancelled)
							_ = p.Resize(cancelled, 3+round%2)
						}
						if round%25 == 0 {
							pooltest.Check(t, p)
						}
					}
				})
			}
			all.Wait()
			if opts.MaxUses > 0 {
				for _, w := range b.Workers() {
					require.LessOrEqual(t, w.Uses(), uses)
				}
			}
			require.NoError(t, p.Recycle(t.Context()))
		})
	}
}

func TestAWorkerThatIsOneTooManyWhileItIsCheckedLingersFromThenOn(t *testing.T) {
	checking(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.Always(pooltest.Script{CheckAfter: 3 * time.Second})
		p := start(t, reg, b, pool.Options{Size: 2, MaxOverflow: 1, OverflowLinger: 10 * time.Second, CheckEvery: time.Minute})
		time.Sleep(time.Minute)
		settle(t, p)
		require.Equal(t, 1, p.Stats().Tending, "one at a time")
		time.Sleep(time.Second)
		require.NoError(t, p.Resize(t.Context(), 1))
		sleepUntil(time.Now().Add(10*time.Second - 1))
		require.Equal(t, 2, p.Stats().Idle, "whichever was checked first")
		sleepUntil(time.Now().Add(1))
		require.Equal(t, 1, p.Stats().Idle)
	})
}

func TestWhoWaitsForAnOldWorkerThatIsCleanedHasNoOtherCheckCalledOff(t *testing.T) {
	checking(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.Always(pooltest.Script{CheckAfter: 3 * time.Second, ResetAfter: 3 * time.Second})
		p := start(t, reg, b, pool.Options{Size: 3, CheckEvery: time.Minute, StartTimeout: time.Hour})
		mine := keyed(p, keyOf(t, p, 0))
		lease := take(t, t.Context(), mine)
		require.ErrorIs(t, p.Recycle(cancelled), context.Canceled)
		settle(t, p)
		require.True(t, p.Inspect().Slots[0].Old)
		b.Next(pooltest.Script{StartAfter: time.Hour})
		require.True(t, pooltest.KillWorker(p, 1), "so that the old one cannot be spared")
		sleepUntil(time.Now().Add(time.Minute))
		require.Equal(t, 1, p.Stats().Tending, "the third is checked")
		require.True(t, lease.Checkin())
		client := ask(t.Context(), mine)
		require.Equal(t, 2, p.Stats().Tending)
		time.Sleep(3 * time.Second)
		lentTo(t, client)
	})
}
