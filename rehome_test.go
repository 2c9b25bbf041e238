package pool_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

// While a slot is down one who wants its worker waits for another's. When it is up
// again newcomers with the same key go there: so must those who came before them.
func TestThoseWhoWaitElsewhereComeHomeWithTheirWorker(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.NoReset = true
		p := start(t, reg, b, pool.Options{Size: 2})
		keys := keysOf(t, p)
		take(t, t.Context(), keyed(p, keys[1])) // and never gives it back
		take(t, t.Context(), keyed(p, keys[0]))
		b.Always(pooltest.Script{StartAfter: time.Second})
		c := newLineUp(t, p)
		c.comes("first", pool.Terms{Key: keys[0]})
		crash(t, p, b, 0, 0)
		c.comes("second", pool.Terms{Key: keys[0]})
		waiters := p.Inspect().Waiters
		require.Equal(t, []int{1, 0}, []int{waiters[0].Slot, waiters[1].Slot}, "the second came when its slot was about to be up")
		time.Sleep(time.Second)
		require.Equal(t, []string{"first", "second"}, c.order())
	})
}

func TestThoseWhoseKeyMovesToANewSlotGoThereWhenItIsUp(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.NoReset = true
		p := start(t, reg, b, pool.Options{Size: 1})
		take(t, t.Context(), p) // and never gives it back
		c := newLineUp(t, p)
		for i := range 20 {
			c.comes(fmt.Sprint(i), pool.Terms{Key: fmt.Sprint(i)})
		}
		require.NoError(t, p.Resize(t.Context(), 2))
		served, left := c.order(), c.inLine()
		require.NotEmpty(t, served, "half of them, or so")
		require.Len(t, left, 20-len(served))
		require.Equal(t, 1, take(t, t.Context(), keyed(p, served[0])).Slot().Index)
		settle(t, p)
	})
}

// The manager dates from the end of the queue those who came in a crowd, up to
// the first who has a date. Who comes back from a line of a slot has one, and
// must not hide those before.
func TestTheWaitOfThoseBeforeOneWithAKeyIsKnown(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 2, MaxRestarts: -1})
		keys := keysOf(t, p)
		take(t, t.Context(), keyed(p, keys[0]))
		take(t, t.Context(), keyed(p, keys[1]))
		ask(t.Context(), p) // from here on the manager looks every millisecond
		for range 30 {
			ask(t.Context(), p)
		}
		ask(t.Context(), keyed(p, keys[0]))
		b.Always(pooltest.Script{Start: pooltest.Fail})
		pooltest.KillWorker(p, 0)
		pooltest.KillWorker(p, 1)
		synctest.Wait()
		time.Sleep(time.Second)
		settle(t, p)
		require.Equal(t, 32, p.Stats().Waiting)
		for _, w := range p.Inspect().Waiters {
			require.Equal(t, -1, w.Slot)
			require.Equal(t, time.Second, w.Waited.Round(10*time.Millisecond), "ticket %d", w.Ticket)
		}
		b.Always(pooltest.Script{})
		time.Sleep(time.Minute)
		settle(t, p)
	})
}

// One slot after another goes down, until there is none: a crowd with keys goes
// from line to line, and ends in the order in which it came.
func TestACrowdThatLosesItsSlotsKeepsItsOrder(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		const crowd = 5_000
		p := start(t, reg, b, pool.Options{Size: 10, MaxRestarts: -1, Backoff: pool.Backoff{Min: time.Hour}})
		for range 10 {
			take(t, t.Context(), p)
		}
		terms := make([]fakes, 100)
		for i := range terms {
			terms[i] = keyed(p, fmt.Sprint(i))
		}
		for i := range crowd {
			go func() { _, _ = terms[i%len(terms)].Checkout(t.Context()) }()
		}
		synctest.Wait()
		require.Equal(t, crowd, p.Stats().Waiting)
		b.Always(pooltest.Script{Start: pooltest.Fail})
		for slot := range 10 {
			pooltest.KillWorker(p, slot)
			synctest.Wait()
		}
		settle(t, p)
		require.Equal(t, crowd, p.Stats().Waiting)
		for i, w := range p.Inspect().Waiters {
			require.Equal(t, -1, w.Slot)
			require.EqualValues(t, i+1, w.Ticket)
		}
		require.NoError(t, p.Stop(cancelled))
	})
}

// More come at once than read the clock, and the manager dates those in the queue
// alone.
func TestTheWaitOfEachOfACrowdWithOneKeyIsKnown(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 1})
		lease := take(t, t.Context(), p)
		for i := range 40 {
			go func() {
				if l, err := keyed(p, fmt.Sprint(i)).Checkout(t.Context()); err == nil {
					l.Checkin()
				}
			}()
		}
		synctest.Wait()
		time.Sleep(time.Minute)
		waiters := p.Inspect().Waiters
		require.Len(t, waiters, 40)
		for _, w := range waiters {
			require.Equal(t, time.Minute, w.Waited)
		}
		lease.Checkin()
		settle(t, p)
	})
}

func TestWhoHasToMoveToASuspectHasItCheckedAtOnce(t *testing.T) {
	checking(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 3})
		mine := keyed(p, keyOf(t, p, 0))
		take(t, t.Context(), mine)
		client := ask(t.Context(), mine)
		require.True(t, pooltest.KillWorker(p, 2))
		settle(t, p)
		b.Always(pooltest.Script{StartAfter: 10 * time.Second})
		require.True(t, pooltest.KillWorker(p, 0), "the second crash within a second: all are suspects")
		settle(t, p)
		lease := lentTo(t, client)
		require.NotZero(t, lease.Slot().Index)
		require.Equal(t, 1, lease.Worker().Checks())
	})
}
