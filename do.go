package pool

import (
	"context"
	"errors"
)

// Do lends a worker to fn and takes it back: the usual way to use a pool. It
// waits like Checkout and returns its errors. fn is given a context that is
// done when ctx is, and when the worker crashes or is taken away.
//
// Do returns what fn returns. An error marked by [Retire] replaces the worker.
// If fn fails and the lease had ended before it returned, the error wraps the
// [*LeaseError] as well, so that errors.As finds a [*CrashError]. A panic or
// runtime.Goexit in fn replaces the worker and goes on up.
//
// It costs one allocation more than Checkout and Checkin, and what
// [Lease.Context] costs if fn asks its ctx for more than the deadline.
func (p *Pool[W]) Do(ctx context.Context, fn func(ctx context.Context, worker W) error) error {
	if fn == nil {
		return errNoFunction
	}
	lease, err := p.Checkout(ctx)
	if err != nil {
		return err
	}
	return lease.lendTo(fn)
}

// lendTo calls fn with the worker and ends the lease.
func (l Lease[W]) lendTo(fn func(ctx context.Context, worker W) error) error {
	returned := false
	defer l.retireUnless(&returned)
	err := fn(&callContext{lease: l.lease}, l.Worker())
	err = l.settle(err) // looks into err, which may panic as fn may
	returned = true
	return err
}

// Call is [Pool.Do] with a result. After an error the result is what fn
// returned with it, or the zero R if fn was not called.
func Call[W, R any](ctx context.Context, p *Pool[W], fn func(ctx context.Context, worker W) (R, error)) (R, error) {
	var none R
	if fn == nil {
		return none, errNoFunction
	}
	lease, err := p.Checkout(ctx)
	if err != nil {
		return none, err
	}
	returned := false
	defer lease.retireUnless(&returned)
	result, err := fn(&callContext{lease: lease.lease}, lease.Worker())
	err = lease.settle(err)
	returned = true
	return result, err
}

// retireUnless is for a panic or Goexit on its way up through Do: who knows what
// it left behind in the worker.
func (l Lease[W]) retireUnless(returned *bool) {
	if !*returned {
		l.Retire(nil)
	}
}

// settle ends the lease as the error of the client's function says.
func (l Lease[W]) settle(err error) error {
	if err == nil {
		l.Checkin()
		return nil
	}
	ended := false
	if retire, ok := errors.AsType[*retirement](err); ok {
		ended = l.Retire(retire.err)
	} else {
		ended = l.Checkin()
	}
	if ended {
		return err
	}
	if _, told := errors.AsType[*LeaseError](err); told {
		return err // fn returned the cause of its context
	}
	return errors.Join(err, l.Err())
}

// Retire marks an error that fn returns to [Pool.Do] or [Call]: the worker is
// no good and is replaced, as driver.ErrBadConn does in database/sql. The marked
// error reads like err and wraps it. Retire(nil) is nil.
func Retire(err error) error {
	if err == nil {
		return nil
	}
	return &retirement{err}
}

type retirement struct{ err error }

func (r *retirement) Error() string { return r.err.Error() }
func (r *retirement) Unwrap() error { return r.err }
