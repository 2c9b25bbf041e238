package pool_test

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

func TestThePoolDoesWhatTheModelDoes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rapid.SyncTest(t, func(t *rapid.T) {
			w := newWorld(t)
			defer w.clear()
			w.live()
		})
	})
}

// model is what a pool should be doing, said as simply as possible: counts, the
// queue, and who holds what. Commands end when nothing moves any more, so it
// knows no moment in between.
type model struct {
	opts     pool.Options
	size     int
	idle     int
	starting int // only while stalled: otherwise a start takes no time
	born     int // workers that came up, ever
	holders  []*client
	queue    []*client
	draining bool // a Restart waits for the leases
	stalled  bool // starts do not end
	down     bool // starts fail
}

func (m *model) workers() int { return m.idle + len(m.holders) + m.starting }
func (m *model) limit() int   { return m.size + m.opts.MaxOverflow }
func (m *model) surplus() int { return max(0, m.workers()-m.size) }

// flow is all that a pool does of itself and at once.
func (m *model) flow() {
	for {
		switch {
		case m.draining:
			m.idle, m.starting = 0, 0
			if m.draining = len(m.holders) > 0; m.draining {
				return
			}
		case m.idle > 0 && m.workers() > m.limit():
			m.idle-- // after a Resize down
		case m.idle > 0 && len(m.queue) > 0:
			m.idle--
			m.holders, m.queue = append(m.holders, m.queue[0]), m.queue[1:]
		case m.idle > 0 && m.surplus() > 0 && m.opts.OverflowLinger < 0:
			m.idle--
		case m.starts() && m.stalled:
			m.starting++
		case m.starts():
			m.up(1)
		default:
			return
		}
	}
}

// starts reports whether a worker should be started: for the size, or for one
// who waits and for whom none is on its way.
func (m *model) starts() bool {
	if m.down || m.opts.MaxStarting > 0 && m.starting >= m.opts.MaxStarting {
		return false
	}
	return m.workers() < m.size || m.workers() < m.limit() && m.starting < len(m.queue)
}

// up is workers that have started.
func (m *model) up(n int) {
	m.born += n
	m.idle += n
	m.flow()
}

// end ends a lease. The worker stays with the pool, or goes.
func (m *model) end(c *client, stays bool) {
	m.holders = without(m.holders, c)
	if stays {
		m.idle++
	}
	m.flow()
}

// die is the change of epoch: every worker goes, those who wait keep their
// places.
func (m *model) die() {
	m.holders, m.idle, m.starting, m.draining = nil, 0, 0, false
	m.flow()
}

// client is a client of the pool, waiting, holding a worker or done with it.
type client struct {
	name   string
	ctx    context.Context
	cancel context.CancelFunc
	lease  fakeLease
	err    error
	done   atomic.Bool // Checkout has returned; the rest is set
	gone   bool        // its context has ended while it holds a worker
}

func (c *client) GoString() string { return c.name }

// The patience of the pools under test. Commands take no time, or little; what
// takes longer happens while the world sleeps, and only then: first every grace
// ends, then surplus workers have lingered enough.
const (
	grace   = time.Second
	linger  = 2 * time.Second
	backoff = 20 * time.Millisecond  // between restarts, where there is one
	asweep  = 120 * time.Millisecond // in which the manager sees every lease
	asleep  = grace + linger + 4*asweep
)

// world is a pool, what the model knows of it, and all who have to do with it.
type world struct {
	model
	t        *rapid.T
	reg      *pool.Registry
	b        *pooltest.Backend
	p        fakes
	gate     gate
	others   fakes
	other    fakeLease   // of the others, held all the time
	clients  []*client   // all there ever were
	past     []fakeLease // leases that have ended
	detached []*pooltest.Worker
	failing  int            // starts up to this one fail, or have
	restarts sync.WaitGroup // calls of Restart
	since    time.Time      // the last sleep
}

// gate keeps workers from starting.
type gate struct {
	mu   sync.Mutex
	shut chan struct{} // nil: open
}

func (g *gate) close() { g.mu.Lock(); defer g.mu.Unlock(); g.shut = make(chan struct{}) }
func (g *gate) open()  { g.mu.Lock(); defer g.mu.Unlock(); close(g.shut); g.shut = nil }
func (g *gate) before(start func(context.Context) (*pooltest.Worker, error)) func(context.Context) (*pooltest.Worker, error) {
	return func(ctx context.Context) (*pooltest.Worker, error) {
		g.mu.Lock()
		shut := g.shut
		g.mu.Unlock()
		if shut != nil {
			select {
			case <-shut:
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		return start(ctx)
	}
}

// inRapid makes the helpers for tests report to rapid. Cleanups are left to the
// world, which is cleared inside the bubble.
type inRapid struct {
	testing.TB
	t *rapid.T
}

func (r inRapid) Helper()                           {}
func (r inRapid) Cleanup(func())                    {}
func (r inRapid) Errorf(format string, args ...any) { r.t.Errorf(format, args...) }
func (r inRapid) Fatalf(format string, args ...any) { r.t.Fatalf(format, args...) }
func (r inRapid) Name() string                      { return r.t.Name() }

func newWorld(t *rapid.T) *world {
	tb := inRapid{t: t}
	w := &world{t: t, reg: pooltest.NewRegistry(), b: pooltest.NewBackend(tb)}
	w.b.Passive = rapid.Bool().Draw(t, "passive")
	w.b.NoReset = rapid.Bool().Draw(t, "no reset")
	w.b.NoStop = rapid.Bool().Draw(t, "no stop")
	w.b.Checks = rapid.Bool().Draw(t, "checks")
	w.size = rapid.IntRange(0, 3).Draw(t, "size")
	w.opts = pool.Options{
		Size:           w.size,
		MaxOverflow:    rapid.IntRange(max(0, 1-w.size), 2).Draw(t, "overflow"),
		OverflowLinger: rapid.SampledFrom([]time.Duration{-1, linger}).Draw(t, "linger"),
		Order:          rapid.SampledFrom([]pool.Order{pool.OrderRecent, pool.OrderLIFO, pool.OrderFIFO}).Draw(t, "order"),
		Reclaim:        rapid.SampledFrom([]pool.Reclaim{pool.ReclaimReplace, pool.ReclaimReuse}).Draw(t, "reclaim"),
		ReclaimGrace:   rapid.SampledFrom([]time.Duration{-1, grace}).Draw(t, "grace"),
		MaxStarting:    rapid.SampledFrom([]int{-1, 1, 2}).Draw(t, "max starting"),
		StartTimeout:   -1,
		MaxRestarts:    -1,
		Backoff:        rapid.SampledFrom([]pool.Backoff{{Min: -1}, {Min: backoff, Max: backoff}}).Draw(t, "backoff"),
	}
	if w.b.Checks {
		w.opts.CheckEvery = rapid.SampledFrom([]time.Duration{-1, linger / 3}).Draw(t, "check every")
	}
	spec := w.b.Spec()
	spec.Start = w.gate.before(spec.Start)
	w.p = pooltest.StartIn(tb, w.reg, spec, w.opts)
	w.others = pooltest.StartIn(tb, w.reg, pooltest.NewBackend(tb).Spec(), pool.Options{Size: 1})
	var err error
	w.other, err = w.others.Checkout(context.Background())
	require.NoError(t, err)
	w.since = time.Now()
	w.flow()
	return w
}

// clear lets go whoever is left after a failure: the bubble waits for them.
func (w *world) clear() {
	w.b.Release()
	_ = w.reg.Close()
	for _, c := range w.clients {
		c.cancel()
	}
}

// live is one history of the pool, from its start to its end.
func (w *world) live() {
	w.t.Repeat(map[string]func(*rapid.T){
		"":                       func(*rapid.T) { w.compare() },
		"check out":              w.checkout,
		"try":                    w.try,
		"come too late":          w.late,
		"check in":               w.checkin,
		"check in again":         w.checkin,
		"check in all":           w.checkinAll,
		"use stale leases":       w.stale,
		"check in elsewhere":     w.foreign,
		"retire":                 w.retire,
		"detach":                 w.detach,
		"transfer":               w.transfer,
		"kill leased":            w.killLeased,
		"kill idle":              w.killIdle,
		"cancel waiter":          w.cancelWaiter,
		"cancel at hand-over":    w.cancelAtHandover,
		"kill at hand-over":      w.killAtHandover,
		"kill at hand-over, too": w.killAtHandover,
		"end client":             w.endClient,
		"sleep":                  w.sleep,
		"fail next starts":       w.failStarts,
		"stall":                  w.stall,
		"go down":                w.goDown,
		"heal":                   w.heal,
		"resize":                 w.resize,
		"kill half":              w.killHalf,
		"kill half at work":      w.killHalfAtWork,
		"restart":                w.restart,
	})
	w.stop()
}

// compare lets everything come to rest and sees that the pool is as the model.
func (w *world) compare() {
	type counts struct {
		Idle, Leased, Waiting, Starting, Overflow, Born int
		Up                                              bool
	}
	want := counts{w.idle, len(w.holders), len(w.queue), w.starting, w.surplus(), w.born, true}
	var got counts
	for range 10 {
		synctest.Wait()
		s := w.p.Stats()
		up := w.stalled || w.draining || s.State == pool.StateReady || s.State == pool.StateDegraded
		if got = (counts{s.Idle, s.Leased, s.Waiting, s.Starting, s.Overflow, len(w.b.Workers()), up}); got == want {
			break
		}
		if w.opts.Backoff.Min > 0 || w.stalled { // growth takes its time as well
			time.Sleep(backoff)
		}
	}
	require.Equal(w.t, want, got)
	pooltest.Check(inRapid{t: w.t}, w.p, w.others)

	info := w.p.Inspect()
	var names, owners []string
	for _, c := range w.queue {
		names = append(names, c.name)
	}
	for _, waiter := range info.Waiters {
		owners = append(owners, waiter.Owner)
	}
	require.Equal(w.t, names, owners, "the queue")

	taken := map[*pooltest.Worker]bool{}
	alive := w.alive()
	for _, c := range w.holders {
		require.True(w.t, c.done.Load(), "the first who wait are served")
		require.NoError(w.t, c.err)
		require.NoError(w.t, c.lease.Err())
		require.False(w.t, taken[c.lease.Worker()], "%v has two holders", c.lease.Worker())
		require.Contains(w.t, alive, c.lease.Worker())
		taken[c.lease.Worker()] = true
	}
	for _, c := range w.queue {
		require.False(w.t, c.done.Load(), "only the first who wait are served")
	}
	for _, l := range w.past {
		require.Error(w.t, l.Err())
	}
	require.Len(w.t, alive, w.idle+len(w.holders))
	slots := info.Slots
	for _, worker := range w.b.Workers() {
		switch slot := worker.Slot; {
		case slices.Contains(alive, worker):
			require.Equal(w.t, slot.Incarnation, slots[slot.Index].Incarnation)
			require.EqualValues(w.t, worker.Uses(), slots[slot.Index].Uses, "what was not delivered does not count")
		case slices.Contains(w.detached, worker):
			require.Zero(w.t, worker.Stops(), "it belongs to the client")
		default:
			require.True(w.t, w.b.NoStop || worker.Stops() == 1, "%v is told to stop", worker)
		}
		require.LessOrEqual(w.t, worker.Resets(), worker.Uses(), "what was not used is not reset")
	}
	require.NoError(w.t, w.other.Err())
	require.Equal(w.t, 1, w.others.Stats().Leased)
}

// alive returns the workers that the pool has.
func (w *world) alive() []*pooltest.Worker {
	return slices.DeleteFunc(w.b.Alive(), func(worker *pooltest.Worker) bool { return slices.Contains(w.detached, worker) })
}

func without[T comparable](all []T, one T) []T {
	return slices.DeleteFunc(slices.Clone(all), func(c T) bool { return c == one })
}
