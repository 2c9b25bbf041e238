package pool

import (
	"time"

	"github.com/pooltender/pool/internal/codel"
	"github.com/pooltender/pool/internal/queue"
)

// shedding is what a pool with a QueueTarget keeps: for each class of waiters a
// controller of its own, because each is a queue of its own. So the classes that
// are served in time shed nobody, whatever becomes of those below.
type shedding struct {
	limits  codel.Limits
	classes [queue.Classes]codel.Controller
	due     time.Time // when to poll, if somebody waits
}

func newShedding(o *Options) *shedding {
	if o.QueueTarget <= 0 {
		return nil
	}
	return &shedding{limits: codel.Limits{Target: o.QueueTarget, Interval: o.QueueInterval}}
}

// turnsAway reports whether a waiter whose turn it is has waited too long, and
// turns it away then.
func (c *core) turnsAway(w *waiter) bool {
	if c.sheds == nil || w.terms.pin != nil {
		return false
	}
	now := c.now()
	if !c.sheds.classes[w.node.Class].Dequeue(c.sheds.limits, now, c.waitedFor(w, now)) {
		return false
	}
	c.turnAway(w)
	return true
}

func (c *core) turnAway(w *waiter) {
	c.remove(w)
	c.refuse(w, ErrOverloaded)
}

// notWaiting tells the controllers of a worker that found nobody of their class.
func (c *core) notWaiting(s *slot) {
	if c.sheds == nil {
		return
	}
	for class := range c.sheds.classes {
		if !c.queue.Waits(class, c.line(s)) {
			c.sheds.classes[class].Empty(c.sheds.limits, c.now())
		}
	}
}

// pollQueue turns away those who have waited too long while nobody is served at
// all: all workers may hang. It returns when to look again. It looks at everybody
// who waits, and so at all classes at once.
func (c *core) pollQueue(now time.Time) (next time.Time) {
	s := c.sheds
	if s == nil || c.waiting() == 0 {
		return next
	}
	if now.Before(s.due) {
		return s.due
	}
	s.due = now.Add(s.limits.Interval)
	var waits, shed [queue.Classes]bool
	var longest [queue.Classes]time.Duration
	for w := range c.all {
		if class := w.node.Class; w.terms.pin == nil {
			longest[class], waits[class] = max(longest[class], c.waitedFor(w, now)), true
		}
	}
	for class := range waits {
		shed[class] = waits[class] && s.classes[class].Poll(s.limits, now, longest[class])
	}
	if shed == [queue.Classes]bool{} {
		return s.due
	}
	for w := range c.all {
		if shed[w.node.Class] && w.terms.pin == nil && s.limits.TooLong(c.waitedFor(w, now)) {
			c.turnAway(w)
		}
	}
	return s.due
}

// gauge is what Stats show. Of a class in which nobody waits any more an interval
// that has ended says nothing.
func (s *shedding) gauge(now time.Time, waits func(class int) bool) (delay time.Duration, stands bool) {
	if s == nil {
		return 0, false
	}
	for class := range s.classes {
		if s.classes[class].Over(now) && !waits(class) {
			continue
		}
		delay = max(delay, s.classes[class].Delay())
		stands = stands || s.classes[class].Stands(s.limits, now)
	}
	return delay, stands
}
