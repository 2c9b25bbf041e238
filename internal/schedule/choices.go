//go:build interleave

package schedule

import "fmt"

// choices is the path through the tree of schedules: which of those that could
// go on did, at each step at which there was a choice.
type choices struct {
	limits Limits
	path   []choice
	depth  int // of this run
	delays int // spent by it
	passes int // it has let time pass
}

type choice struct {
	taken, of      int
	first          string
	delays, passes int // spent before
}

// next returns which of those who can may go on, the first unless a prefix says
// otherwise. It returns their number if time is to pass instead.
func (c *choices) next(enabled []*thread) int {
	n := len(enabled)
	if n == 1 && c.passes >= c.limits.Passes {
		return 0
	}
	if c.depth == len(c.path) {
		c.path = append(c.path, choice{of: n, first: enabled[0].name, delays: c.delays, passes: c.passes})
	}
	at := c.path[c.depth]
	if at.of != n || at.first != enabled[0].name {
		panic(fmt.Sprintf("schedule: the program does not do the same every time: at choice %d there were %d, %s first, and now %v", c.depth, at.of, at.first, enabled))
	}
	c.depth++
	c.delays += at.cost()
	if at.taken == n {
		c.passes++
	}
	return at.taken
}

// cost is the number of those passed over.
func (c choice) cost() int {
	if c.taken == c.of {
		return 1 // all are passed over, but for a moment
	}
	return c.taken
}

// advance moves on to the next path, and reports whether there is one.
func (c *choices) advance() bool {
	for ; c.depth > 0; c.depth-- {
		at := &c.path[c.depth-1]
		for at.taken++; at.taken <= at.of; at.taken++ {
			allowed := at.taken < at.of || at.passes < c.limits.Passes
			if allowed && at.delays+at.cost() <= c.limits.Delays {
				c.path = c.path[:c.depth]
				c.depth, c.delays, c.passes = 0, 0, 0
				return true
			}
		}
	}
	return false
}
