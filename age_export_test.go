package pool

import (
	"iter"
	"strconv"
	"time"
)

// NextRetirement is when the first worker of the pool will be old; zero: none will.
func NextRetirement(p Control) (at time.Time) {
	c := p.inside()
	c.view(func() {
		if next, ok := c.retirements.Next(); ok {
			at = c.time(instant(next))
		}
	})
	return at
}

// LifetimesOf iterates over the ages at which the workers there are will be old.
func LifetimesOf(p Control) iter.Seq[time.Duration] {
	return func(yield func(time.Duration) bool) {
		c := p.inside()
		c.view(func() {
			for at, inc := range c.retirements.All() {
				if !yield(time.Duration(instant(at) - inc.born)) {
					return
				}
			}
		})
	}
}

// KeyOf returns a key whose clients are served by that slot.
func KeyOf(p Control, slot int) (key string) {
	c := p.inside()
	c.view(func() {
		for n := 0; ; n++ {
			key = strconv.Itoa(n)
			if s := c.slotOf(key); s != nil && s.index() == slot {
				return
			}
		}
	})
	return key
}
