package queue_test

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/pooltender/pool/internal/queue"
)

// person is a waiter as the model of classes sees it.
type person struct {
	class, place int // place 0: the main queue, 1: the one beside it
	ticket       uint64
	queued       bool
}

// classes is two queues with one series of tickets, said as simply as possible.
type classes struct {
	people []*person
	passed [2][queue.Classes]int
	last   uint64
}

// head is the first of a class in a place.
func (m *classes) head(place, class int) (first *person) {
	for _, p := range m.people {
		if p.queued && p.place == place && p.class == class && (first == nil || p.ticket < first.ticket) {
			first = p
		}
	}
	return first
}

// heads are all of them in the places looked at.
func (m *classes) heads(places int) (all []*person) {
	for place := range places {
		for class := range queue.Classes {
			if p := m.head(place, class); p != nil {
				all = append(all, p)
			}
		}
	}
	return all
}

// next is the one to be served by a worker for these places.
func (m *classes) next(places int) *person {
	heads := m.heads(places)
	if len(heads) == 0 {
		return nil
	}
	highest := slices.MaxFunc(heads, func(a, b *person) int { return a.class - b.class }).class
	var due, first []*person
	for _, p := range heads {
		switch {
		case p.class == highest:
			first = append(first, p)
		case m.passed[p.place][p.class] >= queue.Passes:
			due = append(due, p)
		}
	}
	if len(due) > 0 {
		return slices.MinFunc(due, func(a, b *person) int {
			return cmp.Or(m.passed[b.place][b.class]-m.passed[a.place][a.class], a.class-b.class, a.place-b.place)
		})
	}
	return slices.MinFunc(first, func(a, b *person) int { return cmp.Compare(a.ticket, b.ticket) })
}

func (m *classes) serve(places int) *person {
	p := m.next(places)
	for place := range places {
		if p == m.head(place, p.class) {
			m.passed[place][p.class] = 0
		}
		for class := range p.class {
			if m.passed[place][class]++; m.head(place, class) == nil {
				m.passed[place][class] = 0
			}
		}
	}
	p.queued = false
	return p
}

// pair is the two queues under test, beside the model.
type pair struct {
	model classes
	queue [2]*queue.Queue[int]
	nodes []*queue.Node[int]
}

func newPair() *pair {
	main := new(queue.Queue[int])
	return &pair{queue: [2]*queue.Queue[int]{main, queue.Beside(main)}}
}

func (s *pair) beside(places int) *queue.Queue[int] {
	if places == 1 {
		return nil
	}
	return s.queue[1]
}

func (s *pair) push(place, class int) {
	s.model.last++
	s.model.people = append(s.model.people, &person{class, place, s.model.last, true})
	n := &queue.Node[int]{Value: len(s.nodes), Class: uint8(class)}
	s.nodes = append(s.nodes, n)
	s.queue[place].Push(n)
}

func (s *pair) serve(places int) (*person, error) {
	n := s.queue[0].Next(s.beside(places))
	if want := s.model.next(places); want == nil || n == nil || n.Ticket() != want.ticket {
		return nil, fmt.Errorf("next is %+v, want %+v", n, want)
	}
	p := s.model.serve(places)
	s.queue[0].Serve(n, s.beside(places))
	return p, nil
}

func (s *pair) cancel(i int) error {
	p := s.model.people[i]
	p.queued = false
	if s.queue[1-p.place].Remove(s.nodes[i]) || !s.queue[p.place].Remove(s.nodes[i]) {
		return fmt.Errorf("%+v was removed from another queue than its own", p)
	}
	return nil
}

func (s *pair) restore(i, place int) {
	p := s.model.people[i]
	p.queued, p.place = true, place
	s.queue[place].Restore(s.nodes[i])
}

func (s *pair) compare() error {
	m := &s.model
	for place, q := range s.queue {
		if err := q.Check(); err != nil {
			return err
		}
		var want, got []uint64
		for class := queue.Classes - 1; class >= 0; class-- {
			if q.Waits(class, nil) != (m.head(place, class) != nil) {
				return fmt.Errorf("class %d waits in place %d: %t", class, place, q.Waits(class, nil))
			}
			for _, p := range m.people {
				if p.queued && p.place == place && p.class == class {
					want = append(want, p.ticket)
				}
			}
			slices.Sort(want[len(got):])
			for n := range q.Class(class) {
				got = append(got, n.Ticket())
			}
			latest := []uint64{}
			for n := range q.Latest(class) {
				latest = append(latest, n.Ticket())
			}
			slices.Reverse(latest)
			if !slices.Equal(latest, got[len(got)-len(latest):]) {
				return fmt.Errorf("class %d from the end is %v", class, latest)
			}
		}
		if !slices.Equal(want, got) || q.Len() != len(want) {
			return fmt.Errorf("place %d: %d wait, tickets %v, want %v", place, q.Len(), got, want)
		}
	}
	for class := range queue.Classes {
		if s.queue[0].Waits(class, s.queue[1]) != (m.head(0, class) != nil || m.head(1, class) != nil) {
			return fmt.Errorf("class %d waits in both: %t", class, s.queue[0].Waits(class, s.queue[1]))
		}
	}
	for places := 1; places <= 2; places++ {
		n, want := s.queue[0].Next(s.beside(places)), m.next(places)
		if (n == nil) != (want == nil) || n != nil && n.Ticket() != want.ticket {
			return fmt.Errorf("next of %d places is %+v, want %+v", places, n, want)
		}
	}
	return nil
}
