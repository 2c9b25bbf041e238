package pool

import (
	"runtime"
	"sync/atomic"
	"time"

	"github.com/pooltender/pool/internal/hatch"
	"github.com/pooltender/pool/internal/word"
)

// residence is where workers stand that are lent and returned without the lock.
//
// A worker that came back from a client while nobody waits becomes resident: it
// stands on a stripe, and its word says whether it is idle or leased. From then
// on a checkout is one compare-and-swap on that word, and so is a checkin. A
// goroutine looks at the same stripe again and again, so clients on different
// processors meet different words.
//
// Everything else happens under the lock, to workers that are not resident:
// whoever needs one recalls it first, by one compare-and-swap that makes those
// of the clients fail. Then all that holds under the lock holds for it too. In
// particular:
//
//   - Nobody is resident while somebody waits (settle). A checkin at that time
//     either came before the recall, and then whoever queued the waiter found
//     the worker idle; or its compare-and-swap fails, and it takes the lock and
//     serves the waiter. No wake-up is lost, no newcomer passes one who waits
//     (invariants 8 and 9).
//   - A worker that crashes is recalled before anything else is done about it,
//     and is never resident again (invariants 1, 4, 7).
//   - No word comes twice, so a lease that has ended can change nothing
//     (invariants 5, 14).
//
// Resident are only workers of an open pool that has no surplus, no waiters, no
// Reset, no one who listens to lease events, and lends in any order. They are
// proven: a client has checked them in.
//
// The form is that of biased locking (Kawachiya, Koseki and Onodera, 2002): what
// is uncontended belongs to the fast path until somebody under the lock takes
// it back.
type residence struct {
	stripes []stripe      // constant
	places  uint32        // how many of them the pool uses; guarded by core.mu
	spread  atomic.Uint32 // places, or 0 from settle to the next resident, so that nobody searches in vain
}

// stripe is a place for one resident worker, a cache line away from the next.
type stripe struct {
	worker atomic.Pointer[incarnation] // written under core.mu
	// Guarded by core.mu.
	settled word.Word // with which the worker became resident
	seen    word.Word // the lease that the manager saw last
	first   instant   // when it saw it first

	_ [cacheLine]byte
}

const (
	cacheLine         = 64
	stripesAProcessor = 8 // two goroutines in parallel rarely look at the same one
	mostStripes       = 64
	stackGranule      = 11         // log2 of the smallest stack
	fibonacci         = 0x9E3779B1 // 2^32 over the golden ratio: neighbours go far apart (Knuth, TAOCP 6.4)
	guestTurns        = 16         // see claim
)

func (r *residence) init() {
	r.stripes = make([]stripe, min(mostStripes, stripesAProcessor*runtime.GOMAXPROCS(0)))
}

// fit makes the residence that of a pool of this size. Nobody is resident.
func (r *residence) fit(size int) {
	r.places = uint32(max(1, min(size, len(r.stripes))))
}

// reside makes a worker resident that has come back from a client, if that is
// possible and there is a place. The lock is held.
func (c *core) reside(s *slot) bool {
	if !c.lendsFreely() || s.inc.binding || c.counts[resident] >= int(c.places) {
		return false
	}
	i := home(c.places)
	for c.stripes[i].worker.Load() != nil {
		if i++; i == c.places {
			i = 0
		}
	}
	inc := s.inc
	inc.stripe = uint8(i)
	inc.client.clear()
	st := &c.stripes[i]
	st.settled, st.seen = inc.word.Load().Reside(!c.parked), 0
	inc.word.Store(st.settled)
	st.worker.Store(inc)
	if c.counts[resident] == 0 {
		c.spread.Store(c.places)
	}
	c.counts[s.state]--
	c.counts[resident]++
	s.state = resident
	return true
}

// lendsFreely reports whether workers may be lent without the lock. Whoever makes
// it false settles the pool in the same critical section, or, where that is no
// matter of the lock (a subscriber), right after.
func (c *core) lendsFreely() bool {
	return c.free && c.open && c.state != StateCrashLoop && c.waiting() == 0 && c.surplus() == 0 &&
		!c.events.watched() && !(c.parked && c.holds())
}

// recall puts a resident worker under the lock, where it is idle or leased.
func (c *core) recall(s *slot) {
	if s.state != resident {
		return
	}
	c.withdraw(s.inc)
	c.counts[resident]--
	if s.loan != nil {
		s.state = leased
	} else {
		s.state = idling
		c.idle.Add(&s.place)
	}
	c.counts[s.state]++
}

// withdraw takes a worker off its stripe and notes how it stands. From here on
// no compare-and-swap of a client succeeds.
func (c *core) withdraw(inc *incarnation) {
	var w word.Word
	for {
		if w = inc.word.Load(); !w.Resident() {
			return
		}
		hatch.At(hatch.Recall, c)
		if inc.word.CompareAndSwap(w, w.Recall()) {
			break
		}
	}
	st := &c.stripes[inc.stripe]
	st.worker.Store(nil)
	begun := w.Leases(st.settled)
	inc.uses += begun
	c.checkouts += begun
	if w.Leased() {
		loan := c.newLoan()
		if w.Bound() {
			loan.done, loan.owner = inc.client.get()
		}
		if st.seen.Same(w) {
			loan.seen = sighting{lease: w, first: c.time(st.first)}
		}
		inc.binding = w.Binding()
		inc.slot.loan = loan
	}
}

// settle recalls every resident worker: what the slots say then stays true as
// long as the lock is held.
func (c *core) settle() {
	if c.counts[resident] == 0 || c.poisoned {
		return
	}
	c.spread.Store(0)
	for i := range c.stripes[:c.places] {
		if inc := c.stripes[i].worker.Load(); inc != nil {
			c.recall(inc.slot) // step settle
		}
	}
}

// takeIdle takes the idle slot to lend next. If there is none, nobody is
// resident either, so that none comes back as long as the lock is held.
func (c *core) takeIdle() *slot {
	if s := c.takeNext(); s != nil || c.counts[resident] == 0 {
		return s
	}
	for i := range c.stripes[:c.places] { // one that is idle will do, and leaves the others where they are
		inc := c.stripes[i].worker.Load()
		if inc == nil || !inc.word.Load().Free() { // step peek
			continue
		}
		c.recall(inc.slot) // step grab
		if s := c.takeNext(); s != nil {
			return s
		}
	}
	c.settle()
	return c.takeNext()
}

// takeNext is takeIdle of those that are not resident.
func (c *core) takeNext() *slot {
	s := c.nextIdle()
	if s != nil {
		c.idle.Remove(&s.place)
	}
	return s
}

// glance looks at a resident worker without recalling it, and reports whether
// its lease has to be looked at under the lock. A lease that the manager sees
// for the first time is brief, as far as it knows, and stays where it is unless
// its client is gone; one that lasts is no matter for the fast path.
//
// What is read of the record belongs to the lease if the word was the same
// before and after. If not, that lease has only just begun, and will be seen.
func (c *core) glance(inc *incarnation, now time.Time) (watch, brief bool) {
	w := inc.word.Load() // step sweep
	if c.holds() {
		return w.Leased(), false
	}
	if !w.Bound() {
		return false, false
	}
	hatch.At(hatch.Glance, c)
	done, _ := inc.client.get()
	if done == nil {
		return false, false
	}
	st := &c.stripes[inc.stripe]
	if st.seen.Same(w) || inc.word.Load() == w && closed(done) { // step reread
		return true, false
	}
	st.seen, st.first = w, c.instant(now)
	return true, true
}

func closed(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}
