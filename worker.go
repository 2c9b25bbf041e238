package pool

import (
	"context"
	"runtime/pprof"
	"strconv"
	"time"

	"github.com/pooltender/pool/internal/hatch"
	"github.com/pooltender/pool/internal/restart"
)

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
		attempt: uint32(s.before().streak + 1),
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

// start is the goroutine of a worker, and of no other: Start, and then Run. A hook
// may have locked it to its thread.
func (c *core) start(inc *incarnation) {
	c.label(inc)
	if c.perform(inc, hookStart, inc.life()) {
		c.perform(inc, hookRun, inc.life())
	}
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
func (c *core) started(inc *incarnation, o *outcome) bool { // step started
	now := c.now()
	inc.hook = noHook
	c.returnPermit(inc)
	if o != nil {
		if !inc.over {
			c.startFailed(inc, o.ofStart(inc), now) // step failed
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
	c.setLifetime(inc)
	c.foundWell(inc)
	c.publishOf(EventWorkerStarted, inc, nil, elapsed)
	c.bringHome(s)
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
func (c *core) crash(inc *incarnation, err *CrashError) { // step crash
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

// tend runs Reset or Check on a goroutine of the pool. The worker is live, and
// not idle.
func (c *core) tend(inc *incarnation, h hook) {
	inc.hook = h
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
	go func() {
		c.label(inc)
		c.perform(inc, h, ctx)
	}()
}

// tended records the end of a Reset or Check.
func (c *core) tended(inc *incarnation, h hook, o *outcome) { // step tended
	inc.hook = noHook
	inc.fate.cancelHook()
	inc.fate.cancelHook = nil
	switch {
	case inc.over: // crashed or told to end meanwhile: what the hook says does not matter
		c.advance(inc)
	case o != nil:
		c.crash(inc, o.of(inc, h))
		c.advance(inc)
	case h == hookCheck:
		c.checked(inc)
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
