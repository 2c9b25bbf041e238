package pool_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
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
			w := newWorld(inRapid{t: t}, drawn{t})
			defer w.clear()
			actions := map[string]func(*rapid.T){"": func(*rapid.T) { w.settle() }}
			for _, c := range commands {
				actions[c.name] = func(t *rapid.T) {
					w.choices = drawn{t}
					if !w.obey(c) {
						t.Skip("it does not apply")
					}
				}
			}
			t.Repeat(actions)
			w.stop()
		})
	})
}

// choices decide what happens in a history.
type choices interface {
	pick(what string, of int) int // from 0, less than of
}

// drawn are those of rapid.
type drawn struct{ t *rapid.T }

func (d drawn) pick(what string, of int) int { return rapid.IntRange(0, of-1).Draw(d.t, what) }

// choose picks one of several.
func choose[T any](c choices, what string, of ...T) T { return of[c.pick(what, len(of))] }

// recorded are choices that are kept, to be read after a failure.
type recorded struct {
	choices
	journal []string
}

func (c *recorded) pick(what string, of int) int {
	n := c.choices.pick(what, of)
	c.journal = append(c.journal, fmt.Sprintf("%s: %d", what, n))
	return n
}

// client is a client of the pool, waiting, holding a worker or done with it.
type client struct {
	name   string
	terms  pool.Terms
	group  bool // it waits at others, too
	ctx    context.Context
	cancel context.CancelFunc
	lease  fakeLease
	err    error
	done   atomic.Bool // Checkout has returned; the rest is set
	gone   bool        // its context has ended while it holds a worker
}

func (c *client) GoString() string { return c.name }

// The patience of the pools under test. Commands take no time, or little; what
// takes longer happens while the world sleeps, and only then: first clients lose
// their patience, then every grace ends, then leases are overdue, then surplus
// workers have lingered enough.
const (
	shortWait = 800 * time.Millisecond
	grace     = time.Second
	linger    = 2 * time.Second
	hold      = 2500 * time.Millisecond
	lifetime  = 10 * time.Minute
	backoff   = 20 * time.Millisecond  // between restarts, where there is one
	asweep    = 120 * time.Millisecond // in which the manager sees every lease
	asleep    = grace + linger + 4*asweep
)

// world is a pool, what the model knows of it, and all who have to do with it.
type world struct {
	model
	recorded
	t        testing.TB
	reg      *pool.Registry
	b        *pooltest.Backend
	p        fakes
	gate     gate
	others   fakes
	other    fakeLease // of the others, held all the time
	homes    homes
	clients  []*client   // all there ever were
	past     []fakeLease // leases that have ended
	detached []*pooltest.Worker
	failing  int            // starts up to this one fail, or have
	renewals int            // times that all workers have grown old
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
func (r inRapid) FailNow()                          { r.t.FailNow() }
func (r inRapid) Errorf(format string, args ...any) { r.t.Errorf(format, args...) }
func (r inRapid) Fatalf(format string, args ...any) { r.t.Fatalf(format, args...) }
func (r inRapid) Name() string                      { return r.t.Name() }

func newWorld(t testing.TB, c choices) *world {
	w := &world{recorded: recorded{choices: c}, t: t, reg: pooltest.NewRegistry(), b: pooltest.NewBackend(t), homes: homes{}}
	w.line.passed = map[int][4]int{}
	w.b.Passive = w.pick("passive", 2) == 1
	w.b.NoReset = w.pick("no reset", 2) == 1
	w.b.NoStop = w.pick("no stop", 2) == 1
	w.opts = w.options()
	w.size, w.checks = w.opts.Size, w.b.Checks

	spec := w.b.Spec()
	spec.Start = w.gate.before(spec.Start)
	w.p = pooltest.StartIn(t, w.reg, spec, w.opts)
	w.others = pooltest.StartIn(t, w.reg, pooltest.NewBackend(t).Spec(), pool.Options{Size: 1})
	var err error
	w.other, err = w.others.Checkout(context.Background())
	require.NoError(t, err)
	w.since = time.Now()
	w.settle()
	return w
}

// options are those of a pool. Of what takes time a pool has no more than one, so
// that it is known what happens first.
func (w *world) options() pool.Options {
	size := w.pick("size", 4)
	o := pool.Options{
		Size:           size,
		MaxOverflow:    choose(w, "overflow", 0, 1, 2),
		OverflowLinger: choose(w, "linger", -1, linger),
		Order:          choose(w, "order", pool.OrderRecent, pool.OrderLIFO, pool.OrderFIFO),
		Reclaim:        choose(w, "reclaim", pool.ReclaimReplace, pool.ReclaimReuse),
		ReclaimGrace:   -1,
		MaxStarting:    choose(w, "max starting", -1, 1, 2),
		StartTimeout:   -1,
		MaxRestarts:    -1,
		Backoff:        choose(w, "backoff", pool.Backoff{Min: -1}, pool.Backoff{Min: backoff, Max: backoff}),
	}
	if size == 0 {
		o.MaxOverflow = max(1, o.MaxOverflow)
	}
	switch w.pick("what takes time", 6) {
	case 0, 1:
		o.ReclaimGrace = grace
	case 2:
		o.MaxWait = shortWait
	case 3:
		o.QueueTarget, o.QueueInterval = shortWait/2, shortWait
	case 4:
		o.MaxHold, o.OverflowLinger = hold, -1
	}
	if w.pick("plain", 2) == 1 {
		return o // nothing in the way of what is lent without the lock
	}
	w.b.Checks = w.pick("checks", 3) == 1
	if w.b.Checks {
		o.CheckEvery = choose(w, "check every", -1, linger/3)
	}
	o.MaxUses = choose(w, "max uses", 0, 0, 1, 3)
	o.TraceLeases = choose(w, "trace", 0, 0, 0, 1)
	o.MaxLifetime = choose(w, "max lifetime", 0, lifetime)
	if o.MaxWaiting = choose(w, "max waiting", 0, 0, 1, 3); o.MaxWaiting > 0 {
		o.Backoff = pool.Backoff{Min: -1} // or it would matter when a slot is due
	}
	return o
}

// clear lets go whoever is left after a failure: the bubble waits for them.
func (w *world) clear() {
	w.b.Release()
	_ = w.reg.Close()
	for _, c := range w.clients {
		c.cancel()
	}
}
