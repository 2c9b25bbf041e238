package pool

import (
	"context"
	"fmt"
	"time"

	"github.com/pooltender/pool/internal/hatch"
	"github.com/pooltender/pool/internal/restart"
)

// dismiss tells a live worker to end. Its lease, if it had one, has ended.
func (c *core) dismiss(inc *incarnation, ending restart.Ending, err error) {
	c.finish(inc, ending, err)
	c.to(inc.slot, stopping)
	c.advance(inc)
}

// tell makes whatever worker the slot has end: the way of Stop, of a change of
// epoch and of a start that takes too long. A lease must have ended before.
func (c *core) tell(inc *incarnation, err error) {
	if inc.over {
		return
	}
	if inc.hook == hookStart {
		c.finish(inc, restart.Orderly, err)
		inc.cancel(err)
		return
	}
	c.dismiss(inc, restart.Orderly, err)
}

// finish is the point of no return of an incarnation.
func (c *core) finish(inc *incarnation, ending restart.Ending, err error) {
	now := c.now()
	inc.over = true
	inc.ending = ending
	if err != nil {
		inc.befalls().err = err
	}
	inc.proven = inc.isProven(now)
	c.strike(inc)
	if ending == restart.Crashed {
		c.noteCrash(now)
	}
	// The pool's ledger counts an end now, not when it has come to pass: what
	// was live is not any more. What ends because the pool does says nothing of
	// the worker.
	if c.state.serves() && c.ledger.Ended(c.policy(), now, ending, inc.proven) {
		c.publish(Event{Kind: EventUnstable, Err: c.lastError})
	}
	deadline := now.Add(c.opts.StopTimeout)
	inc.deadline = c.instant(deadline)
	c.alarm(deadline)
	c.stirred = true // another slot may have to take its place
	c.returnPermit(inc)
	if c.probe == inc {
		c.probe = nil
		c.planProbe(now)
	}
	if cancel := inc.told().cancelHook; cancel != nil {
		cancel()
	}
}

// advance does the next step of the end of an incarnation, if it is time for
// it: the running hook first, then Stop exactly once, then Run, then it is gone.
// Whoever ends something of an incarnation calls it, so it needs no order.
func (c *core) advance(inc *incarnation) {
	if !inc.over || inc.gone || inc.hook != noHook {
		return // hooks of one incarnation never overlap
	}
	if inc.delivered && !inc.stopping {
		inc.stopping = true
		if c.hooks.stop != nil {
			if inc.crashed {
				inc.cancel(inc.told().err)
			}
			inc.hook = hookStop
			go c.stopWorker(inc)
			return
		}
	}
	inc.cancel(inc.told().err)
	if inc.running {
		return
	}
	inc.gone = true // step gone
	if inc.delivered {
		c.publishOf(EventWorkerStopped, inc, inc.told().stopErr, inc.age(c.now()))
	}
	if inc.detached {
		c.zombies.Remove(&inc.fate.link)
		c.alarm(c.now()) // there is room for another zombie
		return
	}
	c.vacate(inc)
}

// stopWorker runs Stop. The last fifth of StopTimeout belongs to Run, which
// returns when its context is cancelled after Stop.
func (c *core) stopWorker(inc *incarnation) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(inc.life()), c.opts.StopTimeout*4/5)
	defer cancel()
	c.label(inc)
	c.perform(inc, hookStop, ctx)
}

// stoppedBy records the end of Stop.
func (c *core) stoppedBy(inc *incarnation, o *outcome) {
	inc.hook = noHook
	if o != nil {
		inc.befalls().stopErr = o.of(inc, hookStop)
	}
	c.advance(inc)
}

// vacate empties the slot of an incarnation that is gone or detached, and lets
// the restart policy say how long the slot waits (invariant 4: it is the only
// place, and an incarnation comes here once).
func (c *core) vacate(inc *incarnation) {
	s, now := inc.slot, c.now()
	s.inc = nil
	s.history().emptied = now
	s.tried = inc.epoch // which may be an older one: then the slot's turn is still to come
	if c.state.serves() {
		var delay time.Duration
		past := s.history()
		past.streak, delay = c.policy().Next(past.streak, inc.ending, inc.proven, c.jitter())
		past.notBefore = now.Add(delay)
		if delay > 0 {
			s.tried = uint32(c.epoch) // the epoch does not wait for a backoff
		}
	}
	c.to(s, vacant)
	c.trim()
	c.stirred = true
	poke(c.keeper)
}

// abandon detaches an incarnation that has not ended although it was told to.
// There is room for so many zombies; beyond it the slot stays out of service
// (its deadline is not looked at again until something ends). When the pool
// stops there is room for all, so that Stop returns.
func (c *core) abandon(inc *incarnation) {
	inc.cancel(inc.told().err)
	if c.zombies.Len() >= c.limit() && c.state != StateDraining {
		inc.slot.tried = uint32(c.epoch) // nobody waits for a slot that is out of service
		return
	}
	inc.detached = true
	c.zombies.PushBack(&inc.befalls().link)
	c.publishOf(EventZombie, inc, fmt.Errorf("pool: %v did not end", c.zombieOf(inc)), 0)
	c.hit(hatch.Supervisor, hatch.Detach)
	c.vacate(inc)
}

func (c *core) zombieOf(inc *incarnation) Zombie {
	z := Zombie{Slot: inc.id(), Hook: inc.hook.String(), Since: c.time(inc.deadline).Add(-c.opts.StopTimeout)}
	if inc.hook == noHook {
		z.Hook = hookRun.String()
	}
	return z
}
