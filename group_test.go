package pool_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

// inGroup runs a test with a group of pools of that many workers.
func inGroup(t *testing.T, sizes []int, test func(t *testing.T, reg *pool.Registry, b *pooltest.Backend, g *pool.Group[*pooltest.Worker], pools []fakes)) {
	t.Helper()
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.NoReset = true
		var pools []fakes
		for _, size := range sizes {
			pools = append(pools, start(t, reg, b, pool.Options{Size: size, Backoff: pool.Backoff{Min: -1}}))
		}
		test(t, reg, b, pool.NewGroup(pools...), pools)
	})
}

func controls(pools []fakes) (all []pool.Control) {
	for _, p := range pools {
		all = append(all, p)
	}
	return all
}

func takeAll(t *testing.T, g *pool.Group[*pooltest.Worker], n int) (leases []pool.Lease[*pooltest.Worker]) {
	t.Helper()
	for range n {
		lease, err := g.TryCheckout(t.Context())
		require.NoError(t, err)
		leases = append(leases, lease)
	}
	_, err := g.TryCheckout(t.Context())
	require.ErrorIs(t, err, pool.ErrFull)
	return leases
}

func TestAGroupLendsFromAllItsPoolsAndThenFromWhicheverIsFreeFirst(t *testing.T) {
	inGroup(t, []int{1, 2, 1}, func(t *testing.T, _ *pool.Registry, _ *pooltest.Backend, g *pool.Group[*pooltest.Worker], pools []fakes) {
		leases := takeAll(t, g, 4)
		for _, lease := range leases {
			first, second := ask(t.Context(), g), ask(t.Context(), g)
			waiting(t, first)
			require.Equal(t, 2, pools[0].Stats().Waiting)
			require.True(t, lease.Checkin())
			again := lentTo(t, first)
			require.Same(t, lease.Worker(), again.Worker())
			waiting(t, second)
			settle(t, controls(pools)...)
			for _, p := range pools {
				require.Equal(t, 1, p.Stats().Waiting, "who is served waits nowhere else")
			}
			require.True(t, again.Checkin())
			require.Same(t, lease.Worker(), lentTo(t, second).Worker(), "who came first is served first")
		}
		settle(t, controls(pools)...)
	})
}

// Two pools serve the client in the same moment: it gets one worker, and the other
// goes to whoever waits next, unused.
func TestAGroupClientServedTwiceGivesOneBackUnused(t *testing.T) {
	inGroup(t, []int{1, 1}, func(t *testing.T, _ *pool.Registry, _ *pooltest.Backend, g *pool.Group[*pooltest.Worker], pools []fakes) {
		leases := takeAll(t, g, 2)
		client := ask(t.Context(), g)
		next := []<-chan answer{ask(t.Context(), pools[0]), ask(t.Context(), pools[1])}
		leases[0].Checkin()
		leases[1].Checkin()
		lease := lentTo(t, client)
		settle(t, controls(pools)...)
		served := 0
		for _, answers := range next {
			if len(answers) == 1 {
				served++
				other := lentTo(t, answers)
				require.NotSame(t, lease.Worker(), other.Worker())
			}
		}
		require.Equal(t, 1, served)
		require.EqualValues(t, 4, pools[0].Stats().Checkouts+pools[1].Stats().Checkouts, "what was given back does not count")
		require.True(t, lease.Checkin())
		settle(t, controls(pools)...)
	})
}

func TestAGroupAsksItsPoolsInProportionToTheirWeights(t *testing.T) {
	inGroup(t, []int{1, 1}, func(t *testing.T, _ *pool.Registry, _ *pooltest.Backend, g *pool.Group[*pooltest.Worker], pools []fakes) {
		require.NoError(t, g.Add(pools[0], 9))
		for range 2000 {
			require.NoError(t, g.Do(t.Context(), func(context.Context, *pooltest.Worker) error { return nil }))
		}
		require.InDelta(t, 1800, pools[0].Stats().Checkouts, 100)
		require.EqualValues(t, 2000, pools[0].Stats().Checkouts+pools[1].Stats().Checkouts)

		busy := take(t, t.Context(), pools[0])
		for range 10 {
			lease, err := g.Checkout(t.Context())
			require.NoError(t, err, "the other is asked as well")
			require.True(t, lease.Checkin())
		}
		require.True(t, busy.Checkin())
	})
}

func TestAPoolThatComesIntoTheGroupServesThoseWhoWait(t *testing.T) {
	inGroup(t, []int{1, 1}, func(t *testing.T, _ *pool.Registry, _ *pooltest.Backend, g *pool.Group[*pooltest.Worker], pools []fakes) {
		require.True(t, g.Remove(pools[1]))
		require.False(t, g.Remove(pools[1]))
		held := takeAll(t, g, 1)[0]
		first, second := ask(t.Context(), g), ask(t.Context(), g)
		waiting(t, first)
		require.NoError(t, g.Add(pools[1], 1))
		synctest.Wait()
		require.Equal(t, 1, len(first)+len(second), "one worker came")
		settle(t, controls(pools)...)

		require.True(t, g.Remove(pools[0]))
		synctest.Wait()
		require.Zero(t, pools[0].Stats().Waiting, "who waits leaves a pool that has gone")
		require.True(t, held.Checkin())
		settle(t, controls(pools)...)
		require.Equal(t, 1, pools[0].Stats().Idle)
		require.Equal(t, 1, pools[1].Stats().Waiting)
	})
}

func TestAPoolOfAGroupThatDiesHarmsNobodyWhoWaits(t *testing.T) {
	inGroup(t, []int{1, 1}, func(t *testing.T, _ *pool.Registry, _ *pooltest.Backend, g *pool.Group[*pooltest.Worker], pools []fakes) {
		leases := takeAll(t, g, 2)
		client := ask(t.Context(), g)
		pooltest.KillManager(pools[0], pooltest.AtLocked) // restarts: the client keeps its place there
		lease := lentTo(t, client)
		require.Equal(t, pools[0].Name(), lease.Slot().Pool)
		require.True(t, lease.Checkin())

		lease = take(t, t.Context(), pools[0])
		client = ask(t.Context(), g)
		require.NoError(t, stopNow(pools[0]))
		waiting(t, client)
		require.Error(t, lease.Err())
		for _, l := range leases {
			l.Checkin()
		}
		lease = lentTo(t, client)
		require.Equal(t, pools[1].Name(), lease.Slot().Pool)

		client = ask(t.Context(), g)
		waiting(t, client)
		require.NoError(t, stopNow(pools[1]))
		a := <-client
		require.ErrorIs(t, a.err, pool.ErrStopped)
		require.ErrorContains(t, a.err, pools[0].Name())
		require.ErrorContains(t, a.err, pools[1].Name())
	})
}

func TestAPoolThatRefusesAGroupClientTakesNoOtherPlaceFromIt(t *testing.T) {
	for refusing := range 3 {
		t.Run(fmt.Sprint(refusing), func(t *testing.T) {
			inGroup(t, []int{1, 1, 1}, func(t *testing.T, _ *pool.Registry, _ *pooltest.Backend, g *pool.Group[*pooltest.Worker], pools []fakes) {
				takeAll(t, g, 3)
				client := ask(t.Context(), g)
				require.NoError(t, stopNow(pools[refusing]))
				waiting(t, client)
				for i, p := range pools {
					if i != refusing {
						require.Equal(t, 1, p.Stats().Waiting)
					}
				}
			})
		})
	}
}

func stopNow(p fakes) error {
	now, cancel := context.WithCancel(context.Background())
	cancel()
	return p.Stop(now)
}

func TestAGroupClientGivesUpWhenItsContextOrEveryPatienceEnds(t *testing.T) {
	inGroup(t, []int{1, 1}, func(t *testing.T, _ *pool.Registry, _ *pooltest.Backend, g *pool.Group[*pooltest.Worker], pools []fakes) {
		takeAll(t, g, 2)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := refused(t, func() <-chan answer {
			client := ask(ctx, g)
			time.Sleep(time.Second)
			return client
		}())
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, pools[0].Name()+", "+pools[1].Name(), err.Pool)
		require.Equal(t, time.Second, err.Waited)
		require.Equal(t, 2, err.Stats.Leased)
		require.Equal(t, 2, err.Stats.Size)
		settle(t, controls(pools)...)
		require.Zero(t, pools[0].Stats().Waiting+pools[1].Stats().Waiting)

		require.NoError(t, g.Add(pools[0].With(pool.Terms{MaxWait: time.Second}), 1))
		require.NoError(t, g.Add(pools[1].With(pool.Terms{MaxWait: 3 * time.Second}), 1))
		began := time.Now()
		client := ask(t.Context(), g)
		time.Sleep(time.Second)
		synctest.Wait()
		require.Zero(t, pools[0].Stats().Waiting)
		require.Equal(t, 1, pools[1].Stats().Waiting)
		require.ErrorIs(t, (<-client).err, pool.ErrOverloaded)
		require.Equal(t, 3*time.Second, time.Since(began))

		_, e := g.Checkout(cancelled)
		require.ErrorIs(t, e, context.Canceled)
		_, e = g.TryCheckout(cancelled)
		require.ErrorIs(t, e, context.Canceled)
	})
}

func TestAGroupTellsAClientWhichWorkerItHoldsItself(t *testing.T) {
	inGroup(t, []int{1, 1}, func(t *testing.T, _ *pool.Registry, _ *pooltest.Backend, g *pool.Group[*pooltest.Worker], _ []fakes) {
		leases := takeAll(t, g, 2)
		_, err := g.TryCheckout(leases[1].Context())
		require.Equal(t, leases[1].Slot(), refusal(t, err).Holding)
	})
}

func TestAGroupWithoutPoolsSaysSo(t *testing.T) {
	t.Parallel()
	g := pool.NewGroup[*pooltest.Worker](nil)
	_, err := g.Checkout(t.Context())
	require.ErrorIs(t, err, pool.ErrUnavailable)
	require.ErrorContains(t, err, "the group has no pools")
	_, err = g.TryCheckout(t.Context())
	require.ErrorIs(t, err, pool.ErrUnavailable)
	require.ErrorIs(t, g.Do(t.Context(), func(context.Context, *pooltest.Worker) error { return nil }), pool.ErrUnavailable)
	var fault *pool.OptionError
	require.ErrorAs(t, g.Add(nil, 1), &fault)
	require.False(t, g.Remove(nil))
	p := pooltest.New(t, &pooltest.Worker{})
	require.ErrorContains(t, g.Add(p, 0), "pool: weight must be between 1 and 1048576, got 0")
	require.ErrorContains(t, g.Add(p, 1<<20+1), "got 1048577")
	require.NoError(t, g.Add(p, 1<<20))
}

// Under load, with pools that come, go, crash and restart, nobody waits for ever
// and nothing is left in any queue.
func TestAGroupInUnrestServesEverybody(t *testing.T) {
	inGroup(t, []int{2, 1, 1}, func(t *testing.T, _ *pool.Registry, _ *pooltest.Backend, g *pool.Group[*pooltest.Worker], pools []fakes) {
		var clients sync.WaitGroup
		for i := range 20 {
			clients.Go(func() {
				for range 50 {
					err := g.Do(t.Context(), func(_ context.Context, w *pooltest.Worker) error {
						w.Use(func() { time.Sleep(time.Duration(i%5) * time.Millisecond) })
						return nil
					})
					if err != nil && !assert.ErrorIs(t, err, pool.ErrUnavailable) {
						return
					}
				}
			})
		}
		for round := range 30 {
			time.Sleep(7 * time.Millisecond)
			switch round % 4 {
			case 0:
				pooltest.KillWorker(pools[0], round%2)
			case 1:
				g.Remove(pools[1])
			case 2:
				pooltest.KillManager(pools[2], pooltest.AtIdle)
			case 3:
				require.NoError(t, g.Add(pools[1], 1+round))
			}
		}
		clients.Wait()
		settle(t, controls(pools)...)
		for _, p := range pools {
			require.Zero(t, p.Stats().Waiting)
			require.Zero(t, p.Stats().Leased)
		}
	})
}

func TestAGroupSaysTheMostHopefulOfTheReasonsOfItsPools(t *testing.T) {
	inGroup(t, []int{1, 1}, func(t *testing.T, _ *pool.Registry, _ *pooltest.Backend, g *pool.Group[*pooltest.Worker], pools []fakes) {
		held := take(t, t.Context(), pools[0])
		takeAll(t, g, 1)
		require.NoError(t, g.Add(pools[0].With(pool.Terms{MaxWait: time.Second}), 1))
		require.NoError(t, stopNow(pools[1]))
		_, err := g.TryCheckout(t.Context())
		require.ErrorIs(t, err, pool.ErrFull)
		_, err = g.Checkout(held.Context())
		require.Equal(t, held.Slot(), refusal(t, err).Holding)
		require.ErrorIs(t, err, pool.ErrOverloaded)
		require.Equal(t, pools[0].Name()+", "+pools[1].Name(), refusal(t, err).Pool)

		require.NoError(t, stopNow(pools[0]))
		for _, checkout := range []func(context.Context) (fakeLease, error){g.Checkout, g.TryCheckout} {
			_, err := checkout(t.Context())
			require.ErrorIs(t, err, pool.ErrStopped)
		}
	})
}

func TestAPoolThatHasRefusedIsAskedAgainWhenItComesAgain(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.NoReset = true
		full := start(t, reg, b, pool.Options{Size: 1, MaxWaiting: 1})
		other := start(t, reg, b, pool.Options{Size: 1})
		take(t, t.Context(), other)
		held := take(t, t.Context(), full)
		g := pool.NewGroup(full, other)
		leave, cancel := context.WithCancel(t.Context())
		first := ask(leave, full)
		client := ask(t.Context(), g) // refused there, it waits at the other
		waiting(t, client)
		cancel()
		require.ErrorIs(t, refused(t, first), context.Canceled)
		require.True(t, g.Remove(full))
		synctest.Wait()
		require.NoError(t, g.Add(full, 1))
		settle(t, full, other)
		require.True(t, held.Checkin())
		require.Same(t, held.Worker(), lentTo(t, client).Worker())
	})
}

func TestWhatIsNoPoolIsLeftOutOfAGroup(t *testing.T) {
	t.Parallel()
	g := pool.NewGroup(nil, &pool.Pool[*pooltest.Worker]{})
	var fault *pool.OptionError
	require.ErrorAs(t, g.Add(&pool.Pool[*pooltest.Worker]{}, 1), &fault)
	require.False(t, g.Remove(&pool.Pool[*pooltest.Worker]{}))
	_, err := g.Checkout(t.Context())
	require.EqualError(t, err, "pool: checkout: no worker can be had: the group has no pools")
	_, err = g.Checkout(cancelled)
	require.ErrorIs(t, err, context.Canceled)
}
