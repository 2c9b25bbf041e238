package pool

import (
	"context"
	"runtime"
	"time"

	"github.com/pooltender/pool/internal/restart"
	"github.com/pooltender/pool/internal/word"
)

// lease is a Lease without the type of its worker. It is a value: its word says
// whether it is still the worker's (invariants 1 and 5).
type lease struct {
	inc  *incarnation
	word word.Word       // with which it began
	ctx  context.Context // the client's
}

// live reports whether the lease has not ended. With the lock held and the
// worker not resident that stays so.
func (l lease) live() bool { return l.inc.word.Load().Same(l.word) }

// end runs fn under the lock if the lease is live, and reports whether it was.
// On a poisoned state nothing is: the keeper is about to end every lease. What
// Lease.Context made is cancelled afterwards, off the lock.
func (l lease) end(fn func(c *core, s *slot) *leaseContext) bool {
	if l.inc == nil {
		return false
	}
	ended, made, yield := l.endLocked(fn)
	if made != nil {
		made.cancel(l.err())
	}
	if yield {
		runtime.Gosched()
	}
	runtime.KeepAlive(l.ctx) // until it is known that the lease has ended nobody may take it for dropped
	return ended
}

// The scheduler runs a goroutine that was woken when the one that woke it stops,
// so a client that hands its worker to a waiter and computes on would keep both
// from working. So it yields the processor. But where hand-overs are many there
// is no time for such clients between them, and a yield is a switch for nothing:
// no more than most yields are made in a period, and past that the clock tells
// only at every few hand-overs whether the next period has begun.
const (
	yieldPeriod = time.Millisecond
	mostYields  = 32
	yieldLooks  = 8
)

// yields reports whether a client that has handed over its worker yields.
func (c *core) yields() bool {
	c.yielded++
	if c.yielded <= mostYields {
		return true
	}
	if c.yielded%yieldLooks == 0 && c.now().Sub(c.yieldedAt) >= yieldPeriod {
		c.yielded, c.yieldedAt = 0, c.now()
	}
	return false
}

func (l lease) endLocked(fn func(c *core, s *slot) *leaseContext) (ended bool, made *leaseContext, yield bool) {
	s := l.inc.slot
	c := s.core
	c.lock()
	defer c.unlock()
	if c.poisoned {
		return false, nil, false
	}
	c.midway = true
	if ended = l.grasp(); ended { // step end
		made = fn(c, s)
	}
	yield = c.woken != nil && c.yields()
	c.midway = false
	return ended, made, yield
}

// grasp reports whether the lease is live, and sees to it that it stays so as
// long as the lock is held: judged before the recall, it could end in between by
// a checkin without the lock.
func (l lease) grasp() bool {
	s := l.inc.slot
	if s.inc == l.inc {
		s.core.recall(s)
	}
	return l.live()
}

// checkin swaps the word back, which only the live lease of a resident worker
// can do. If that fails, the lease has ended or has to end under the lock.
func (l lease) checkin() bool {
	return l.word.Resident() && l.inc.word.CompareAndSwap(l.word, l.word.Release()) || l.checkinSlowly() // step checkin
}

func (l lease) checkinSlowly() bool { return l.end(checkinLease) }

func checkinLease(c *core, s *slot) *leaseContext {
	s.inc.served = true
	if w := s.loan.served; w != nil { // its client has the lease, and so is done with it
		s.loan.served = nil
		c.recycle(w)
	}
	c.foundWell(s.inc)
	made := c.endLease(s, EndReturned, nil)
	c.comeBack(s, true)
	if c.state == StateCrashLoop {
		c.leaveCrashLoop() // an incarnation has proven itself
	}
	return made
}

func (l lease) retire(err error) bool {
	return l.end(func(c *core, s *slot) *leaseContext {
		made := c.endLease(s, EndRetired, err)
		ending := restart.Orderly
		if err != nil {
			ending = restart.Crashed
			c.noteError(s, err)
		}
		c.dismiss(s.inc, ending, err)
		return made
	})
}

// detach takes the worker out of the pool, with its life: nothing cancels it.
func (l lease) detach() bool {
	detached := false
	l.end(func(c *core, s *slot) *leaseContext {
		if c.hooks.run != nil {
			return nil
		}
		detached = true
		inc := s.inc
		made := c.endLease(s, EndDetached, nil)
		c.finish(inc, restart.Orderly, nil)
		inc.stopping, inc.gone = true, true
		c.vacate(inc)
		return made
	})
	return detached
}

// transfer ends the lease and begins another of the same worker, bound to ctx.
func (l lease) transfer(ctx context.Context, done <-chan struct{}) (next lease, ok bool) {
	ctx, trace := l.handOn(ctx)
	ok = l.end(func(c *core, s *slot) *leaseContext {
		loan := s.loan
		made := loan.context
		if loan.seen.warned {
			c.tellLate(s, EndTransferred, nil)
		}
		loan.take(trace)
		loan.context, loan.served, loan.done = nil, nil, done
		s.inc.remember(leaseEnd{lease: s.inc.word.Load(), reason: EndTransferred})
		c.watchLease(done)
		next = lease{s.inc, s.inc.nextWord(), ctx}
		return made
	})
	return next, ok
}

// giveBack returns a worker that was lent but never delivered: clean, and not
// counted as used.
func (c *core) giveBack(s *slot) {
	s.inc.uses--
	c.checkouts--
	c.endLease(s, EndReturned, nil)
	c.comeBack(s, false)
}

// endLease ends the lease of a slot and says why (invariant 14: whoever moves
// the word away from a lease has ended it, and nobody else has). The slot
// stays leased, without a lease, until the caller moves it in the same critical
// section.
func (c *core) endLease(s *slot, reason EndReason, err error) *leaseContext {
	if reason != EndReturned {
		s.inc.remember(leaseEnd{lease: s.inc.word.Load(), reason: reason, err: err})
	}
	loan := s.loan
	if loan.seen.warned {
		c.tellLate(s, reason, err)
	}
	if loan.trace != nil {
		loan.trace.end()
	}
	s.inc.nextWord()
	s.loan = nil
	if c.events.watched() {
		e := Event{Kind: EventLeaseEnded, Slot: s.inc.id(), Reason: reason, Owner: loan.owner, Err: err}
		if e.Time = c.now(); !loan.since.IsZero() {
			e.Elapsed = e.Time.Sub(loan.since)
		}
		c.publish(e)
	}
	made := loan.context
	c.keepLoan(loan)
	if c.counts[leased] == 1 && !c.open {
		poke(c.keeper) // perhaps the last that a Restart waited for
	}
	return made
}

// revoke ends a lease on the pool's initiative. The client's context may be
// anybody's code, so what Lease.Context made is cancelled on a goroutine of its
// own (invariant 10), and what it panics with is kept there. It reports whether
// the client never had the worker.
func (c *core) revoke(s *slot, reason EndReason, err error) (unused bool) {
	unused = c.takeBack(s)
	l := lease{inc: s.inc, word: s.inc.word.Load()}
	if made := c.endLease(s, reason, err); made != nil {
		l.ctx = made.lease.ctx
		go func() {
			defer func() {
				if recover() != nil {
					made.cancel(&LeaseError{Slot: l.inc.id(), Reason: reason, Err: err})
				}
			}()
			made.cancel(l.err())
		}()
	}
	return unused
}

// comeBack decides about a worker that is lent no more, or has just started:
// it goes, is cleaned, or serves the next.
func (c *core) comeBack(s *slot, used bool) {
	switch {
	case !c.staying(s) || c.leaves(s.inc):
		c.dismiss(s.inc, restart.Orderly, nil)
	case used && c.hooks.reset != nil:
		c.tend(s.inc, hookReset)
	default:
		c.rest(s)
	}
}

// staying reports whether the pool still has a place for the slot's worker,
// which counts as live.
func (c *core) staying(s *slot) bool {
	switch {
	case !c.open:
		return false // the pool stops, or drains for a restart
	case c.staffed() > c.limit():
		return false // a Resize down; the waiters wait for one within the limit
	case c.opts.OverflowLinger < 0 && c.surplus() > 0 && c.queue.Len() == 0 && c.line(s) == nil && c.state != StateCrashLoop:
		return false
	}
	return true
}

// rest makes the worker idle and serves the waiters.
func (c *core) rest(s *slot) {
	if c.sheds != nil && c.waiting() == 0 {
		c.notWaiting(s)
	}
	if s.state == leased { // the hot path: as core.to, without the lists it needs not look at
		if s.inc.served && s.inc.marks&isSuspect == 0 && c.reside(s) {
			return
		}
		c.counts[leased]--
		c.counts[idling]++
		s.state = idling
		c.standBy(s)
	} else {
		c.to(s, idling)
	}
	s.idleSince = 0
	if c.waiting() > 0 {
		c.serveWorker(s)
		c.recruit()
	}
	if s.state == idling && c.surplus() > 0 && c.state != StateCrashLoop {
		c.linger(s, c.now())
	}
}

// err returns how the lease ended. The lock is not held. On a poisoned state a
// lease is as good as over, but nobody knows why before the keeper has ended it.
func (l lease) err() error {
	if l.inc == nil {
		return &LeaseError{}
	}
	c := l.inc.slot.core
	live, doomed := false, false
	var end leaseEnd
	look := func() { live, doomed, end = l.live(), c.poisoned, l.inc.endOf(l.word) }
	if c.view(look); live && doomed {
		c.must(look)
	}
	if live {
		return nil
	}
	e := &LeaseError{Slot: l.inc.id(), Reason: end.reason, Err: end.err}
	e.explain(l.client(), end, &c.opts)
	return e
}
