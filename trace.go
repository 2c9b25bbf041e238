package pool

import (
	"context"
	"fmt"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// tracker is the client's context in a traced lease. The copies of the lease
// refer to it and nothing else does, so when the garbage collector finds that
// nothing refers to it any more, nobody is left who could end the lease. What
// the pool itself keeps of a client is the context within (see lease.client).
type tracker struct {
	context.Context
	trace *trace
}

// trace is what the pool keeps of a traced lease. It does not lead to the
// tracker, or that would never be collected.
type trace struct {
	origin  *origin
	cleanup runtime.Cleanup // of the tracker; constant once the loan has the trace
	dropped atomic.Bool     // the tracker has been collected
}

// origin is where a lease was checked out: the stack, its caller first.
type origin struct{ frames []uintptr }

// track makes a tracker for a lease that was checked out there. What the
// cleanup does, on a goroutine of the runtime, is all that it may do: it blocks
// on nothing and touches no channel, which may belong to a synctest bubble. The
// manager finds the flag at its next sweep.
func track(client context.Context, at *origin) *tracker {
	t := &tracker{client, &trace{origin: at}}
	t.trace.cleanup = runtime.AddCleanup(t, func(t *trace) { t.dropped.Store(true) }, t.trace)
	return t
}

// traced is for the end of a checkout, off the lock: every so many leases one is
// traced.
func (l lease) traced() lease {
	if c := l.inc.slot.core; c.opts.TraceLeases > 0 {
		return c.trace(l)
	}
	return l
}

func (c *core) trace(l lease) lease {
	if c.lent.Add(1)%uint64(c.opts.TraceLeases) != 0 {
		return l
	}
	var callers [mostFrames]uintptr
	frames := callers[:runtime.Callers(1, callers[:])]
	inner := ownFrames(frames)
	t := track(l.ctx, &origin{slices.Clone(frames[inner:])})
	leaseProfile().Add(t.trace.origin, inner+1) // Add counts itself
	kept := false
	c.change(func() {
		if kept = l.live(); kept {
			l.inc.slot.loan.trace = t.trace
			if c.parked {
				c.parked = false
				poke(c.manager)
			}
		}
	})
	if !kept { // it has ended already
		t.trace.end()
		return l
	}
	return lease{l.inc, l.word, t}
}

// mostFrames is how deep a stack is kept; that of a profile is as deep.
const mostFrames = 32

// ownFrames counts the frames of this package at the top of a stack: nobody
// wants to be told that Checkout was called in Do. A stack that has no others
// is kept whole.
func ownFrames(stack []uintptr) (n int) {
	for n, pc := range stack {
		if f := runtime.FuncForPC(pc - 1); f == nil || !strings.HasPrefix(f.Name(), "github.com/pooltender/pool.") { // pc is where it returns to
			return n
		}
	}
	return 0
}

// leaseProfile returns the profile of the traced leases of the process, made at
// the first of them.
var leaseProfile = sync.OnceValue(func() *pprof.Profile {
	const name = "github.com/pooltender/pool.leases"
	if p := pprof.Lookup(name); p != nil {
		return p
	}
	return pprof.NewProfile(name)
})

// end is for the end of the lease, with the lock held: the cleanup and the
// profile have leaf locks.
func (t *trace) end() {
	t.cleanup.Stop()
	leaseProfile().Remove(t.origin)
}

// handOn makes a trace for a lease that goes on as another, bound to another
// context: the checkout is the same. Of a lease that is not traced it is nil.
func (l lease) handOn(client context.Context) (context.Context, *trace) {
	from, ok := l.ctx.(*tracker)
	if !ok {
		return client, nil
	}
	t := track(client, from.trace.origin)
	return t, t.trace
}

// take puts the trace of the lease that goes on in the place of the old one.
func (l *loan) take(next *trace) {
	if l.trace != nil {
		l.trace.cleanup.Stop()
		l.trace = next
	}
}

// client returns the context that the client has given to Checkout. The pool
// keeps this one, never that of a traced lease.
func (l lease) client() context.Context {
	if t, ok := l.ctx.(*tracker); ok {
		return t.Context
	}
	return l.ctx
}

// reportLeak revokes a lease to which nothing refers any more.
func (c *core) reportLeak(s *slot, held time.Duration) {
	origin := s.loan.origin()
	c.publish(Event{Kind: EventLeaseLeaked, Slot: s.inc.id(), Owner: s.loan.owner, Elapsed: held, origin: origin})
	c.reclaim(s, leaseEnd{reason: EndLeaked, origin: origin})
}

// origin returns where the lease was checked out; nil: it is not traced.
func (l *loan) origin() *origin {
	if l.trace == nil {
		return nil
	}
	return l.trace.origin
}

// String writes the stack as a goroutine dump does. It is slow: not for the lock.
func (o *origin) String() string {
	var b strings.Builder
	for f := range o.all {
		fmt.Fprintf(&b, "%s\n\t%s:%d\n", f.Function, f.File, f.Line)
	}
	return b.String()
}

// place is the top of the stack, for a sentence.
func (o *origin) place() string {
	for f := range o.all {
		return fmt.Sprintf("%s:%d (%s)", f.File, f.Line, f.Function)
	}
	return "an unknown place"
}

func (o *origin) all(yield func(runtime.Frame) bool) {
	frames := runtime.CallersFrames(o.frames)
	for more := len(o.frames) > 0; more; {
		var f runtime.Frame
		if f, more = frames.Next(); !yield(f) {
			return
		}
	}
}
