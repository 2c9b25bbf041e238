package pool

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// leaseContext is what Lease.Context made for a lease.
type leaseContext struct {
	context.Context       // done when the client's is, or when the lease ends
	lease           lease // with the client's own context
	cancel          context.CancelCauseFunc
}

// context returns the context of the lease, the same one at every call while
// the lease lives.
func (l lease) context() context.Context {
	if l.inc == nil {
		return endedContext(context.Background(), l.err())
	}
	s := l.inc.slot
	var made *leaseContext
	live := false
	find := func() {
		if live = l.grasp(); live {
			made = s.loan.context
		}
	}
	s.core.must(find)
	if made != nil {
		return made
	}
	if !live {
		return endedContext(l.client(), l.err())
	}
	// The client's context may be anybody's code: asked without the lock.
	client := l.client()
	ctx, cancel := context.WithCancelCause(client)
	mine := &leaseContext{ctx, lease{l.inc, l.word, client}, cancel}
	s.core.must(func() {
		if find(); live && made == nil {
			s.loan.context, made = mine, mine
		}
	})
	switch {
	case !live:
		cancel(l.err())
		return mine
	case made != mine:
		cancel(nil)
	}
	return made
}

func endedContext(parent context.Context, cause error) context.Context {
	ctx, cancel := context.WithCancelCause(parent)
	cancel(cause)
	return ctx
}

// callContext is the context that Do gives to its function. Most functions only
// pass it on; the lease's context is made when somebody asks more of it than
// the deadline.
type callContext struct {
	lease lease
	once  sync.Once
	made  context.Context
}

func (c *callContext) get() context.Context {
	c.once.Do(func() { c.made = c.lease.context() })
	return c.made
}

func (c *callContext) Deadline() (time.Time, bool) { return c.lease.client().Deadline() }
func (c *callContext) Done() <-chan struct{}       { return c.get().Done() }
func (c *callContext) Err() error                  { return c.get().Err() }
func (c *callContext) Value(key any) any           { return c.get().Value(key) }
func (c *callContext) String() string              { return fmt.Sprintf("pool.Do(%v)", c.lease.client()) }

// explain makes the text of a revocation teach what to do about it.
func (e *LeaseError) explain(ctx context.Context, end leaseEnd, opts *Options) {
	switch e.Reason {
	case EndAbandoned:
		e.Err = context.Cause(ctx)
		e.detail = fmt.Sprintf("the context given to Checkout ended %v ago (%v); it bounds the lease too, "+
			"use Terms.MaxWait to bound only the wait", round(end.after), unprefixed(e.Err))
	case EndOverdue:
		e.detail = fmt.Sprintf("held for %v, MaxHold is %v", round(end.after), opts.MaxHold)
	case EndLeaked:
		e.detail = "nothing refers to the lease any more; it was checked out at " + end.origin.place()
	case EndRestarted:
		e.detail = "the pool restarts"
		if end.err != nil {
			e.detail += ": " + unprefixed(end.err)
		}
	case EndStopped:
		e.detail = "the pool was stopped and did not wait any longer"
	}
}
