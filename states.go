package pool

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
	SlotTending    SlotState = "tending"     // Reset runs
	SlotStopping   SlotState = "stopping"    // its worker is being stopped
	SlotBackingOff SlotState = "backing off" // a worker is wanted and waits for its next start
)
