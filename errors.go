package pool

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Errors that say why a call on a registry did nothing.
var (
	// ErrExists is returned by Start when a pool of that name exists, whatever
	// its state.
	ErrExists = errors.New("pool: name is taken")
	// ErrNotFound is returned when no pool has the name.
	ErrNotFound = errors.New("pool: no such pool")
	// ErrWrongType is returned by Lookup and Ensure when the pool's workers are
	// of another type than asked for.
	ErrWrongType = errors.New("pool: workers are of another type")
)

// Errors that say why no worker was had. Those of a checkout come inside a
// [CheckoutError].
var (
	// ErrFull is returned by TryCheckout when no worker is idle: all are out,
	// being cleaned, or not up.
	ErrFull = errors.New("pool: no worker is idle")
	// ErrOverloaded is returned when Options.MaxWaiting clients wait already, or
	// a more important one takes the place of one that waits; when a client has
	// waited for MaxWait; and when the queue stands (Options.QueueTarget).
	ErrOverloaded = errors.New("pool: overloaded")
	// ErrUnavailable is returned when nothing can serve the client: the pool is
	// in CrashLoop without a live worker, or has failed, or its next attempt
	// comes after the client's deadline. WaitReady, Resize, Recycle, Restart
	// and Each return it when the pool has failed, Each also while it restarts,
	// and a Group when it has no pools.
	ErrUnavailable = errors.New("pool: no worker can be had")
	// ErrStopped is returned by calls that need a worker of, or change, a pool
	// or registry that is stopping or has stopped. Stop itself returns what the
	// first Stop did; the name is ErrNotFound by then.
	ErrStopped = errors.New("pool: stopped")
)

// CheckoutError says why a checkout failed. Nothing was begun on any worker, so
// a retry is safe. Unwrap yields the sentinel, or the error of the client's
// context.
type CheckoutError struct {
	Pool       string        // or the pools of a Group; empty if it has none
	Err        error         // ErrFull, ErrOverloaded, ErrUnavailable, ErrStopped, or the context's error
	Waited     time.Duration // in the queue; to a millisecond where many come at once
	RetryAfter time.Duration // ErrUnavailable: until the next start is due; others: what the first in line of the client's priority, and for its key, has waited so far; 0: unknown
	Stats      Stats         // of the pool at that moment; LastError tells of the last crash or failed start
	Holding    Slot          // of this pool, the worker that the client's own context holds: that of Do or Lease.Context; zero: none is known
}

func (e *CheckoutError) Error() string {
	if e.Pool == "" {
		return "pool: checkout: " + unprefixed(e.Err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "pool: checkout from %q: %s", e.Pool, unprefixed(e.Err))
	if e.Waited > 0 {
		fmt.Fprintf(&b, " after waiting %v", round(e.Waited))
	}
	s := e.Stats
	fmt.Fprintf(&b, " (%s: %d live of %d, %d leased, %d waiting",
		s.State, s.Idle+s.Leased+s.Tending, s.Size, s.Leased, s.Waiting)
	if s.Shedding {
		b.WriteString(", shedding")
	}
	if e.RetryAfter > 0 {
		fmt.Fprintf(&b, ", retry after %v", round(e.RetryAfter))
	}
	b.WriteByte(')')
	if e.Holding.Pool != "" {
		fmt.Fprintf(&b, "; the client's own context holds slot %d of this pool: "+
			"a client that waits for a second worker while it keeps the first may wait for itself", e.Holding.Index)
	}
	switch s.State {
	case StateReady, StateDraining, StateStopped:
		return b.String() // whatever went wrong once has nothing to do with it
	}
	if s.LastError != nil {
		fmt.Fprintf(&b, "; last error: %s", unprefixed(s.LastError))
	}
	return b.String()
}

func (e *CheckoutError) Unwrap() error { return e.Err }

// LeaseError says how a lease ended. Unwrap yields the cause: a [CrashError],
// the error given to Retire, the cause of the client's context, what the pool
// died of, or nil.
type LeaseError struct {
	Slot   Slot      // of the worker
	Reason EndReason // why it ended
	Err    error     // the cause
	detail string    // the whole sentence after "slot n", where the reason has more to teach
}

func (e *LeaseError) Error() string {
	if e.Slot.Pool == "" {
		return "pool: the zero Lease has no worker"
	}
	text := fmt.Sprintf("pool: lease of %q slot %d %s", e.Slot.Pool, e.Slot.Index, e.Reason.phrase())
	switch {
	case e.detail != "":
		return text + ": " + e.detail
	case e.Err != nil:
		return text + ": " + unprefixed(e.Err)
	}
	return text
}

func (e *LeaseError) Unwrap() error { return e.Err }

// CrashError says how a worker crashed: Run, Check or Reset returned an error (Err),
// panicked (Panic, Stack), called runtime.Goexit, or Run returned nil without
// having been told to stop.
type CrashError struct {
	Slot  Slot
	Hook  string // "run", "check" or "reset"; in EventWorkerStopped "stop"
	Err   error  // what the hook returned, or the panic's value when that is an error
	Panic any    // the panic's value
	Stack []byte // of the panic
	Exit  bool   // the hook called runtime.Goexit
}

func (e *CrashError) Error() string {
	what := "crashed"
	if e.Hook == hookStop.String() {
		what = "did not stop in order"
	}
	return fmt.Sprintf("pool: worker of %q slot %d (incarnation %d) %s: %s %s",
		e.Slot.Pool, e.Slot.Index, e.Slot.Incarnation, what, e.Hook, how(e.Err, e.Panic, e.Exit))
}

func (e *CrashError) Unwrap() error { return e.Err }

// StartError says how the start of a worker failed. Unwrap yields what the hook
// returned, or context.DeadlineExceeded after StartTimeout.
type StartError struct {
	Slot  Slot   // where; its Incarnation never came to be
	Err   error  // what the hook returned, or the panic's value when that is an error
	Panic any    // the panic's value
	Stack []byte // of the panic
	Exit  bool   // the hook called runtime.Goexit
}

func (e *StartError) Error() string {
	return fmt.Sprintf("pool: worker of %q slot %d did not start: start %s",
		e.Slot.Pool, e.Slot.Index, how(e.Err, e.Panic, e.Exit))
}

func (e *StartError) Unwrap() error { return e.Err }

// PanicError says that the function given to [Map] or [ForEach] did not return:
// it panicked or called runtime.Goexit. Unwrap yields the panic's value when that
// is an error.
type PanicError struct {
	Err   error  // the panic's value when that is an error
	Panic any    // the panic's value
	Stack []byte // of the panic
	Exit  bool   // the function called runtime.Goexit
}

func (e *PanicError) Error() string {
	return "pool: the function given " + how(e.Err, e.Panic, e.Exit)
}

func (e *PanicError) Unwrap() error { return e.Err }

func how(err error, panicked any, exit bool) string {
	switch {
	case panicked != nil:
		return fmt.Sprintf("panicked: %v", panicked)
	case exit:
		return "called runtime.Goexit"
	case err != nil:
		return "failed: " + unprefixed(err)
	}
	return "returned without having been told to stop"
}

// StopError names what did not end when a pool, or the pools of a registry,
// stopped: workers and hooks that go on although they were told to end, and
// event receivers that never returned. Go cannot kill them.
type StopError struct {
	Pool      string // empty for a registry
	Zombies   []Zombie
	Receivers int // of Subscribe and the log handler; only of a registry
}

func (e *StopError) Error() string {
	var b strings.Builder
	if e.Pool != "" {
		fmt.Fprintf(&b, "pool: %q stopped", e.Pool)
	} else {
		b.WriteString("pool: registry stopped")
	}
	if n := len(e.Zombies); n > 0 {
		fmt.Fprintf(&b, ", but %d did not end:", n)
		for i, z := range e.Zombies {
			if i > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, " %v", z)
		}
	}
	if e.Receivers > 0 {
		fmt.Fprintf(&b, ", but %d event receiver(s) did not return", e.Receivers)
	}
	return b.String()
}

// Zombie is a worker or hook that did not end within Options.StopTimeout after
// it was told to. It is detached from its slot and listed until it ends.
type Zombie struct {
	Slot  Slot      `json:"slot"`
	Hook  string    `json:"hook"`  // what still runs: "start", "run", "check", "reset" or "stop"
	Since time.Time `json:"since"` // when it was told to end
}

func (z Zombie) String() string {
	return fmt.Sprintf("%s of %q slot %d (incarnation %d)", z.Hook, z.Slot.Pool, z.Slot.Index, z.Slot.Incarnation)
}

// unprefixed is the text of err without this package's prefix, for use inside
// another error of this package.
func unprefixed(err error) string {
	if err == nil {
		return "unknown"
	}
	return strings.TrimPrefix(err.Error(), "pool: ")
}

// round keeps three digits or so: errors are read by people.
func round(d time.Duration) time.Duration {
	switch {
	case d >= time.Second:
		return d.Round(10 * time.Millisecond)
	case d >= time.Millisecond:
		return d.Round(10 * time.Microsecond)
	}
	return d
}
