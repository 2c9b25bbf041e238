package pool

import (
	"errors"
	"fmt"

	"github.com/pooltender/pool/internal/hatch"
)

// Instance implements hatch.Pool.
func (c *core) Instance() string { return c.instance }

// Kill implements hatch.Pool.
func (c *core) Kill(half hatch.Half, at hatch.Point) {
	c.faults.Arm(half, at)
	poke(c.manager)
	poke(c.supervisor)
}

// CrashWorker implements hatch.Pool: it makes a live worker crash as if its Run had returned err.
func (c *core) CrashWorker(index int, err error) (found bool) {
	c.must(func() {
		if index < 0 || index >= len(c.slots) {
			return
		}
		s := c.slots[index]
		if found = s.state.live(); found {
			c.crash(s.inc, &CrashError{Slot: s.inc.id(), Hook: "run", Err: err})
			c.advance(s.inc)
		}
	})
	return found
}

// CheckInvariants implements hatch.Pool.
func (c *core) CheckInvariants() (err error) {
	c.view(func() {
		if c.poisoned {
			return
		}
		err = c.check()
	})
	return err
}

// check reports what does not hold of the invariants that one look can judge.
func (c *core) check() error {
	var errs []error
	fail := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	var counts [slotStates]int
	for i, s := range c.slots {
		counts[s.state]++
		if s.index() != i {
			fail("slot %d says it is %d", i, s.index())
		}
		if s.place.Value != s || c.idle.Contains(&s.place) != (s.state == idling) {
			fail("invariant 2: slot %d is %s, in the idle set: %t", i, s.state, c.idle.Contains(&s.place))
		}
		if s.place.Link.In(&c.busy) != (s.state == starting || s.state == tending || s.state == stopping) {
			fail("invariant 2: slot %d is %s, in the busy list: %t", i, s.state, s.place.Link.In(&c.busy))
		}
		if isDown := s.state == vacant || s.state == backingOff; c.isDown(s) != isDown || (s.inc == nil) != isDown {
			fail("invariant 2: slot %d is %s, down: %t, has a worker: %t", i, s.state, c.isDown(s), s.inc != nil)
		}
		if s.inc != nil && s.inc.word.Load().Resident() != (s.state == resident) {
			fail("invariant 2: slot %d is %s, its word is %b", i, s.state, s.inc.word.Load())
		}
		if (s.loan != nil) != (s.state == leased) {
			fail("invariant 14: slot %d is %s, lent: %t", i, s.state, s.loan != nil)
		}
		if s.inc != nil && (s.inc.detached || s.inc.gone || s.inc.slot != s) {
			fail("slot %d holds a worker that is not its own", i)
		}
	}
	for i := range c.stripes {
		inc := c.stripes[i].worker.Load()
		if inc == nil {
			continue
		}
		counts[resident]--
		if s := inc.slot; s.state != resident || s.inc != inc || int(inc.stripe) != i {
			fail("invariant 1: stripe %d has a worker of slot %d that is %s", i, s.index(), s.state)
		}
	}
	if counts[resident] != 0 {
		fail("invariant 2: %d residents without a stripe", counts[resident])
	}
	counts[resident] = c.counts[resident]
	if counts[resident] > 0 && (!c.open || c.waiting() > 0 || c.surplus() > 0) {
		fail("invariant 9: %d residents, though the pool must not lend without the lock", counts[resident])
	}
	if counts != c.counts {
		fail("invariant 2: counts are %v, the slots say %v", c.counts, counts)
	}
	if most := max(c.limit(), len(c.slots)); c.occupied() > most {
		fail("invariant 3: %d workers, at most %d allowed", c.occupied(), most)
	}
	if c.open && c.idle.Len() > 0 && c.queue.Len() > 0 {
		fail("invariant 8: %d idle while %d wait", c.idle.Len(), c.queue.Len())
	}
	for s := range c.beside {
		if c.open && s.state == idling {
			fail("invariant 8: slot %d is idle while %d wait for it", s.index(), c.beside[s].Len())
		}
	}
	c.checkCare(fail)
	if c.open != (c.state.serves() && !c.poisoned) {
		fail("open is %t in state %s", c.open, c.state)
	}
	for _, err := range []error{c.idle.Check(), c.busy.Check(), c.down[0].Check(), c.down[1].Check(), c.lines.check(), c.zombies.Check()} {
		if err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// checkCare reports what does not hold of the books of aging and health.
func (c *core) checkCare(fail func(string, ...any)) {
	outdated, vetting, checks := 0, 0, 0
	for i, s := range c.slots {
		inc := s.inc
		if inc == nil {
			continue
		}
		if aside := s.state == idling && inc.marks&isSuspect != 0; c.idle.IsAside(&s.place) != aside {
			fail("slot %d is %s, its worker's marks are %b, aside: %t", i, s.state, inc.marks, !aside)
		}
		if inc.marks&isOutdated != 0 {
			outdated++
		}
		if s.state == tending && inc.hook == hookCheck {
			if inc.marks&isAwaited != 0 {
				vetting++
			} else {
				checks++
			}
		}
		if inc.over && inc.marks&(isListed|isScheduled|isOutdated|isAwaited) != 0 {
			fail("slot %d: the worker is over, its marks are %b", i, inc.marks)
		}
	}
	if outdated != c.outdated || vetting != c.vetting || checks != c.checks.Len() {
		fail("%d outdated, %d vetted, %d checked, counted were %d, %d, %d", outdated, vetting, checks, c.outdated, c.vetting, c.checks.Len())
	}
	if c.open && c.idle.Aside() != nil && c.vetting < c.queue.Len() {
		fail("invariant 8: %d wait, %d are checked for them, and more could be", c.queue.Len(), c.vetting)
	}
	for _, err := range []error{c.retirements.Check(), c.checkups.Check(), c.checks.Check()} {
		if err != nil {
			fail("%w", err)
		}
	}
}
