package pool_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

func TestEveryLeaseOfAWorkerTellsItsOwnEnd(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.NoReset = true
		p := start(t, reg, b, pool.Options{Size: 1, Reclaim: pool.ReclaimReuse, ReclaimGrace: -1})
		var leases []pool.Lease[*pooltest.Worker]
		for range 4 {
			client, cancel := context.WithCancel(t.Context())
			leases = append(leases, take(t, client, p))
			cancel()
			time.Sleep(time.Second)
			settle(t, p)
		}
		returned := take(t, t.Context(), p)
		require.True(t, returned.Checkin())
		first := take(t, t.Context(), p)
		second, err := first.Transfer(t.Context())
		require.NoError(t, err)
		third, err := second.Transfer(t.Context())
		require.NoError(t, err)

		for _, lease := range leases {
			require.Equal(t, pool.EndAbandoned, endOf(t, lease).Reason)
		}
		require.Equal(t, pool.EndReturned, endOf(t, returned).Reason)
		require.Equal(t, pool.EndTransferred, endOf(t, first).Reason)
		require.Equal(t, pool.EndTransferred, endOf(t, second).Reason)
		require.NoError(t, third.Err())
		third.Worker().Crash(pooltest.ErrScripted)
		settle(t, p)
		require.Equal(t, pool.EndCrashed, endOf(t, third).Reason)
	})
}

func TestDoTellsTheEndOfTheLeaseOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 1})
		crash := func(cause func(context.Context) error) string {
			err := p.Do(t.Context(), func(ctx context.Context, w *pooltest.Worker) error {
				w.Crash(pooltest.ErrScripted)
				<-ctx.Done()
				return cause(ctx)
			})
			var crashed *pool.CrashError
			require.ErrorAs(t, err, &crashed)
			return err.Error()
		}
		for _, text := range []string{crash(context.Cause), crash(context.Context.Err)} {
			require.Equal(t, 1, strings.Count(text, "ended with its worker"), text)
		}
	})
}

func TestARefusalTellsOfTroubleOnlyWhileThereIsAny(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 1})
		pooltest.KillWorker(p, 0)
		settle(t, p)
		lease := take(t, t.Context(), p)
		_, err := p.TryCheckout(t.Context())
		require.NotContains(t, err.Error(), "last error", "it is ready again")
		require.ErrorIs(t, p.Stats().LastError, pooltest.ErrKilled)

		b.Always(pooltest.Script{Start: pooltest.Fail})
		lease.Worker().Crash(nil)
		settle(t, p)
		_, err = p.TryCheckout(t.Context())
		require.ErrorContains(t, err, "last error: worker of")
	})
}

func TestWhoHasToQueueIsCounted(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		for _, opts := range []pool.Options{{Size: 1}, {Size: 1, MaxWaiting: 1}} {
			p := start(t, reg, b, opts)
			lease := take(t, t.Context(), p)
			require.Zero(t, p.Stats().Waited)
			go func() {
				next, err := p.Checkout(t.Context())
				if err == nil {
					next.Checkin()
				}
			}()
			settle(t, p)
			require.EqualValues(t, 1, p.Stats().Waited)
			lease.Checkin()
			settle(t, p)
		}
	})
}

// A worker remembers how its last leases ended, and not how all of them did.
func TestOfALeaseOfLongAgoItIsOnlyKnownThatItHasEnded(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 1})
		first := take(t, t.Context(), p)
		last := first
		for _, reason := range []pool.EndReason{pool.EndTransferred, pool.EndReturned} {
			for range 8 {
				next, err := last.Transfer(t.Context())
				require.NoError(t, err)
				last = next
			}
			require.Equal(t, reason, endOf(t, first).Reason)
		}
		last.Checkin()
	})
}
