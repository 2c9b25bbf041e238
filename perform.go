package pool

import (
	"context"
	"runtime"
	"slices"

	"github.com/pooltender/pool/internal/hatch"
)

// Where a worker runs, the pool has only just been: the functions between its
// goroutine and its Run are small, so that a worker that needs little stack has
// a little stack. What is rare and large, events and errors, has functions apart.

// outcome is how a hook failed: it returned an error, panicked, or called
// runtime.Goexit. Nil: it did not.
type outcome struct {
	err      error
	panicked any
	stack    []byte
	exit     bool
}

// perform runs a hook of an incarnation on this goroutine, to whatever end it
// makes of it, and reports that end under the lock, from another goroutine if the
// hook took this one along by runtime.Goexit. It returns whether Run is to follow.
func (c *core) perform(inc *incarnation, h hook, ctx context.Context) (run bool) {
	returned := false
	defer func() {
		if returned {
			return
		}
		if p := recover(); p != nil {
			run = c.report(inc, h, panicked(p))
			return
		}
		go c.report(inc, h, &outcome{exit: true})
	}()
	err := c.call(inc, h, ctx)
	returned = true
	if err != nil || h == hookRun {
		return c.report(inc, h, &outcome{err: err})
	}
	return c.report(inc, h, nil)
}

//go:noinline
func panicked(p any) *outcome {
	o := &outcome{panicked: p, stack: stack()}
	o.err, _ = p.(error)
	return o
}

func (c *core) call(inc *incarnation, h hook, ctx context.Context) (err error) {
	switch h {
	case hookStart:
		inc.worker, err = c.hooks.start(ctx)
	case hookRun:
		err = c.hooks.run(inc.worker, ctx)
	case hookCheck:
		err = answer(ctx, c.hooks.check(inc.worker, ctx))
	case hookReset:
		err = c.hooks.reset(inc.worker, ctx)
	case hookStop:
		err = c.hooks.stop(inc.worker, ctx)
	}
	return err
}

// stack is debug.Stack at half its price: it formats once.
func stack() []byte {
	buf := make([]byte, 16<<10)
	for {
		if n := runtime.Stack(buf, false); n < len(buf) {
			return slices.Clone(buf[:n])
		}
		buf = make([]byte, 2*len(buf))
	}
}

//go:noinline
func (o *outcome) of(inc *incarnation, h hook) *CrashError {
	return &CrashError{inc.id(), h.String(), o.err, o.panicked, o.stack, o.exit}
}

//go:noinline
func (o *outcome) ofStart(inc *incarnation) *StartError {
	return &StartError{inc.id(), o.err, o.panicked, o.stack, o.exit}
}

// report records how a hook ended. Whatever follows for the workers follows at
// once: the turn of the worker supervisor is a function of the state, and who
// has changed the state takes it, so that a worker that crashed is replaced
// without the supervisor being woken for it. It returns whether Run is to follow.
func (c *core) report(inc *incarnation, h hook, o *outcome) (run bool) {
	turn := false
	note := func() {
		c.hit(hatch.Worker, hatch.Report)
		if inc.gone {
			return
		}
		switch h {
		case hookStart:
			run = c.started(inc, o) && c.hooks.run != nil
		case hookRun:
			c.ran(inc, o)
		case hookCheck, hookReset:
			c.tended(inc, h, o)
		case hookStop:
			c.stoppedBy(inc, o)
		}
		switch {
		case !c.open || !c.stirred:
		case c.isQuiet():
			c.stirred = false
		case !run: // a turn takes stack, which a worker would keep
			turn, c.stirred = true, false
		}
	}
	if !c.noted(note) {
		c.noted(note) // once more, in the epoch that follows
	}
	if turn { // in a critical section of its own: if it fails, what was recorded stands
		c.noted(func() { c.takeTurn(c.now()) })
	}
	return run
}

// noted is must for the pool's own goroutines: a bug in fn does not end the
// process. The state is poisoned then, with the cause, and the keeper rebuilds it.
func (c *core) noted(fn func()) (whole bool) {
	defer func() { _ = recover() }()
	c.must(fn)
	return true
}
