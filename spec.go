package pool

import (
	"context"
	"log/slog"
)

// Spec says how to start, run, clean and stop the workers of a pool. W is a
// pointer, an interface or a small handle; the pool never compares or prints it.
//
// Hooks take the worker first, so that method expressions fit:
//
//	pool.Spec[*pgx.Conn]{Start: dial, Stop: (*pgx.Conn).Close}
//
// No hook runs on the manager, under a lock, or on the goroutine of a client.
// Run follows Start on the same goroutine, the others have their own. A hook may
// block, panic, call runtime.Goexit or call back into the pool without harm to
// anyone but its own worker. Hooks of one worker never overlap; only Run runs
// beside them.
type Spec[W any] struct {
	// Start makes a worker. Required. ctx is the life of the worker: it is the
	// same in Run, carries the values of RegistryOptions.BaseContext and the
	// Slot, and is cancelled once, when the worker is over, so keeping it
	// (exec.CommandContext) is right. Options.StartTimeout cancels it only
	// while Start has not returned. A worker delivered too late is stopped,
	// never lent. With an error Start has cleaned up: what it returns beside
	// the error is dropped.
	Start func(ctx context.Context) (W, error)

	// Run is the worker's own goroutine, or waits for what lives elsewhere
	// (an OS process). When it returns, panics or calls runtime.Goexit without
	// having been told to stop, the worker has crashed; what it returns after
	// that is ignored. Nil: the worker is passive. It costs no goroutine, but
	// nobody sees it die: it is replaced when a client retires it, or Reset or
	// Check fails.
	Run func(worker W, ctx context.Context) error

	// Check finds out whether an idle worker is well, bounded by
	// Options.CheckTimeout; see Options.CheckEvery. An error, a panic or a
	// timeout is the crash of the worker. Its context is cancelled as well when
	// a client comes that needs the worker: what Check returns then, if it is
	// nil or that context's error, is no answer.
	//
	// A pool that has Check grows suspicious when more than a tenth of Size
	// workers, and more than one, crash within a second (a client that retires
	// one with an error says the same): then every worker is checked before it
	// is lent again, unless a client has checked it in since. The client waits
	// for the check, in its place; if it fails, for the next worker. TryCheckout
	// says ErrFull.
	Check func(worker W, ctx context.Context) error

	// Reset cleans a worker between two clients, bounded by
	// Options.CheckTimeout. The client that checked it in does not wait for it.
	// An error, a panic or a timeout retires the worker.
	Reset func(worker W, ctx context.Context) error

	// Stop ends a worker: exactly once for every worker that Start returned
	// without an error, crashed ones too, and those that came too late, whose
	// Run never runs; but not for one taken by Lease.Detach. Of a crashed worker
	// the life is cancelled before Stop, of any other after it: a Stop that
	// waits for Run has to end it itself. ctx ends after four fifths of
	// Options.StopTimeout; the last fifth is for Run to return. An error is told
	// in EventWorkerStopped and changes nothing. Nil: the worker's context is
	// cancelled, nothing more.
	Stop func(worker W, ctx context.Context) error
}

// Slot names the place of a worker in a pool. Any hook finds its own with
// [SlotFrom].
type Slot struct {
	Pool        string `json:"pool"`
	Index       int    `json:"index"`                 // the place, from 0
	Incarnation uint64 `json:"incarnation,omitempty"` // which start of the slot it is, from 1
	Attempt     int    `json:"attempt,omitempty"`     // 1 + the slot's failures in a row before this start
}

// LogValue implements [slog.LogValuer].
func (s Slot) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("pool", s.Pool),
		slog.Int("index", s.Index),
		slog.Uint64("incarnation", s.Incarnation),
	)
}

type slotKey struct{}

// SlotFrom returns the slot of the worker whose hook was given ctx. It reports
// false for any other context.
func SlotFrom(ctx context.Context) (Slot, bool) {
	slot, ok := ctx.Value(slotKey{}).(Slot)
	return slot, ok
}

// hooks is a Spec without its type parameter: the core of the pool does not
// know W. Those but start are nil where the Spec's are.
type hooks struct {
	start func(ctx context.Context) (any, error)
	run   func(worker any, ctx context.Context) error
	check func(worker any, ctx context.Context) error
	reset func(worker any, ctx context.Context) error
	stop  func(worker any, ctx context.Context) error
}

func (s Spec[W]) hooks() hooks {
	return hooks{
		start: func(ctx context.Context) (any, error) { return s.Start(ctx) },
		run:   untyped(s.Run),
		check: untyped(s.Check),
		reset: untyped(s.Reset),
		stop:  untyped(s.Stop),
	}
}

func untyped[W any](hook func(W, context.Context) error) func(any, context.Context) error {
	if hook == nil {
		return nil
	}
	return func(worker any, ctx context.Context) error {
		w, _ := worker.(W) // fails only for a nil interface, whose zero value is the same
		return hook(w, ctx)
	}
}
