package pooltest

import (
	"errors"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/internal/hatch"
)

// ErrKilled is how a worker crashes that [KillWorker] was told to kill.
var ErrKilled = errors.New("pooltest: killed")

// Point is a place in the code of a manager or worker supervisor where it can
// be killed.
type Point = hatch.Point

// The points. At those marked with *, the half dies with the pool's lock held
// in the middle of a change.
const (
	AtIdle    = hatch.Idle    // either: between two turns
	AtLocked  = hatch.Locked  // either: * at the beginning of a turn
	AtRevoke  = hatch.Revoke  // manager: * a lease has been revoked, its worker not been told
	AtRetire  = hatch.Retire  // manager: * a surplus worker is not idle any more and not been told
	AtStart   = hatch.Start   // worker supervisor: * a slot is starting, its worker is not
	AtStarted = hatch.Started // worker supervisor: * a worker is starting, nobody has noted it
	AtReport  = hatch.Report  // worker: * a hook has ended, nobody has noted it
	AtDetach  = hatch.Detach  // worker supervisor: * a stuck worker is detached, its slot does not know
)

// KillManager makes the pool's manager panic when it next comes by the point,
// which for AtIdle and AtLocked is at once. The keeper then begins a new epoch.
func KillManager(p pool.Control, at Point) { hatch.Open(p).Kill(hatch.Manager, at) }

// KillSupervisor makes the pool's worker supervisor panic when it next comes by
// the point, which for AtIdle and AtLocked is at once.
func KillSupervisor(p pool.Control, at Point) { hatch.Open(p).Kill(hatch.Supervisor, at) }

// KillReport makes the pool's own code panic on the goroutine of a worker, with
// the lock held, when it next notes the end of a hook: a bug of the pool, as it
// were. The end is noted all the same, in the new epoch that follows.
func KillReport(p pool.Control) { hatch.Open(p).Kill(hatch.Worker, AtReport) }

// KillWorker makes the slot's worker crash with ErrKilled, as if its Run had
// returned that. It reports false if the slot has no live worker.
func KillWorker(p pool.Control, slot int) bool {
	return hatch.Open(p).CrashWorker(slot, ErrKilled)
}
