package pool

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pooltender/pool/internal/hatch"
	"github.com/pooltender/pool/internal/idle"
	"github.com/pooltender/pool/internal/list"
	"github.com/pooltender/pool/internal/restart"
)

// healthyAfter is how long a worker must live to be proven without having
// completed a lease, and how long a pool must be ready for its own restarts and
// probes to be forgotten.
const healthyAfter = 10 * time.Second

// core is a pool without the type of its workers: all its state, one lock, and
// the transitions that clients, workers, the manager, the worker supervisor and
// the keeper make under it.
//
// Every critical section is one of change, must, exactly, repair and view, or
// does by hand what change does. Cancelling under it runs nobody's code: what
// context.AfterFunc has registered runs on goroutines of its own. Nothing blocks
// under the lock and no user code runs under it (invariant 10).
type core struct {
	name       string
	instance   string // tells apart pools of the same name, in profiles
	registry   *Registry
	events     *hub
	hooks      hooks
	opts       Options // with defaults
	free       bool    // options and hooks allow to lend without the lock
	control    Control // the *Pool[W]
	workerType string
	faults     hatch.Faults

	manager    chan struct{} // each of capacity 1: a wake-up is never lost and never blocks
	supervisor chan struct{}
	keeper     chan struct{}
	stopped    chan struct{} // closed when the pool is gone

	born time.Time

	mu sync.Mutex
	// The fields below are guarded by mu.

	midway     bool // a critical section has begun and not reached its last line
	poisoned   bool // one never did: nobody touches the state until the keeper has rebuilt it
	poisonedBy error
	healed     chan struct{} // closed when it has; nil unless poisoned

	clock   time.Time // see now
	state   State
	open    bool // clients are served: starting, running or crash loop, and not poisoned
	epoch   uint64
	goal    int // Size, as Resize has set it
	changed chan struct{}

	slots  []*slot
	counts [slotStates]int // of slots by state, moved wherever a state is; check derives them anew
	idle   idle.Set[*slot]
	busy   list.List[*place]    // starting, tending or stopping: those with a deadline
	down   [2]list.List[*place] // vacant or backing off, longest first; [1]: slots beyond the goal
	lines
	sheds     *shedding // nil: the pool has no QueueTarget
	offers    uint64    // made to waiters, ever
	yielded   int       // see yields
	yieldedAt time.Time
	woken     *waiter // has an offer, and is to be woken when the lock is free
	spare     *waiter // recycled; of this pool alone, because channels belong to synctest bubbles
	spares    int
	loans     *loan // recycled
	kept      int

	zombies list.List[*incarnation]

	residence
	supervision
	lifecycle
	watch
	aging
	health
	totals

	lent atomic.Uint64 // checkouts, counted only with TraceLeases; not guarded
}

// supervision is what the worker supervisor keeps.
type supervision struct {
	ledger    restart.Ledger
	stirred   bool      // something has changed since the last turn; whoever releases the lock wakes the supervisor
	turnAt    time.Time // when the supervisor will take a turn unasked; zero: never
	permits   int       // starts in flight that have not been given up
	untried   int       // every slot below has ended its first attempt of this epoch
	busyAlarm time.Time // the earliest deadline in busy; zero: none
	probe     *incarnation
	probes    int
	probeAt   time.Time
	growAt    time.Time // when another worker may be started for those who wait; zero: nobody waits for that time
	ramp      bool      // after a crash loop: starts in flight stay below the live, until all are up
	readyAt   time.Time // live >= goal since; zero: it is not
	lastError error
	shown     State     // Ready or Degraded as last published
	shownAt   time.Time // events of those two come once a second at most
}

// lifecycle is what the keeper, Start, Stop and Restart keep.
type lifecycle struct {
	sync      bool  // the first start: a failure is the answer of Start
	startErr  error // that answer
	gaveUp    bool  // it says that the context of Start ended, which is nobody else's
	forced    bool  // Stop, Restart: no more patience with leases
	deaths    []time.Time
	streak    int // of deaths, for the backoff
	restartAt time.Time
	stopErr   error
}

// watch is what the manager keeps.
type watch struct {
	parked    bool // nothing to sweep: the manager sleeps without a timer
	eager     bool // it has been told that somebody waits
	hasty     bool // it looks again within a millisecond
	quiet     int  // sweeps that have found nothing, one after another
	unseen    int  // waiters that have come since it looked
	interval  time.Duration
	surplusAt time.Time // there are more workers than the goal since
	lingerAt  time.Time // when the next surplus worker has lingered enough; zero: never
}

type totals struct {
	checkouts, waited, shed, crashes, restarts uint64
}

func newCore(r *Registry, name string, h hooks, opts Options) *core {
	c := &core{
		name: name, registry: r, events: r.events, hooks: h, opts: opts,
		manager:    make(chan struct{}, 1),
		supervisor: make(chan struct{}, 1),
		keeper:     make(chan struct{}, 1),
		stopped:    make(chan struct{}),
	}
	c.instance = fmt.Sprintf("%p", c)
	c.state, c.open, c.epoch = StateStarting, true, 1
	c.born = time.Now()
	c.ledger.Begin(c.born)
	c.goal = opts.Size
	c.sync = !opts.AsyncStart
	c.parked = true
	c.free = opts.Order == OrderRecent && h.reset == nil && opts.TraceLeases == 0 && opts.MaxUses == math.MaxInt && opts.CheckEvery <= 0
	c.sheds = newShedding(&opts)
	c.aging, c.health = newAging(), newHealth()
	c.residence.init()
	c.residence.fit(c.goal)
	c.idle.Oldest = opts.Order == OrderFIFO
	c.idle.Resize(c.goal)
	c.grow()
	return c
}

func (c *core) publish(e Event) {
	if c.events.active() {
		e.Slot.Pool = c.name
		c.events.publish(e)
	}
}

// notify wakes those who await something of the pool.
func (c *core) notify() {
	if c.changed != nil {
		close(c.changed)
		c.changed = nil
	}
}

func (c *core) live() int {
	return c.counts[idling] + c.counts[leased] + c.counts[tending] + c.counts[resident]
}

// occupied counts the slots whose worker exists, in whatever condition.
func (c *core) occupied() int {
	return c.live() + c.counts[starting] + c.counts[stopping]
}

// staffed counts the workers that are up or about to be: not those that are
// ending, nor starts that were given up.
func (c *core) staffed() int { return c.live() + c.permits }

// surplus counts the workers beyond the goal: overflow is a number, not a kind
// of worker.
func (c *core) surplus() int {
	return max(0, c.staffed()-c.goal)
}

// limit is the most workers there may be, but for those not yet back since a
// Resize down.
func (c *core) limit() int { return c.goal + c.opts.MaxOverflow }

func (c *core) policy() restart.Policy {
	return restart.Policy{
		Min: c.opts.Backoff.Min, Max: c.opts.Backoff.Max,
		MaxRestarts: c.opts.maxRestarts(c.goal), Window: c.opts.RestartWindow,
		HealthyAfter: healthyAfter, ProbeMax: 5 * time.Second,
	}
}

func (c *core) jitter() float64 {
	if hatch.Interleaved {
		return 0.5
	}
	return rand.Float64()
}

// poke wakes whoever waits on a channel of capacity 1.
func poke(wake chan struct{}) {
	select {
	case wake <- struct{}{}:
	default:
	}
}

// earliest returns the earlier of two times, where zero means never.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}

// hit is a place where a half can be killed.
func (c *core) hit(half hatch.Half, at hatch.Point) { c.faults.Hit(half, at) } // step kill
