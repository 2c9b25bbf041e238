package pool

import (
	"math"
	"time"

	"github.com/pooltender/pool/internal/idle"
	"github.com/pooltender/pool/internal/list"
	"github.com/pooltender/pool/internal/restart"
)

// begin is the start of an epoch. Waiters have kept their places; the workers
// of the old epoch that have not ended yet keep only their own slots waiting.
func (c *core) begin() {
	now := c.now()
	for _, s := range c.slots {
		if s.inc == nil && now.Before(s.before().notBefore) {
			s.tried = uint32(c.epoch) // it goes on backing off: the epoch does not wait for it
		}
	}
	c.become(StateStarting)
	c.stirred = true
}

// clear is the change of epoch. However the state was left, it makes one that
// follows from the words and the records of the incarnations alone.
// cause is nil when the end of the epoch was asked for.
func (c *core) clear(now time.Time, cause error) {
	asked := cause == nil && c.state == StateRestarting
	if cause != nil {
		c.lastError = cause
		c.publish(Event{Kind: EventPoolDied, Err: cause})
	}
	switch {
	case c.sync && c.state == StateStarting: // a first start that fails is an answer
		c.startErr = cause
		c.become(StateDraining)
	case c.state != StateDraining:
		c.become(StateRestarting)
	}
	c.rebuild(now, cause)
	if c.state == StateDraining {
		c.dismissWaiters(ErrStopped)
	}
	switch {
	case c.state == StateDraining:
	case asked:
		c.forgive(now)
	default:
		c.died(now)
	}
}

// died lets the pool's own restart policy say when the next epoch begins, if
// it does.
func (c *core) died(now time.Time) {
	c.streak++
	c.restartAt = now.Add(c.policy().Delay(c.streak, c.jitter()))
	most := c.opts.MaxPoolRestarts
	if most == math.MaxInt {
		return
	}
	c.deaths = append(c.deaths, now)
	for now.Sub(c.deaths[0]) > c.opts.RestartWindow {
		c.deaths = c.deaths[1:]
	}
	if len(c.deaths) > most {
		c.become(StateFailed)
		c.dismissWaiters(ErrUnavailable)
	}
}

// forgive is what Restart does for a pool: nothing of its past delays it.
func (c *core) forgive(now time.Time) {
	c.restartAt = now
	c.deaths, c.streak, c.probes = nil, 0, 0
	c.ledger.Begin(now)
	for _, s := range c.slots {
		s.pardon()
	}
}

// rebuild makes every list and count anew, ends what leases there are, and
// tells every worker to end. What survives: the queue with its tickets, the
// words, the records of incarnations, zombies, totals and policies.
func (c *core) rebuild(now time.Time, cause error) {
	c.epoch++
	if c.live() > 0 {
		c.ledger.Alive(now)
	}
	c.idle = idle.Set[*slot]{Oldest: c.idle.Oldest}
	c.idle.Resize(c.goal)
	c.busy, c.down = list.List[*place]{}, [2]list.List[*place]{}
	c.counts = [slotStates]int{}
	c.permits, c.untried, c.ramp, c.probe, c.busyAlarm, c.growAt = 0, 0, false, nil, time.Time{}, time.Time{}
	c.parked, c.interval, c.lingerAt = true, 0, time.Time{}
	c.eager, c.hasty = false, false
	c.aging, c.health = newAging(), newHealth()
	if err := c.lines.check(); err != nil {
		c.lastError = err // a bug; the waiters that can be reached are told, rather than lost
		c.dismissWaiters(ErrUnavailable)
		c.beside, c.reserved, c.pinned = nil, 0, 0
	}
	for _, s := range c.slots {
		if s.inc != nil {
			c.withdraw(s.inc) // step withdraw
			if s.loan != nil {
				c.revoke(s, EndRestarted, cause)
			}
			s.inc.unmark()
			s.inc.nextWord() // no lease of an older epoch wins again (invariant 5)
		}
		s.unlink()
		if s.inc != nil && (s.inc.gone || s.inc.detached || !s.inc.launched) {
			s.inc = nil
		}
		switch {
		case s.inc == nil:
			s.state = vacant
			c.lieDown(s)
		case s.inc.delivered:
			s.state = stopping
			c.busy.PushBack(&s.place.Link)
		default:
			s.state = starting
			c.busy.PushBack(&s.place.Link)
		}
		c.counts[s.state]++
	}
	c.unready(now)
	c.assess(now)
	// An end may empty a slot at once, so the slots are all in place before.
	for s := range c.highestFirst() {
		inc := s.inc
		if inc == nil {
			continue
		}
		inc.owed = false
		c.alarm(c.time(inc.deadline))
		if !inc.over {
			c.finish(inc, restart.Orderly, cause)
			if inc.hook == hookStart {
				inc.cancel(cause)
			}
		}
		c.advance(inc)
	}
	c.trim()
}
