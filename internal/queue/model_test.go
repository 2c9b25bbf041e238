package queue_test

import (
	"encoding/binary"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool/internal/queue"
)

// operation is one step of a sequence. Waiters are known by the order in which
// they came.
type operation struct {
	kind   string
	waiter int
}

const (
	opNew     = "new"     // a waiter never seen pushes itself
	opAgain   = "again"   // one that is out is used again
	opTake    = "take"    // the head is removed
	opCancel  = "cancel"  // anyone is removed
	opRestore = "restore" // one that is out goes back
)

// model is the queue as a sorted slice of tickets.
type model struct {
	waiting []uint64
	tickets []uint64 // of each waiter, queued or not
	last    uint64
}

func (m *model) queued(waiter int) bool { return slices.Contains(m.waiting, m.tickets[waiter]) }

func (m *model) apply(op operation) {
	switch op.kind {
	case opNew, opAgain:
		if op.kind == opNew {
			m.tickets = append(m.tickets, 0)
		}
		m.last++
		m.tickets[op.waiter] = m.last
		m.waiting = append(m.waiting, m.last)
	case opTake, opCancel:
		at := slices.Index(m.waiting, m.tickets[op.waiter])
		m.waiting = slices.Delete(m.waiting, at, at+1)
	case opRestore:
		m.waiting = append(m.waiting, m.tickets[op.waiter])
		slices.Sort(m.waiting)
	}
}

// operations are all that can come next.
func (m *model) operations() []operation {
	ops := []operation{{opNew, len(m.tickets)}}
	if len(m.waiting) > 0 {
		ops = append(ops, operation{opTake, slices.Index(m.tickets, m.waiting[0])})
	}
	for waiter := range m.tickets {
		if m.queued(waiter) {
			ops = append(ops, operation{opCancel, waiter})
		} else {
			ops = append(ops, operation{opRestore, waiter}, operation{opAgain, waiter})
		}
	}
	return ops
}

func (m *model) key() string {
	var key []byte
	for _, part := range [][]uint64{m.waiting, m.tickets} {
		key = binary.AppendUvarint(key, uint64(len(part)))
		for _, ticket := range part {
			key = binary.AppendUvarint(key, ticket)
		}
	}
	return string(key)
}

// subject is the queue under test, led through the same sequence.
type subject struct {
	queue queue.Queue[int]
	nodes []*queue.Node[int]
}

func (s *subject) apply(op operation) error {
	switch op.kind {
	case opNew:
		s.nodes = append(s.nodes, &queue.Node[int]{Value: op.waiter})
		s.queue.Push(s.nodes[op.waiter])
	case opAgain:
		s.queue.Push(s.nodes[op.waiter])
	case opTake:
		head := s.queue.Head()
		if head == nil || head.Value != op.waiter {
			return fmt.Errorf("the head is %+v", head)
		}
		if !s.queue.Remove(head) {
			return fmt.Errorf("the head cannot be removed")
		}
	case opCancel:
		if !s.queue.Remove(s.nodes[op.waiter]) {
			return fmt.Errorf("a waiter in the queue cannot be removed")
		}
	case opRestore:
		s.queue.Restore(s.nodes[op.waiter])
	}
	return nil
}

// misuse does all that must change nothing.
func (s *subject) misuse(m *model) error {
	var other queue.Queue[int]
	for waiter, n := range s.nodes {
		if other.Remove(n) {
			return fmt.Errorf("waiter %d was removed from a queue it is not in", waiter)
		}
		if m.queued(waiter) {
			s.queue.Push(n)
			s.queue.Restore(n)
			other.Push(n)
			other.Restore(n)
		} else if s.queue.Remove(n) {
			return fmt.Errorf("waiter %d was removed twice", waiter)
		}
	}
	if other.Len() != 0 {
		return fmt.Errorf("another queue got hold of a waiter")
	}
	return nil
}

func (s *subject) compare(m *model) error {
	if err := s.queue.Check(); err != nil {
		return err
	}
	var waiting []uint64
	for n := range s.queue.All() {
		waiting = append(waiting, n.Ticket())
	}
	if !slices.Equal(waiting, m.waiting) || s.queue.Len() != len(m.waiting) {
		return fmt.Errorf("%d waiting, tickets %v, want %v", s.queue.Len(), waiting, m.waiting)
	}
	if head := s.queue.Head(); (head == nil) != (len(waiting) == 0) || head != nil && head.Ticket() != waiting[0] {
		return fmt.Errorf("the head is %+v, want ticket %d", head, waiting[0])
	}
	for waiter, n := range s.nodes {
		if n.Ticket() != m.tickets[waiter] || n.Queued() != m.queued(waiter) || n.Value != waiter {
			return fmt.Errorf("waiter %d is %+v, want ticket %d, queued %t", waiter, n, m.tickets[waiter], m.queued(waiter))
		}
	}
	return nil
}

// run leads a queue and a model through sequence. All but the last step were
// compared before, as a shorter sequence.
func run(sequence []operation) (*model, error) {
	var s subject
	var m model
	for _, op := range sequence {
		if err := s.apply(op); err != nil {
			return nil, err
		}
		m.apply(op)
	}
	if err := s.misuse(&m); err != nil {
		return nil, err
	}
	return &m, s.compare(&m)
}

func TestEverySequenceOfOperationsKeepsTheOrderOfTickets(t *testing.T) {
	t.Parallel()
	const length = 9
	sequences, states := 0, map[string]bool{}
	var explore func(sequence []operation)
	explore = func(sequence []operation) {
		m, err := run(sequence)
		require.NoError(t, err, "after %v", sequence)
		sequences++
		states[m.key()] = true
		if len(sequence) == length {
			return
		}
		for _, op := range m.operations() {
			explore(append(sequence, op))
		}
	}
	explore(make([]operation, 0, length))
	t.Logf("%d sequences of up to %d operations, %d states", sequences, length, len(states))
}
