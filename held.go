package pool

import "context"

// holding is the key under which the context of a lease answers with the Slot
// of the worker that its client holds of a pool, while it does.
type holding struct{ core *core }

// Value implements context.Context.
func (c *leaseContext) Value(key any) any {
	if asked, ok := key.(holding); ok && asked.core == c.lease.inc.slot.core && c.lease.live() {
		return c.lease.inc.id()
	}
	return c.Context.Value(key)
}

// hint adds to the error of a client that found no worker that it holds one
// itself. The context may be anybody's code: it is asked without the lock
// (invariant 10).
func (c *core) hint(ctx context.Context, err error) error {
	e, ok := err.(*CheckoutError)
	if ok && e.Err != ErrStopped && e.Err != ErrUnavailable && (e.Waited > 0 || e.Err == ErrFull || e.Err == ErrOverloaded) {
		e.Holding, _ = ctx.Value(holding{c}).(Slot)
	}
	return err
}
