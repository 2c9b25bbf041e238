package pool

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/pooltender/pool/internal/queue"
)

// waiter is a client queued for a worker.
type waiter struct {
	node  queue.Node[*waiter]
	grant chan grant // of capacity 1, so that whoever serves never blocks
	ctx   context.Context
	done  <-chan struct{}
	owner string
	since atomic.Int64 // nanoseconds after core.born; set by the client when it has queued
}

// waitedFor is how long the client has waited, 0 if it has only just come.
func (c *core) waitedFor(w *waiter, now time.Time) time.Duration {
	since := w.since.Load()
	if since == 0 {
		return 0
	}
	return now.Sub(c.born) - time.Duration(since)
}

// grant is what a waiter waits for.
type grant struct {
	lease lease
	err   error
}

// wait waits until the client is served, its context is done, or its patience
// is over. A nil waiter is queued first, unless something speaks against it.
func (c *core) wait(ctx context.Context, w *waiter, terms *Terms) (lease, error) {
	since := time.Now()
	patience := terms.patience(c.opts.MaxWait)
	done := ctx.Done()
	var g grant
	if w == nil {
		deadline, _ := ctx.Deadline()
		if patience > 0 {
			deadline = earliest(deadline, since.Add(patience))
		}
		c.must(func() { w, g = c.admit(ctx, done, terms.Owner, since, deadline) })
		if g.err != nil {
			return lease{}, c.refusal(g.err, time.Time{}) // it has not waited
		}
	}
	if w != nil {
		w.since.Store(int64(since.Sub(c.born)))
	}
	var timeout <-chan time.Time
	if patience > 0 {
		timer := time.NewTimer(patience)
		defer timer.Stop()
		timeout = timer.C
	}
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
	if waiting-c.counts[starting]-c.wanted(waiting) > c.opts.MaxWaiting {
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

// accept judges what the waiter was given. A lease that the pool ended between
// hand-over and delivery sends it back to its place (invariant 9).
func (c *core) accept(w *waiter, g grant) (grant, *waiter) {
	if g.err == nil && g.lease.inc.broken.Load() == g.lease.generation {
		requeued := false
		c.must(func() {
			if _, reason := c.hopeless(time.Now(), time.Time{}); reason != nil {
				g = grant{err: reason}
				return
			}
			requeued = true
			c.queue.Restore(&w.node)
			c.serve()
		})
		if requeued {
			return grant{}, w
		}
	}
	c.recycle(w)
	return g, nil
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
		c.recruit()
	})
	c.recycle(w)
	return grant{err: reason}, nil
}

func (c *core) recycle(w *waiter) {
	w.ctx, w.done, w.owner = nil, nil, ""
	w.since.Store(0)
	c.waiters.Put(w)
}
