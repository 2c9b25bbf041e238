package pool

import (
	"context"
	"errors"
	"time"

	"github.com/pooltender/pool/internal/agenda"
	"github.com/pooltender/pool/internal/burst"
	"github.com/pooltender/pool/internal/list"
)

// health is how the pool knows that its idle workers are well. Of each it keeps
// when it was known to be: when it had started, was checked in, or passed a check.
//
// A worker that was not known to be well for CheckEvery is due for a check in the
// background, and is not lent without one. After a burst of crashes no worker is
// that was not found well since. A worker that cannot be lent is set aside in the
// idle set when somebody would take it, and checked for those who wait: as many are
// as clients wait (invariant 8).
type health struct {
	checkups  agenda.Agenda[*incarnation] // when a worker was due as last seen; each is on it once at most
	checks    list.List[*incarnation]     // in the background, those that began first
	vetting   int                         // checks that clients wait for
	postponed bool                        // checks are due and somebody waits
	burst     burst.Burst                 // of crashes
}

func newHealth() health {
	return health{
		checkups: agenda.Agenda[*incarnation]{IsVoid: func(inc *incarnation) bool { return inc.marks&isScheduled == 0 }},
	}
}

// few is a tenth of the pool, but at least one: the most checks in the background,
// and the most crashes within a second that raise no suspicion.
func (c *core) few() int { return max(1, c.goal/10) }

// coming counts the workers that are on their way to those who wait.
func (c *core) coming() int { return c.permits + c.vetting }

// foundWell notes that a worker is known to be well now.
func (c *core) foundWell(inc *incarnation) {
	if c.hooks.check == nil {
		return
	}
	inc.marks &^= isSuspect
	if c.opts.CheckEvery > 0 {
		inc.befalls().well = c.instant(c.now())
	}
}

// wellUntil is when a worker that is not known to be well meanwhile is due.
func (c *core) wellUntil(inc *incarnation) time.Time {
	return c.time(inc.fate.well).Add(c.opts.CheckEvery)
}

// doubts reports whether a worker has to be checked before it is lent. One whose
// check was called off has not.
func (c *core) doubts(inc *incarnation) bool {
	switch {
	case inc.marks&isSuspect != 0:
		return true
	case c.opts.CheckEvery <= 0 || inc.marks&isResuming != 0:
		return false
	}
	return !c.now().Before(c.wellUntil(inc))
}

// mistrusts is doubts of an idle worker, and sets it aside.
func (c *core) mistrusts(s *slot) bool {
	if !c.doubts(s.inc) {
		return false
	}
	c.setAside(s)
	return true
}

func (c *core) setAside(s *slot) {
	s.inc.marks |= isSuspect
	c.idle.SetAside(&s.place)
}

// nextIdle returns the idle slot to lend next, or nil, and sets those aside that
// come before it and have to be checked.
func (c *core) nextIdle() *slot {
	for n := c.idle.Peek(); n != nil; n = c.idle.Peek() {
		if !c.mistrusts(n.Value) {
			return n.Value
		}
	}
	return nil
}

// standBy puts a worker into the idle set. One that comes from a check was idle
// all the time and keeps its place.
func (c *core) standBy(s *slot) {
	switch {
	case s.inc.marks&isSuspect != 0:
		c.idle.SetAside(&s.place)
	case s.inc.marks&isResuming != 0:
		c.idle.Restore(&s.place)
	default:
		c.idle.Add(&s.place)
	}
	if c.opts.CheckEvery > 0 && s.inc.marks&isScheduled == 0 {
		c.schedule(s.inc)
	}
}

func (c *core) schedule(inc *incarnation) {
	due := c.wellUntil(inc)
	inc.marks |= isScheduled
	c.checkups.Add(int64(c.instant(due)), inc)
	if !c.isTimely(due) {
		c.stirred = true
	}
}

// nextCheckup is when the worker supervisor has to look for workers to be checked.
// When it may begin no check, whoever changes that has it take a turn.
func (c *core) nextCheckup() time.Time {
	at, ok := c.checkups.Next()
	switch {
	case !ok || c.checks.Len() >= c.few():
		return time.Time{}
	case c.waiting() > 0:
		c.postponed = true
		return time.Time{}
	}
	return c.time(instant(at))
}

// checkIdle begins the checks that are due. It returns when to come again.
func (c *core) checkIdle(now time.Time) time.Time {
	for {
		at := c.nextCheckup()
		if at.IsZero() || now.Before(at) {
			return at
		}
		inc, _ := c.checkups.Take()
		inc.marks &^= isScheduled
		switch {
		case inc.slot.state != idling: // it is scheduled again when it is
		case now.Before(c.wellUntil(inc)):
			c.schedule(inc)
		default:
			c.examine(inc)
		}
	}
}

// checkAside begins a check for somebody who does not wait for it.
func (c *core) checkAside() {
	if n := c.idle.Aside(); n != nil && c.open && c.queue.Len() == 0 && c.checks.Len() < c.few() {
		c.examine(n.Value.inc)
	}
}

// examine checks an idle worker in the background.
func (c *core) examine(inc *incarnation) {
	c.tend(inc, hookCheck)
	c.checks.PushBack(&inc.fate.link)
}

// vet checks an idle worker for those who wait.
func (c *core) vet(inc *incarnation) {
	c.tend(inc, hookCheck)
	inc.marks |= isAwaited
	c.vetting++
}

// callOff calls a check off for those who wait, unless the worker is suspected:
// then they wait for its end.
func (c *core) callOff(inc *incarnation) {
	c.checks.Remove(&inc.fate.link)
	inc.marks |= isAwaited
	c.vetting++
	if inc.marks&isSuspect == 0 {
		inc.marks |= isSpared
		inc.fate.cancelHook()
	}
}

// summon sees to it that as many workers come from checks as clients wait for
// them: for those who want the worker of one slot it has to be that one.
func (c *core) summon() {
	if c.postponed && c.waiting() == 0 {
		c.postponed = false
		c.stirred = true
	}
	if !c.open || c.checks.Len() == 0 && c.idle.Aside() == nil {
		return
	}
	wanted := c.queue.Len()
	for s := range c.beside {
		switch {
		case s.state == idling:
			c.vet(s.inc)
		case s.state == tending && s.inc.hook == hookCheck && s.inc.marks&isAwaited == 0:
			c.callOff(s.inc)
		}
		if s.state == tending && s.inc.marks&isAwaited != 0 {
			wanted++
		}
	}
	for c.vetting < wanted {
		if first := c.checks.Front(); first != nil {
			c.callOff(first.Value)
		} else if n := c.idle.Aside(); n != nil {
			c.vet(n.Value.inc)
		} else {
			return
		}
	}
}

// answer is what a check says of its worker. One that was called off and ends for
// that says nothing.
func answer(ctx context.Context, err error) error {
	if err != nil && ctx.Err() == context.Canceled && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// endCheck takes a check off the books.
func (c *core) endCheck(inc *incarnation) {
	if inc.marks&isAwaited != 0 {
		inc.marks &^= isAwaited | isSpared
		c.vetting--
	} else if inc.fate != nil {
		c.checks.Remove(&inc.fate.link)
	}
	c.stirred = true // there is room for another
}

// checked records a check that found nothing wrong. The worker counts as idle since
// before it.
func (c *core) checked(inc *incarnation) {
	s := inc.slot
	if inc.marks&isSpared == 0 {
		c.foundWell(inc)
	}
	c.endCheck(inc)
	since := c.time(s.idleSince)
	inc.marks |= isResuming
	c.comeBack(s, false)
	inc.marks &^= isResuming
	if s.state == idling && c.surplus() > 0 && c.state != StateCrashLoop {
		c.linger(s, since)
	}
}
