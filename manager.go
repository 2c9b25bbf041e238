package pool

import (
	"context"
	"time"

	"github.com/pooltender/pool/internal/hatch"
	"github.com/pooltender/pool/internal/restart"
)

// How often the manager looks at the contexts of the clients that hold a
// worker: eagerly while somebody waits, else ever more slowly, and not at all
// when nothing is leased that has to be looked at.
const (
	eagerSweep  = time.Millisecond
	firstSweep  = 10 * time.Millisecond
	lazySweep   = 100 * time.Millisecond
	quietSweeps = 5    // that find nothing, and then the manager sleeps
	sweepAtOnce = 1024 // slots per critical section
)

// manage is the manager: it watches the leases. Clients take and return workers
// without it; whatever needs time to pass is its business: clients that are
// gone, leases held too long, surplus workers that have lingered.
func (c *core) manage(ctx context.Context) {
	timer := newAlarm()
	defer timer.Stop()
	for ctx.Err() == nil {
		c.hit(hatch.Manager, hatch.Idle)
		timer.set(c.sweepAll())
		select {
		case <-c.manager:
		case <-timer.C:
		}
	}
}

// sweepAll is one turn of the manager. It returns when the next is due.
func (c *core) sweepAll() (next time.Time) {
	var now time.Time
	found, fresh := false, false
	for from, more := 0, true; more; from += sweepAtOnce {
		sound := c.change(func() {
			c.hit(hatch.Manager, hatch.Locked)
			now = c.now() // with the lock held, or a lease could look older than it is
			more = from+sweepAtOnce < len(c.slots)
			for _, s := range c.slots[min(from, len(c.slots)):min(from+sweepAtOnce, len(c.slots))] {
				if s.state == resident {
					watch, brief := c.glance(s.inc, now)
					if brief {
						found, fresh = true, true
						continue
					}
					if watch {
						c.recall(s) // step watch
					}
				}
				if c.tracked(s) {
					found = true
					fresh = c.look(s, now, &next) || fresh // step reclaim
				}
			}
		})
		if !sound {
			return time.Time{}
		}
	}
	c.change(func() {
		next = earliest(next, c.retireSurplus(now))           // step linger
		next = earliest(next, c.nextSweep(now, found, fresh)) // step park
		next = earliest(next, c.pollQueue(now))
	})
	return next
}

// nextSweep paces the sweeps. A lease that begins after the manager has parked
// finds that it has, and wakes it: under the lock, because nobody is resident
// then who may be lent to a client with a context.
func (c *core) nextSweep(now time.Time, found, fresh bool) time.Time {
	crowd := c.unseen > seenAtOnce
	if c.quiet++; found {
		c.quiet = 0
	}
	c.eager = c.waiting() > 0
	c.seeWaiters(now)
	switch {
	case !found && !c.eager && c.quiet >= quietSweeps:
		// A lease may have begun in a part swept before; only if none is there
		// now may the manager sleep. With everybody under the lock none begins
		// that does not wake it.
		c.settle()
		if c.counts[leased] == 0 || !c.anyTracked() {
			c.parked, c.hasty, c.interval, c.quiet = true, false, 0, 0
			c.forget()
			return time.Time{}
		}
		c.interval = firstSweep
	case c.interval == 0 || found && fresh || c.holds():
		c.interval = firstSweep
	default:
		c.interval = min(2*c.interval, lazySweep)
	}
	if c.hasty = c.eager && (found || crowd); c.hasty {
		return now.Add(eagerSweep)
	}
	return now.Add(c.interval)
}

// tracked reports whether the slot has a lease that has to be looked at.
func (c *core) tracked(s *slot) bool {
	return s.loan != nil && (s.loan.done != nil || s.loan.trace != nil || c.holds())
}

func (c *core) anyTracked() bool {
	for _, s := range c.slots {
		if c.tracked(s) {
			return true
		}
	}
	return false
}

// look judges one lease that has to be looked at, reports whether it is new,
// and lowers next to when it must be looked at again. No clock was read at
// checkout, so a lease's age counts from when it was first seen: never early,
// late by a sweep at most.
func (c *core) look(s *slot, now time.Time, next *time.Time) (fresh bool) {
	loan := s.loan
	seen := &loan.seen
	if w := s.inc.word.Load(); !seen.lease.Same(w) {
		*seen = sighting{lease: w, first: now}
		fresh = true
	}
	if loan.trace != nil && loan.trace.dropped.Load() {
		c.reportLeak(s, now.Sub(seen.first))
		return fresh
	}
	if seen.ended.IsZero() && loan.done != nil && closed(loan.done) {
		seen.ended = now
	}
	if !seen.ended.IsZero() {
		due := seen.ended.Add(max(0, c.opts.ReclaimGrace))
		if !now.Before(due) {
			c.reclaim(s, leaseEnd{reason: EndAbandoned, after: now.Sub(seen.ended)})
			return fresh
		}
		*next = earliest(*next, due)
	}
	if limit := c.opts.WarnHold; limit > 0 && !seen.warned {
		if due := seen.first.Add(limit); now.Before(due) {
			*next = earliest(*next, due)
		} else {
			seen.warned = true
			c.publish(Event{Kind: EventLeaseOverdue, Slot: s.inc.id(), Owner: loan.owner, Elapsed: now.Sub(seen.first), origin: loan.origin()})
		}
	}
	if limit := c.opts.MaxHold; limit > 0 {
		due := seen.first.Add(limit)
		if !now.Before(due) {
			c.reclaim(s, leaseEnd{reason: EndOverdue, after: now.Sub(seen.first)})
			return fresh
		}
		*next = earliest(*next, due)
	}
	return fresh
}

// tellLate tells of the end of a lease that was overdue, before its word moves.
func (c *core) tellLate(s *slot, reason EndReason, err error) {
	loan := s.loan
	if !c.events.active() || !loan.seen.lease.Same(s.inc.word.Load()) {
		return
	}
	c.publish(Event{
		Kind: EventLeaseLate, Slot: s.inc.id(), Reason: reason, Owner: loan.owner,
		Elapsed: c.now().Sub(loan.seen.first), Err: err, origin: loan.origin(),
	})
}

// reclaim takes a worker back from a client that is gone, holds it too long or
// has lost its lease. It counts in no restart budget: whoever can cancel requests
// could otherwise put the pool into CrashLoop.
func (c *core) reclaim(s *slot, end leaseEnd) {
	inc := s.inc
	end.lease = s.inc.word.Load()
	unused := c.revoke(s, end.reason, nil)
	inc.remember(end)
	c.hit(hatch.Manager, hatch.Revoke)
	if unused { // an offer that nobody accepted: clean (invariant 6)
		c.comeBack(s, false)
		return
	}
	if c.opts.Reclaim == ReclaimReuse && end.reason != EndLeaked {
		c.comeBack(s, true)
		return
	}
	c.dismiss(inc, restart.Orderly, nil) // the client may still be touching it, without its lease too
}

// linger notes that an idle worker is one too many, and when it has to go.
func (c *core) linger(s *slot, now time.Time) {
	if c.opts.OverflowLinger < 0 && c.queue.Len() == 0 {
		c.dismiss(s.inc, restart.Orderly, nil)
		return
	}
	s.idleSince = c.instant(now)
	due := now.Add(c.lingering())
	if c.lingerAt.IsZero() || due.Before(c.lingerAt) {
		c.lingerAt = due
		poke(c.manager)
	}
}

// lingering is how long a worker too many stays. One that is idle while somebody
// waits may have to be checked for them, and is looked at again.
func (c *core) lingering() time.Duration {
	if c.opts.OverflowLinger < 0 {
		return firstSweep
	}
	return c.opts.OverflowLinger
}

// lingerAll is linger for a surplus that came without a checkin.
func (c *core) lingerAll(now time.Time) {
	for s := range c.highestFirst() {
		if c.surplus() == 0 {
			return
		}
		if s.state == idling {
			c.linger(s, now)
		}
	}
}

// retireSurplus ends surplus workers that were idle for OverflowLinger, highest
// slot first. An idle worker that came back before there was a surplus counts
// as idle since then.
func (c *core) retireSurplus(now time.Time) time.Time {
	if c.lingerAt.IsZero() || now.Before(c.lingerAt) {
		return c.lingerAt
	}
	c.lingerAt = time.Time{}
	switch {
	case c.state == StateCrashLoop: // it keeps what it has; its end comes back to this
		return c.lingerAt
	case c.queue.Len() > 0: // an idle one may have to be checked for them
		c.lingerAt = now.Add(c.lingering())
		return c.lingerAt
	}
	var next time.Time
	for s := range c.highestFirst() {
		if c.surplus() == 0 {
			break
		}
		if s.state != idling {
			continue
		}
		since := c.surplusAt
		if idle := c.time(s.idleSince); idle.After(since) {
			since = idle
		}
		if due := since.Add(c.opts.OverflowLinger); now.Before(due) {
			next = earliest(next, due)
			continue
		}
		c.idle.Remove(&s.place)
		c.hit(hatch.Manager, hatch.Retire)
		c.dismiss(s.inc, restart.Orderly, nil)
	}
	if c.surplus() > 0 {
		c.lingerAt = next
	}
	return c.lingerAt
}

// alarm clock of a half: a timer that fires at a time, or never.
type alarmClock struct{ *time.Timer }

func newAlarm() alarmClock {
	timer := time.NewTimer(time.Hour)
	timer.Stop()
	return alarmClock{timer}
}

// set makes the clock fire at a time; zero: never.
func (a alarmClock) set(at time.Time) {
	if at.IsZero() {
		a.Stop()
		return
	}
	a.Reset(time.Until(at))
}
