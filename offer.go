package pool

import (
	"time"

	"github.com/pooltender/pool/internal/hatch"
)

// offerTo hands an idle worker, out of the idle set already, to a waiter that
// is out of the queue already.
func (c *core) offerTo(w *waiter, s *slot) {
	l := c.lend(s, nil, w.done, w.terms.Owner)
	w.inc, w.word = l.inc, l.word
	s.loan.served, s.loan.offer = w, c.offer(w)
}

// refuse ends the waiting of a waiter that is out of the queue already.
func (c *core) refuse(w *waiter, reason error) {
	w.err = reason
	c.offer(w)
}

// offer makes what the waiter has been given stand. The waiter is woken when
// the lock is free again; if there are several, the others at once.
func (c *core) offer(w *waiter) uint64 {
	c.offers++
	w.offer.Store(c.offers)
	if c.woken != nil {
		poke(c.woken.wake)
	}
	c.woken = w
	return c.offers
}

// takeBack is for a lease that the pool is about to end. If it is an offer that
// its waiter has not accepted yet, the waiter is put where it was before: in its
// place in the queue, ahead of all who came later (invariant 9). If it has, it
// was served in its turn, and what it got ends.
//
// Offers are numbered, no two of a pool alike: neither can a waiter that looks
// late accept an old one in place of the one that stands, nor is the waiter
// found here another's by now.
func (c *core) takeBack(s *slot) bool {
	w := s.loan.served
	if w == nil {
		return false
	}
	hatch.At(hatch.TakeBack, c)
	if !w.offer.CompareAndSwap(s.loan.offer, 0) {
		return false
	}
	w.inc = nil
	s.inc.uses--
	c.checkouts--
	if _, reason := c.hopeless(c.now(), time.Time{}); reason != nil {
		c.refuse(w, reason)
		return true
	}
	c.settle()
	if w.since == 0 { // behind others who are dated, where the manager does not look
		w.since = c.instant(c.now())
	}
	c.standAgain(w)
	c.serve()
	c.hurry()
	return true
}

// leave ends the waiting of a client that got nothing, and returns for how long
// it has waited. If it was served at that very moment the worker goes back,
// unused (invariant 6).
func (c *core) leave(w *waiter) (waited time.Duration) {
	c.must(func() { // step leave
		waited = c.waitedFor(w, c.now())
		if !c.remove(w) && w.take() && w.err == nil && w.inc.word.Load().Same(w.word) {
			c.giveBack(w.inc.slot)
		}
		c.recycle(w)
		c.recruit()
	})
	return waited
}

// recycle keeps a waiter for another client. It is in no queue, no offer stands
// and its client is done with it, so it is nobody's; at most it will be woken
// once for nothing.
func (c *core) recycle(w *waiter) {
	w.done, w.terms, w.slot, w.inc, w.err, w.since = nil, nil, nil, nil, nil, 0
	if c.spares < keptWaiters {
		w.next, c.spare = c.spare, w
		c.spares++
	}
}

// keptWaiters and keptLoans are how many of those a pool keeps for the next
// clients, until the manager parks.
const (
	keptWaiters = 1024
	keptLoans   = 1024
)

// forget lets go of what was kept for clients that do not come.
func (c *core) forget() {
	c.spare, c.spares = nil, 0
	c.loans, c.kept = nil, 0
}
