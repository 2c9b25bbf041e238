package pool

import (
	"context"
	"errors"
	"time"

	"github.com/pooltender/pool/internal/queue"
)

var errNilContext = errors.New("pool: the context must not be nil")

// checkout lends a worker: an idle one at once, or the next that this client's
// turn brings.
func (c *core) checkout(ctx context.Context, terms *Terms) (lease, error) {
	l, done, err := c.take(ctx, terms)
	if err != nil || l.inc != nil {
		return l, err
	}
	return c.wait(ctx, done, terms)
}

// take lends an idle worker, if there is one and nobody waits. The context is
// asked before the lock is taken (invariant 10).
func (c *core) take(ctx context.Context, terms *Terms) (lease, <-chan struct{}, error) {
	if ctx == nil {
		return lease{}, nil, errNilContext
	}
	done := ctx.Done()
	if done != nil {
		if err := ctx.Err(); err != nil {
			return lease{}, nil, c.refusal(err, time.Time{})
		}
	}
	c.mu.Lock()
	defer c.unlock()
	// A newcomer never passes one who waits (invariant 9). With the lock held,
	// idle > 0 means that nobody does (invariant 8); the queue is looked at all
	// the same, because it is the promise and costs nothing.
	if !c.open || c.queue.Len() > 0 {
		return lease{}, done, nil
	}
	c.midway = true
	var l lease
	if n := c.idle.Take(); n != nil {
		l = c.lend(n.Value, ctx, done, terms.Owner)
	}
	c.midway = false
	return l, done, nil
}

// tryCheckout lends an idle worker or says why there is none.
func (c *core) tryCheckout(ctx context.Context, terms *Terms) (lease, error) {
	l, _, err := c.take(ctx, terms)
	if err != nil || l.inc != nil {
		return l, err
	}
	var reason error
	c.view(func() {
		if reason, _ = c.hopeless(time.Now(), time.Time{}); reason == nil {
			reason = ErrFull
		}
	})
	return lease{}, c.refusal(reason, time.Time{})
}

// lend begins a lease of an idle worker that is out of the idle set already.
func (c *core) lend(s *slot, ctx context.Context, done <-chan struct{}, owner string) lease {
	s.generation++ // invariant 1: whatever lease came before is stale now
	s.state, s.held = leased, true
	c.counts[idling]--
	c.counts[leased]++
	s.done, s.owner = done, owner
	s.inc.uses++
	c.checkouts++
	if c.parked && (done != nil || c.holds()) {
		c.parked = false
		poke(c.manager)
	}
	if c.events.watched() {
		s.since = time.Now()
		c.publish(Event{Kind: EventLeaseStarted, Slot: s.inc.id, Owner: owner, Time: s.since})
	}
	return lease{s.inc, s.generation, ctx}
}

// holds reports whether leases are watched for their age.
func (c *core) holds() bool { return c.opts.WarnHold > 0 || c.opts.MaxHold > 0 }

// serve is the one function that gives workers to waiters. Every event that
// frees a worker or adds one comes here (invariant 8), and it always serves the
// head of the queue (invariant 9).
func (c *core) serve() {
	if !c.open {
		return
	}
	for c.queue.Len() > 0 {
		n := c.idle.Take()
		if n == nil {
			break
		}
		w := c.queue.Head().Value
		c.queue.Remove(&w.node)
		// The lease is the waiter's before it leaves its place: should the
		// worker die now, the waiter finds its lease ended and comes back with
		// its old ticket.
		w.grant <- grant{lease: c.lend(n.Value, w.ctx, w.done, w.owner)}
	}
	if c.queue.Len() > 0 {
		if reason, _ := c.hopeless(time.Now(), time.Time{}); reason != nil {
			c.dismissWaiters(reason)
		}
	}
	c.recruit()
}

// recruit wakes the worker supervisor if a worker should be started.
func (c *core) recruit() {
	if c.wanted(c.queue.Len()) > 0 {
		poke(c.supervisor)
	}
}

// dismissWaiters ends all waiting.
func (c *core) dismissWaiters(reason error) {
	for w := c.queue.Head(); w != nil; w = c.queue.Head() {
		c.queue.Remove(w)
		w.Value.grant <- grant{err: reason}
	}
}

// hopeless returns the error of a client that would wait in vain: because of
// the pool's state, or because the next attempt to have a worker comes later
// than the client's deadline (zero: it has none).
func (c *core) hopeless(now, deadline time.Time) (reason error, next time.Time) {
	switch c.state {
	case StateDraining, StateStopped:
		return ErrStopped, next
	case StateFailed:
		return ErrUnavailable, next
	case StateCrashLoop:
		if c.live() == 0 {
			return ErrUnavailable, c.nextAttempt(now)
		}
	}
	if deadline.IsZero() || c.occupied() > 0 {
		return nil, next
	}
	if next = c.nextAttempt(now); next.After(deadline) {
		return ErrUnavailable, next
	}
	return nil, next
}

// nextAttempt is when the next start is due, given that none is under way.
func (c *core) nextAttempt(now time.Time) (next time.Time) {
	switch c.state {
	case StateCrashLoop:
		next = c.probeAt
	case StateRestarting:
		next = c.restartAt
	default:
		for n := range c.down[0].All() {
			if at := n.Value.notBefore; next.IsZero() || at.Before(next) {
				next = at
			}
		}
	}
	if next.Before(now) {
		return now
	}
	return next
}

// refusal is the error of a checkout that came to nothing. since is when the
// client began to wait; zero: it did not.
func (c *core) refusal(reason error, since time.Time) error {
	err := &CheckoutError{Pool: c.name, Err: reason}
	now := time.Now()
	if !since.IsZero() {
		err.Waited = now.Sub(since)
	}
	c.view(func() {
		if errors.Is(reason, ErrUnavailable) || errors.Is(reason, ErrOverloaded) {
			c.shed++
		}
		err.Stats = c.stats()
		switch {
		case errors.Is(reason, ErrUnavailable):
			if _, next := c.hopeless(now, now); !next.IsZero() {
				// Whoever comes at the very moment of the attempt comes too early.
				err.RetryAfter = max(next.Sub(now), 100*time.Millisecond)
			}
		case errors.Is(reason, ErrOverloaded), errors.Is(reason, ErrFull):
			if head := c.queue.Head(); head != nil {
				err.RetryAfter = now.Sub(head.Value.since)
			}
		}
	})
	return err
}

// waiter is a client queued for a worker.
type waiter struct {
	node  queue.Node[*waiter]
	grant chan grant // of capacity 1, so that whoever serves never blocks
	ctx   context.Context
	done  <-chan struct{}
	owner string
	since time.Time
}

// grant is what a waiter waits for.
type grant struct {
	lease lease
	err   error
}

// wait queues the client until it is served, its context is done, or its
// patience is over.
func (c *core) wait(ctx context.Context, done <-chan struct{}, terms *Terms) (lease, error) {
	since := time.Now()
	deadline, _ := ctx.Deadline()
	var timeout <-chan time.Time
	if patience := terms.patience(c.opts.MaxWait); patience > 0 {
		timer := time.NewTimer(patience)
		defer timer.Stop()
		timeout = timer.C
		if limit := since.Add(patience); deadline.IsZero() || limit.Before(deadline) {
			deadline = limit
		}
	}
	var w *waiter
	var g grant
	c.must(func() { w, g = c.enqueue(ctx, done, terms.Owner, since, deadline) })
	for w != nil {
		select {
		case g = <-w.grant:
			g, w = c.accept(w, g)
		case <-done:
			g, w = c.leave(w, ctx.Err())
		case <-timeout:
			g, w = c.leave(w, ErrOverloaded)
		}
	}
	if g.err != nil {
		return lease{}, c.refusal(g.err, since)
	}
	return g.lease, nil
}

// enqueue returns a waiter with a place in the queue, or a grant at once.
func (c *core) enqueue(ctx context.Context, done <-chan struct{}, owner string, since, deadline time.Time) (*waiter, grant) {
	if reason, _ := c.hopeless(since, deadline); reason != nil {
		return nil, grant{err: reason}
	}
	if c.open && c.queue.Len() == 0 {
		if n := c.idle.Take(); n != nil {
			return nil, grant{lease: c.lend(n.Value, ctx, done, owner)}
		}
	}
	// Waiters for whom a worker is on its way do not count.
	waiting := c.queue.Len() + 1
	if most := c.opts.MaxWaiting; most > 0 && waiting-c.counts[starting]-c.wanted(waiting) > most {
		return nil, grant{err: ErrOverloaded}
	}
	w := c.newWaiter()
	w.ctx, w.done, w.owner, w.since = ctx, done, owner, since
	c.queue.Push(&w.node)
	c.waited++
	c.recruit()
	if waiting == 1 && !c.parked {
		poke(c.manager) // leases of clients that are gone are looked for eagerly while somebody waits
	}
	return w, grant{}
}

// accept judges what the waiter was given. A lease that ended between hand-over
// and delivery sends it back to its place (invariant 9).
func (c *core) accept(w *waiter, g grant) (grant, *waiter) {
	c.must(func() {
		if g.err != nil || g.lease.live() {
			c.recycle(w)
			w = nil
			return
		}
		if reason, _ := c.hopeless(time.Now(), time.Time{}); reason != nil {
			g = grant{err: reason}
			c.recycle(w)
			w = nil
			return
		}
		c.queue.Restore(&w.node)
		c.serve()
	})
	return g, w
}

// leave takes the waiter out of the queue. If it was served at that very moment
// the worker goes back, unused (invariant 6).
func (c *core) leave(w *waiter, reason error) (grant, *waiter) {
	c.must(func() {
		if !c.queue.Remove(&w.node) {
			// Served under this lock, so the grant is in the channel.
			if g := <-w.grant; g.err == nil && g.lease.live() {
				c.giveBack(g.lease.inc.slot)
			}
		}
		c.recycle(w)
		c.recruit()
	})
	return grant{err: reason}, nil
}

func (c *core) newWaiter() *waiter {
	if n := len(c.spare); n > 0 {
		w := c.spare[n-1]
		c.spare = c.spare[:n-1]
		return w
	}
	w := &waiter{grant: make(chan grant, 1)}
	w.node.Value = w
	return w
}

// spareWaiters bounds what a burst leaves behind.
const spareWaiters = 1024

func (c *core) recycle(w *waiter) {
	w.ctx, w.done, w.owner = nil, nil, ""
	if len(c.spare) < spareWaiters {
		c.spare = append(c.spare, w)
	}
}
