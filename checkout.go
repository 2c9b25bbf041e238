package pool

import (
	"cmp"
	"context"
	"errors"
	"math"
	"time"

	"github.com/pooltender/pool/internal/hatch"
)

var (
	errNilContext = errors.New("pool: the context must not be nil")
	errNoFunction = errors.New("pool: the function must not be nil")
)

// checkout lends a worker: an idle one at once, or the next that this client's
// turn brings. It tries the worker that this goroutine had last before it calls
// anything; see claim, which does the same for all the others.
func (c *core) checkout(ctx context.Context, terms *terms) (lease, error) {
	if ctx == nil {
		return lease{}, errNilContext
	}
	done := ctx.Done()
	if inc := c.stripes[home(c.spread.Load())].worker.Load(); inc != nil {
		w := inc.word.Load() // step look
		hatch.At(hatch.Claim, c)
		switch {
		case !w.Free():
		case done == nil && !terms.marked:
			if inc.word.CompareAndSwap(w, w.Claim()) { // step claim
				return lease{inc, w.Claim(), ctx}, nil
			}
		case w.Swept() && inc.client.is(done, terms) && ctx.Err() == nil:
			if inc.word.CompareAndSwap(w, w.ClaimBound()) { // step claim
				return lease{inc, w.ClaimBound(), ctx}, nil
			}
		}
	}
	return c.checkoutSlowly(ctx, done, terms)
}

func (c *core) checkoutSlowly(ctx context.Context, done <-chan struct{}, terms *terms) (lease, error) {
	if !terms.particular() {
		if l := c.claim(ctx, done, terms); l.inc != nil {
			return l, nil
		}
	}
	l, w, err := c.take(ctx, done, terms, true)
	if err == nil && l.inc == nil {
		l, err = c.wait(ctx, done, w, terms)
	}
	if err != nil {
		return lease{}, c.hint(ctx, err)
	}
	return l.traced(), nil
}

// take lends an idle worker, if there is one and nobody waits. If there is none
// and the client would wait, it is queued in the same critical section, provided
// that nothing speaks against it; otherwise the waiter returned is nil. The
// context is asked before the lock is taken (invariant 10).
func (c *core) take(ctx context.Context, done <-chan struct{}, terms *terms, queue bool) (l lease, w *waiter, err error) {
	if done != nil {
		if err := ctx.Err(); err != nil {
			return l, nil, c.refusal(terms, err, 0)
		}
	}
	c.lock() // step take
	defer c.unlock()
	if !c.open {
		return l, nil, nil
	}
	c.midway = true
	if s := c.takeFor(terms); s != nil {
		l = c.lend(s, ctx, done, terms.Owner)
	} else if queue && terms.pin == nil && c.live() > 0 && c.opts.MaxWaiting == math.MaxInt {
		w = c.enqueue(done, terms)
	} else if !queue {
		c.checkAside()
	}
	c.midway = false
	return l, w, nil
}

// takeFor takes the idle worker for a client that has just come. A newcomer never
// passes one who waits (invariant 9): with the lock held, idle means that nobody
// waits whom that worker could serve (invariant 8). If it takes none, none comes
// back that this client could have, as long as the lock is held.
func (c *core) takeFor(t *terms) *slot {
	if s := c.place(t); s != nil {
		c.recall(s)
		if s.state != idling || t.pin != nil && s.inc != t.pin || c.mistrusts(s) {
			return nil
		}
		c.idle.Remove(&s.place)
		return s
	}
	if c.queue.Len() > 0 {
		return nil // nobody is idle, but this is the promise and costs nothing
	}
	return c.takeIdle()
}

// tryCheckout lends an idle worker or says why there is none.
func (c *core) tryCheckout(ctx context.Context, terms *terms) (lease, error) {
	if ctx == nil {
		return lease{}, errNilContext
	}
	l, err := c.tryOnce(ctx, ctx.Done(), terms)
	if err != nil || l.inc != nil {
		return l, err
	}
	return lease{}, c.hint(ctx, c.refusal(terms, c.whyNot(), 0))
}

// whyNot is why there is no idle worker.
func (c *core) whyNot() (reason error) {
	c.view(func() { _, reason = c.hopeless(time.Now(), time.Time{}) })
	return cmp.Or(reason, ErrFull)
}

// tryOnce lends an idle worker, or nothing.
func (c *core) tryOnce(ctx context.Context, done <-chan struct{}, terms *terms) (lease, error) {
	if !terms.particular() {
		if l := c.claim(ctx, done, terms); l.inc != nil {
			return l, nil
		}
	}
	l, _, err := c.take(ctx, done, terms, false)
	if err != nil || l.inc == nil {
		return l, err
	}
	return l.traced(), nil
}

// lend begins a lease of an idle worker that is out of the idle set already.
func (c *core) lend(s *slot, ctx context.Context, done <-chan struct{}, owner string) lease {
	w := s.inc.nextWord() // invariant 1: whatever lease came before is stale now
	s.state = leased
	loan := c.newLoan()
	loan.done, loan.owner = done, owner
	s.loan = loan
	c.counts[idling]--
	c.counts[leased]++
	s.inc.uses++
	c.checkouts++
	c.watchLease(done)
	if c.events.watched() {
		c.publishLease(s)
	}
	return lease{s.inc, w, ctx}
}

//go:noinline
func (c *core) publishLease(s *slot) {
	s.loan.since = c.now()
	c.publish(Event{Kind: EventLeaseStarted, Slot: s.inc.id(), Owner: s.loan.owner, Time: s.loan.since})
}

func (c *core) newLoan() *loan {
	l := c.loans
	if l == nil {
		return new(loan)
	}
	c.loans, l.next = l.next, nil
	c.kept--
	return l
}

func (c *core) keepLoan(l *loan) {
	l.done, l.owner, l.context, l.served, l.trace = nil, "", nil, nil, nil
	l.since, l.seen.lease = time.Time{}, 0 // no lease is seen yet
	if c.kept < keptLoans {
		l.next, c.loans = c.loans, l
		c.kept++
	}
}

// watchLease wakes the manager if the lease has to be watched and it sleeps, or
// would look later than it should while somebody waits.
func (c *core) watchLease(done <-chan struct{}) {
	if done == nil && !c.holds() {
		return
	}
	if c.parked || c.waiting() > 0 && !c.hasty {
		c.parked = false
		poke(c.manager)
	}
}

// holds reports whether leases are watched for their age.
func (c *core) holds() bool { return c.opts.WarnHold > 0 || c.opts.MaxHold > 0 }
