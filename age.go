package pool

import (
	"context"
	"math/bits"
	"math/rand/v2"
	"time"

	"github.com/pooltender/pool/internal/agenda"
	"github.com/pooltender/pool/internal/list"
	"github.com/pooltender/pool/internal/restart"
)

// marks are what is noted of a worker beside the state of its slot.
type marks uint8

const (
	isOld       marks = 1 << iota // it is replaced when it is not leased and the pool can spare it
	isOutdated                    // it was there when Recycle came
	isListed                      // in aging.retirements
	isScheduled                   // in health.checkups
	isSuspect                     // it has to be checked before it is lent
	isAwaited                     // clients wait for the end of its check
	isSpared                      // that check was called off for them
	isResuming                    // it comes from a check at this moment
)

// aging is how workers grow old: by MaxLifetime, by MaxUses, by Recycle. Uses are
// counted at every return. For the other two there is one agenda, with neither a
// timer nor a look for every worker: who is on it and due is old, and leaves it to
// be dismissed, or, if it cannot be now, to be looked at when it comes back. Every
// worker is on it once at most.
type aging struct {
	retirements agenda.Agenda[*incarnation]
	outdated    int    // live or starting
	phase       uint64 // see lifespan
}

func newAging() aging {
	return aging{
		retirements: agenda.Agenda[*incarnation]{IsVoid: func(inc *incarnation) bool { return inc.marks&isListed == 0 }},
		phase:       rand.Uint64(),
	}
}

// goldenRatio is 2^64 over the golden ratio. Its multiples, modulo 2^64, fill the
// range evenly, however many there are (Weyl).
const goldenRatio = 0x9E3779B97F4A7C15

// lifespan is how long the next worker lives. Those of workers that start together
// are spread evenly over the last tenth of MaxLifetime; drawn at random they would
// crowd here and there.
func (c *core) lifespan() time.Duration {
	c.phase += goldenRatio
	longest := c.opts.MaxLifetime
	less, _ := bits.Mul64(c.phase, uint64(longest/10)+1)
	return longest - time.Duration(less)
}

// setLifetime says when a worker that has just come up will be old.
func (c *core) setLifetime(inc *incarnation) {
	if c.opts.MaxLifetime > 0 && inc.marks&(isOld|isListed) == 0 {
		c.enlist(inc, c.time(inc.born).Add(c.lifespan()))
	}
}

func (c *core) enlist(inc *incarnation, at time.Time) {
	inc.marks |= isListed
	c.retirements.Add(int64(c.instant(at)), inc)
}

// canSpare reports whether one more worker may go for its age: as many as are
// missing then are still few. Whoever makes it true has the worker supervisor
// take a turn.
func (c *core) canSpare() bool {
	few := max(1, c.goal/20)
	if c.state != stateRunning || c.live() <= c.goal-few {
		return false
	}
	return c.live() <= c.goal || c.counts[stopping]+c.permits < few // overflow has no goal that says how many are missing
}

// isSpent reports whether a worker has been lent as often as it may.
func (c *core) isSpent(inc *incarnation) bool { return inc.uses >= uint64(c.opts.MaxUses) }

// leaves reports whether a worker that has come back goes for its age. If it
// should and cannot be spared, it is the worker supervisor's again.
func (c *core) leaves(inc *incarnation) bool {
	switch {
	case c.isSpent(inc):
		return true
	case inc.marks&isOld == 0:
		return false
	case c.canSpare():
		return true
	case inc.marks&isListed == 0:
		c.enlist(inc, c.now())
	}
	return false
}

// nextRetirement is when the worker supervisor has to look for old workers.
func (c *core) nextRetirement() time.Time {
	if at, ok := c.retirements.Next(); ok && c.canSpare() {
		return c.time(instant(at))
	}
	return time.Time{}
}

// retireOld lets old workers go that are idle, and marks the others. It returns
// when to come again.
func (c *core) retireOld(now time.Time) time.Time {
	for {
		at := c.nextRetirement()
		if at.IsZero() || now.Before(at) {
			return at
		}
		inc, _ := c.retirements.Take()
		inc.marks = inc.marks&^isListed | isOld
		c.recall(inc.slot)
		if inc.slot.state == idling {
			c.dismiss(inc, restart.Orderly, nil)
		}
	}
}

// markOld marks those who are old and could not be spared yet.
func (c *core) markOld(now time.Time) {
	for at, inc := range c.retirements.All() {
		if instant(at) <= c.instant(now) {
			inc.marks |= isOld
		}
	}
}

// renew makes every worker old that is there, and waits until they are gone.
func (c *core) renew(ctx context.Context) error {
	c.must(func() {
		if c.state.serves() {
			c.outdate()
		}
	})
	return c.awaitLive(ctx, func() bool {
		return c.state.serves() && c.state != StateStarting && c.outdated == 0
	})
}

func (c *core) outdate() {
	c.retirements.Clear()
	c.outdated = 0
	for _, s := range c.slots {
		if inc := s.inc; inc != nil && !inc.over {
			inc.marks |= isOutdated
			c.outdated++
			c.enlist(inc, c.now())
		}
	}
	c.stirred = true
}

// strike takes a worker that is over off all lists.
func (c *core) strike(inc *incarnation) {
	had := inc.marks
	c.endCheck(inc)
	inc.marks = 0
	if had&isListed != 0 {
		c.retirements.Void()
	}
	if had&isScheduled != 0 {
		c.checkups.Void()
	}
	if had&isOutdated != 0 {
		c.outdated--
		c.notify() // a start that is given up changes no state
	}
}

// unmark is strike where the lists themselves are gone.
func (inc *incarnation) unmark() {
	inc.marks = 0
	if inc.fate != nil && !inc.detached {
		inc.fate.link = list.Node[*incarnation]{Value: inc}
	}
}
