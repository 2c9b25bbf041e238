package pool

import "time"

// hopeless returns the error of a client that would wait in vain: because of
// the pool's state, or because the next attempt to have a worker comes later
// than the client's deadline (zero: it has none). next is when that attempt is
// due, where that is known.
func (c *core) hopeless(now, deadline time.Time) (next time.Time, reason error) {
	switch c.state {
	case StateDraining, StateStopped:
		return next, ErrStopped
	case StateFailed:
		return next, ErrUnavailable
	case StateCrashLoop:
		if c.live() == 0 {
			return c.nextAttempt(now), ErrUnavailable
		}
	}
	if deadline.IsZero() || c.occupied() > 0 {
		return next, nil
	}
	if next = c.nextAttempt(now); next.After(deadline) {
		return next, ErrUnavailable
	}
	return next, nil
}

// nextAttempt is when the next start is due, given that none is under way.
func (c *core) nextAttempt(now time.Time) (next time.Time) {
	switch c.state {
	case StateCrashLoop:
		next = c.probeAt
	case StateRestarting:
		next = c.restartAt
	default:
		_, room := c.openings()
		for i := range c.down {
			for n := range c.down[i].All() {
				if i == 1 && (room == 0 || n.Value.Value.index() >= c.limit()) {
					continue // nobody starts a worker there
				}
				notBefore := n.Value.Value.before().notBefore
				if !now.Before(notBefore) {
					return now
				}
				next = earliest(next, notBefore)
			}
		}
	}
	if next.Before(now) {
		return now
	}
	return next
}

// refusal is the error of a checkout that came to nothing.
func (c *core) refusal(t *terms, reason error, waited time.Duration) *CheckoutError {
	err := &CheckoutError{Pool: c.name, Err: reason, Waited: waited}
	now := time.Now()
	c.exactly(func() { // step refuse
		if reason == ErrUnavailable || reason == ErrOverloaded {
			c.shed++
		}
		err.Stats = c.stats()
		switch {
		case reason == ErrUnavailable:
			if next, _ := c.hopeless(now, now); !next.IsZero() {
				// Whoever comes at the very moment of the attempt comes too early.
				err.RetryAfter = max(next.Sub(now), 100*time.Millisecond)
			}
		case reason == ErrOverloaded || reason == ErrFull:
			for w := range c.waitersLike(t) {
				err.RetryAfter = c.waitedFor(w, now)
				break
			}
		}
	})
	return err
}
