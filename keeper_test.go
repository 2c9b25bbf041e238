package pool_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

// Between two epochs there is no worker supervisor, and the keeper sees to its
// deadlines: a point at which that one can be killed is then the keeper's.

func TestAKeeperThatDiesBetweenTwoEpochsIsBackAfterATenthOfASecond(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		events := observe(reg)
		b.Next(pooltest.Script{Run: pooltest.Ignore})
		p := start(t, reg, b, pool.Options{Size: 1, StopTimeout: time.Second, Backoff: pool.Backoff{Min: 10 * time.Second}})
		ended := take(t, t.Context(), p)
		for range 2 { // after the second death the pool backs off
			pooltest.KillManager(p, pooltest.AtIdle)
			settle(t, p)
		}
		require.Equal(t, pool.StateRestarting, p.Stats().State)
		pooltest.KillSupervisor(p, pooltest.AtDetach)
		client := ask(t.Context(), p)
		time.Sleep(time.Second) // the keeper gives the worker up
		settle(t, p)

		elapsed := stopwatch()
		require.Equal(t, pool.EndRestarted, endOf(t, ended).Reason)
		require.Zero(t, elapsed(), "of what has ended already nobody has to be awaited")
		stats := p.Stats() // it awaits that somebody mends what was left half done
		require.Equal(t, 100*ms, elapsed())
		require.Equal(t, pool.StateRestarting, stats.State)
		require.ErrorContains(t, stats.LastError, "keeper")
		require.Equal(t, 1, stats.Zombies)
		require.Equal(t, 1, stats.Waiting)
		settle(t, p)
		require.Len(t, events.of(pool.EventPoolDied), 3)

		time.Sleep(p.Inspect().RetryIn)
		lentTo(t, client)
		settle(t, p)
	})
}

func TestAKeeperThatDiesWhileThePoolStopsIsBackToStopIt(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.Always(pooltest.Script{Run: pooltest.Ignore})
		p := start(t, reg, b, pool.Options{Size: 1, StopTimeout: time.Second})
		elapsed := stopwatch()
		stop := later(func() error { return p.Stop(t.Context()) })
		settle(t, p)
		pooltest.KillManager(p, pooltest.AtIdle) // from here on the keeper is alone
		settle(t, p)
		pooltest.KillSupervisor(p, pooltest.AtDetach)

		var left *pool.StopError
		require.ErrorAs(t, <-stop, &left)
		require.Equal(t, 1100*ms, elapsed())
		require.Len(t, left.Zombies, 1)
		require.ErrorContains(t, p.Stats().LastError, "keeper")
		require.Equal(t, pool.StateStopped, p.Stats().State)
	})
}
