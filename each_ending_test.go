package pool_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

func TestEachDoesNotWaitForTheEndOfAWorkerThatItLeavesOut(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.Always(pooltest.Script{StopAfter: 3 * time.Second})
		p := start(t, reg, b, pool.Options{Size: 2})
		elapsed := stopwatch()
		visited := 0
		require.NoError(t, p.Each(t.Context(), func(_ context.Context, w *pooltest.Worker) error {
			visited++
			pooltest.KillWorker(p, 1-w.Slot.Index)
			time.Sleep(ms)
			return nil
		}))
		require.Equal(t, 1, visited)
		require.Equal(t, ms, elapsed())
		settle(t, p)
	})
}
