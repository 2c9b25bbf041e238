// Package queue is the line in which waiters stand. Each has a ticket, and the
// line is in the order of tickets: who comes new stands at the end, and who was
// taken out in vain goes back to the place it had.
//
// Nothing here is safe for concurrent use, and nothing but an error of Check
// allocates.
package queue

import (
	"fmt"
	"iter"

	"github.com/pooltender/pool/internal/list"
)

// Node is one waiter, in at most one queue at a time. The zero Node has no
// ticket and is ready to use; a node that has left its queue can be used again.
// A Node must not be copied after first use.
type Node[T any] struct {
	Value T

	ticket uint64
	issuer *Queue[T] // of the ticket
	link   list.Node[*Node[T]]
}

// Ticket returns the ticket of the last Push, or 0 before the first.
func (n *Node[T]) Ticket() uint64 { return n.ticket }

// Queued reports whether n is in a queue.
func (n *Node[T]) Queued() bool { return n.link.Linked() }

// Queue is a line of waiters in the order of their tickets. The zero Queue is
// empty and ready to use. A Queue must not be copied after first use.
//
// Every method but Restore, All and Check costs O(1).
type Queue[T any] struct {
	waiters list.List[*Node[T]]
	last    uint64 // the ticket given last
}

// Head returns the waiter with the lowest ticket, or nil if nobody waits.
func (q *Queue[T]) Head() *Node[T] {
	if link := q.waiters.Front(); link != nil {
		return link.Value
	}
	return nil
}

// Len returns the number of waiters.
func (q *Queue[T]) Len() int { return q.waiters.Len() }

// Push gives n the next ticket, whatever ticket it had, and puts it at the end.
// If n is in a queue already, this one or another, Push changes nothing.
func (q *Queue[T]) Push(n *Node[T]) {
	if n.Queued() {
		return
	}
	q.last++
	n.ticket, n.issuer, n.link.Value = q.last, q, n
	q.waiters.PushBack(&n.link)
}

// Restore puts n back to the place of the ticket it has. If its ticket is not
// of this queue, it does what Push does: nobody gets ahead by it. If n is in a
// queue already, Restore changes nothing.
//
// It costs O(waiters with a lower ticket): few, as n stood near the head.
func (q *Queue[T]) Restore(n *Node[T]) {
	switch {
	case n.Queued():
		return
	case n.issuer != q:
		q.Push(n)
		return
	}
	var before *list.Node[*Node[T]]
	for link := q.waiters.Front(); link != nil && link.Value.ticket < n.ticket; link = link.Next() {
		before = link
	}
	if before == nil {
		q.waiters.PushFront(&n.link)
	} else {
		q.waiters.InsertAfter(&n.link, before)
	}
}

// Remove takes n out of the queue, from anywhere; n keeps its ticket. If n is
// not in this queue, Remove returns false and changes nothing.
func (q *Queue[T]) Remove(n *Node[T]) bool { return q.waiters.Remove(&n.link) }

// All returns the waiters from the head to the end. The loop may remove the
// waiter it was just given, and no other.
func (q *Queue[T]) All() iter.Seq[*Node[T]] {
	return func(yield func(*Node[T]) bool) {
		for link := range q.waiters.All() {
			if !yield(link.Value) {
				return
			}
		}
	}
}

// Latest returns the waiters from the end to the head. The loop must not change
// the queue.
func (q *Queue[T]) Latest() iter.Seq[*Node[T]] {
	return func(yield func(*Node[T]) bool) {
		for link := q.waiters.Back(); link != nil && yield(link.Value); link = link.Prev() {
		}
	}
}

// Check returns an error unless the links are whole, Len is right, and the
// tickets ascend strictly to no more than the last one given. It ends on any
// damage and costs O(Len).
func (q *Queue[T]) Check() error {
	if err := q.waiters.Check(); err != nil {
		return fmt.Errorf("queue: %w", err)
	}
	var previous uint64
	for link := range q.waiters.All() {
		n := link.Value
		switch {
		case n == nil || &n.link != link:
			return fmt.Errorf("queue: behind ticket %d stands a copy of a waiter", previous)
		case n.ticket <= previous:
			return fmt.Errorf("queue: ticket %d stands behind ticket %d", n.ticket, previous)
		case n.ticket > q.last:
			return fmt.Errorf("queue: ticket %d was never given, the last was %d", n.ticket, q.last)
		}
		previous = n.ticket
	}
	return nil
}
