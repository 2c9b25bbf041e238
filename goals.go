package pool

import (
	"context"
	"errors"
	"fmt"
)

// awaitStart waits for the end of the first start. Whatever ends the waiting
// but success ends the pool.
func (c *core) awaitStart(ctx context.Context) error {
	err := c.await(ctx, func() (bool, error) {
		switch c.state {
		case StateStarting, StateRestarting:
			return false, nil
		case StateDraining, StateStopped:
			if c.startErr != nil {
				return true, c.startErr
			}
			return true, ErrStopped
		}
		return true, nil
	})
	if err == nil {
		return nil
	}
	impatience := c.impatience(err)
	c.must(func() {
		if c.startErr == nil && c.state != StateDraining && c.state != StateStopped {
			c.gaveUp = true
			c.abort(impatience)
		}
		if c.startErr != nil {
			err = c.startErr
		}
	})
	<-c.stopped
	err = fmt.Errorf("pool: start of %q: %w", c.name, &prefixless{err})
	return errors.Join(err, c.stopErr) // constant by now
}

var errGone = errors.New("pool: it is being stopped")

// joinStart waits for a start that somebody else has begun.
func (c *core) joinStart(ctx context.Context) error {
	err := c.await(ctx, func() (bool, error) {
		switch c.state {
		case StateStarting:
			return !c.sync, nil
		case StateDraining, StateStopped:
			if c.startErr != nil && !c.gaveUp {
				return true, c.startErr
			}
			return true, errGone
		}
		return true, nil
	})
	if err == nil || err == errGone {
		return err
	}
	return fmt.Errorf("pool: start of %q: %w", c.name, &prefixless{err})
}

// impatience is the error of a Start whose context ended, with what is known of
// the reason.
//
// The lock is not held: the text of an error is its author's code.
func (c *core) impatience(err error) error {
	var last error
	var live, goal int
	c.view(func() { last, live, goal = c.lastError, c.live(), c.goal })
	if last != nil {
		return fmt.Errorf("%w (%d of %d workers live; last error: %s)", err, live, goal, unprefixed(last))
	}
	return fmt.Errorf("%w (%d of %d workers live)", err, live, goal)
}

// prefixless is an error of this package inside another.
type prefixless struct{ err error }

func (e *prefixless) Error() string { return unprefixed(e.err) }
func (e *prefixless) Unwrap() error { return e.err }

// waitReady waits until n workers are live.
func (c *core) waitReady(ctx context.Context, n int) error {
	return c.awaitLive(ctx, func() bool {
		want := n
		if n == 0 {
			want = c.goal
		}
		return c.state.serves() && c.live() >= want
	})
}

// awaitLive waits for something that only a pool that goes on can reach.
func (c *core) awaitLive(ctx context.Context, reached func() bool) error {
	err := c.await(ctx, func() (bool, error) {
		switch c.state {
		case StateDraining, StateStopped:
			return true, ErrStopped
		case StateFailed:
			return true, ErrUnavailable
		}
		return reached(), nil
	})
	switch err {
	case nil:
		return nil
	case ErrStopped, ErrUnavailable:
		return c.refusalOf(err)
	}
	return fmt.Errorf("pool: %q: %w", c.name, c.impatience(err))
}

func (c *core) refusalOf(err error) error {
	return fmt.Errorf("pool: %q: %w", c.name, &prefixless{err})
}

// resize sets the goal and waits until it is reached. Idle workers beyond the
// limit end at once, leased ones when they come back.
func (c *core) resize(ctx context.Context, size int) error {
	// A pool of no workers is allowed here: it pauses. Its waiters stay.
	if err := (Options{Size: size, MaxOverflow: max(1, c.opts.MaxOverflow)}).Validate(); err != nil {
		return err
	}
	stopped := false
	c.must(func() {
		if stopped = c.state == StateDraining || c.state == StateStopped; stopped {
			return
		}
		c.setGoal(size) // step resize
	})
	if stopped {
		return c.refusalOf(ErrStopped)
	}
	return c.awaitLive(ctx, func() bool {
		return c.goal != size || c.live() >= c.goal && c.occupied() <= c.limit()
	})
}

func (c *core) setGoal(size int) {
	c.settle()
	c.goal = size
	c.residence.fit(size)
	c.idle.Resize(size)
	c.grow()
	for _, s := range c.slots { // the boundary between the two lists has moved
		if c.isDown(s) {
			c.getUp(s)
			c.lieDown(s)
		}
	}
	for s := range c.highestFirst() {
		switch {
		case c.staffed() <= c.limit():
		case s.state == idling:
			c.tell(s.inc, nil)
		case s.state == starting && !s.inc.over:
			c.tell(s.inc, nil)
		}
	}
	c.trim()
	c.rehome() // first: of the workers that are too many some may be for those who have to move
	now := c.now()
	c.assess(now)
	c.lingerAll(now)
	c.notify()
	c.serve()
	c.alarm(now) // the room for zombies has changed
}

// restart drains the pool until ctx is done, revokes the rest, and begins a new
// epoch.
func (c *core) restart(ctx context.Context) error {
	early := c.awaitUp(ctx, 0)
	if early != nil && ctx.Err() == nil {
		return early
	}
	var epoch uint64 // the one to reach
	c.must(func() {
		epoch = c.epoch + 1
		if c.sync { // the pool is nobody's yet, and a Start waits for it
			return
		}
		switch c.state {
		case stateRunning, StateCrashLoop, StateStarting:
			c.become(StateRestarting) // step restart
			c.forced = false
			c.tellAll(nil)
		case StateFailed:
			c.become(StateRestarting)
			c.forgive(c.now())
			epoch = c.epoch // the old one has been cleared away
		case StateRestarting:
			if c.counts[leased] == 0 { // perhaps in its backoff: then this cuts it short
				c.restartAt = c.now()
				epoch = c.epoch
			}
		}
		poke(c.keeper)
	})
	err := c.awaitUp(ctx, epoch)
	if err != nil && ctx.Err() != nil {
		c.must(func() {
			if c.state == StateRestarting && c.epoch < epoch { // step force
				c.forced = true
				poke(c.keeper)
			}
		})
	}
	return err
}

// awaitUp waits until the pool, in this epoch or a later one, is past starting.
// A failed pool is up in the sense of epoch 0.
func (c *core) awaitUp(ctx context.Context, epoch uint64) error {
	err := c.await(ctx, func() (bool, error) {
		switch c.state {
		case StateDraining, StateStopped:
			return true, ErrStopped
		case StateFailed:
			if epoch == 0 {
				return true, nil
			}
			return true, ErrUnavailable
		case StateStarting:
			return false, nil
		case StateRestarting:
			return epoch == 0, nil
		}
		return c.epoch >= epoch, nil
	})
	if err != nil {
		return c.refusalOf(err)
	}
	return nil
}
