package pool

import "time"

// noteCrash grows suspicious of all workers if it is one crash too many: those
// that are idle are set aside; the others are cleared by their clients, if they
// are checked in.
func (c *core) noteCrash(now time.Time) {
	if c.hooks.check == nil || !c.burst.Note(now, c.few()) {
		return
	}
	c.settle()
	for n := range c.idle.All() {
		c.setAside(n.Value)
	}
	for _, s := range c.slots {
		if s.state == leased || s.state == tending {
			s.inc.marks |= isSuspect
		}
	}
}
