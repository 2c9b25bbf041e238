package pool

import (
	"cmp"
	"context"
	"sync/atomic"
	"time"

	"github.com/pooltender/pool/internal/queue"
)

// waiter is a client queued for a worker.
type waiter struct {
	node   queue.Node[*waiter]
	grant  chan grant // of capacity 1, so that whoever serves never blocks
	ctx    context.Context
	done   <-chan struct{}
	owner  string
	served lease         // what it was offered last; guarded by core.mu
	offers uint64        // how many it was made, ever; guarded by core.mu
	offer  atomic.Uint64 // the one that stands; 0: none, or it has been accepted or taken back
	since  atomic.Int64  // 1 + nanoseconds after core.born; set by the client when it has queued
}

// waitedFor is how long the client has waited, 0 if it has only just come.
func (c *core) waitedFor(w *waiter, now time.Time) time.Duration {
	since := w.since.Load()
	if since == 0 {
		return 0
	}
	return now.Sub(c.born) - time.Duration(since-1)
}

// grant is what a waiter waits for: a lease, which is an offer until the waiter
// accepts it, or an error.
type grant struct {
	lease lease
	err   error
	offer uint64
}

// wait waits until the client is served, its context is done, or its patience
// is over. A nil waiter is queued first, unless something speaks against it.
func (c *core) wait(ctx context.Context, w *waiter, terms *Terms) (lease, error) {
	since := time.Now()
	patience := terms.patience(c.opts.MaxWait)
	if w == nil {
		done := ctx.Done()
		deadline, _ := ctx.Deadline()
		if patience > 0 {
			deadline = earliest(deadline, since.Add(patience))
		}
		var g grant
		c.must(func() { w, g = c.admit(ctx, done, terms.Owner, since, deadline) })
		if g.err != nil {
			return lease{}, c.refusal(g.err, time.Time{}) // it has not waited
		}
		if w == nil {
			return g.lease, nil
		}
	}
	w.since.Store(int64(since.Sub(c.born)) + 1)
	var timeout <-chan time.Time
	if patience > 0 {
		timer := time.NewTimer(patience)
		defer timer.Stop()
		timeout = timer.C
	}
	var g grant
	for waiting := true; waiting; {
		select {
		case g = <-w.grant:
			// The lease is this client's if the offer still stands. If not, the
			// client is back in its place, and another grant will come.
			waiting = g.err == nil && !w.offer.CompareAndSwap(g.offer, 0)
		case <-w.done:
			c.leave(w)
			g, waiting = grant{err: cmp.Or(ctx.Err(), context.Canceled)}, false
		case <-timeout:
			g, waiting = grant{err: ErrOverloaded}, false
			c.leave(w)
		}
	}
	c.recycle(w)
	if g.err != nil {
		return lease{}, c.refusal(g.err, since)
	}
	return g.lease, nil
}

// admit returns a waiter with a place in the queue, or a grant at once.
func (c *core) admit(ctx context.Context, done <-chan struct{}, owner string, since, deadline time.Time) (*waiter, grant) {
	if _, reason := c.hopeless(since, deadline); reason != nil {
		return nil, grant{err: reason}
	}
	if c.open && c.queue.Len() == 0 {
		if n := c.idle.Take(); n != nil {
			return nil, grant{lease: c.lend(n.Value, ctx, done, owner)}
		}
	}
	// Waiters for whom a worker is on its way do not count.
	waiting := c.queue.Len() + 1
	if most := c.opts.MaxWaiting; waiting > most && waiting-c.permits-min(c.wanted(waiting), c.dueSlots(since)) > most {
		return nil, grant{err: ErrOverloaded}
	}
	return c.enqueue(ctx, done, owner), grant{}
}

// enqueue gives the client a place in the queue.
func (c *core) enqueue(ctx context.Context, done <-chan struct{}, owner string) *waiter {
	w, _ := c.waiters.Get().(*waiter)
	if w == nil {
		w = &waiter{grant: make(chan grant, 1)}
		w.node.Value = w
	}
	w.ctx, w.done, w.owner = ctx, done, owner
	c.queue.Push(&w.node)
	c.waited++
	c.recruit()
	if c.queue.Len() == 1 && !c.parked {
		poke(c.manager) // leases of clients that are gone are looked for eagerly while somebody waits
	}
	return w
}

// offerTo hands an idle worker, out of the idle set already, to a waiter that
// is out of the queue already.
func (c *core) offerTo(w *waiter, s *slot) {
	w.served = c.lend(s, w.ctx, w.done, w.owner)
	s.served = w
	w.offers++
	w.offer.Store(w.offers)
	w.grant <- grant{lease: w.served, offer: w.offers}
}

// takeBack is for a lease that the pool is about to end. If it is an offer that
// its waiter has not accepted yet, the waiter is put where it was before: in its
// place in the queue, ahead of all who came later (invariant 9). If it has, it
// was served in its turn, and what it got ends.
//
// Waiter and pool decide by one compare-and-swap on the offer. Offers are
// numbered, so that a waiter that looks late cannot accept an old one in place
// of the one that stands.
func (c *core) takeBack(s *slot) bool {
	w := s.served
	if w == nil || w.served.inc != s.inc || w.served.generation != s.generation {
		return false // it was not handed over, or the waiter is somebody else's by now
	}
	if !w.offer.CompareAndSwap(w.offers, 0) {
		return false
	}
	select {
	case <-w.grant: // room for the next; a waiter that had it already sees that it does not stand
	default:
	}
	s.inc.uses--
	c.checkouts--
	if _, reason := c.hopeless(time.Now(), time.Time{}); reason != nil {
		w.grant <- grant{err: reason}
		return true
	}
	c.queue.Restore(&w.node)
	c.serve()
	if !c.parked {
		poke(c.manager)
	}
	return true
}

// forgetServed is for a lease that ends: neither the slot nor the waiter keeps
// the worker, or the client's context, any longer (invariant 12).
func (s *slot) forgetServed() {
	if w := s.served; w != nil {
		if w.served.inc == s.inc && w.served.generation == s.generation {
			w.served = lease{}
		}
		s.served = nil
	}
}

// leave takes the waiter out of the queue. If it was served at that very moment
// the worker goes back, unused (invariant 6).
func (c *core) leave(w *waiter) {
	c.must(func() {
		if !c.queue.Remove(&w.node) {
			// Served under this lock, so the grant is in the channel.
			select {
			case g := <-w.grant:
				if g.err == nil && g.lease.live() {
					c.giveBack(g.lease.inc.slot)
				}
			default: // a bug; but nothing blocks under the lock
			}
		}
		c.recruit()
	})
}

// recycle keeps the waiter for another client. Nobody reads what it clears:
// the waiter is in no queue, and its grant has been taken.
func (c *core) recycle(w *waiter) {
	w.ctx, w.done, w.owner = nil, nil, ""
	w.since.Store(0)
	w.offer.Store(0)
	c.waiters.Put(w)
}
