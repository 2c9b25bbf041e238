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
// all: all workers may hang. It returns when to look again.
func (c *core) pollQueue(now time.Time) (next time.Time) {
	if c.sheds == nil || c.waiting() == 0 {
		return next
	}
	for class := range c.sheds.classes {
		controller := &c.sheds.classes[class]
		if !now.Before(controller.Due()) {
			c.pollClass(controller, uint8(class), now)
		}
		next = earliest(next, controller.Due())
	}
	return next
}

func (c *core) pollClass(controller *codel.Controller, class uint8, now time.Time) {
	var longest time.Duration
	waits := false
	for w := range c.all {
		if w.node.Class == class && w.terms.pin == nil {
			longest, waits = max(longest, c.waitedFor(w, now)), true
		}
	}
	if !waits || !controller.Poll(c.sheds.limits, now, longest) {
		return
	}
	for w := range c.all {
		if w.node.Class == class && w.terms.pin == nil && c.sheds.limits.TooLong(c.waitedFor(w, now)) {
			c.turnAway(w)
		}
	}
}

// gauge is what Stats show.
func (s *shedding) gauge() (delay time.Duration, slow bool) {
	if s == nil {
		return 0, false
	}
	for class := range s.classes {
		delay = max(delay, s.classes[class].Delay())
		slow = slow || s.classes[class].Slow()
	}
	return delay, slow
}
