package pool

import (
	"cmp"
	"encoding/json"
	"slices"
	"time"
)

// Stats are the counts of a pool at one moment. The counts of slots add up:
// Idle + Leased + Tending + Starting + Stopping + BackingOff + Vacant is the
// number of slots, which is Size + Options.MaxOverflow, and more after a Resize
// down, as long as there is a worker in one of the slots beyond. In JSON durations
// are nanoseconds.
type Stats struct {
	State State `json:"state"`
	Size  int   `json:"size"` // as Options or Resize have set it

	Overflow   int `json:"overflow"` // workers beyond Size
	Idle       int `json:"idle"`
	Leased     int `json:"leased"`
	Tending    int `json:"tending"` // Reset or Check runs
	Starting   int `json:"starting"`
	Stopping   int `json:"stopping"`
	BackingOff int `json:"backing_off"` // slots that wait for their next start
	Vacant     int `json:"vacant"`      // slots without a worker, where none is wanted
	Zombies    int `json:"zombies"`     // beside the slots
	Waiting    int `json:"waiting"`     // clients in the queue

	QueueDelay time.Duration `json:"queue_delay"` // with QueueTarget: the shortest wait of this QueueInterval so far, of the priority that waits longest; 0: none
	Shedding   bool          `json:"shedding"`    // with QueueTarget: who has waited too long is turned away

	Checkouts uint64 `json:"checkouts"` // leases, ever
	Waited    uint64 `json:"waited"`    // clients that had to queue, served or not
	Shed      uint64 `json:"shed"`      // checkouts refused with ErrOverloaded or ErrUnavailable
	Crashes   uint64 `json:"crashes"`   // of workers, Reset and Check included
	Restarts  uint64 `json:"restarts"`  // workers that came up in a start after their slot's first; normal where they come and go

	Unstable  bool  `json:"unstable"`             // more ends nobody asked for than MaxRestarts in RestartWindow
	LastError error `json:"last_error,omitempty"` // the last crash, failed start, retirement or death of the pool; success does not clear it
}

// Info is everything there is in a registry. In JSON its durations are
// nanoseconds, but those of Options.
type Info struct {
	Time  time.Time  `json:"time"`
	Pools []PoolInfo `json:"pools"` // by name
}

// PoolInfo is everything there is in a pool, at one moment.
type PoolInfo struct {
	Name     string        `json:"name"`
	Worker   string        `json:"worker"` // the type W
	Stats    Stats         `json:"stats"`
	Epoch    uint64        `json:"epoch"`   // lives of its manager and worker supervisor, from 1; Restart counts too
	Options  Options       `json:"options"` // with defaults, but that of MaxRestarts; -1: no limit
	Slots    []SlotInfo    `json:"slots"`
	Waiters  []WaiterInfo  `json:"waiters"` // by priority, and then in the order of service
	Zombies  []Zombie      `json:"zombies"`
	RetryIn  time.Duration `json:"retry_in"` // until the next probe or epoch; 0: none is due
	Failures int           `json:"failures"` // that count towards Options.MaxRestarts
}

// SlotInfo is one slot of a pool.
type SlotInfo struct {
	Index       int           `json:"index"`
	State       SlotState     `json:"state"`
	Incarnation uint64        `json:"incarnation"`          // of the worker there, or of the last start
	Uses        uint64        `json:"uses"`                 // leases of this incarnation
	Age         time.Duration `json:"age"`                  // of this incarnation, since Start returned
	Old         bool          `json:"old"`                  // it is replaced when it is not leased and the pool can spare it
	Failures    int           `json:"failures"`             // in a row
	RetryIn     time.Duration `json:"retry_in"`             // while backing off
	LastError   error         `json:"last_error,omitempty"` // of this slot; success does not clear it
	Lease       *LeaseInfo    `json:"lease,omitempty"`
}

// LeaseInfo is a live lease.
type LeaseInfo struct {
	Owner string `json:"owner"` // Terms.Owner
	// Age is how long the lease has been seen at least: no clock is read at
	// checkout, so it counts from the manager's first look. That takes no
	// notice of a context that never ends, unless MaxHold or WarnHold is on:
	// such a lease is first seen by Inspect.
	Age time.Duration `json:"age"`
	// Ended says that the client's context has ended and the grace runs.
	Ended bool `json:"ended"`
	// Stack is that of the checkout, if the lease is traced: see
	// Options.TraceLeases.
	Stack string `json:"stack,omitempty"`
}

// WaiterInfo is a client in the queue.
type WaiterInfo struct {
	Ticket   uint64        `json:"ticket"`   // its place among those of its priority: lower ones are served before
	Priority Priority      `json:"priority"` // Terms.Priority
	Owner    string        `json:"owner"`    // Terms.Owner
	Key      string        `json:"key,omitempty"`
	Slot     int           `json:"slot"` // whose worker it waits for; -1: any
	Waited   time.Duration `json:"waited"`
}

// stats derives the counts. The lock is held.
func (c *core) stats() Stats {
	delay, shedding := c.sheds.gauge(c.now(), c.waits)
	return Stats{
		State: c.shownState(), Size: c.goal, Overflow: c.surplus(),
		Idle: c.counts[idling], Leased: c.counts[leased], Tending: c.counts[tending],
		Starting: c.counts[starting], Stopping: c.counts[stopping],
		BackingOff: c.counts[backingOff], Vacant: c.counts[vacant],
		Zombies: c.zombies.Len(), Waiting: c.waiting(),
		QueueDelay: delay, Shedding: shedding,
		Checkouts: c.checkouts, Waited: c.waited, Shed: c.shed,
		Crashes: c.crashes, Restarts: c.restarts,
		Unstable:  c.ledger.Unstable(c.policy(), c.now()),
		LastError: c.lastError,
	}
}

// plus is what two pools are together, in the better state of the two.
func (s Stats) plus(other Stats) Stats {
	if states := slices.Index(healthiest, s.State) - slices.Index(healthiest, other.State); states > 0 {
		s.State = other.State
	}
	s.Size += other.Size
	s.Overflow += other.Overflow
	s.Idle += other.Idle
	s.Leased += other.Leased
	s.Tending += other.Tending
	s.Starting += other.Starting
	s.Stopping += other.Stopping
	s.BackingOff += other.BackingOff
	s.Vacant += other.Vacant
	s.Zombies += other.Zombies
	s.Waiting += other.Waiting
	s.QueueDelay = max(s.QueueDelay, other.QueueDelay)
	s.Shedding = s.Shedding || other.Shedding
	s.Checkouts += other.Checkouts
	s.Waited += other.Waited
	s.Shed += other.Shed
	s.Crashes += other.Crashes
	s.Restarts += other.Restarts
	s.Unstable = s.Unstable || other.Unstable
	if s.LastError == nil {
		s.LastError = other.LastError
	}
	return s
}

var healthiest = []State{
	StateReady, StateDegraded, StateStarting, StateRestarting, StateCrashLoop, StateDraining, StateFailed, StateStopped,
}

func (c *core) inspect() (info PoolInfo) {
	origins := map[*LeaseInfo]*origin{} // written when the lock is free
	c.exactly(func() {
		now := c.now()
		info = PoolInfo{
			Name: c.name, Worker: c.workerType, Stats: c.stats(), Epoch: c.epoch,
			Failures: c.ledger.Failures(c.policy(), now),
			Slots:    make([]SlotInfo, 0, len(c.slots)),
			Waiters:  make([]WaiterInfo, 0, c.waiting()),
			Zombies:  make([]Zombie, 0, c.zombies.Len()),
		}
		info.Options = c.opts.shown()
		info.Options.Size = c.goal
		switch c.state {
		case StateCrashLoop:
			info.RetryIn = max(0, c.probeAt.Sub(now))
		case StateRestarting:
			info.RetryIn = max(0, c.restartAt.Sub(now))
		}
		c.markOld(now)
		for _, s := range c.slots {
			shown := s.inspect(now)
			if s.loan != nil && s.loan.trace != nil {
				origins[shown.Lease] = s.loan.origin()
			}
			info.Slots = append(info.Slots, shown)
		}
		for w := range c.all {
			info.Waiters = append(info.Waiters, c.inspectWaiter(w, now))
		}
		slices.SortFunc(info.Waiters, func(a, b WaiterInfo) int {
			return cmp.Or(cmp.Compare(b.Priority, a.Priority), cmp.Compare(a.Ticket, b.Ticket))
		})
		for n := range c.zombies.All() {
			info.Zombies = append(info.Zombies, c.zombieOf(n.Value))
		}
	})
	for lease, origin := range origins {
		lease.Stack = origin.String()
	}
	return info
}

func (c *core) inspectWaiter(w *waiter, now time.Time) WaiterInfo {
	slot := -1
	if w.slot != nil {
		slot = w.slot.index()
	}
	return WaiterInfo{w.node.Ticket(), priorityOf(w.node.Class), w.terms.Owner, w.terms.Key, slot, c.waitedFor(w, now)}
}

func (s *slot) inspect(now time.Time) SlotInfo {
	info := SlotInfo{
		Index: s.index(), State: slotWords[s.state], Incarnation: s.made,
		Failures: s.before().streak, LastError: s.before().lastError,
	}
	if s.state == backingOff {
		info.RetryIn = max(0, s.before().notBefore.Sub(now))
	}
	if inc := s.inc; inc != nil {
		info.Uses = inc.uses
		info.Age = inc.age(now)
		info.Old = inc.marks&isOld != 0 || s.core.isSpent(inc)
	}
	if loan := s.loan; loan != nil {
		if w := s.inc.word.Load(); !loan.seen.lease.Same(w) {
			loan.seen = sighting{lease: w, first: now}
		}
		info.Lease = &LeaseInfo{Owner: loan.owner, Age: now.Sub(loan.seen.first), Ended: !loan.seen.ended.IsZero()}
	}
	return info
}

// MarshalJSON writes the error as its text.
func (s Stats) MarshalJSON() ([]byte, error) {
	type plain Stats
	return json.Marshal(struct {
		plain
		LastError string `json:"last_error,omitempty"`
	}{plain(s), text(s.LastError)})
}

// MarshalJSON writes the error as its text.
func (s SlotInfo) MarshalJSON() ([]byte, error) {
	type plain SlotInfo
	return json.Marshal(struct {
		plain
		LastError string `json:"last_error,omitempty"`
	}{plain(s), text(s.LastError)})
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
