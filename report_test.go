package pool_test

import (
	"testing"
	"time"

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
