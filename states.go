package pool

import "time"

// State is what a pool is doing. It prints and marshals as it is.
type State string

const (
	StateStarting   State = "starting"   // its first workers are coming up
	StateReady      State = "ready"      // at least Size workers are live
	StateDegraded   State = "degraded"   // it runs with fewer
	StateCrashLoop  State = "crash loop" // workers die before they prove themselves; one probe at a time
	StateRestarting State = "restarting" // its manager and worker supervisor are being replaced
	StateDraining   State = "draining"   // Stop: leases run out
	StateStopped    State = "stopped"    // gone; the name is free
	StateFailed     State = "failed"     // it died too often; Restart brings it back
)

// EndReason says why a lease ended.
type EndReason string

const (
	EndReturned    EndReason = "returned"    // checked in
	EndRetired     EndReason = "retired"     // by Retire, or by a panic or Goexit in Do
	EndCrashed     EndReason = "crashed"     // the worker crashed
	EndAbandoned   EndReason = "abandoned"   // the client's context ended, and ReclaimGrace after it
	EndOverdue     EndReason = "overdue"     // held longer than MaxHold
	EndLeaked      EndReason = "leaked"      // dropped without an end, found by TraceLeases
	EndRestarted   EndReason = "restarted"   // the pool's manager or worker supervisor died, or Restart
	EndStopped     EndReason = "stopped"     // Stop ran out of patience
	EndDetached    EndReason = "detached"    // the client took the worker for good
	EndTransferred EndReason = "transferred" // it goes on as another lease
)

func (r EndReason) phrase() string {
	switch r {
	case EndAbandoned, EndOverdue, EndRestarted, EndStopped:
		return "revoked"
	case EndReturned:
		return "has been checked in"
	case EndCrashed:
		return "ended with its worker"
	}
	return string(r)
}

// SlotState is the state of a slot; a slot is in exactly one.
type SlotState string

const (
	SlotVacant     SlotState = "vacant"      // no worker, none wanted
	SlotStarting   SlotState = "starting"    // Start runs
	SlotIdle       SlotState = "idle"        // ready to be lent
	SlotLeased     SlotState = "leased"      // a client has it
	SlotTending    SlotState = "tending"     // Reset or Check runs
	SlotStopping   SlotState = "stopping"    // its worker is being stopped
	SlotBackingOff SlotState = "backing off" // a worker is wanted and waits for its next start
)

// stateRunning is stored; users see StateReady or StateDegraded, derived at
// reading: stored, they would flicker at each crash.
const stateRunning State = "running"

// serves reports whether clients are served in this state.
func (s State) serves() bool {
	return s == StateStarting || s == stateRunning || s == StateCrashLoop
}

func (c *core) become(s State) {
	if c.state == s {
		return
	}
	c.settle()
	c.state = s
	c.open = s.serves() && !c.poisoned
	c.notify()
	if s != stateRunning {
		c.publishState(s, c.stateError(s))
		c.shown = s
	} else {
		c.show(c.now())
	}
}

//go:noinline
func (c *core) publishState(s State, err error) {
	c.publish(Event{Kind: EventPoolState, State: s, Err: err})
}

func (c *core) stateError(s State) error {
	switch s {
	case StateCrashLoop, StateFailed, StateRestarting:
		return c.lastError
	case StateStopped:
		return c.stopErr
	}
	return nil
}

// shownState is the state as users see it.
func (c *core) shownState() State {
	switch {
	case c.state != stateRunning:
		return c.state
	case c.live() >= c.goal:
		return StateReady
	}
	return StateDegraded
}

// show publishes Ready or Degraded, once a second at most; it returns when to
// come again.
func (c *core) show(now time.Time) (again time.Time) {
	s := c.shownState()
	if c.state != stateRunning || s == c.shown {
		return time.Time{}
	}
	if due := c.shownAt.Add(time.Second); s == StateDegraded && now.Before(due) {
		return due
	}
	c.shown, c.shownAt = s, now
	c.publishState(s, nil)
	return time.Time{}
}
