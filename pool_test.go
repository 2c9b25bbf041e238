package pool_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakes is the pool most tests are about: scripted workers.
type fakes = *pool.Pool[*pooltest.Worker]

type fakeLease = pool.Lease[*pooltest.Worker]

// cancelled is the context of a client that does not wait.
var cancelled = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

// inBubble runs a test in virtual time, with a registry and a backend of its
// own, and checks afterwards that the registry closes and leaves nothing.
func inBubble(t *testing.T, test func(t *testing.T, reg *pool.Registry, b *pooltest.Backend)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		reg, b := pooltest.NewRegistry(), pooltest.NewBackend(t)
		defer func() { // also when the test gives up
			b.Release()
			synctest.Wait()
			pooltest.Close(t, reg)
		}()
		test(t, reg, b)
	})
}

// start starts a pool of scripted workers.
func start(t *testing.T, reg *pool.Registry, b *pooltest.Backend, opts pool.Options) fakes {
	t.Helper()
	return pooltest.StartIn(t, reg, b.Spec(), opts)
}

// settle waits until nothing moves any more and checks the invariants.
func settle(t *testing.T, pools ...pool.Control) {
	t.Helper()
	synctest.Wait()
	pooltest.Check(t, pools...)
}

// take checks out and expects to succeed.
func take(t *testing.T, ctx context.Context, p fakes) pool.Lease[*pooltest.Worker] {
	t.Helper()
	lease, err := p.Checkout(ctx)
	require.NoError(t, err)
	return lease
}

func TestAPoolLendsRestartsAndStops(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 3})
		first := take(t, t.Context(), p)
		require.Equal(t, 2, p.Stats().Idle)
		require.True(t, first.Checkin())
		require.False(t, first.Checkin())
		settle(t, p) // Reset runs

		again := take(t, t.Context(), p)
		require.Same(t, first.Worker(), again.Worker(), "the warm one is lent first")
		again.Worker().Crash(pooltest.ErrScripted)
		settle(t, p)
		require.ErrorIs(t, again.Err(), pooltest.ErrScripted)
		require.Equal(t, 3, p.Stats().Idle)
		require.EqualValues(t, 1, p.Stats().Crashes)

		require.NoError(t, p.Stop(t.Context()))
		_, err := p.Checkout(t.Context())
		require.ErrorIs(t, err, pool.ErrStopped)
	})
}
