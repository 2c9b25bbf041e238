package pooltest_test

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

func TestNewLendsTheGivenWorkers(t *testing.T) {
	p := pooltest.New(t, "red", "green")
	lease, err := p.Checkout(t.Context())
	require.NoError(t, err)
	require.Contains(t, []string{"red", "green"}, lease.Worker())
	require.True(t, lease.Checkin())
}

func TestStartWorksInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := pooltest.NewBackend(t)
		p := pooltest.Start(t, b.Spec(), pool.Options{Size: 2})
		for _, at := range []pooltest.Point{pooltest.AtIdle, pooltest.AtLocked} {
			pooltest.KillManager(p, at)
			synctest.Wait()
			require.NoError(t, p.WaitReady(context.Background(), 2))
			pooltest.KillSupervisor(p, at)
			synctest.Wait()
			require.NoError(t, p.WaitReady(context.Background(), 2))
		}
		require.EqualValues(t, 5, p.Inspect().Epoch)
	})
}
