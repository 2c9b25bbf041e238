package pool_test

import (
	"context"
	"encoding/json"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

// lineUp is clients that wait, each under a name, and the order in which they are
// served.
type lineUp struct {
	t      *testing.T
	p      fakes
	served chan string
	refuse chan string
}

func newLineUp(t *testing.T, p fakes) *lineUp {
	return &lineUp{t, p, make(chan string, 1000), make(chan string, 1000)}
}

// comes is one who waits, is noted when served, and comes no more.
func (c *lineUp) comes(name string, terms pool.Terms) (leave context.CancelFunc) {
	ctx, cancel := context.WithCancel(c.t.Context())
	terms.Owner = name
	go func() {
		defer cancel()
		lease, err := c.p.With(terms).Checkout(ctx)
		if err != nil {
			c.refuse <- name
			return
		}
		c.served <- name
		lease.Checkin()
	}()
	settle(c.t, c.p)
	return cancel
}

func heard(from chan string) (all []string) {
	for len(from) > 0 {
		all = append(all, <-from)
	}
	return all
}

func (c *lineUp) order() []string { settle(c.t, c.p); return heard(c.served) }

func (c *lineUp) refused() []string { settle(c.t, c.p); return heard(c.refuse) }

func (c *lineUp) inLine() (all []string) {
	for _, w := range c.p.Inspect().Waiters {
		all = append(all, w.Owner)
	}
	return all
}

var (
	low      = pool.Terms{Priority: pool.PriorityLow}
	normal   = pool.Terms{}
	high     = pool.Terms{Priority: pool.PriorityHigh}
	critical = pool.Terms{Priority: pool.PriorityCritical}
)

func TestWhoIsImportantIsServedFirstAndInAPriorityWhoCameFirst(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 1})
		held := take(t, t.Context(), p)
		c := newLineUp(t, p)
		c.comes("low 1", low)
		c.comes("normal 1", normal)
		c.comes("beyond critical", pool.Terms{Priority: 100})
		c.comes("high 1", high)
		c.comes("below low", pool.Terms{Priority: -100})
		c.comes("critical 2", critical)
		c.comes("low 3", low)
		c.comes("high 2", high)
		c.comes("normal 2", normal)
		want := []string{"beyond critical", "critical 2", "high 1", "high 2", "normal 1", "normal 2", "low 1", "below low", "low 3"}
		require.Equal(t, want, c.inLine(), "Inspect shows the order of service")
		require.Equal(t, pool.PriorityCritical, p.Inspect().Waiters[0].Priority)
		require.Equal(t, pool.PriorityLow, p.Inspect().Waiters[7].Priority)
		held.Checkin()
		require.Equal(t, want, c.order())
	})
}

func TestWhoLeavesCostsNobodyHisTurn(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 1})
		held := take(t, t.Context(), p)
		c := newLineUp(t, p)
		c.comes("low", low)
		leave := c.comes("critical", critical)
		c.comes("high", high)
		leave()
		settle(t, p)
		held.Checkin()
		require.Equal(t, []string{"high", "low"}, c.order())
		require.Equal(t, []string{"critical"}, c.refused())
	})
}

// The bound on starvation, at the level of the pool: sixteen of higher priority,
// and then it is the turn of the lower once.
func TestALowPriorityIsPassedOverSixteenTimesInARow(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 1})
		held := take(t, t.Context(), p)
		c := newLineUp(t, p)
		c.comes("low", low)
		c.comes("low", low)
		for range 40 {
			c.comes("high", high)
		}
		held.Checkin()
		order := c.order()
		require.Len(t, order, 42)
		for i, name := range order {
			want := "high"
			if i == 16 || i == 33 {
				want = "low"
			}
			require.Equal(t, want, name, "the one served as number %d", i)
		}
	})
}

func TestAMoreImportantNewcomerTakesThePlaceOfTheLastLessImportantOne(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 1, MaxWaiting: 3})
		held := take(t, t.Context(), p)
		c := newLineUp(t, p)
		c.comes("low 1", low)
		c.comes("low 2", low)
		c.comes("normal 1", normal)
		c.comes("low 3", low)
		require.Equal(t, []string{"low 3"}, c.refused(), "an equal one takes nobody's place")
		displaced := ask(t.Context(), p.With(low))
		require.ErrorIs(t, refused(t, displaced), pool.ErrOverloaded)

		c.comes("high", high)
		require.Equal(t, []string{"low 2"}, c.refused())
		c.comes("normal 2", normal)
		require.Equal(t, []string{"low 1"}, c.refused())
		c.comes("normal 3", normal)
		require.Equal(t, []string{"normal 3"}, c.refused())
		c.comes("critical", critical)
		require.Equal(t, []string{"normal 2"}, c.refused())
		require.EqualValues(t, 6, p.Stats().Shed)
		require.Equal(t, 3, p.Stats().Waiting)
		held.Checkin()
		require.Equal(t, []string{"critical", "high", "normal 1"}, c.order())
	})
}

func TestWhosePlaceIsTakenIsToldHowLongItHasWaited(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 1, MaxWaiting: 1})
		take(t, t.Context(), p)
		displaced := ask(t.Context(), p.With(low))
		time.Sleep(time.Second)
		waiting(t, ask(t.Context(), p))
		err := refused(t, displaced)
		require.ErrorIs(t, err, pool.ErrOverloaded)
		require.Equal(t, time.Second, err.Waited)
		require.ErrorContains(t, err, "overloaded after waiting 1s")
		settle(t, p)
	})
}

// A worker that dies in the hand-over puts its waiter back to where it was: before
// those of its priority who came later, and behind those more important.
func TestAWaiterTakenInVainKeepsItsPlaceInItsPriority(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.NoReset = true
		p := start(t, reg, b, pool.Options{Size: 1})
		backs := 0
		for range 200 {
			held := take(t, t.Context(), p)
			c := newLineUp(t, p)
			for _, name := range []string{"normal 1", "normal 2"} {
				c.comes(name, normal)
			}
			c.comes("low", low)
			held.Checkin() // hands over to the first
			pooltest.KillWorker(p, 0)
			back := p.Stats().Waiting == 3
			c.comes("high", high)
			order := c.order()
			require.Len(t, order, 4)
			if back { // else somebody had the worker when it died, and notes that at leisure
				backs++
				require.Less(t, index(order, "normal 1"), index(order, "normal 2"))
				require.Less(t, index(order, "normal 2"), index(order, "low"))
			}
		}
		require.Positive(t, backs, "an offer was taken back")
	})
}

func index(all []string, one string) int {
	for i, name := range all {
		if name == one {
			return i
		}
	}
	return -1
}

func TestPrioritiesOutliveTheEpoch(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 1})
		take(t, t.Context(), p)
		c := newLineUp(t, p)
		c.comes("low", low)
		c.comes("normal 1", normal)
		c.comes("high", high)
		c.comes("normal 2", normal)
		pooltest.KillManager(p, pooltest.AtLocked)
		require.Equal(t, []string{"high", "normal 1", "normal 2", "low"}, c.order())
		require.EqualValues(t, 2, p.Inspect().Epoch)
	})
}

func TestPrioritiesAreWrittenAsWords(t *testing.T) {
	t.Parallel()
	for priority, word := range map[pool.Priority]string{
		pool.PriorityLow: "low", pool.PriorityNormal: "normal", pool.PriorityHigh: "high", pool.PriorityCritical: "critical",
	} {
		require.Equal(t, word, priority.String())
		text, err := json.Marshal(priority)
		require.NoError(t, err)
		require.Equal(t, `"`+word+`"`, string(text))
		var back pool.Priority
		require.NoError(t, json.Unmarshal(text, &back))
		require.Equal(t, priority, back)
	}
	require.Equal(t, "critical", pool.Priority(127).String())
	require.Equal(t, "low", pool.Priority(-128).String())
	require.Equal(t, pool.PriorityNormal, pool.Terms{}.Priority, "the zero Terms are of normal priority")

	back := pool.PriorityHigh
	err := back.UnmarshalText([]byte("urgent"))
	var fault *pool.OptionError
	require.ErrorAs(t, err, &fault)
	require.Equal(t, "Priority", fault.Field)
	require.ErrorContains(t, err, `pool: Priority must be one of ["low" "normal" "high" "critical"], got`)
	require.Equal(t, pool.PriorityHigh, back, "it is left as it was")
}

// Whoever is gone when its turn comes is passed over without its worker being
// touched: the worker is not lent, not reset, and not counted as used.
//
// vitessio/vitess#20308, #20310: connections went to those who had given up, while
// others did.
func TestAWaiterThatIsGoneIsSkippedWithoutAWorkerBeingTouched(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.NoReset = true
		p := start(t, reg, b, pool.Options{Size: 1})
		held := take(t, t.Context(), p)
		ctx, cancel := context.WithCancel(t.Context())
		var gone []<-chan answer
		for range 5 {
			gone = append(gone, ask(ctx, p))
		}
		last := ask(t.Context(), p)
		before := p.Stats().Checkouts
		var begun atomic.Int32
		defer reg.Subscribe(func(e pool.Event) {
			if e.Kind == pool.EventLeaseStarted {
				begun.Add(1)
			}
		})()
		cancel() // and before any of them can run:
		require.True(t, held.Checkin())
		lease := lentTo(t, last)
		for _, answers := range gone {
			require.ErrorIs(t, refused(t, answers), context.Canceled)
		}
		require.EqualValues(t, 1, begun.Load())
		require.Equal(t, before+1, p.Stats().Checkouts)
		require.EqualValues(t, 2, p.Inspect().Slots[0].Uses)
		require.Zero(t, p.Stats().Waiting)
		require.True(t, lease.Checkin())
		settle(t, p)
	})
}

// Three classes are due at once: each has its turn, one after another.
func TestThoseWhoArePassedOverHaveTheirTurnsOneAfterAnother(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.NoReset = true
		p := start(t, reg, b, pool.Options{Size: 1})
		lease := take(t, t.Context(), p)
		clients := map[string]<-chan answer{}
		for _, priority := range []pool.Priority{pool.PriorityLow, pool.PriorityNormal, pool.PriorityHigh} {
			clients[priority.String()] = ask(t.Context(), p.With(pool.Terms{Priority: priority}))
		}
		for range 40 {
			ask := ask(t.Context(), p.With(pool.Terms{Priority: pool.PriorityCritical}))
			clients[fmt.Sprint("critical ", len(clients))] = ask
		}
		turns := map[string]int{}
		for turn := 1; len(clients) > 0; turn++ {
			lease.Checkin()
			settle(t, p)
			for name, client := range clients {
				if len(client) == 1 {
					lease = lentTo(t, client)
					turns[name] = turn
					delete(clients, name)
				}
			}
		}
		for _, name := range []string{"low", "normal", "high"} {
			require.GreaterOrEqual(t, turns[name], 17, name)
			require.LessOrEqual(t, turns[name], 19, name)
		}
		lease.Checkin()
		settle(t, p)
	})
}

func TestRetryAfterIsOfTheClientsOwnPriority(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.NoReset = true
		p := start(t, reg, b, pool.Options{Size: 1, MaxWaiting: 2})
		take(t, t.Context(), p)
		low := p.With(pool.Terms{Priority: pool.PriorityLow})
		ask(t.Context(), low)
		time.Sleep(10 * time.Second)
		ask(t.Context(), p.With(pool.Terms{Priority: pool.PriorityCritical}))
		require.Equal(t, 10*time.Second, refused(t, ask(t.Context(), low)).RetryAfter)
		require.NoError(t, stopNow(p))
	})
}
