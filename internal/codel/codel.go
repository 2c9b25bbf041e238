// Package codel tells a queue that only absorbs a burst from one that stands,
// and whom of the latter to turn away. It is CoDel (Nichols and Jacobson,
// Controlling Queue Delay, ACM Queue 10(5), 2012; RFC 8289) in the form that
// Elixir's db_connection gave it, for clients that do not slow down when they
// are turned away, with its poll for workers that never come back.
//
// It looks at how long waiters wait, never at how many there are. If even the
// shortest wait of a whole interval was longer than the target, the queue
// stands: everybody waits, and nobody gains by it. Then, until an interval
// shows a shorter wait, who has waited longer than twice the target is turned
// away, so that those who come after are served in time.
//
// It has no goroutines, locks or clocks: the caller owns the queue, passes the
// time, and acts on the answer.
package codel

import "time"

// Limits are what a Controller holds the waits against. Both are positive: there
// are no defaults. They may change from call to call.
type Limits struct {
	Target   time.Duration // a wait that is right even if it never gets shorter
	Interval time.Duration // how long none may be as short before the queue stands
}

// TooLong reports whether a waiter that has waited so long is to be turned away
// when the queue stands: longer than twice the target.
func (l Limits) TooLong(wait time.Duration) bool {
	return wait-l.Target > l.Target // twice the target could overflow
}

// Controller watches one queue that is served first come first served. The zero
// value is ready for a queue in which nobody waits. It is not safe for
// concurrent use. Calls pass ascending times. No method allocates, or costs more
// than constant time.
type Controller struct {
	end   time.Time     // of the interval
	delay time.Duration // the shortest wait in it
	slow  bool          // the one before it had no wait as short as the target
	still bool          // nobody has been served or turned away since the last poll
	busy  bool          // somebody has waited since Empty
}

// Dequeue is asked when a worker is free and the head of the queue has waited so
// long: it returns false if the head is served, and true if it is turned away
// and Dequeue is to be asked about the next, or Empty told that there is none.
// Waiters that have gone by themselves are passed over without a call.
//
// The first call when an interval has ended judges it, begins the next, and
// always serves. Nobody is turned away who has not waited TooLong.
func (c *Controller) Dequeue(l Limits, now time.Time, wait time.Duration) (drop bool) {
	c.still, c.busy = false, true
	if !now.Before(c.end) {
		c.begin(l, now, wait)
		return false
	}
	if c.slow && l.TooLong(wait) {
		return true
	}
	c.delay = min(c.delay, wait)
	return false
}

// Empty is told when a worker is free and nobody waits: somebody would have been
// served at once. The interval in which that is will not be found slow; if the
// one before it was, that stands until it ends. Told again it changes nothing
// until somebody has waited, so it may be told every time.
func (c *Controller) Empty(l Limits, now time.Time) {
	if !c.busy {
		return
	}
	c.still, c.busy = false, false
	if !now.Before(c.end) {
		c.begin(l, now, 0)
	}
	c.delay = 0
}

// Poll is for a queue out of which nobody is served, because no worker comes
// back. It is asked once an interval, no more often, while somebody waits, with
// how long the head has waited. If it returns true, everybody who has waited
// TooLong is turned away, the head first.
//
// If all workers hang, one poll sees the head, the next that nobody has been
// served since, the third turns away: the oldest will have waited two or three
// intervals. Later ones are turned away by every other poll. That a waiter goes
// by itself does not put it off.
func (c *Controller) Poll(l Limits, now time.Time, wait time.Duration) (shed bool) {
	stuck := c.still
	c.still, c.busy = true, true
	if !stuck {
		return false
	}
	c.begin(l, now, wait) // the one that ends began no later than the last poll
	shed = c.slow && l.TooLong(wait)
	c.still = !shed
	return shed
}

// begin judges the interval that has ended and begins one with its first wait.
func (c *Controller) begin(l Limits, now time.Time, wait time.Duration) {
	c.slow = c.delay > l.Target
	c.delay = wait
	c.end = now.Add(l.Interval)
}

// Over reports whether the interval has ended.
func (c *Controller) Over(now time.Time) bool { return !now.Before(c.end) }

// Stands reports whether the queue stands, so that waiters are turned away: an
// interval that has ended counts, though nobody has come to judge it.
func (c *Controller) Stands(l Limits, now time.Time) bool {
	if c.Over(now) {
		return c.delay > l.Target
	}
	return c.slow
}

// Delay returns the shortest wait since the last interval that was judged: 0 if
// a worker found nobody waiting.
func (c *Controller) Delay() time.Duration { return c.delay }
