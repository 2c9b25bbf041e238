package pool

import (
	"context"
	"math"
	"runtime/debug"
	"runtime/pprof"
	"strconv"
	"time"

	"github.com/pooltender/pool/internal/hatch"
	"github.com/pooltender/pool/internal/restart"
)

// outcome is how a hook ended: it returned, panicked, or called runtime.Goexit.
type outcome struct {
	err      error
	panicked any
	stack    []byte
	exit     bool
}

func (o outcome) failed() bool { return o.err != nil || o.panicked != nil || o.exit }

// perform runs a hook of an incarnation on this goroutine, to whatever end it
// makes of it, and reports that end under the lock. If the report says so, then
// follows: on this goroutine, unless the hook took it along by runtime.Goexit.
func (c *core) perform(inc *incarnation, run func() error, report func(outcome) bool, then func()) {
	o := outcome{exit: true}
	next := func() {
		follow := false
		note := func() {
			c.hit(hatch.Worker, hatch.Report)
			follow = !inc.gone && report(o)
		}
		if !c.noted(note) {
			c.noted(note) // once more, in the epoch that follows
		}
		if follow {
			then()
		}
	}
	func() {
		defer func() {
			if !o.exit {
				return
			}
			if p := recover(); p != nil {
				o = outcome{panicked: p, stack: debug.Stack()}
				o.err, _ = p.(error)
				return
			}
			go next()
		}()
		c.label(inc)
		o = outcome{err: run()}
	}()
	next()
}

// noted is must for the pool's own goroutines: a bug in fn does not end the
// process. The state is poisoned then, with the cause, and the keeper rebuilds it.
func (c *core) noted(fn func()) (whole bool) {
	defer func() { _ = recover() }()
	c.must(fn)
	return true
}

// launch starts a worker in a slot that is down. The lock is held.
func (c *core) launch(s *slot, now time.Time) {
	if c.occupied() == 0 && c.ledger.Failures(c.policy(), now) == 0 {
		c.ledger.Alive(now) // nobody was live because nobody was wanted, or an end took long
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
	go c.start(inc)
	inc.launched = true
	c.hit(hatch.Supervisor, hatch.Started)
}

// start is the goroutine of a worker: Start, and then Run.
func (c *core) start(inc *incarnation) {
	c.perform(inc,
		func() (err error) { inc.worker, err = c.hooks.start(inc.life()); return err },
		func(o outcome) bool { return c.started(inc, o) && c.hooks.run != nil },
		func() { c.run(inc) })
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
func (c *core) started(inc *incarnation, o outcome) bool {
	now := time.Now()
	inc.hook = noHook
	c.returnPermit(inc)
	if o.failed() {
		if !inc.over {
			c.startFailed(inc, &StartError{inc.id(), o.err, o.panicked, o.stack, o.exit}, now)
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
	c.publish(Event{Kind: EventWorkerStarted, Slot: inc.id(), Elapsed: elapsed})
	c.comeBack(s, false)
	poke(c.supervisor)
	return true
}

// startFailed records a start that failed or took too long.
func (c *core) startFailed(inc *incarnation, err *StartError, now time.Time) {
	c.noteError(inc.slot, err)
	c.publish(Event{Kind: EventStartFailed, Slot: inc.id(), Err: err, Elapsed: now.Sub(c.time(inc.born))})
	c.finish(inc, restart.StartFailed, err)
	if c.sync && c.state == StateStarting {
		c.abort(err)
	}
}

// run is the worker's own time, on the goroutine that started it.
func (c *core) run(inc *incarnation) {
	c.perform(inc,
		func() error { return c.hooks.run(inc.worker, inc.life()) },
		func(o outcome) bool {
			inc.running = false
			if !inc.over {
				c.crash(inc, &CrashError{inc.id(), "run", o.err, o.panicked, o.stack, o.exit})
			}
			c.advance(inc)
			return false
		}, nil)
}

// crash marks a live worker as dead. From here on it is not lent (invariant 7),
// its lease has ended, and no other signal of its death does anything more
// (invariant 4).
func (c *core) crash(inc *incarnation, err *CrashError) {
	s := inc.slot
	c.recall(s)
	now := time.Now()
	c.crashes++
	c.noteError(s, err)
	c.publish(Event{Kind: EventWorkerCrashed, Slot: inc.id(), Err: err, Elapsed: inc.age(now)})
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
		poke(c.supervisor)
	}
}

// tend runs Reset on a goroutine of the pool. The worker is live, and not idle.
func (c *core) tend(inc *incarnation) {
	inc.hook = hookReset
	deadline := after(time.Now(), c.opts.CheckTimeout)
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
	go c.perform(inc,
		func() error { return c.hooks.reset(inc.worker, ctx) },
		func(o outcome) bool { c.tended(inc, o); return false }, nil)
}

// tended records the end of a Reset.
func (c *core) tended(inc *incarnation, o outcome) {
	inc.hook = noHook
	inc.fate.cancelHook()
	inc.fate.cancelHook = nil
	switch {
	case inc.over: // crashed or told to end meanwhile: what Reset says does not matter
		c.advance(inc)
	case o.failed():
		c.crash(inc, &CrashError{inc.id(), "reset", o.err, o.panicked, o.stack, o.exit})
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
		poke(c.supervisor)
	}
}
