package pool

import (
	"context"
	"iter"
	"slices"
	"time"

	"github.com/pooltender/pool/internal/idle"
	"github.com/pooltender/pool/internal/list"
	"github.com/pooltender/pool/internal/restart"
	"github.com/pooltender/pool/internal/word"
)

type slotState uint8

const (
	vacant slotState = iota
	starting
	idling
	leased
	tending
	stopping
	backingOff
	resident // idle or leased, as the word of its worker says
	slotStates
)

var slotWords = [slotStates]SlotState{
	SlotVacant, SlotStarting, SlotIdle, SlotLeased, SlotTending, SlotStopping, SlotBackingOff, "resident",
}

func (s slotState) String() string { return string(slotWords[s]) }

// live reports whether a worker of this state is up.
func (s slotState) live() bool { return s == idling || s == leased || s == tending || s == resident }

// slot is the pool's numbered place for a worker. Its fields but core and index
// are guarded by core.mu.
type slot struct {
	core  *core
	index int

	state slotState
	inc   *incarnation

	// The lease, while leased.
	held    bool            // the lease is live; false while whoever ended it decides about the worker
	done    <-chan struct{} // of the client's context; nil: nothing to sweep
	owner   string
	context *leaseContext // what Lease.Context made
	served  *waiter       // who was offered it out of the queue, and may have accepted
	offer   uint64        // under which number
	since   time.Time     // set only while somebody watches leases
	seen    sighting

	// What survives the worker.
	made      uint64 // incarnations so far
	streak    int    // failures in a row
	notBefore time.Time
	emptied   time.Time // when its last worker had ended
	tried     uint64    // the epoch in which the first attempt of this slot has ended
	lastError error

	idleSince time.Time // zero: unknown, because there was no surplus when it came back
	idle      idle.Node[*slot]
	busy      list.Node[*slot]
	down      list.Node[*slot]
}

// sighting is what the manager has seen of a lease. It is of no use when the
// generation has moved.
type sighting struct {
	lease  word.Word
	first  time.Time // first seen
	ended  time.Time // the client's context was first seen done
	warned bool
}

// hook names a hook of an incarnation.
type hook string

const (
	noHook    hook = ""
	hookStart hook = "start"
	hookRun   hook = "run"
	hookReset hook = "reset"
	hookStop  hook = "stop"
)

// incarnation is one worker of a slot, from the moment its start is decided
// until everything of it has ended. Its record is the truth from which a new
// epoch is rebuilt: the fields are set by those who know, not by those who want.
type incarnation struct {
	// What a checkout and a checkin without the lock touch is on one cache line.
	//
	// The generation in the word is the identity of a lease: it moves with every
	// beginning and every end of one, and never goes back. A lease is live as
	// long as it is the word's (invariants 1, 5, 14). While the worker is not
	// resident it is written under core.mu alone.
	word   word.Atomic
	client client // written by the client that has claimed the resident worker
	slot   *slot
	id     Slot
	ctx    context.Context
	cancel context.CancelCauseFunc
	worker any // written before the start is reported, then constant

	// Guarded by core.mu.
	stripe     uint32             // where it is resident
	settled    word.Word          // with which it became so
	binding    bool               // recalled while a client was about to bind its lease
	epoch      uint64             // in which it was launched
	launched   bool               // its goroutine exists
	delivered  bool               // Start returned a worker: Stop is owed
	owed       bool               // a permit is held
	hook       hook               // what runs now, beside Run
	cancelHook context.CancelFunc // of Reset, while it runs
	running    bool               // Run runs
	over       bool               // crashed or told to end; there is no way back
	crashed    bool
	stopping   bool // Stop has been called, or needs not be
	gone       bool // nothing of it runs any more
	detached   bool // its slot has gone on without it

	began    time.Time // Start was called
	born     time.Time // Start returned
	deadline time.Time // of what runs now: the start, the hook, or the end
	uses     uint64    // leases
	served   bool      // a lease was completed by Checkin
	ending   restart.Ending
	proven   bool
	err      error      // why it ended, where there is an error to tell
	stopErr  error      // what Stop said
	ends     []leaseEnd // of leases that were not plainly checked in, newest last
	zombie   list.Node[*incarnation]
}

// leaseEnd is how a lease of an incarnation ended.
type leaseEnd struct {
	lease  word.Word
	reason EndReason
	err    error
	after  time.Duration // abandoned: how long after the client's context; overdue: how long it was held
}

// rememberedEnds is how many ends of leases an incarnation remembers.
const rememberedEnds = 8

// remember keeps how a lease ended, for Lease.Err.
func (inc *incarnation) remember(end leaseEnd) {
	if n := len(inc.ends); n > 0 && inc.ends[n-1].lease.Same(end.lease) {
		inc.ends = inc.ends[:n-1]
	}
	if len(inc.ends) == rememberedEnds {
		inc.ends = slices.Delete(inc.ends, 0, 1)
	}
	inc.ends = append(inc.ends, end)
}

// endOf returns how the lease of a word ended, if that is remembered.
func (inc *incarnation) endOf(lease word.Word) leaseEnd {
	for _, end := range inc.ends {
		if end.lease.Same(lease) {
			return end
		}
	}
	return leaseEnd{reason: EndReturned}
}

// nextWord begins or ends a lease under the lock.
func (inc *incarnation) nextWord() word.Word {
	w := inc.word.Load().Next()
	inc.word.Store(w)
	return w
}

func (inc *incarnation) isProven(now time.Time) bool {
	return inc.served || (!inc.born.IsZero() && now.Sub(inc.born) >= healthyAfter)
}

func (c *core) newSlot(index int) *slot {
	s := &slot{core: c, index: index}
	s.unlink()
	return s
}

// unlink gives the slot fresh nodes, in no list.
func (s *slot) unlink() {
	s.idle = idle.Node[*slot]{Value: s, Index: s.index}
	s.busy = list.Node[*slot]{Value: s}
	s.down = list.Node[*slot]{Value: s}
}

// grow makes slots up to the limit.
func (c *core) grow() {
	for n := len(c.slots); n < c.limit(); n++ {
		if n < cap(c.slots) && c.slots[:n+1][n] != nil {
			c.slots = c.slots[:n+1]            // it was there before: its incarnations go on counting
			c.slots[n].notBefore = time.Time{} // it may have missed a pardon
		} else {
			c.slots = append(c.slots, c.newSlot(n))
		}
		s := c.slots[n]
		s.state = vacant
		c.counts[vacant]++
		c.lieDown(s)
	}
}

// trim drops vacant slots beyond the limit, from the end. Their leases have all
// ended, so no generation is ever used twice.
func (c *core) trim() {
	for n := len(c.slots); n > c.limit() && c.slots[n-1].inc == nil; n = len(c.slots) {
		s := c.slots[n-1]
		c.getUp(s)
		c.counts[s.state]--
		c.slots = c.slots[:n-1] // it stays in the array behind, where a loop may be about to look at it
	}
}

// highestFirst iterates over the slots from the last to the first. The body may
// empty slots, and so make the last ones go.
func (c *core) highestFirst() iter.Seq[*slot] {
	return func(yield func(*slot) bool) {
		for i := len(c.slots) - 1; i >= 0; i-- {
			if i < len(c.slots) && !yield(c.slots[i]) {
				return
			}
		}
	}
}

// dueSlots counts the slots in which a worker could be started now.
func (c *core) dueSlots(now time.Time) (n int) {
	for _, s := range c.slots {
		if s.inc == nil && s.index < c.limit() && !now.Before(s.notBefore) {
			n++
		}
	}
	return n
}

// to moves a slot from one state to another, with all that is derived from
// states: the counts and the lists. Everything but idle ⇄ leased comes here.
func (c *core) to(s *slot, state slotState) {
	c.recall(s)
	switch s.state {
	case idling:
		c.idle.Remove(&s.idle)
	case starting, tending, stopping:
		c.busy.Remove(&s.busy)
	case vacant, backingOff:
		c.getUp(s)
	}
	wasLive := s.state.live()
	c.counts[s.state]--
	c.counts[state]++
	s.state = state
	switch state {
	case idling:
		c.idle.Add(&s.idle)
	case starting, tending, stopping:
		c.busy.PushBack(&s.busy)
	case vacant, backingOff:
		c.lieDown(s)
	}
	if wasLive != state.live() {
		now := time.Now()
		c.ledger.Alive(now)
		c.assess(now)
	}
	if wasLive != state.live() || state == vacant {
		c.notify()
	}
}

// assess notes what follows from the number of live workers: since when the
// pool is ready, since when there is a surplus, and that waiting is in vain.
func (c *core) assess(now time.Time) {
	if c.live() < c.goal {
		c.unready(now)
	} else if c.readyAt.IsZero() {
		c.readyAt = now
	}
	if c.state == StateCrashLoop && c.live() == 0 {
		c.dismissWaiters(ErrUnavailable)
	}
	if c.surplus() == 0 {
		c.surplusAt, c.lingerAt = time.Time{}, time.Time{}
	} else if c.surplusAt.IsZero() {
		c.surplusAt = now
		c.settle()
	}
}

func (c *core) lieDown(s *slot) {
	if s.index < c.goal {
		c.down[0].PushBack(&s.down)
	} else {
		c.down[1].PushBack(&s.down)
	}
}

func (c *core) getUp(s *slot) {
	if !c.down[0].Remove(&s.down) {
		c.down[1].Remove(&s.down)
	}
}
