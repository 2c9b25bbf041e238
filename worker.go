package pool

import (
	"context"
	"math"
	"runtime"
	"runtime/pprof"
	"slices"
	"strconv"
	"time"

	"github.com/pooltender/pool/internal/hatch"
	"github.com/pooltender/pool/internal/restart"
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
// makes of it, and reports that end under the lock. It returns what the
// goroutine has to do next, which is nothing if the hook took it along by
// runtime.Goexit: then another does it.
func (c *core) perform(inc *incarnation, h hook, ctx context.Context) (next errand) {
	returned := false
	defer func() {
		if returned {
			return
		}
		if p := recover(); p != nil {
			next = c.report(inc, h, panicked(p))
			return
		}
		go func() { c.do(c.report(inc, h, &outcome{exit: true})) }()
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

// publishOf publishes an event of a worker, if anybody listens.
func (c *core) publishOf(kind EventKind, inc *incarnation, err error, elapsed time.Duration) {
	if c.events.active() {
		c.publishWorker(kind, inc, err, elapsed)
	}
}

//go:noinline
func (c *core) publishWorker(kind EventKind, inc *incarnation, err error, elapsed time.Duration) {
	c.publish(Event{Kind: kind, Slot: inc.id(), Err: err, Elapsed: elapsed})
}

// errand is a hook that a goroutine of the pool has to run.
type errand struct {
	inc  *incarnation // nil: none
	hook hook
}

// do runs one errand after another until there is none.
func (c *core) do(e errand) {
	for e.inc != nil {
		if e.hook == hookStart {
			c.label(e.inc)
		}
		e = c.perform(e.inc, e.hook, e.inc.life())
	}
}

// report records how a hook ended. Whatever follows for the workers follows at
// once: the turn of the worker supervisor is a function of the state, and who
// has changed the state takes it, so that a worker that crashed is replaced
// without a goroutine being woken for it.
func (c *core) report(inc *incarnation, h hook, o *outcome) (next errand) {
	turn, run := false, false
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
		case hookReset:
			c.tended(inc, o)
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
	if turn {
		c.noted(func() {
			defer func() { next, c.errand = c.errand, errand{} }() // whatever becomes of the turn: it is launched
			c.takeTurn(c.now(), !run)
		})
	}
	if run {
		return errand{inc, hookRun} // on the goroutine that started it
	}
	return next
}

// noted is must for the pool's own goroutines: a bug in fn does not end the
// process. The state is poisoned then, with the cause, and the keeper rebuilds it.
func (c *core) noted(fn func()) (whole bool) {
	defer func() { _ = recover() }()
	c.must(fn)
	return true
}

// awaken is for a start while there is no worker: if nothing has failed, nobody
// was live because nobody was wanted, or an end took long.
//
//go:noinline
func (c *core) awaken(now time.Time) {
	if c.ledger.Failures(c.policy(), now) == 0 {
		c.ledger.Alive(now)
	}
}

// launch starts a worker in a slot that is down. The lock is held.
func (c *core) launch(s *slot, now time.Time) {
	if c.occupied() == 0 {
		c.awaken(now)
	}
	s.made++
	inc := &incarnation{
		slot:    s,
		epoch:   uint32(c.epoch),
		number:  s.made,
		attempt: uint32(min(s.before().streak+1, math.MaxUint32)),
		hook:    hookStart,
		owed:    true,
		born:    c.instant(now),
	}
	deadline := after(now, c.opts.StartTimeout)
	inc.deadline = c.instant(deadline)
	s.inc = inc
	c.permits++
	c.to(s, starting)
	c.alarm(deadline)
	c.hit(hatch.Supervisor, hatch.Start)
	if e := (errand{inc, hookStart}); c.idler {
		c.idler, c.errand = false, e
	} else {
		go c.do(e)
	}
	inc.launched = true
	c.hit(hatch.Supervisor, hatch.Started)
}

// label lets a goroutine dump or a profile say which worker a goroutine is.
func (c *core) label(inc *incarnation) {
	pprof.SetGoroutineLabels(pprof.WithLabels(c.registry.base, pprof.Labels(
		"pool", c.name,
		"instance", c.instance,
		"slot", strconv.Itoa(inc.slot.index()),
		"incarnation", strconv.FormatUint(inc.number, 10),
	)))
}

// started records the end of a Start and reports whether its worker is adopted.
func (c *core) started(inc *incarnation, o *outcome) bool {
	now := c.now()
	inc.hook = noHook
	c.returnPermit(inc)
	if o != nil {
		if !inc.over {
			c.startFailed(inc, o.ofStart(inc), now)
		}
		c.advance(inc)
		return false
	}
	elapsed := now.Sub(c.time(inc.born))
	inc.delivered = true
	inc.born = c.instant(now)
	if inc.over { // too late: told to end, or detached as a zombie
		if !inc.detached {
			c.to(inc.slot, stopping)
		}
		c.advance(inc)
		return false
	}
	inc.running = c.hooks.run != nil
	s := inc.slot
	s.tried = inc.epoch
	if s.made > 1 {
		c.restarts++
	}
	c.to(s, tending) // live, and not yet to be lent
	c.publishOf(EventWorkerStarted, inc, nil, elapsed)
	c.comeBack(s, false)
	c.stirred = true
	return true
}

// startFailed records a start that failed or took too long.
func (c *core) startFailed(inc *incarnation, err *StartError, now time.Time) {
	c.noteError(inc.slot, err)
	c.publishOf(EventStartFailed, inc, err, now.Sub(c.time(inc.born)))
	c.finish(inc, restart.StartFailed, err)
	if c.sync && c.state == StateStarting {
		c.abort(err)
	}
}

// ran records the end of Run.
func (c *core) ran(inc *incarnation, o *outcome) {
	inc.running = false
	if !inc.over {
		c.crash(inc, o.of(inc, hookRun))
	}
	c.advance(inc)
}

// crash marks a live worker as dead. From here on it is not lent (invariant 7),
// its lease has ended, and no other signal of its death does anything more
// (invariant 4).
func (c *core) crash(inc *incarnation, err *CrashError) {
	s := inc.slot
	c.recall(s)
	now := c.now()
	c.crashes++
	c.noteError(s, err)
	c.publishOf(EventWorkerCrashed, inc, err, inc.age(now))
	if s.state == leased {
		c.revoke(s, EndCrashed, err)
	}
	inc.crashed = true
	c.finish(inc, restart.Crashed, err)
	c.to(s, stopping)
	inc.cancel(err)
	if c.sync && c.state == StateStarting && !inc.proven {
		c.abort(err)
	}
}

func (c *core) returnPermit(inc *incarnation) {
	if inc.owed {
		inc.owed = false
		c.permits--
		c.stirred = true
	}
}

// tend runs Reset on a goroutine of the pool. The worker is live, and not idle.
func (c *core) tend(inc *incarnation) {
	inc.hook = hookReset
	deadline := after(c.now(), c.opts.CheckTimeout)
	inc.deadline = c.instant(deadline)
	c.to(inc.slot, tending)
	c.alarm(deadline)
	var ctx context.Context
	fate := inc.befalls()
	if deadline.IsZero() {
		ctx, fate.cancelHook = context.WithCancel(inc.life())
	} else {
		ctx, fate.cancelHook = context.WithDeadline(inc.life(), deadline)
	}
	go func() { c.do(c.perform(inc, hookReset, ctx)) }()
}

// tended records the end of a Reset.
func (c *core) tended(inc *incarnation, o *outcome) {
	inc.hook = noHook
	inc.fate.cancelHook()
	inc.fate.cancelHook = nil
	switch {
	case inc.over: // crashed or told to end meanwhile: what Reset says does not matter
		c.advance(inc)
	case o != nil:
		c.crash(inc, o.of(inc, hookReset))
		c.advance(inc)
	default:
		c.comeBack(inc.slot, false)
	}
}

func (c *core) noteError(s *slot, err error) {
	s.history().lastError, c.lastError = err, err
}

// after returns the time d from now; zero, which means never, if d is no limit.
func after(now time.Time, d time.Duration) time.Time {
	if d <= 0 {
		return time.Time{}
	}
	return now.Add(d)
}

// alarm makes the worker supervisor look at deadlines by then.
func (c *core) alarm(at time.Time) {
	if at.IsZero() {
		return
	}
	if c.busyAlarm.IsZero() || at.Before(c.busyAlarm) {
		c.busyAlarm = at
		c.stirred = true
	}
}
