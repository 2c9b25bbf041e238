//go:build interleave

package hatch

import "sync/atomic"

// Interleaved reports whether a scheduler may order the steps.
const Interleaved = true

// Scheduler is called at every step, on the goroutine that is about to make it,
// and returns when it may. Nil: nobody waits.
var Scheduler atomic.Pointer[func(step Step, lock any)]

// At is a step. lock tells locks apart.
func At(step Step, lock any) {
	if schedule := Scheduler.Load(); schedule != nil {
		(*schedule)(step, lock)
	}
}
