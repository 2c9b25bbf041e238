package protocol_test

import (
	"fmt"
	"hash/maphash"
	"slices"
	"strings"
)

// explorer takes every step that can come next, in every state it comes to, those
// first that take the fewest steps to come to. So what it finds is the shortest
// way there.
//
// It remembers a state by a hash of 64 bits with a seed of its own: that of n states
// one is taken for another has a probability below n²/2⁶⁵, one in thirty million for
// a million states, and at the next run it would be another.
type explorer struct {
	*config
	seed  maphash.Seed
	known map[uint64]int32
	ways  []way // to every state, in the order they were found

	// The steps from state i that somebody owes lead to owed[from[i]:from[i+1]].
	owed []int32
	from []int32

	steps, ends, depth int
	found              string // a fault, and the way to it
}

// way is the last step of the way to a state.
type way struct {
	from int32
	move move
}

func explore(c *config) *explorer {
	e := &explorer{config: c, seed: maphash.MakeSeed(), known: make(map[uint64]int32)}
	first := c.first()
	e.remember(&first, way{from: -1})
	for level := []state{first}; len(level) > 0 && e.found == ""; e.depth++ {
		level = e.explore(level)
	}
	if e.found == "" {
		e.checkOnward()
	}
	return e
}

// remember notes a state and returns its number and whether it is new.
func (e *explorer) remember(s *state, w way) (number int32, fresh bool) {
	h := maphash.Comparable(e.seed, *s)
	if number, known := e.known[h]; known {
		return number, false
	}
	number = int32(len(e.ways))
	e.known[h] = number
	e.ways = append(e.ways, w)
	return number, true
}

// explore takes all steps from states that are equally far, and returns what is new.
func (e *explorer) explore(level []state) (next []state) {
	w := &world{config: e.config}
	var moves []move
	for i := range level {
		s := &level[i]
		at := int32(len(e.from))
		e.from = append(e.from, int32(len(e.owed)))
		final := true
		moves = e.moves(s, moves[:0])
		for _, m := range moves {
			after := *s
			if fault := w.takeStep(&after, m); fault != "" {
				e.found = e.story(fault, way{at, m})
				return nil
			}
			if after == *s {
				continue
			}
			e.steps++
			to, fresh := e.remember(&after, way{at, m})
			if fresh {
				next = append(next, after)
			}
			if !m.mayNotCome(s) {
				final = false
				e.owed = append(e.owed, to)
			}
		}
		if !final {
			continue
		}
		e.ends++
		if fault := w.judge(s); fault != "" {
			e.found = e.story(fault, e.ways[at])
			return nil
		}
	}
	return next
}

// checkOnward looks for a run without end: a circle of steps that somebody owes. If
// there is none, every run in which nothing more befalls the pool comes to an end.
func (e *explorer) checkOnward() {
	e.from = append(e.from, int32(len(e.owed)))
	before := make([]int32, len(e.ways)) // how many steps lead to a state from states not yet looked at
	for _, to := range e.owed {
		before[to]++
	}
	var last []int32 // states to which none does
	for i, n := range before {
		if n == 0 {
			last = append(last, int32(i))
		}
	}
	for len(last) > 0 {
		i := last[len(last)-1]
		last = last[:len(last)-1]
		for _, to := range e.owed[e.from[i]:e.from[i+1]] {
			if before[to]--; before[to] == 0 {
				last = append(last, to)
			}
		}
	}
	for i, n := range before {
		if n > 0 {
			e.found = e.story("there is a run without end", e.ways[i])
			return
		}
	}
}

// takeStep takes a step and returns what is wrong with where it leads.
func (w *world) takeStep(s *state, m move) string {
	w.state, w.fault = s, ""
	w.step(m)
	w.canonical()
	w.check()
	return w.fault
}

// judge returns what is wrong with a state from which nothing goes on.
func (w *world) judge(s *state) string {
	w.state, w.fault = s, ""
	w.checkEnd()
	return w.fault
}

func (e *explorer) story(fault string, last way) string {
	var lines []string
	for w := last; ; w = e.ways[w.from] {
		lines = append(lines, fmt.Sprintf("\t%v of %s", w.move.step, e.whose(w.move)))
		if w.from <= 0 {
			break
		}
	}
	slices.Reverse(lines)
	return fmt.Sprintf("%s, after %d steps:\n%s", fault, len(lines), strings.Join(lines, "\n"))
}

// whose says who takes a step. Clients of one kind have no names that last.
func (e *explorer) whose(m move) string {
	switch {
	case m.who < mostClients:
		return fmt.Sprintf("client %d, slot %d", m.who, m.arg)
	case m.who == aHalf:
		return fmt.Sprintf("a half, %d", m.arg)
	case m.who == theKeeper:
		return "the keeper"
	case m.who == aWorker:
		return fmt.Sprintf("worker %d", m.arg)
	}
	return fmt.Sprintf("a caller, %d", m.arg)
}
