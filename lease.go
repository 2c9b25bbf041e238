package pool

import (
	"context"
)

// Lease is one client's right to one worker, from Checkout to its one end. It
// is a small value: copies are harmless and mean the same lease, the zero Lease
// has ended. All methods may be called by several goroutines at once.
//
// A lease ends once: by Checkin, Retire, Detach or Transfer; by a crash of its
// worker; when the context given to Checkout has ended and
// Options.ReclaimGrace after it; after Options.MaxHold; or when the pool
// restarts or stops. Calls on an ended lease change nothing, least of all
// another client's lease of the same worker.
type Lease[W any] struct {
	lease lease
}

// Worker returns the worker. It stays readable after the end of the lease;
// using the worker then is a bug, because another client may have it. The zero
// Lease returns the zero W.
func (l Lease[W]) Worker() W {
	var worker W
	if l.lease.inc != nil {
		worker, _ = l.lease.inc.worker.(W)
	}
	return worker
}

// Slot returns the place of the worker in its pool, for logs.
func (l Lease[W]) Slot() Slot {
	if l.lease.inc == nil {
		return Slot{}
	}
	return l.lease.inc.id()
}

// Checkin returns the worker to the pool. It never blocks, not on Reset either,
// but may yield the processor to the client that has waited for the worker. It
// reports whether this call ended the lease; false means that it had ended
// before, and is harmless. Everything done before Checkin happens before
// whatever the worker's next client does.
func (l Lease[W]) Checkin() bool { return l.lease.checkin() }

// Retire ends the lease and says that the worker is no good: it is stopped and
// replaced. A non-nil err says why, and counts like a crash if the worker has
// not proven itself (see Options.MaxRestarts). Like Checkin it never blocks,
// and reports whether this call ended the lease.
func (l Lease[W]) Retire(err error) bool { return l.lease.retire(err) }

// Detach takes the worker out of the pool for good and gives it to the caller,
// with its context, which nothing cancels any more; Spec.Stop is not called.
// The pool replaces the worker. It reports false, and changes nothing, if the
// lease has ended or if the pool's workers have a Run, which cannot be handed
// over.
func (l Lease[W]) Detach() (W, bool) {
	if !l.lease.detach() {
		var none W
		return none, false
	}
	return l.Worker(), true
}

// Transfer hands the lease on: the receiver ends, and the lease returned goes on
// with the same worker, bound to ctx. The owner label stays; the age that
// MaxHold and WarnHold bound begins anew. If ctx is done (its error) or the lease
// has ended (a [*LeaseError]), nothing changes.
func (l Lease[W]) Transfer(ctx context.Context) (Lease[W], error) {
	if ctx == nil {
		return Lease[W]{}, errNilContext
	}
	done := ctx.Done()
	if err := ctx.Err(); err != nil {
		return Lease[W]{}, err
	}
	if next, ok := l.lease.transfer(ctx, done); ok {
		return Lease[W]{next}, nil
	}
	return Lease[W]{}, l.lease.err()
}

// Context returns a context for work on the worker: done when the client's
// context is, and when the lease ends. [context.Cause] then says why: the cause
// of the client's context, or a [*LeaseError] that wraps a [*CrashError] if the
// worker has crashed. It carries the values and the deadline of the client's
// context, and is made at the first call, which costs about as much as
// context.WithCancel.
func (l Lease[W]) Context() context.Context { return l.lease.context() }

// Err returns nil while the lease is live, ReclaimGrace included, and a
// [*LeaseError] with the reason once it has ended. Of one worker the last eight
// ends other than by Checkin are remembered; an older one reads as EndReturned.
// It takes the lock for a moment; if the pool's manager or worker supervisor has
// just died it waits until the keeper has ended the lease, which it does at once.
func (l Lease[W]) Err() error { return l.lease.err() }
