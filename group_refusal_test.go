package pool_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

// Nobody waits in the first and the last pool; in those between somebody has
// waited for three seconds, one and two.
func TestTheRefusalOfAGroupSaysTheSoonestThatAnyPoolKnows(t *testing.T) {
	inGroup(t, []int{1, 1, 1, 1, 1}, func(t *testing.T, _ *pool.Registry, _ *pooltest.Backend, g *pool.Group[*pooltest.Worker], pools []fakes) {
		takeAll(t, g, 5)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		began := time.Now()
		for after, i := range []int{1, 3, 2} {
			sleepUntil(began.Add(time.Duration(after) * time.Second))
			ask(ctx, pools[i])
		}
		sleepUntil(began.Add(3 * time.Second))
		_, err := g.TryCheckout(t.Context())
		require.Equal(t, time.Second, refusal(t, err).RetryAfter)
	})
}

// The state is the best of them, wherever it stands.
func TestTheRefusalOfAGroupHasTheSumOfItsPools(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.NoReset = true
		b.Next(slices.Repeat([]pooltest.Script{{Stop: pooltest.Ignore}}, 3)...)
		troubled := start(t, reg, b, pool.Options{
			Size: 3, MaxRestarts: 1, StopTimeout: time.Second, Backoff: pool.Backoff{Min: time.Hour, Max: time.Hour},
		})
		shedding := start(t, reg, b, pool.Options{Size: 1, QueueTarget: time.Millisecond, QueueInterval: time.Second})
		calm := start(t, reg, b, pool.Options{Size: 1})
		for slot := range 2 {
			pooltest.KillWorker(troubled, slot)
		}
		settle(t, troubled)
		pools := []fakes{troubled, shedding, calm}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		for _, p := range pools {
			take(t, t.Context(), p)
			ask(ctx, p)
		}
		time.Sleep(5 * time.Second)
		ask(ctx, shedding)
		settle(t, controls(pools)...)
		stopped := start(t, reg, b, pool.Options{Size: 1})
		require.NoError(t, stopNow(stopped))
		for _, order := range [][]fakes{{stopped, troubled, shedding, calm}, {calm, shedding, troubled, stopped}} {
			_, err := pool.NewGroup(order...).TryCheckout(t.Context())
			sum := refusal(t, err).Stats
			want := pool.Stats{State: pool.StateReady}
			for _, p := range order {
				one := p.Stats()
				want.Size += one.Size
				want.Leased += one.Leased
				want.Vacant += one.Vacant
				want.Zombies += one.Zombies
				want.Waiting += one.Waiting
				want.QueueDelay += one.QueueDelay // of one of them alone
				want.Checkouts += one.Checkouts
				want.Waited += one.Waited
				want.Shed += one.Shed
				want.Crashes += one.Crashes
				want.Restarts += one.Restarts
			}
			require.Equal(t, 2, want.Zombies)
			require.Positive(t, want.QueueDelay)
			want.Shedding, want.Unstable, want.LastError = true, true, troubled.Stats().LastError
			require.Equal(t, want, sum)
		}
	})
}
