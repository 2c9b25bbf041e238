package pool_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

// Pools that are ready by their number of workers always, and only with one.
var sizes = map[string]pool.Options{
	"size 1":        {Size: 1},
	"overflow only": {MaxOverflow: 1},
}

func TestAfterTenSecondsOfHealthAPoolThatDiesRestartsAtOnce(t *testing.T) {
	for name, opts := range sizes {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
				p := start(t, reg, b, opts)
				die := func() time.Duration {
					began := time.Now()
					pooltest.KillManager(p, pooltest.AtIdle)
					synctest.Wait()
					for p.Stats().State != pool.StateReady {
						time.Sleep(time.Millisecond)
						synctest.Wait()
					}
					return time.Since(began)
				}
				require.Zero(t, die())
				require.NotZero(t, die())
				require.NotZero(t, die())
				time.Sleep(9 * time.Second)
				require.NotZero(t, die(), "not yet forgotten")
				time.Sleep(11 * time.Second)
				require.Zero(t, die())
			})
		})
	}
}

func TestAfterTenSecondsOfHealthACrashLoopProbesAtItsShortestDelay(t *testing.T) {
	for name, opts := range sizes {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
				opts.MaxRestarts = 1
				opts.Backoff = pool.Backoff{Min: -1}
				p := start(t, reg, b, opts)
				relapse := func() (retry time.Duration) {
					b.FailNext(6)
					pooltest.KillWorker(p, 0)
					synctest.Wait()
					_, err := p.Checkout(t.Context())
					require.ErrorIs(t, err, pool.ErrUnavailable)
					retry = p.Inspect().RetryIn
					for {
						if lease, err := p.Checkout(t.Context()); err == nil {
							lease.Checkin() // and so ends the crash loop
							break
						}
						time.Sleep(10 * time.Millisecond)
					}
					settle(t, p)
					require.Equal(t, pool.StateReady, p.Stats().State)
					return retry
				}
				relapse()
				require.Greater(t, relapse(), 200*time.Millisecond, "slower than the one before")
				time.Sleep(11 * time.Second)
				require.LessOrEqual(t, relapse(), 100*time.Millisecond)
			})
		})
	}
}
