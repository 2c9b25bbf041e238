package pool

import (
	"context"
	"errors"
)

// Each lends every worker that is live now to fn, one after another and each
// once: to warm, inspect or flush them all. It takes those that are idle first
// and then waits for the others in turn; MaxWait and MaxWaiting do not apply. A worker that ends before its turn is left out, and so is
// its replacement. While the pool is starting Each waits.
//
// fn is called as by [Pool.Do], one call at a time, on the goroutine of the
// caller. Its error does not keep Each from the other workers: all are returned,
// joined. Each ends early, with a [*CheckoutError] among them, only when ctx is
// done or the pool stops. It returns ErrUnavailable, and visits none, while the
// pool restarts or when it has failed. A caller that holds a worker of the pool
// waits for itself until ctx is done. It costs what a Do of each worker does, and
// takes the lock for each.
func (p *Pool[W]) Each(ctx context.Context, fn func(ctx context.Context, worker W) error) error {
	if ctx == nil {
		return errNilContext
	}
	if fn == nil {
		return errNoFunction
	}
	pending, err := p.core.liveWorkers(ctx)
	if err != nil {
		return err
	}
	var busy []*incarnation
	var errs []error
	for _, inc := range pending {
		switch lease, err := p.core.tryCheckout(ctx, p.terms.pinned(inc)); {
		case err == nil:
			errs = append(errs, Lease[W]{lease}.lendTo(fn))
		case errors.Is(err, ErrFull):
			busy = append(busy, inc)
		case !isLeftOut(err):
			return errors.Join(append(errs, err)...)
		}
	}
	for _, inc := range busy {
		switch lease, err := p.core.checkout(ctx, p.terms.pinned(inc)); {
		case err == nil:
			errs = append(errs, Lease[W]{lease}.lendTo(fn))
		case !isLeftOut(err):
			return errors.Join(append(errs, err)...)
		}
	}
	return errors.Join(errs...)
}

// isLeftOut reports whether the worker that Each asked for has ended, alone or
// with all the others.
func isLeftOut(err error) bool { return errors.Is(err, errReplaced) || errors.Is(err, ErrUnavailable) }

// liveWorkers are the workers of the pool, when it is past starting.
func (c *core) liveWorkers(ctx context.Context) (all []*incarnation, err error) {
	err = c.await(ctx, func() (bool, error) {
		switch c.state {
		case StateStarting:
			return false, nil
		case StateRestarting, StateFailed:
			return true, ErrUnavailable
		case StateDraining, StateStopped:
			return true, ErrStopped
		}
		for _, s := range c.slots {
			if s.state.live() {
				all = append(all, s.inc)
			}
		}
		return true, nil
	})
	if err != nil {
		return nil, c.refusal(new(terms), err, 0)
	}
	return all, nil
}
