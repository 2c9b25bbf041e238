package pool

import (
	"cmp"
	"context"
	"sync/atomic"
	"time"

	"github.com/pooltender/pool/internal/queue"
)

// waiter is a client queued for a worker. What it waits for is an offer: a lease
// or an error, under a number. Waiter and pool decide by one compare-and-swap
// on that number whether the waiter has accepted it or the pool taken it back,
// and whoever has swapped it to 0 owns what was offered.
type waiter struct {
	node  queue.Node[*waiter]
	wake  chan struct{} // of capacity 1: there is something to look at, or there was
	ctx   context.Context
	done  <-chan struct{}
	owner string
	since atomic.Int64  // 1 + nanoseconds after core.born; set by the client when it has queued
	offer atomic.Uint64 // the one that stands; 0: none. Set under core.mu
	lease lease         // what is offered; written under core.mu while no offer stands
	err   error         // or why there will be none
}

// waitedFor is how long the client has waited, 0 if it has only just come.
func (c *core) waitedFor(w *waiter, now time.Time) time.Duration {
	since := w.since.Load()
	if since == 0 {
		return 0
	}
	return now.Sub(c.born) - time.Duration(since-1)
}

// take accepts the offer that stands, or takes it back: whoever comes first.
func (w *waiter) take() bool {
	n := w.offer.Load()
	return n != 0 && w.offer.CompareAndSwap(n, 0)
}

// wait waits until the client is served, its context is done, or its patience
// is over. A nil waiter is queued first, unless something speaks against it.
func (c *core) wait(ctx context.Context, w *waiter, terms *Terms) (lease, error) {
	since := time.Since(c.born) // cheaper than time.Now
	patience := terms.patience(c.opts.MaxWait)
	if w == nil {
		done := ctx.Done()
		now := c.born.Add(since)
		deadline, _ := ctx.Deadline()
		if patience > 0 {
			deadline = earliest(deadline, now.Add(patience))
		}
		var l lease
		var err error
		c.must(func() { w, l, err = c.admit(ctx, done, terms.Owner, now, deadline) })
		if err != nil {
			return lease{}, c.refusal(err, time.Time{}) // it has not waited
		}
		if w == nil {
			return l, nil
		}
	}
	w.since.Store(int64(since) + 1)
	var timeout <-chan time.Time
	if patience > 0 {
		timer := time.NewTimer(patience)
		defer timer.Stop()
		timeout = timer.C
	}
	var left error
	for {
		if left = w.sleep(timeout); left != nil {
			c.leave(w)
			break
		}
		if w.take() {
			break
		}
		// It was woken for an offer that has been taken back: the client is in
		// its place again, and there will be another.
	}
	l, err := w.lease, cmp.Or(left, w.err)
	c.recycle(w)
	if err != nil {
		return lease{}, c.refusal(err, c.born.Add(since))
	}
	return l, nil
}

// sleep returns when there may be an offer, or with the reason to wait no longer.
func (w *waiter) sleep(timeout <-chan time.Time) error {
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
	return cmp.Or(w.ctx.Err(), context.Canceled)
}

// admit returns a waiter with a place in the queue, or a lease or error at once.
func (c *core) admit(ctx context.Context, done <-chan struct{}, owner string, now, deadline time.Time) (*waiter, lease, error) {
	if _, reason := c.hopeless(now, deadline); reason != nil {
		return nil, lease{}, reason
	}
	if c.open && c.queue.Len() == 0 {
		if s := c.takeIdle(); s != nil {
			return nil, c.lend(s, ctx, done, owner), nil
		}
	}
	// Waiters for whom a worker is on its way do not count.
	waiting := c.queue.Len() + 1
	if most := c.opts.MaxWaiting; waiting > most && waiting-c.permits-min(c.wanted(waiting), c.dueSlots(now)) > most {
		return nil, lease{}, ErrOverloaded
	}
	return c.enqueue(ctx, done, owner), lease{}, nil
}

// enqueue gives the client a place in the queue.
func (c *core) enqueue(ctx context.Context, done <-chan struct{}, owner string) *waiter {
	w, _ := c.waiters.Get().(*waiter)
	if w == nil {
		w = &waiter{wake: make(chan struct{}, 1)}
		w.node.Value = w
	}
	w.ctx, w.done, w.owner = ctx, done, owner
	c.settle() // invariants 8 and 9: from here on whoever comes or goes does so under the lock
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
	w.lease = c.lend(s, w.ctx, w.done, w.owner)
	s.served, s.offer = w, c.offer(w)
}

// refuse ends the waiting of a waiter that is out of the queue already.
func (c *core) refuse(w *waiter, reason error) {
	w.lease, w.err = lease{}, reason
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
	w := s.served
	if w == nil || !w.offer.CompareAndSwap(s.offer, 0) {
		return false
	}
	w.lease = lease{}
	s.inc.uses--
	c.checkouts--
	if _, reason := c.hopeless(time.Now(), time.Time{}); reason != nil {
		c.refuse(w, reason)
		return true
	}
	c.settle()
	c.queue.Restore(&w.node)
	c.serve()
	if !c.parked {
		poke(c.manager)
	}
	return true
}

// leave takes the waiter out of the queue. If it was served at that very moment
// the worker goes back, unused (invariant 6).
func (c *core) leave(w *waiter) {
	c.must(func() {
		if !c.queue.Remove(&w.node) && w.take() && w.err == nil && w.lease.live() {
			c.giveBack(w.lease.inc.slot)
		}
		c.recruit()
	})
}

// recycle keeps the waiter for another client. It is in no queue and no offer
// stands, so it is nobody else's; at most it will be woken once for nothing.
func (c *core) recycle(w *waiter) {
	w.ctx, w.done, w.owner = nil, nil, ""
	w.lease, w.err = lease{}, nil
	w.since.Store(0)
	c.waiters.Put(w)
}
