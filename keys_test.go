package pool_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

// keysOf finds a key for each of the slots below Size, all of whose workers are
// idle.
func keysOf(t *testing.T, p fakes) []string {
	t.Helper()
	settle(t, p)
	keys := make([]string, p.Stats().Size)
	require.Equal(t, len(keys), p.Stats().Idle, "all are idle")
	for missing, i := len(keys), 0; missing > 0; i++ {
		key := fmt.Sprintf("key %d", i)
		lease := take(t, t.Context(), keyed(p, key))
		if keys[lease.Slot().Index] == "" {
			keys[lease.Slot().Index] = key
			missing--
		}
		lease.Checkin()
		synctest.Wait()
	}
	return keys
}

func keyed(p fakes, key string) fakes { return p.With(pool.Terms{Key: key, Owner: key}) }

// crash crashes the worker of a slot, and its replacements for as long as told.
func crash(t *testing.T, p fakes, b *pooltest.Backend, slot, more int) {
	t.Helper()
	b.FailNext(more)
	require.True(t, pooltest.KillWorker(p, slot))
	settle(t, p)
}

func TestAKeyHasTheSameWorkerAsLongAsItLives(t *testing.T) {
	for _, order := range []pool.Order{pool.OrderRecent, pool.OrderLIFO, pool.OrderFIFO} {
		t.Run(string(order), func(t *testing.T) {
			inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
				b.NoReset = true
				p := start(t, reg, b, pool.Options{Size: 5, Order: order})
				mine := take(t, t.Context(), keyed(p, "mine"))
				mine.Checkin()
				for i := range 100 {
					other := take(t, t.Context(), keyed(p, fmt.Sprint(i)))
					other.Checkin()
					any := take(t, t.Context(), p)
					any.Checkin()
					again := take(t, t.Context(), keyed(p, "mine"))
					require.Same(t, mine.Worker(), again.Worker())
					again.Checkin()
				}
				settle(t, p)
			})
		})
	}
}

// commons-pool POOL-146: one key blocked the others.
func TestAClientWithAKeyWaitsForItsWorkerAndHoldsUpNobodyElse(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 3, MaxOverflow: 2})
		keys := keysOf(t, p)
		held := take(t, t.Context(), keyed(p, keys[0]))
		waits := ask(t.Context(), keyed(p, keys[0]))
		waiting(t, waits)
		require.Equal(t, 2, p.Stats().Idle)
		_, err := keyed(p, keys[0]).TryCheckout(t.Context())
		require.ErrorIs(t, err, pool.ErrFull, "though others are idle")

		one, two := take(t, t.Context(), keyed(p, keys[1])), take(t, t.Context(), p)
		require.Equal(t, 1, one.Slot().Index)
		require.Equal(t, 2, two.Slot().Index)
		other := ask(t.Context(), keyed(p, keys[1]))
		settle(t, p)
		require.Equal(t, 3, b.Starts(), "whose worker is there needs no other")
		w := p.Inspect().Waiters
		require.Equal(t, []int{0, 1}, []int{w[0].Slot, w[1].Slot})
		require.Equal(t, keys[:2], []string{w[0].Key, w[1].Key})

		one.Checkin()
		require.Same(t, one.Worker(), lentTo(t, other).Worker(), "before one who came first, for another")
		waiting(t, waits)
		held.Checkin()
		require.Same(t, held.Worker(), lentTo(t, waits).Worker())
		settle(t, p)
	})
}

func TestForOneWorkerThoseWithKeysAndThoseWithoutAreServedAsTheyCame(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 1})
		held := take(t, t.Context(), p)
		c := newLineUp(t, p)
		c.comes("any 1", normal)
		c.comes("a 1", pool.Terms{Key: "a"})
		c.comes("b 1", pool.Terms{Key: "b"})
		c.comes("any 2", normal)
		leave := c.comes("a gone", pool.Terms{Key: "a"})
		c.comes("a 2", pool.Terms{Key: "a"})
		c.comes("any high", high)
		c.comes("a high", pool.Terms{Key: "a", Priority: pool.PriorityHigh})
		leave()
		want := []string{"any high", "a high", "any 1", "a 1", "b 1", "any 2", "a 2"}
		settle(t, p)
		require.Equal(t, want, c.inLine())
		held.Checkin()
		require.Equal(t, want, c.order())
		require.Equal(t, []string{"a gone"}, c.refused())
	})
}

func TestWhileItsSlotBacksOffAKeyHasTheNextAndThenItComesHome(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 3})
		keys := keysOf(t, p)
		home := take(t, t.Context(), keyed(p, keys[0]))
		waits := ask(t.Context(), keyed(p, keys[0]))
		crash(t, p, b, 0, 5)
		away := lentTo(t, waits)
		require.NotEqual(t, 0, away.Slot().Index)
		require.Error(t, home.Err())
		away.Checkin()
		settle(t, p)
		for range 3 {
			again := take(t, t.Context(), keyed(p, keys[0]))
			require.Same(t, away.Worker(), again.Worker(), "away it has one worker, too")
			again.Checkin()
			settle(t, p)
		}
		require.NoError(t, p.WaitReady(t.Context(), 3))
		back := take(t, t.Context(), keyed(p, keys[0]))
		require.Equal(t, 0, back.Slot().Index)
		settle(t, p)
	})
}

func TestWhenNoSlotIsUpAKeyWaitsForAnyWorker(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 2, MaxRestarts: -1})
		b.Always(pooltest.Script{Start: pooltest.Fail})
		var held []fakeLease
		for range 2 {
			held = append(held, take(t, t.Context(), p))
		}
		var all []<-chan answer
		for i := range 10 {
			all = append(all, ask(t.Context(), keyed(p, fmt.Sprint(i))))
		}
		for _, l := range held {
			l.Worker().Crash(nil)
		}
		settle(t, p)
		for _, w := range p.Inspect().Waiters {
			require.Equal(t, -1, w.Slot)
		}
		all = append(all, ask(t.Context(), keyed(p, "late")))
		require.Equal(t, 11, p.Stats().Waiting)
		b.Always(pooltest.Script{})
		time.Sleep(time.Minute)
		for _, answers := range all {
			lentTo(t, answers).Checkin()
		}
		settle(t, p)
	})
}

func TestResizeDownMovesThoseWhoWaitForASlotThatGoes(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.NoReset = true
		p := start(t, reg, b, pool.Options{Size: 4})
		keys := keysOf(t, p)
		var held []fakeLease
		var waits []<-chan answer
		for _, key := range keys {
			held = append(held, take(t, t.Context(), keyed(p, key)))
		}
		for _, key := range keys {
			waits = append(waits, ask(t.Context(), keyed(p, key)))
		}
		require.ErrorIs(t, p.Resize(cancelled, 2), context.Canceled)
		settle(t, p)
		for i, w := range p.Inspect().Waiters {
			require.Equal(t, keys[i], w.Key, "in their order")
			if i < 2 {
				require.Equal(t, i, w.Slot)
			} else {
				require.Less(t, w.Slot, 2)
			}
		}
		held[3].Checkin()
		held[2].Checkin()
		settle(t, p)
		for _, answers := range waits {
			waiting(t, answers)
		}
		held[0].Checkin()
		held[1].Checkin()
		for range waits {
			for _, answers := range waits {
				select {
				case a := <-answers:
					require.NoError(t, a.err)
					a.lease.Checkin()
				default:
				}
			}
			settle(t, p)
		}
		require.Zero(t, p.Stats().Waiting)
		require.Equal(t, 2, p.Stats().Idle)

		require.NoError(t, p.Resize(t.Context(), 4))
		for i, key := range keys {
			lease := take(t, t.Context(), keyed(p, key))
			require.Equal(t, i, lease.Slot().Index, "with the size the keys are back")
			lease.Checkin()
			settle(t, p)
		}
	})
}

func TestWithoutSlotsBelowSizeKeysMeanNothing(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.NoReset = true
		p := start(t, reg, b, pool.Options{Size: 0, MaxOverflow: 2, OverflowLinger: time.Hour})
		one := take(t, t.Context(), keyed(p, "a"))
		two := take(t, t.Context(), keyed(p, "a"))
		require.NotSame(t, one.Worker(), two.Worker())
		waits := ask(t.Context(), keyed(p, "a"))
		require.Equal(t, -1, p.Inspect().Waiters[0].Slot)
		two.Checkin()
		require.Same(t, two.Worker(), lentTo(t, waits).Worker())
		settle(t, p)
	})
}

// A pool that pauses keeps those who wait, and serves them when it goes on.
func TestAPoolThatPausesKeepsThoseWithKeys(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 2})
		keys := keysOf(t, p)
		held := take(t, t.Context(), keyed(p, keys[1]))
		waits := ask(t.Context(), keyed(p, keys[1]))
		require.ErrorIs(t, p.Resize(cancelled, 0), context.Canceled)
		settle(t, p)
		held.Checkin()
		settle(t, p)
		waiting(t, waits)
		require.Zero(t, p.Stats().Idle)
		require.NoError(t, p.Resize(t.Context(), 2))
		lentTo(t, waits).Checkin()
		settle(t, p)
	})
}

func TestThoseWithKeysOutliveTheEpoch(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 2})
		keys := keysOf(t, p)
		for _, key := range keys {
			take(t, t.Context(), keyed(p, key))
		}
		var all []<-chan answer
		for i := range 20 {
			all = append(all, ask(t.Context(), keyed(p, keys[i%2])))
		}
		pooltest.KillManager(p, pooltest.AtLocked)
		settle(t, p)
		for _, answers := range all {
			lentTo(t, answers).Checkin()
			settle(t, p)
		}
		require.Zero(t, p.Stats().Waiting)
		require.EqualValues(t, 2, p.Inspect().Epoch)
	})
}

func TestAClientWithAKeyMayGiveUp(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 2})
		keys := keysOf(t, p)
		held := take(t, t.Context(), keyed(p, keys[0]))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		by, limit := ask(ctx, keyed(p, keys[0])), ask(t.Context(), p.With(pool.Terms{Key: keys[0], MaxWait: 2 * time.Second}))
		time.Sleep(time.Second)
		err := refused(t, by)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, time.Second, err.Waited)
		require.Equal(t, 1, p.Stats().Waiting)
		time.Sleep(time.Second)
		require.ErrorIs(t, refused(t, limit), pool.ErrOverloaded)
		settle(t, p)
		require.True(t, held.Checkin())
		settle(t, p)
		require.Equal(t, 2, p.Stats().Idle)
	})
}

func TestThoseWithKeysCountAmongThoseWhoMayWaitAndMakeRoom(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 2, MaxWaiting: 2})
		keys := keysOf(t, p)
		held := []fakeLease{take(t, t.Context(), keyed(p, keys[0])), take(t, t.Context(), keyed(p, keys[1]))}
		c := newLineUp(t, p)
		c.comes("low 0", pool.Terms{Key: keys[0], Priority: pool.PriorityLow})
		c.comes("low 1", pool.Terms{Key: keys[1], Priority: pool.PriorityLow})
		c.comes("low any", low)
		require.Equal(t, []string{"low any"}, c.refused())
		c.comes("normal any", normal)
		require.Equal(t, []string{"low 1"}, c.refused(), "the last of the least important, wherever it waits")
		c.comes("high 1", pool.Terms{Key: keys[1], Priority: pool.PriorityHigh})
		require.Equal(t, []string{"low 0"}, c.refused())
		c.comes("high any", high)
		require.Equal(t, []string{"normal any"}, c.refused())
		held[0].Checkin()
		require.Equal(t, []string{"high any"}, c.order())
		held[1].Checkin()
		require.Equal(t, []string{"high 1"}, c.order())
	})
}

// A worker that somebody waits for is not one too many, though the pool has more
// than Size and nobody waits for any.
func TestAWorkerWithWhomSomebodyIsToBeServedIsNotRetired(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.NoReset = true
		p := start(t, reg, b, pool.Options{Size: 1, MaxOverflow: 1, OverflowLinger: -1})
		mine, more := take(t, t.Context(), keyed(p, "mine")), take(t, t.Context(), p)
		waits := ask(t.Context(), keyed(p, "mine"))
		mine.Checkin()
		again := lentTo(t, waits)
		require.Same(t, mine.Worker(), again.Worker())
		again.Checkin()
		settle(t, p)
		require.Zero(t, p.Stats().Idle, "now it is")
		more.Checkin()
		settle(t, p)
		require.Equal(t, 1, p.Stats().Idle)
	})
}

func TestAKeyCountsOnNoWorkerBeyondSize(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.NoReset = true
		p := start(t, reg, b, pool.Options{Size: 1, MaxOverflow: 1, MaxWaiting: 1})
		take(t, t.Context(), keyed(p, "a"))
		waiting(t, ask(t.Context(), keyed(p, "a")))
		require.ErrorIs(t, refused(t, ask(t.Context(), keyed(p, "a"))), pool.ErrOverloaded)
		settle(t, p)
		require.Zero(t, p.Stats().Starting)
		require.NoError(t, stopNow(p))
	})
}
