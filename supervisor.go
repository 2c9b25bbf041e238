package pool

import (
	"context"
	"fmt"
	"time"

	"github.com/pooltender/pool/internal/hatch"
)

// superviseWorkers is the worker supervisor: it starts workers, watches what
// takes too long, and judges by the restart policy. What it does in one turn
// follows from the state alone, not from messages, so a turn too many does no
// harm and a new epoch needs nothing of the old one's.
func (c *core) superviseWorkers(ctx context.Context) {
	timer := newAlarm()
	defer timer.Stop()
	for ctx.Err() == nil {
		c.hit(hatch.Supervisor, hatch.Idle)
		c.change(func() {
			c.hit(hatch.Supervisor, hatch.Locked)
			c.turnAt = c.supervise(c.now())
			timer.set(c.turnAt)
		})
		select {
		case <-c.supervisor:
		case <-timer.C:
		}
	}
}

// takeTurn is a turn of the worker supervisor, taken by whoever has changed the
// state. The supervisor itself is woken only if it has to be there earlier than
// it would be.
func (c *core) takeTurn(now time.Time) {
	due := c.supervise(now)
	c.stirred = !c.isTimely(due)
}

// isQuiet reports that a turn would change nothing, and that the next one is due
// no earlier than the supervisor knows.
func (c *core) isQuiet() bool {
	return c.reserved == 0 && c.down[0].Len()+c.down[1].Len() == 0 && c.state == stateRunning && c.ledger.Calm() &&
		c.shownState() == c.shown && c.isTimely(c.busyAlarm) && c.isTimely(c.nextRetirement()) && c.isTimely(c.nextCheckup())
}

// isTimely reports that the supervisor takes a turn by then without being woken.
func (c *core) isTimely(due time.Time) bool {
	return due.IsZero() || !c.turnAt.IsZero() && !due.Before(c.turnAt)
}

// supervise is one turn of the worker supervisor, or of the keeper where there
// is none. It returns when the next is due.
func (c *core) supervise(now time.Time) (next time.Time) {
	if !c.busyAlarm.IsZero() && !now.Before(c.busyAlarm) {
		c.checkDeadlines(now)
	}
	if c.open {
		c.rehome()
		next = c.judge(now)
		next = earliest(next, c.retireOld(now))
		next = earliest(next, c.checkIdle(now))
		next = earliest(next, c.startWorkers(now)) // step start
		next = earliest(next, c.show(now))
	}
	c.stirred = false // what the turn itself has changed, it has seen
	return earliest(next, c.busyAlarm)
}

// checkDeadlines deals with everything that takes too long.
func (c *core) checkDeadlines(now time.Time) {
	c.busyAlarm = time.Time{}
	for n := range c.busy.All() {
		s := n.Value.Value
		inc := s.inc
		if due := c.time(inc.deadline); due.IsZero() || now.Before(due) {
			c.busyAlarm = earliest(c.busyAlarm, due)
			continue
		}
		switch {
		case inc.over:
			c.abandon(inc)
		case s.state == starting:
			err := overtime("StartTimeout", c.opts.StartTimeout)
			inc.cancel(err)
			c.startFailed(inc, &StartError{Slot: inc.id(), Err: err}, now)
		case s.state == tending:
			c.crash(inc, &CrashError{Slot: inc.id(), Hook: inc.hook.String(), Err: overtime("CheckTimeout", c.opts.CheckTimeout)})
		}
	}
}

func overtime(option string, limit time.Duration) error {
	return fmt.Errorf("%w (%s is %v)", context.DeadlineExceeded, option, limit)
}

// judge moves the pool between starting, running and crash loop.
func (c *core) judge(now time.Time) (next time.Time) {
	if c.state == StateStarting && c.hasStarted() {
		c.sync = false
		c.become(stateRunning)
	}
	if c.state == StateCrashLoop || c.state == stateRunning && !c.ledger.Calm() {
		return c.judgeFailures(now)
	}
	return next
}

// hasStarted reports whether Size workers are live, or, unless a Start waits for
// them, whether the first attempt of every slot has ended in this epoch. Slots
// are looked at once.
func (c *core) hasStarted() bool {
	if c.sync {
		return c.live() >= c.goal
	}
	for c.untried < min(c.goal, len(c.slots)) && c.slots[c.untried].tried == uint32(c.epoch) {
		c.untried++
	}
	// A slot in its backoff is not wanted any more when another has the worker.
	return c.untried >= c.goal || c.live() >= c.goal
}

// unready ends the time in which the pool was ready. If it was long, the pool's
// past does not count: its probes and restarts begin at their shortest delays. A
// pool of Size 0 is always ready by its number of workers, so whoever knows
// better says so here.
func (c *core) unready(now time.Time) {
	if !c.readyAt.IsZero() && now.Sub(c.readyAt) >= healthyAfter {
		c.probes, c.streak = 0, 0
	}
	c.readyAt = time.Time{}
}

// wanted counts the starts that should begin now, given how many wait.
func (c *core) wanted(waiting int) int {
	if !c.open || c.state == StateCrashLoop {
		return 0
	}
	base, room := c.openings()
	due := max(0, base-c.counts[backingOff])
	return due + max(0, min(waiting-c.coming()-due, room))
}

// openings counts the slots wanted for the goal, and those that may be started
// beyond it for those who wait. A worker that is ending is replaced in its own
// slot, when it has ended, and keeps no other slot from being filled.
func (c *core) openings() (base, room int) {
	free := max(0, c.limit()-c.occupied())
	base = max(0, min(c.goal-c.staffed(), c.down[0].Len(), free))
	return base, free - base
}

// startWorkers starts what is wanted, as far as permits go. The first slots
// that are down are wanted for the goal, due or not; others only for those who
// wait and have no worker on its way, and only if they are due.
func (c *core) startWorkers(now time.Time) (next time.Time) {
	if c.state == StateCrashLoop {
		return c.probeWorker(now)
	}
	permits := c.opts.MaxStarting
	if c.ramp {
		if c.live() >= c.goal {
			c.ramp = false
		}
		permits = min(permits, max(1, c.live()))
	}
	c.growAt = time.Time{}
	base, extra := c.openings()
	// What is due first: a slot that backs off holds up no other.
	for n := c.down[0].Front(); n != nil && base > 0; {
		s := n.Value.Value
		n = n.Next() // s is about to leave the list
		if s.past != nil && now.Before(s.past.notBefore) {
			continue
		}
		if c.permits >= permits {
			return next // whoever returns a permit comes back here
		}
		base--
		c.launch(s, now)
	}
	if c.down[0].Len()+c.down[1].Len() > 0 {
		next = c.startExtra(now, base, extra, permits)
	}
	return next
}

// startExtra starts workers beyond the goal, for those who wait, and says of
// every slot that is down whether a worker is wanted there.
func (c *core) startExtra(now time.Time, base, extra, permits int) (next time.Time) {
	for _, down := range []int{0, 1} {
		for n := range c.down[down].All() {
			s := n.Value.Value
			if s.index() >= c.limit() {
				c.relabel(s, vacant)
				continue // left over from a Resize down
			}
			if down == 0 && base > 0 {
				base--
				c.relabel(s, backingOff)
				next = earliest(next, s.before().notBefore)
				continue
			}
			c.relabel(s, vacant) // not wanted for the goal
			switch {
			case extra <= 0 || c.queue.Len() <= c.coming():
			case now.Before(s.before().notBefore):
				next = earliest(next, s.before().notBefore)
			case c.permits >= permits:
				return next
			case now.Before(c.growth(now)):
				c.growAt = c.growth(now)
				next = earliest(next, c.growAt)
			default:
				extra--
				c.launch(s, now)
			}
		}
	}
	return next
}

// growthStep is how long the first in line must have waited, for each worker that
// is starting or being looked after, before another is started beside it. Where
// workers are handed over quickly the queue moves on meanwhile, and a burst that
// is served by those there are does not leave as many workers as it had clients.
const growthStep = 25 * time.Millisecond

// growth is when the next worker beyond the goal may be started, given that
// somebody waits. Where nobody serves them, that is at once.
func (c *core) growth(now time.Time) time.Time {
	busy := c.permits + c.counts[tending]
	if busy == 0 || c.live() == 0 {
		return now
	}
	since := now
	if head := c.queue.Head().Value; head.since != 0 {
		since = c.time(head.since)
	}
	return since.Add(time.Duration(busy) * growthStep)
}

// relabel moves a slot between vacant and backing off, which differ only in
// whether a worker is wanted. It keeps its place in the list.
func (c *core) relabel(s *slot, state slotState) {
	c.counts[s.state]--
	c.counts[state]++
	s.state = state
}
