package pool

import (
	"context"
)

// stop drains the pool until ctx is done, forces the rest, and waits for the
// end, which comes StopTimeout later at most.
func (c *core) stop(ctx context.Context) error {
	c.must(func() { c.drain() }) // step drain
	select {
	case <-c.stopped:
	case <-ctx.Done():
		c.must(func() { c.force() }) // step force
		<-c.stopped
	}
	var err error
	c.view(func() { err = c.stopErr })
	return err
}

// drain ends everything but the leases.
func (c *core) drain() {
	switch c.state {
	case StateDraining, StateStopped:
		return
	}
	first := c.sync && c.state == StateStarting
	c.become(StateDraining)
	c.dismissWaiters(ErrStopped)
	c.forced = false
	c.tellAll(nil)
	c.alarm(c.now()) // what is stuck already becomes a zombie
	poke(c.keeper)
	if first {
		c.force() // the pool was nobody's yet; Start does not wait for leases
	}
}

// tellAll tells every worker to end that is not leased.
func (c *core) tellAll(cause error) {
	for s := range c.highestFirst() {
		if s.inc != nil && s.state != leased {
			c.tell(s.inc, cause)
		}
	}
}

// force revokes what leases there are left, without grace.
func (c *core) force() {
	if c.state != StateDraining || c.forced {
		return
	}
	c.forced = true
	for s := range c.highestFirst() {
		if s.state == leased {
			inc := s.inc
			c.revoke(s, EndStopped, nil)
			c.tell(inc, ErrStopped)
		}
	}
	poke(c.keeper)
}

// abort ends a pool whose first start has failed.
func (c *core) abort(err error) {
	c.startErr = err
	c.drain()
	c.force()
}

// stopReport names what did not end.
func (c *core) stopReport() error {
	if c.zombies.Len() == 0 {
		return nil
	}
	err := &StopError{Pool: c.name}
	for n := range c.zombies.All() {
		err.Zombies = append(err.Zombies, c.zombieOf(n.Value))
	}
	return err
}
