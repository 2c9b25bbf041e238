package pool

import (
	"time"
)

func (c *core) judgeFailures(now time.Time) (next time.Time) {
	p := c.policy()
	switch c.state {
	case stateRunning:
		// The slots are looked through only when it has come to that.
		if c.ledger.Exhausted(p, now, c.live(), false) && c.ledger.Exhausted(p, now, c.live(), c.provenLive(now)) {
			c.enterCrashLoop(now)
			break
		}
		if at, set := c.ledger.ExhaustedAt(p); set && c.live() == 0 {
			next = earliest(next, at)
		}
	case StateCrashLoop:
		if c.provenLive(now) {
			c.leaveCrashLoop()
			break
		}
		next = earliest(next, c.nextProof())
	}
	return next
}

func (c *core) provenLive(now time.Time) bool {
	for _, s := range c.slots {
		if s.state.live() && s.inc.isProven(now) {
			return true
		}
	}
	return false
}

// nextProof is when a live worker will have proven itself by its age.
func (c *core) nextProof() (at time.Time) {
	for _, s := range c.slots {
		if s.state.live() {
			at = earliest(at, c.time(s.inc.born).Add(healthyAfter))
		}
	}
	return at
}

// enterCrashLoop lets starts in flight finish and stops all others but one
// probe at a time.
func (c *core) enterCrashLoop(now time.Time) {
	c.unready(now)
	c.become(StateCrashLoop)
	c.ramp = false
	c.planProbe(now)
	c.assess(now)
}

// leaveCrashLoop forgets the delays of the slots but not their streaks: a
// relapse costs one start a slot, not a storm.
func (c *core) leaveCrashLoop() {
	for _, s := range c.slots {
		s.pardon()
	}
	c.probe = nil
	c.ramp = true
	c.become(stateRunning)
	c.lingerAll(c.now()) // a crash loop keeps what it has
	c.stirred = true
}

func (c *core) planProbe(now time.Time) {
	c.probeAt = now.Add(c.policy().ProbeDelay(c.probes, c.jitter()))
	c.probes++
}

// probeWorker starts one worker, in the slot longest not tried: a poisoned slot
// must not hold the others hostage.
func (c *core) probeWorker(now time.Time) (next time.Time) {
	if c.permits > 0 || c.probe != nil || c.live() >= max(1, c.goal) {
		return time.Time{}
	}
	if now.Before(c.probeAt) {
		return c.probeAt
	}
	if s := c.longestNotTried(); s != nil {
		c.launch(s, now)
		c.probe = s.inc
	}
	return time.Time{}
}

// longestNotTried returns the slot that is down and allowed whose last worker
// ended first, or which never had one.
func (c *core) longestNotTried() (longest *slot) {
	for i := range c.down {
		for n := range c.down[i].All() {
			if s := n.Value.Value; s.index() < c.limit() && (longest == nil || s.before().emptied.Before(longest.before().emptied)) {
				longest = s
			}
		}
	}
	return longest
}
