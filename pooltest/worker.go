package pooltest

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/pooltender/pool"
)

// Worker is a scripted worker: a fake that behaves, and dies, on command.
type Worker struct {
	ID   int       // which start of the backend it is, from 1
	Slot pool.Slot // where it was started

	// Note is for the test's own use. It is deliberately not guarded: written
	// by one client and read by the next, it lets the race detector prove that
	// a lease excludes all others.
	Note int

	backend *Backend
	script  Script
	life    context.Context
	orders  chan func() error
	users   atomic.Int32
	uses    atomic.Int32
	resets  atomic.Int32
	stops   atomic.Int32
	checks  atomic.Int32
	hooks   atomic.Int32 // of Check, Reset and Stop running, which must never overlap
}

// String and GoString name the worker; they keep test libraries from printing
// its fields, which others write.
func (w *Worker) String() string   { return fmt.Sprintf("worker %d", w.ID) }
func (w *Worker) GoString() string { return w.String() }

// Context returns the life of the worker, as Start was given it.
func (w *Worker) Context() context.Context { return w.life }

// Checks, Resets and Stops count the calls of those hooks, Uses those of Use.
func (w *Worker) Checks() int { return int(w.checks.Load()) }
func (w *Worker) Resets() int { return int(w.resets.Load()) }
func (w *Worker) Stops() int  { return int(w.stops.Load()) }
func (w *Worker) Uses() int   { return int(w.uses.Load()) }

// Use works with the worker as a client does, and fails the test if somebody
// else does at the same time.
func (w *Worker) Use(work func()) {
	if n := w.users.Add(1); n != 1 {
		w.backend.t.Errorf("pooltest: worker %d has %d holders", w.ID, n)
	}
	defer w.users.Add(-1)
	w.uses.Add(1)
	work()
}

// Busy reports whether somebody is in Use.
func (w *Worker) Busy() bool { return w.users.Load() > 0 }

// Crash makes Run return err.
func (w *Worker) Crash(err error) { w.order(func() error { return err }) }

// Panic makes Run panic.
func (w *Worker) Panic(value any) { w.order(func() error { panic(value) }) }

// Goexit makes Run call runtime.Goexit.
func (w *Worker) Goexit() { w.order(func() error { runtime.Goexit(); return nil }) }

// Hang makes Run ignore its context until Backend.Release.
func (w *Worker) Hang() { w.order(func() error { <-w.backend.release; return nil }) }

// order is carried out by Run; only the first one counts.
func (w *Worker) order(act func() error) {
	select {
	case w.orders <- act:
	default:
	}
}

func (w *Worker) run(ctx context.Context) error {
	if w.script.RunAfter > 0 || w.script.Run != OK {
		return w.backend.play(ctx, w.script.Run, w.script.RunAfter)
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case act := <-w.orders:
		return act()
	}
}

func (w *Worker) reset(ctx context.Context) error {
	defer w.alone("Reset")()
	w.resets.Add(1)
	if w.Busy() {
		w.backend.t.Errorf("pooltest: worker %d is reset while a client uses it", w.ID)
	}
	return w.backend.play(ctx, w.script.Reset, w.script.ResetAfter)
}

func (w *Worker) check(ctx context.Context) error {
	defer w.alone("Check")()
	w.checks.Add(1)
	if w.Busy() {
		w.backend.t.Errorf("pooltest: worker %d is checked while a client uses it", w.ID)
	}
	return w.backend.play(ctx, w.script.Check, w.script.CheckAfter)
}

func (w *Worker) stop(ctx context.Context) error {
	defer w.alone("Stop")()
	if n := w.stops.Add(1); n != 1 {
		w.backend.t.Errorf("pooltest: worker %d is stopped %d times", w.ID, n)
	}
	return w.backend.play(ctx, w.script.Stop, w.script.StopAfter)
}

// alone fails the test if another hook runs that must not run beside this one.
func (w *Worker) alone(hook string) (done func()) {
	if w.hooks.Add(1) != 1 {
		w.backend.t.Errorf("pooltest: %s of worker %d overlaps another hook", hook, w.ID)
	}
	return func() { w.hooks.Add(-1) }
}

// play acts, after a while.
func (b *Backend) play(ctx context.Context, act Act, after time.Duration) error {
	if after > 0 {
		timer := time.NewTimer(after)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			if act != Ignore {
				return ctx.Err()
			}
		}
	}
	switch act {
	case Fail:
		return ErrScripted
	case Panic:
		panic("pooltest: as scripted")
	case Goexit:
		runtime.Goexit()
	case Hang:
		<-ctx.Done()
		return ctx.Err()
	case Ignore:
		<-b.release
	}
	return nil
}
