package pool

// serve gives the idle workers to those who wait for them. Every event that frees
// a worker or adds one comes here or, if it is one worker, to serveWorker
// (invariant 8).
func (c *core) serve() {
	for c.queue.Len() > 0 {
		s := c.nextIdle()
		if s == nil || !c.serveWorker(s) {
			break
		}
	}
	for s := range c.beside {
		if s.state == idling {
			c.serveWorker(s)
		}
	}
	c.recruit()
}

// serveWorker gives an idle worker to the waiter whose turn it is, and reports
// whether there was one (invariant 9).
func (c *core) serveWorker(s *slot) bool {
	if !c.open || c.mistrusts(s) {
		return false
	}
	w := c.next(s)
	if w == nil {
		return false
	}
	c.idle.Remove(&s.place)
	c.lines.serve(w, s)
	c.offerTo(w, s)
	return true
}

// next is the waiter to be served by the worker of a slot. Those whose clients
// are gone leave the line here, and never touch a worker: they find out by
// themselves.
func (c *core) next(s *slot) *waiter {
	c.notWaiting(s)
	for {
		n := c.queue.Next(c.line(s))
		if n == nil {
			return nil
		}
		w := n.Value
		switch {
		case closed(w.done):
			c.remove(w)
		case !c.turnsAway(w):
			return w
		}
	}
}

// recruit has workers checked that those who wait could have then, and wakes the
// worker supervisor if a worker should be started.
func (c *core) recruit() {
	c.summon()
	if c.growAt.IsZero() && c.counts[vacant]+c.counts[backingOff] > 0 && c.wanted(c.queue.Len()) > 0 {
		c.stirred = true
	}
}

// dismissWaiters ends all waiting. Of a line that a bug has damaged it reaches
// whom it can.
func (c *core) dismissWaiters(reason error) {
	for w := range c.all {
		if c.remove(w) {
			c.refuse(w, reason)
		}
	}
}
