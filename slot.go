package pool

import (
	"iter"
	"slices"
	"time"

	"github.com/pooltender/pool/internal/idle"
	"github.com/pooltender/pool/internal/list"
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

// slot is the pool's numbered place for a worker. Its fields but core are
// guarded by core.mu. There may be a million, so what not all of them need is
// kept apart.
type slot struct {
	core *core
	inc  *incarnation
	loan *loan // while a lease is live that the lock knows of: not while resident
	past *past // nil: no worker has ended here yet

	state     slotState
	tried     uint32  // the epoch in which the first attempt of this slot has ended
	made      uint64  // incarnations so far
	idleSince instant // 0: unknown, because there was no surplus when it came back

	place place // in the idle set, or its Link in busy or down: in none while leased or resident
}

// place is where a slot stands in one of the lists.
type place = idle.Node[*slot]

func (s *slot) index() int { return s.place.Index }

// loan is what the pool knows of a lease. The pool keeps loans for the next
// leases, so that a checkout does not allocate.
type loan struct {
	done    <-chan struct{} // of the client's context; nil: nothing to sweep
	owner   string
	context *leaseContext // what Lease.Context made
	trace   *trace        // nil: not traced
	served  *waiter       // who was offered it out of the queue, and may have accepted
	offer   uint64        // under which number
	since   time.Time     // set only while somebody watches leases
	seen    sighting
	next    *loan // of those kept
}

// sighting is what the manager has seen of a lease.
type sighting struct {
	lease  word.Word
	first  time.Time // first seen
	ended  time.Time // the client's context was first seen done
	warned bool
}

// past is what is known of the workers that ended in a slot.
type past struct {
	streak    int // failures in a row
	notBefore time.Time
	emptied   time.Time // when the last one had ended
	lastError error
}

// before returns the past to read, which is empty for most.
func (s *slot) before() past {
	if s.past == nil {
		return past{}
	}
	return *s.past
}

// history returns the past to write to.
func (s *slot) history() *past {
	if s.past == nil {
		s.past = new(past)
	}
	return s.past
}

// pardon lets the next start of the slot begin at once.
func (s *slot) pardon() {
	if s.past != nil {
		s.past.notBefore = time.Time{}
	}
}

// instant is a time in one machine word: nanoseconds of the pool's age, and 1.
// 0 is the zero time.
type instant int64

func (c *core) instant(t time.Time) instant {
	if t.IsZero() {
		return 0
	}
	return instant(t.Sub(c.born)) + 1
}

func (c *core) time(i instant) time.Time {
	if i == 0 {
		return time.Time{}
	}
	return c.born.Add(time.Duration(i - 1))
}

func (c *core) newSlot(index int) *slot {
	s := &slot{core: c}
	s.place.Value, s.place.Index = s, index // constant; hooks read the index without the lock
	s.unlink()
	return s
}

// unlink gives the slot a fresh link, in no list.
func (s *slot) unlink() { s.place.Link = list.Node[*place]{Value: &s.place} }

// grow makes slots up to the limit.
func (c *core) grow() {
	c.slots = slices.Grow(c.slots, max(0, c.limit()-len(c.slots)))
	for n := len(c.slots); n < c.limit(); n++ {
		if c.slots[:n+1][n] != nil {
			c.slots = c.slots[:n+1] // it was there before: its incarnations go on counting
			c.slots[n].pardon()     // it may have missed that of the others
		} else {
			c.slots = append(c.slots, c.newSlot(n))
		}
		s := c.slots[n]
		s.state = vacant
		c.counts[vacant]++
		c.lieDown(s)
	}
}

// trim drops vacant slots beyond the limit, from the end.
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
		if s.inc == nil && s.index() < c.limit() && !now.Before(s.before().notBefore) {
			n++
		}
	}
	return n
}

// to moves a slot from one state to another, with all that is derived from
// states: the counts and the lists. Everything comes here but lending, returning and residence.
func (c *core) to(s *slot, state slotState) {
	c.recall(s)
	switch s.state {
	case idling:
		c.idle.Remove(&s.place)
	case starting, tending, stopping:
		c.busy.Remove(&s.place.Link)
	case vacant, backingOff:
		c.getUp(s)
	}
	lost := s.state == tending && state == stopping
	wasLive := s.state.live()
	c.counts[s.state]--
	c.counts[state]++
	s.state = state
	switch state {
	case idling:
		c.standBy(s)
	case starting, tending, stopping:
		c.busy.PushBack(&s.place.Link)
	case vacant, backingOff:
		c.lieDown(s)
	}
	if wasLive != state.live() {
		now := c.now()
		c.ledger.Alive(now)
		c.assess(now)
	}
	if wasLive != state.live() || state == vacant {
		c.notify()
	}
	if lost {
		c.summon() // whoever waited for its check waits for another's
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
	if s.index() < c.goal {
		c.down[0].PushBack(&s.place.Link)
	} else {
		c.down[1].PushBack(&s.place.Link)
	}
}

// isDown reports whether the slot is in one of the two lists of those that are.
func (c *core) isDown(s *slot) bool {
	return s.place.Link.In(&c.down[0]) || s.place.Link.In(&c.down[1])
}

func (c *core) getUp(s *slot) {
	if !c.down[0].Remove(&s.place.Link) {
		c.down[1].Remove(&s.place.Link)
	}
}
