package idle_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// model is the set as a slice of indexes, the slot added first first.
type model struct {
	idle   []int
	aside  []int
	ages   []int // of the slots, when they were added last
	clock  int
	size   int
	oldest bool
}

// order returns the indexes as they are to be taken.
func (m *model) order() []int {
	order := slices.Clone(m.idle)
	if !m.oldest {
		slices.Reverse(order)
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case a < m.size && b >= m.size:
			return -1
		case a >= m.size && b < m.size:
			return 1
		}
		return 0
	})
	return order
}

// subject is a set under test beside its model.
type subject struct {
	set   set
	nodes []*node
	model model
}

func newSubject(slots int, oldest bool) *subject {
	s := &subject{set: set{Oldest: oldest}, model: model{oldest: oldest, ages: make([]int, slots)}}
	for i := range slots {
		s.nodes = append(s.nodes, &node{Index: i})
	}
	return s
}

func (m *model) has(index int) bool {
	return slices.Contains(m.idle, index) || slices.Contains(m.aside, index)
}

func (m *model) number(index int) {
	m.clock++
	m.ages[index] = m.clock
}

func (s *subject) restore(index int) error {
	want := !s.model.has(index)
	if s.model.ages[index] == 0 {
		return nil // it never was there
	}
	if want {
		at := 0
		for at < len(s.model.idle) && s.model.ages[s.model.idle[at]] < s.model.ages[index] {
			at++
		}
		s.model.idle = slices.Insert(s.model.idle, at, index)
	}
	if got := s.set.Restore(s.nodes[index]); got != want {
		return fmt.Errorf("Restore of slot %d returned %t", index, got)
	}
	return nil
}

func (s *subject) setAside(index int) error {
	want := !slices.Contains(s.model.aside, index)
	if want {
		if at := slices.Index(s.model.idle, index); at >= 0 {
			s.model.idle = slices.Delete(s.model.idle, at, at+1)
		} else {
			s.model.number(index)
		}
		s.model.aside = append(s.model.aside, index)
	}
	if got := s.set.SetAside(s.nodes[index]); got != want {
		return fmt.Errorf("SetAside of slot %d returned %t", index, got)
	}
	return nil
}

func (s *subject) add(index int) error {
	want := !s.model.has(index)
	if want {
		s.model.idle = append(s.model.idle, index)
		s.model.number(index)
	}
	if got := s.set.Add(s.nodes[index]); got != want {
		return fmt.Errorf("Add of slot %d returned %t", index, got)
	}
	return nil
}

func (s *subject) remove(index int) error {
	want := s.model.has(index)
	is := func(i int) bool { return i == index }
	s.model.idle = slices.DeleteFunc(s.model.idle, is)
	s.model.aside = slices.DeleteFunc(s.model.aside, is)
	if got := s.set.Remove(s.nodes[index]); got != want {
		return fmt.Errorf("Remove of slot %d returned %t", index, got)
	}
	return nil
}

func (s *subject) take() error {
	order := s.model.order()
	got := s.set.Take()
	if len(order) == 0 {
		if got != nil {
			return fmt.Errorf("Take of nothing returned slot %d", got.Index)
		}
		return nil
	}
	at := slices.Index(s.model.idle, order[0])
	s.model.idle = slices.Delete(s.model.idle, at, at+1)
	if got != s.nodes[order[0]] {
		return fmt.Errorf("Take returned %+v, want slot %d", got, order[0])
	}
	return nil
}

func (s *subject) resize(size int) error {
	s.set.Resize(size)
	s.model.size = size
	return nil
}

func (s *subject) turn() error {
	s.model.oldest = !s.model.oldest
	s.set.Oldest = s.model.oldest
	return nil
}

func (s *subject) compare() error {
	if err := s.set.Check(); err != nil {
		return err
	}
	if s.set.Len() != len(s.model.idle) {
		return fmt.Errorf("%d idle, want %v", s.set.Len(), s.model.idle)
	}
	if got, want := listed(&s.set), s.model.order(); !slices.Equal(got, want) {
		return fmt.Errorf("order is %v, want %v", got, want)
	}
	for i, n := range s.nodes {
		if s.set.Contains(n) != s.model.has(i) || s.set.IsAside(n) != slices.Contains(s.model.aside, i) {
			return fmt.Errorf("slot %d: Contains is %t, IsAside %t", i, s.set.Contains(n), s.set.IsAside(n))
		}
	}
	switch first := s.set.Aside(); {
	case first == nil && len(s.model.aside) == 0:
	case first == nil || len(s.model.aside) == 0 || first != s.nodes[s.model.aside[0]]:
		return fmt.Errorf("aside is %v, want the first of %v", first, s.model.aside)
	}
	return nil
}

type operation struct {
	kind   string
	number int // the slot, or the size
}

// operations are all that can change something next.
func (s *subject) operations() []operation {
	ops := []operation{{"take", 0}}
	for i := range s.nodes {
		switch {
		case slices.Contains(s.model.aside, i):
			ops = append(ops, operation{"remove", i})
		case slices.Contains(s.model.idle, i):
			ops = append(ops, operation{"remove", i}, operation{"set aside", i})
		case s.model.ages[i] > 0:
			ops = append(ops, operation{"add", i}, operation{"restore", i})
		default:
			ops = append(ops, operation{"add", i})
		}
	}
	for size := range len(s.nodes) + 1 {
		ops = append(ops, operation{"resize", size})
	}
	return ops
}

func (s *subject) apply(op operation) error {
	switch op.kind {
	case "add":
		return s.add(op.number)
	case "remove":
		return s.remove(op.number)
	case "take":
		return s.take()
	case "restore":
		return s.restore(op.number)
	case "set aside":
		return s.setAside(op.number)
	}
	return s.resize(op.number)
}

// misuse does what must change nothing: it adds who is in and removes who is
// out.
func (s *subject) misuse() error {
	for i := range s.nodes {
		call := s.remove
		if s.model.has(i) {
			call = s.add
		}
		if err := call(i); err != nil {
			return err
		}
	}
	return nil
}

// run leads a set and its model through sequence. All but the last step were
// compared before, as a shorter sequence.
func run(slots int, oldest bool, sequence []operation) (*subject, error) {
	s := newSubject(slots, oldest)
	for _, op := range sequence {
		if err := s.apply(op); err != nil {
			return nil, err
		}
	}
	if err := s.misuse(); err != nil {
		return nil, err
	}
	return s, s.compare()
}

func TestEverySequenceOfOperationsTakesTheRightSlot(t *testing.T) {
	t.Parallel()
	const slots, length = 3, 6
	sequences, states := 0, map[string]bool{}
	var explore func(oldest bool, sequence []operation)
	explore = func(oldest bool, sequence []operation) {
		s, err := run(slots, oldest, sequence)
		require.NoError(t, err, "after %v, oldest %t", sequence, oldest)
		sequences++
		states[fmt.Sprint(s.model)] = true
		if len(sequence) == length {
			return
		}
		for _, op := range s.operations() {
			explore(oldest, append(sequence, op))
		}
	}
	for _, oldest := range []bool{false, true} {
		explore(oldest, make([]operation, 0, length))
	}
	t.Logf("%d sequences of up to %d operations on %d slots, %d states", sequences, length, slots, len(states))
}

func TestTheSetActsAsASliceInTheOrderOfAge(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		const slots = 8
		s := newSubject(slots, rapid.Bool().Draw(t, "oldest"))
		slot := rapid.IntRange(0, slots-1)
		t.Repeat(map[string]func(*rapid.T){
			"Add":      func(t *rapid.T) { require.NoError(t, s.add(slot.Draw(t, "slot"))) },
			"Remove":   func(t *rapid.T) { require.NoError(t, s.remove(slot.Draw(t, "slot"))) },
			"Restore":  func(t *rapid.T) { require.NoError(t, s.restore(slot.Draw(t, "slot"))) },
			"SetAside": func(t *rapid.T) { require.NoError(t, s.setAside(slot.Draw(t, "slot"))) },
			"Take":     func(t *rapid.T) { require.NoError(t, s.take()) },
			"Resize":   func(t *rapid.T) { require.NoError(t, s.resize(rapid.IntRange(-1, slots+1).Draw(t, "size"))) },
			"Oldest":   func(t *rapid.T) { require.NoError(t, s.turn()) },
			"":         func(t *rapid.T) { require.NoError(t, s.compare()) },
		})
	})
}
