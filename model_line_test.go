package pool_test

import (
	"slices"

	"github.com/pooltender/pool"
)

// anySlot is where those wait who take any worker.
const anySlot = -1

// passesAllowed is how often in a row who waits may be passed over.
const passesAllowed = 16

// lineup is who waits in the model, in the order in which they came.
type lineup struct {
	places []place
	passed map[int][4]int // how often the first of each priority was passed over, by slot
}

// place is where a client waits: for the worker of one slot, or for any.
type place struct {
	client *client
	slot   int
}

func (c *client) class() int { return int(c.terms.Priority - pool.PriorityLow) }

func (l *lineup) waiting(slot int) (n int) {
	for _, p := range l.places {
		if p.slot == slot {
			n++
		}
	}
	return n
}

func (l *lineup) clients() (all []*client) {
	for _, p := range l.places {
		all = append(all, p.client)
	}
	return all
}

// stand puts a client at the end.
func (l *lineup) stand(c *client, slot int) { l.places = append(l.places, place{c, slot}) }

func (l *lineup) remove(c *client) {
	l.places = slices.DeleteFunc(slices.Clone(l.places), func(p place) bool { return p.client == c })
	l.forget()
}

// first is the first of a priority who waits there.
func (l *lineup) first(class, slot int) *client {
	for _, p := range l.places {
		if p.client.class() == class && p.slot == slot {
			return p.client
		}
	}
	return nil
}

// next is who is to have the worker of a slot: the first of the highest priority,
// unless one below was passed over often enough.
func (l *lineup) next(slot int) *client {
	for class := range 4 {
		for _, line := range []int{anySlot, slot} {
			if c := l.first(class, line); c != nil && l.passed[line][class] >= passesAllowed && l.isBelow(class, slot) {
				return c
			}
		}
	}
	for class := 3; class >= 0; class-- {
		one, other := l.first(class, anySlot), l.first(class, slot)
		if one == nil || other != nil && l.before(other, one) {
			one = other
		}
		if one != nil {
			return one
		}
	}
	return nil
}

func (l *lineup) isBelow(class, slot int) bool {
	for higher := class + 1; higher < 4; higher++ {
		if l.first(higher, anySlot) != nil || l.first(higher, slot) != nil {
			return true
		}
	}
	return false
}

func (l *lineup) before(a, b *client) bool {
	all := l.clients()
	return slices.Index(all, a) < slices.Index(all, b)
}

// serve takes out the client that has the worker of a slot.
func (l *lineup) serve(c *client, slot int) {
	l.pass(c, slot)
	l.remove(c)
}

// move has those with keys wait where they were seen to, or served: where slots are
// emptied and filled they have to move.
func (l *lineup) move(now *sight) {
	for i, p := range l.places {
		if p.client.terms.Key == "" {
			continue
		}
		if slot, waits := now.lines[p.client]; waits {
			l.places[i].slot = slot
		} else if slot, served := now.served[p.client]; served && p.slot != anySlot {
			l.places[i].slot = slot
		}
	}
	l.forget()
}

// pass notes whom a client is served before.
func (l *lineup) pass(c *client, slot int) {
	for _, line := range []int{anySlot, slot} {
		passed := l.passed[line]
		if l.first(c.class(), line) == c {
			passed[c.class()] = 0
		}
		for lower := range c.class() {
			if passed[lower]++; l.first(lower, line) == nil {
				passed[lower] = 0
			}
		}
		l.passed[line] = passed
	}
	l.forget()
}

// forget drops what was counted where nobody waits any more.
func (l *lineup) forget() {
	for slot := range l.passed {
		if slot != anySlot && l.waiting(slot) == 0 {
			delete(l.passed, slot)
		}
	}
}

// displaced is who makes room for a client where no more may wait: the last of
// those less important.
func (l *lineup) displaced(by *client) (last *client) {
	for class := range by.class() {
		for _, p := range l.places {
			if p.client.class() == class {
				last = p.client
			}
		}
		if last != nil {
			return last
		}
	}
	return nil
}

// admits reports whether one more may wait: those for whom a worker is on its way,
// or can be, are not counted.
func (m *model) admits(slot int) bool {
	if m.opts.MaxWaiting <= 0 {
		return true
	}
	anyone := m.line.waiting(anySlot)
	if slot == anySlot {
		anyone++
	}
	coming := m.starting()
	if !m.draining {
		missing := max(0, m.size-m.workers())
		coming += missing + max(0, min(anyone-m.starting()-missing, m.limit()-m.workers()-missing))
	}
	return len(m.line.places)+1-coming <= m.opts.MaxWaiting
}

// homes is what is known of the slots of keys, in a pool of some size: of two that
// are up, which one a key prefers. It never changes.
type homes map[string]map[[2]int]bool

// settled notes that a key has chosen a slot of those that are up, and reports
// whether it may have.
func (h homes) settled(key string, slot int, up []int) bool {
	if h[key] == nil {
		h[key] = map[[2]int]bool{}
	}
	if !slices.Contains(up, slot) {
		return false
	}
	for _, other := range up {
		if h[key][[2]int{other, slot}] {
			return false
		}
		if other != slot {
			h[key][[2]int{slot, other}] = true
		}
	}
	return true
}
