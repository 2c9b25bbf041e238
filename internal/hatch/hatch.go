// Package hatch is how package pooltest reaches into a pool: it injects faults
// and checks invariants, which the public API offers to nobody.
package hatch

import (
	"fmt"
	"sync"
	"sync/atomic"
)

// Half is one of the two goroutines that live and die together as an epoch of
// a pool.
type Half string

const (
	Manager    Half = "manager"
	Supervisor Half = "worker supervisor"
	Worker     Half = "worker" // not a half, but a goroutine of the pool as well
)

// Point is a place in the code of a half where it can be killed.
type Point string

const (
	Idle    Point = "idle"    // either: between two changes, no lock held
	Locked  Point = "locked"  // either: the lock held, nothing changed yet
	Revoke  Point = "revoke"  // manager: the lock held, a lease revoked, its worker not yet told
	Retire  Point = "retire"  // manager: the lock held, a surplus worker taken out of the idle set, not yet told
	Start   Point = "start"   // supervisor: the lock held, a slot marked as starting, nothing started yet
	Started Point = "started" // supervisor: the lock held, a start under way, not yet counted
	Report  Point = "report"  // worker: the lock held, the end of a hook not yet noted
	Detach  Point = "detach"  // supervisor: the lock held, a stuck worker detached, its slot not yet vacant
)

// Killed is the value a half panics with.
type Killed struct {
	Half Half
	At   Point
}

func (k Killed) Error() string { return fmt.Sprintf("%s killed at %q", k.Half, k.At) }

// Faults holds what is armed. The zero value has nothing armed and costs one
// atomic load at each point.
type Faults struct {
	armed atomic.Bool
	mu    sync.Mutex
	kills map[Killed]bool
}

// Arm makes the half panic the next time it comes by the point.
func (f *Faults) Arm(half Half, at Point) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.kills == nil {
		f.kills = make(map[Killed]bool)
	}
	f.kills[Killed{half, at}] = true
	f.armed.Store(true)
}

// Hit panics with a [Killed] if the point is armed, and disarms it.
func (f *Faults) Hit(half Half, at Point) {
	if f.armed.Load() && f.disarm(Killed{half, at}) {
		panic(Killed{half, at})
	}
}

func (f *Faults) disarm(k Killed) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	armed := f.kills[k]
	delete(f.kills, k)
	f.armed.Store(len(f.kills) > 0)
	return armed
}

// Pool is what can be done to a pool from here.
type Pool interface {
	// Kill arms the point and wakes the half, so that it comes by.
	Kill(half Half, at Point)
	// CrashWorker makes the slot's worker crash with err, as if its Run had
	// returned it. It reports whether the slot had a live worker.
	CrashWorker(slot int, err error) bool
	// Instance is the value of the profiler label "instance" that all goroutines
	// of the pool carry.
	Instance() string
	// CheckInvariants reports every invariant that does not hold now.
	CheckInvariants() error
}

// Open returns the inside of a pool.Control. Package pool sets it.
var Open func(control any) Pool
