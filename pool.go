package pool

import "context"

// Pool lends workers of type W. It is a handle: it stays good when workers, the
// manager or the whole pool are restarted, and answers ErrStopped once the pool
// has been stopped. All methods may be called by several goroutines at once.
type Pool[W any] struct {
	core  *core
	terms terms
}

// Control is a pool without the type of its workers. Every *Pool[W] is one, and
// nothing else can be.
type Control interface {
	// Name returns the name under which the pool was started.
	Name() string

	// Stats returns the counts of the pool, at one moment. It never waits for a
	// hook or a start. It costs a short critical section, and the next round
	// trip of every worker another: it is for being watched, not for a loop.
	Stats() Stats

	// Inspect returns what is in the pool: slots, leases, waiters. It costs a
	// critical section that is proportional to their number.
	Inspect() PoolInfo

	// WaitReady waits until n workers are live; 0: as many as Resize or
	// Options.Size ask for. It goes on waiting in StateCrashLoop. It returns
	// ErrStopped, ErrUnavailable (the pool has failed) or the context's error,
	// with the last failure of a worker in its text.
	WaitReady(ctx context.Context, n int) error

	// Resize sets the number of workers and waits until it is reached or ctx is
	// done; the goal stands either way, across restarts of the pool too. Growing
	// starts workers at once. Shrinking revokes nothing: idle workers beyond
	// the new Size + MaxOverflow are stopped at once, leased ones when they come
	// back. 0 pauses a pool without MaxOverflow: clients wait. It returns an
	// OptionError, ErrStopped, ErrUnavailable or the context's error.
	Resize(ctx context.Context, size int) error

	// Recycle replaces every worker by a new one, in a rolling way: no lease is
	// cut short, and no more than a twentieth of Size, at least one, are being
	// replaced at once, not counting idle ones beyond Size. Idle workers go
	// first, leased ones when they come back, and one that is still starting when
	// it has started. If the new workers do not come up, the others serve on: all
	// but that twentieth. Only a pool of
	// one worker has none for as long as its replacement takes to start. Recycle
	// waits until those that were there are gone, in StateStarting and
	// StateCrashLoop until the pool runs again before that, or until ctx is
	// done; the goal stands either way, and a second Recycle sets a new one. The
	// last replacement may still be starting then. While the pool restarts there
	// is nothing to replace, and Recycle waits for that. A caller that holds a
	// lease itself waits for it until ctx is done. It returns ErrStopped,
	// ErrUnavailable or the context's error. It costs a critical section that is proportional to
	// the number of workers, and a short one for each.
	Recycle(ctx context.Context) error

	// Restart replaces everything but the name, the handle and the waiters: the
	// pool drains until ctx is done, the leases left are revoked, the workers
	// are stopped, and new ones start. It is the way out of StateFailed. It
	// waits until the first attempts of the new workers have ended, or ctx is
	// done; the restart goes on either way, unless a Start still waits for the
	// pool. A caller that holds a lease itself
	// waits for it until ctx is done. It returns ErrStopped, ErrUnavailable or
	// the context's error.
	Restart(ctx context.Context) error

	// Stop ends the pool: new clients and waiters get ErrStopped, leases run
	// out until ctx is done, those left are revoked, and every worker is
	// stopped. It returns at the latest Options.StopTimeout after ctx is done.
	// When it returns the name is free and no goroutine is left but those of
	// the zombies that a *StopError names. Several Stops join, the earliest
	// ctx ends the draining, and all get the same result. While a Start still
	// waits for its workers, leases are revoked at once. Stopping a stopped pool
	// does nothing.
	Stop(ctx context.Context) error

	inside() *core
}

// Checkout lends a worker: an idle one at once, else the next one that comes
// back or starts, in the order of arrival. If all are out and MaxOverflow
// allows it, one more is started; the client gets whichever comes first.
//
// ctx bounds the wait and the lease: when it ends, the client has
// Options.ReclaimGrace to check in, then it is presumed gone and the worker is
// taken away. A context that never ends bounds nothing: then only MaxHold takes
// the worker back. To bound only the wait use Terms.MaxWait; to hand a lease on
// use [Lease.Transfer].
//
// The error is a [*CheckoutError] that wraps the context's error, ErrOverloaded,
// ErrUnavailable or ErrStopped; then nothing was begun and a retry is safe.
// With an idle worker Checkout is one compare-and-swap, or a short critical
// section; it allocates nothing and reads no clock, but what CheckEvery and
// TraceLeases say.
func (p *Pool[W]) Checkout(ctx context.Context) (Lease[W], error) {
	l, err := p.core.checkout(ctx, &p.terms)
	return Lease[W]{l}, err
}

// TryCheckout is Checkout for those who do not wait: if no worker is idle it
// returns a [*CheckoutError] that wraps ErrFull, at once. It never starts a
// worker and never passes a client that waits. Its other errors are those of
// Checkout. It is linearizable: when it says ErrFull there was a moment during
// the call when no worker was free. A worker that must be checked before it is
// lent is not free (see Options.CheckEvery); TryCheckout has one checked, unless
// somebody waits or enough are.
func (p *Pool[W]) TryCheckout(ctx context.Context) (Lease[W], error) {
	l, err := p.core.tryCheckout(ctx, &p.terms)
	return Lease[W]{l}, err
}

// Checkin returns the worker of a lease of this pool; see [Lease.Checkin]. A
// lease of another pool means nothing here: it reports false.
func (p *Pool[W]) Checkin(l Lease[W]) bool {
	if l.lease.inc == nil || l.lease.inc.slot.core != p.core {
		return false
	}
	return l.Checkin()
}

// With returns a handle of the same pool on other terms. Keep it: it costs one
// allocation.
func (p *Pool[W]) With(t Terms) *Pool[W] { return &Pool[W]{p.core, t.within()} }

// Name implements [Control].
func (p *Pool[W]) Name() string { return p.core.name }

// Stats implements [Control].
func (p *Pool[W]) Stats() (s Stats) {
	p.core.exactly(func() { s = p.core.stats() })
	return s
}

// Inspect implements [Control].
func (p *Pool[W]) Inspect() PoolInfo { return p.core.inspect() }

// WaitReady implements [Control].
func (p *Pool[W]) WaitReady(ctx context.Context, n int) error {
	if ctx == nil {
		return errNilContext
	}
	return p.core.waitReady(ctx, n)
}

// Resize implements [Control].
func (p *Pool[W]) Resize(ctx context.Context, size int) error {
	if ctx == nil {
		return errNilContext
	}
	return p.core.resize(ctx, size)
}

// Recycle implements [Control].
func (p *Pool[W]) Recycle(ctx context.Context) error {
	if ctx == nil {
		return errNilContext
	}
	return p.core.renew(ctx)
}

// Restart implements [Control].
func (p *Pool[W]) Restart(ctx context.Context) error {
	if ctx == nil {
		return errNilContext
	}
	return p.core.restart(ctx)
}

// Stop implements [Control].
func (p *Pool[W]) Stop(ctx context.Context) error {
	if ctx == nil {
		return errNilContext
	}
	return p.core.stop(ctx)
}

func (p *Pool[W]) inside() *core { return p.core }
