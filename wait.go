package pool

import (
	"cmp"
	"context"
	"sync/atomic"
	"time"

	"github.com/pooltender/pool/internal/hatch"
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
	terms *terms
	slot  *slot         // whose worker it waits for; nil: any
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
	for class := range queue.Classes {
		for w := range c.queue.Latest(class) {
			if w.Value.since != 0 {
				break
			}
			w.Value.since = c.instant(now)
		}
	}
}

// take accepts the offer that stands, or takes it back: whoever comes first.
func (w *waiter) take() bool {
	n := w.offer.Load()                           // step read
	return n != 0 && w.offer.CompareAndSwap(n, 0) // step accept
}

// wait waits until the client is served, its context is done, or its patience
// is over. A nil waiter is queued first, unless something speaks against it.
func (c *core) wait(ctx context.Context, done <-chan struct{}, w *waiter, terms *terms) (lease, error) {
	patience := terms.patience(c.opts.MaxWait)
	if w == nil {
		var l lease
		var reason error
		if w, l, reason = c.join(ctx, done, terms, patience); reason != nil {
			return lease{}, c.refusal(terms, reason, 0) // it has not waited
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
			return lease{}, c.refusal(terms, err, c.leave(w))
		}
		hatch.At(hatch.Accept, c)
		if w.take() {
			break
		}
		// It was woken for an offer that has been taken back: the client is in
		// its place again, and there will be another.
	}
	l, err := lease{w.inc, w.word, ctx}, w.err
	if err != nil {
		return lease{}, c.refusal(terms, err, c.leave(w))
	}
	return l, nil
}

// join queues a client, unless there is a worker at once or something speaks
// against it.
func (c *core) join(ctx context.Context, done <-chan struct{}, terms *terms, patience time.Duration) (w *waiter, l lease, reason error) {
	now := time.Now()
	deadline, _ := ctx.Deadline()
	if patience > 0 {
		deadline = earliest(deadline, now.Add(patience))
	}
	c.must(func() { // step join
		w, l, reason = c.admit(ctx, done, terms, now, deadline)
	})
	return w, l, reason
}

// sleep returns when there may be an offer, or with the reason to wait no longer.
func (w *waiter) sleep(ctx context.Context, timeout <-chan time.Time) error {
	if hatch.Interleaved && len(w.wake) > 0 { // where both are ready a select would choose at random
		<-w.wake
		return nil
	}
	if timeout == nil { // a select of two is cheaper than one of three
		select {
		case <-w.wake: // step wake
			return nil
		case <-w.done:
		}
	} else {
		select {
		case <-w.wake: // step wake
			return nil
		case <-timeout:
			return ErrOverloaded
		case <-w.done:
		}
	}
	return cmp.Or(ctx.Err(), context.Canceled)
}

// admit returns a waiter with a place in the queue, or a lease or error at once.
func (c *core) admit(ctx context.Context, done <-chan struct{}, terms *terms, now, deadline time.Time) (*waiter, lease, error) {
	if _, reason := c.hopeless(now, deadline); reason != nil {
		return nil, lease{}, reason
	}
	if c.open {
		if s := c.takeFor(terms); s != nil {
			return nil, c.lend(s, ctx, done, terms.Owner), nil
		}
	}
	if pin := terms.pin; pin != nil && (pin.slot.inc != pin || pin.over) {
		return nil, lease{}, errReplaced
	}
	if !c.hasRoom(terms, now) {
		return nil, lease{}, ErrOverloaded
	}
	return c.enqueue(done, terms), lease{}, nil
}

// hasRoom reports whether one more may wait. If not, the last of those who are
// less important makes room. Waiters for whom a worker is on its way do not count.
func (c *core) hasRoom(t *terms, now time.Time) bool {
	most, waiting, anyWorker := c.opts.MaxWaiting, c.waiting()-c.pinned+1, c.queue.Len()
	if c.place(t) == nil {
		anyWorker++
	}
	if t.pin != nil || waiting <= most || waiting-c.coming()-min(c.wanted(anyWorker), c.dueSlots(now)) <= most {
		return true
	}
	last := c.lastBelow(t.Priority.class())
	if last == nil {
		return false
	}
	c.remove(last)
	c.refuse(last, ErrOverloaded)
	return true
}

// enqueue gives the client a place in the queue.
func (c *core) enqueue(done <-chan struct{}, terms *terms) *waiter {
	w := c.spare
	if w != nil {
		c.spare, w.next = w.next, nil
		c.spares--
	} else {
		w = &waiter{wake: make(chan struct{}, 1)}
		w.node.Value = w
	}
	w.done, w.terms, w.slot = done, terms, c.place(terms)
	w.node.Class = terms.Priority.class()
	switch c.unseen++; {
	case w.slot != nil: // the manager looks at the queue alone
		w.since = c.instant(c.now())
	case c.unseen <= seenAtOnce:
		w.since = c.instant(c.now())
	case c.unseen == seenAtOnce+1 && !c.hasty:
		poke(c.manager)
	}
	c.settle() // invariants 8 and 9: from here on whoever comes or goes does so under the lock
	c.stand(w)
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
