package pool

import (
	"cmp"
	"context"
	"sync/atomic"
	"time"

	"github.com/pooltender/pool/internal/queue"
	"github.com/pooltender/pool/internal/word"
)

// waiter is a client queued for a worker. What it waits for is an offer: a lease
// or an error, under a number. Waiter and pool decide by one compare-and-swap
// on that number whether the waiter has accepted it or the pool taken it back,
// and whoever has swapped it to 0 owns what was offered.
type waiter struct {
	node  queue.Node[*waiter]
	wake  chan struct{} // of capacity 1: there is something to look at, or there was
	done  <-chan struct{}
	terms *Terms
	since instant       // 0: the manager has yet to see it. Guarded by core.mu
	offer atomic.Uint64 // the one that stands; 0: none. Set under core.mu
	inc   *incarnation  // what is offered: its lease of this word; written under core.mu while no offer stands
	word  word.Word
	err   error   // or why there will be none
	next  *waiter // of those to use again
}

// seenAtOnce is how many clients read the clock when they begin to wait, for
// every look of the manager at the queue. It dates the others: if many come
// they cannot afford a clock each, and a millisecond does not matter.
const seenAtOnce = 16

// waitedFor is how long the client has waited, 0 if it has only just come.
func (c *core) waitedFor(w *waiter, now time.Time) time.Duration {
	if w.since == 0 {
		return 0
	}
	return now.Sub(c.time(w.since))
}

// seeWaiters notes since when the latest waiters have waited.
func (c *core) seeWaiters(now time.Time) {
	c.unseen = 0
	for w := range c.queue.Latest() {
		if w.Value.since != 0 {
			break
		}
		w.Value.since = c.instant(now)
	}
}

// take accepts the offer that stands, or takes it back: whoever comes first.
func (w *waiter) take() bool {
	n := w.offer.Load()
	return n != 0 && w.offer.CompareAndSwap(n, 0)
}

// wait waits until the client is served, its context is done, or its patience
// is over. A nil waiter is queued first, unless something speaks against it.
func (c *core) wait(ctx context.Context, done <-chan struct{}, w *waiter, terms *Terms) (lease, error) {
	patience := terms.patience(c.opts.MaxWait)
	if w == nil {
		now := time.Now()
		deadline, _ := ctx.Deadline()
		if patience > 0 {
			deadline = earliest(deadline, now.Add(patience))
		}
		var l lease
		var err error
		c.must(func() {
			w, l, err = c.admit(ctx, done, terms, now, deadline)
		})
		if err != nil {
			return lease{}, c.refusal(err, 0) // it has not waited
		}
		if w == nil {
			return l, nil
		}
	}
	var timeout <-chan time.Time
	if patience > 0 {
		timer := time.NewTimer(patience)
		defer timer.Stop()
		timeout = timer.C
	}
	for {
		if err := w.sleep(ctx, timeout); err != nil {
			return lease{}, c.refusal(err, c.leave(w))
		}
		if w.take() {
			break
		}
		// It was woken for an offer that has been taken back: the client is in
		// its place again, and there will be another.
	}
	l, err := lease{w.inc, w.word, ctx}, w.err
	if err != nil {
		return lease{}, c.refusal(err, c.leave(w))
	}
	return l, nil
}

// sleep returns when there may be an offer, or with the reason to wait no longer.
func (w *waiter) sleep(ctx context.Context, timeout <-chan time.Time) error {
	if timeout == nil { // a select of two is cheaper than one of three
		select {
		case <-w.wake:
			return nil
		case <-w.done:
		}
	} else {
		select {
		case <-w.wake:
			return nil
		case <-timeout:
			return ErrOverloaded
		case <-w.done:
		}
	}
	return cmp.Or(ctx.Err(), context.Canceled)
}

// admit returns a waiter with a place in the queue, or a lease or error at once.
func (c *core) admit(ctx context.Context, done <-chan struct{}, terms *Terms, now, deadline time.Time) (*waiter, lease, error) {
	if _, reason := c.hopeless(now, deadline); reason != nil {
		return nil, lease{}, reason
	}
	if c.open && c.queue.Len() == 0 {
		if s := c.takeIdle(); s != nil {
			return nil, c.lend(s, ctx, done, terms.Owner), nil
		}
	}
	// Waiters for whom a worker is on its way do not count.
	waiting := c.queue.Len() + 1
	if most := c.opts.MaxWaiting; waiting > most && waiting-c.permits-min(c.wanted(waiting), c.dueSlots(now)) > most {
		return nil, lease{}, ErrOverloaded
	}
	return c.enqueue(done, terms), lease{}, nil
}

// enqueue gives the client a place in the queue.
func (c *core) enqueue(done <-chan struct{}, terms *Terms) *waiter {
	w := c.spare
	if w != nil {
		c.spare, w.next = w.next, nil
		c.spares--
	} else {
		w = &waiter{wake: make(chan struct{}, 1)}
		w.node.Value = w
	}
	w.done, w.terms = done, terms
	switch c.unseen++; {
	case c.unseen <= seenAtOnce:
		w.since = c.instant(c.now())
	case c.unseen == seenAtOnce+1 && !c.hasty:
		poke(c.manager)
	}
	c.settle() // invariants 8 and 9: from here on whoever comes or goes does so under the lock
	c.queue.Push(&w.node)
	c.waited++
	c.recruit()
	c.hurry()
	return w
}

// hurry makes the manager look eagerly for leases of clients that are gone,
// while somebody waits.
func (c *core) hurry() {
	if !c.eager {
		c.eager = true
		poke(c.manager)
	}
}

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
	if w == nil || !w.offer.CompareAndSwap(s.loan.offer, 0) {
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
	c.queue.Restore(&w.node)
	c.serve()
	c.hurry()
	return true
}

// leave ends the waiting of a client that got nothing, and returns for how long
// it has waited. If it was served at that very moment the worker goes back,
// unused (invariant 6).
func (c *core) leave(w *waiter) (waited time.Duration) {
	c.must(func() {
		waited = c.waitedFor(w, c.now())
		if !c.queue.Remove(&w.node) && w.take() && w.err == nil && w.inc.word.Load().Same(w.word) {
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
	w.done, w.terms, w.inc, w.err, w.since = nil, nil, nil, nil, 0
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
