// Package queue is the line in which waiters stand. Each has a class and a
// ticket. Within a class the line is in the order of tickets: who comes new
// stands at the end, and who was taken out in vain goes back to the place it
// had. Among the classes the higher is served first, but not for ever.
//
// Nothing here is safe for concurrent use, and nothing but an error of Check
// allocates.
package queue

import (
	"fmt"
	"iter"
	"math/bits"

	"github.com/pooltender/pool/internal/list"
)

// Classes is how many classes of waiters there are, from 0, the lowest.
const Classes = 4

// Passes is how often the head of a class is passed over for higher classes.
// Then it is served before them, once: a form of aging that needs no clock, and
// in which a crowd of the old cannot hold up a higher class.
const Passes = 16

// Node is one waiter, in at most one queue at a time. The zero Node has no
// ticket and is ready to use; a node that has left its queue can be used again.
// A Node must not be copied after first use.
type Node[T any] struct {
	Value T
	Class uint8 // less than Classes; it must not change while the node is in a queue

	ticket uint64
	issuer *Queue[T] // of the ticket
	link   list.Node[*Node[T]]
}

// Ticket returns the ticket of the last Push, or 0 before the first.
func (n *Node[T]) Ticket() uint64 { return n.ticket }

// Queued reports whether n is in a queue.
func (n *Node[T]) Queued() bool { return n.link.Linked() }

// Queue is a line of waiters. The zero Queue is empty and ready to use. A Queue
// must not be copied after first use.
//
// Every method but Restore, All and Check costs O(1).
type Queue[T any] struct {
	classes [Classes]list.List[*Node[T]]
	filled  uint8             // a bit for each class in which somebody waits
	passed  [Classes]uint32   // how often in a row the head of the class was passed over
	cursor  [Classes]*Node[T] // who was restored last, wherever it is now; the next often stands not far behind
	count   int
	main    *Queue[T] // which issues the tickets; nil: this one
	last    uint64    // the ticket given last
}

// Beside returns an empty queue that takes its tickets from main: for those who
// wait for something of their own, but in one order with the others.
func Beside[T any](main *Queue[T]) *Queue[T] { return &Queue[T]{main: main.issuer()} }

func (q *Queue[T]) issuer() *Queue[T] {
	if q.main != nil {
		return q.main
	}
	return q
}

// Len returns the number of waiters.
func (q *Queue[T]) Len() int { return q.count }

// Head returns the waiter to be served next, or nil if nobody waits.
func (q *Queue[T]) Head() *Node[T] { return q.Next(nil) }

// Waits reports whether somebody of a class waits, in q or in the queue beside it,
// which may be nil.
func (q *Queue[T]) Waits(class int, beside *Queue[T]) bool {
	return (q.filled|beside.mask())&(1<<class) != 0
}

func (q *Queue[T]) mask() uint8 {
	if q == nil {
		return 0
	}
	return q.filled
}

// Next returns the waiter to be served next, of q and the queue beside it, which
// may be nil, or nil if nobody waits: the head of the highest class, and of two
// heads of a class the one with the lower ticket, but before them a head that was
// passed over Passes times. It changes nothing.
func (q *Queue[T]) Next(beside *Queue[T]) *Node[T] {
	filled := q.filled | beside.mask()
	if filled == 0 {
		return nil
	}
	highest := bits.Len8(filled) - 1
	if filled&(filled-1) != 0 {
		if n := due(q, beside, highest); n != nil {
			return n
		}
	}
	if beside == nil {
		return q.front(highest)
	}
	n, other := q.front(highest), beside.front(highest)
	if n == nil || other != nil && other.ticket < n.ticket {
		return other
	}
	return n
}

// due returns the head below the highest class that was passed over often enough,
// of several that of the lowest class. None is ever passed over more often: whoever
// is due goes first, and is passed over by no class above.
func due[T any](q, beside *Queue[T], highest int) *Node[T] {
	for class := range highest {
		for _, q := range [...]*Queue[T]{q, beside} {
			if q.mask()&(1<<class) != 0 && q.passed[class] >= Passes {
				return q.front(class)
			}
		}
	}
	return nil
}

// Serve removes what Next has returned, and notes whom it has passed over.
func (q *Queue[T]) Serve(n *Node[T], beside *Queue[T]) {
	q.pass(n)
	if beside != nil {
		beside.pass(n)
	}
	if !q.Remove(n) {
		beside.Remove(n)
	}
}

// pass notes that n is served before the lower classes of q.
func (q *Queue[T]) pass(n *Node[T]) {
	if q.filled&(1<<n.Class) != 0 && q.front(int(n.Class)) == n {
		q.passed[n.Class] = 0
	}
	for class := range n.Class {
		if q.filled&(1<<class) != 0 {
			q.passed[class]++
		} else {
			q.passed[class] = 0
		}
	}
}

func (q *Queue[T]) front(class int) *Node[T] {
	if link := q.classes[class].Front(); link != nil {
		return link.Value
	}
	return nil
}

// Push gives n the next ticket, whatever ticket it had, and puts it at the end of
// its class. If n is in a queue already, this one or another, Push changes
// nothing.
func (q *Queue[T]) Push(n *Node[T]) {
	if n.Queued() {
		return
	}
	issuer := q.issuer()
	issuer.last++
	n.ticket, n.issuer, n.link.Value = issuer.last, issuer, n
	q.classes[n.Class].PushBack(&n.link)
	q.entered(n)
}

func (q *Queue[T]) entered(n *Node[T]) {
	q.filled |= 1 << n.Class
	q.count++
}

// Restore puts n back to the place of the ticket it has. If its ticket is not
// of this queue, or of one whose tickets are the same, it does what Push does:
// nobody gets ahead by it. If n is in a queue already, Restore changes nothing.
//
// It costs O(waiters of the class with a lower ticket): few, if n stood near the
// head. Many that are restored in the order of their tickets cost O(waiters of
// the class) together.
func (q *Queue[T]) Restore(n *Node[T]) {
	switch {
	case n.Queued():
		return
	case n.issuer != q.issuer():
		q.Push(n)
		return
	}
	waiters := &q.classes[n.Class]
	var before *list.Node[*Node[T]]
	link := waiters.Front()
	if last := q.cursor[n.Class]; last != nil && last.link.In(waiters) && last.ticket < n.ticket {
		link = &last.link
	}
	for ; link != nil && link.Value.ticket < n.ticket; link = link.Next() {
		before = link
	}
	q.cursor[n.Class] = n
	if before == nil {
		waiters.PushFront(&n.link)
	} else {
		waiters.InsertAfter(&n.link, before)
	}
	q.entered(n)
}

// Remove takes n out of the queue, from anywhere; n keeps its ticket. If n is
// not in this queue, Remove returns false and changes nothing.
func (q *Queue[T]) Remove(n *Node[T]) bool {
	waiters := &q.classes[n.Class]
	if !waiters.Remove(&n.link) {
		return false
	}
	if waiters.Len() == 0 {
		q.filled &^= 1 << n.Class
	}
	q.count--
	return true
}

// All returns the waiters class by class, the highest first, each from the head
// to the end. The loop may remove the waiter it was just given, and no other.
func (q *Queue[T]) All() iter.Seq[*Node[T]] {
	return func(yield func(*Node[T]) bool) {
		for class := Classes - 1; class >= 0; class-- {
			for n := range q.Class(class) {
				if !yield(n) {
					return
				}
			}
		}
	}
}

// Class is All of one class.
func (q *Queue[T]) Class(class int) iter.Seq[*Node[T]] {
	return func(yield func(*Node[T]) bool) {
		for link := range q.classes[class].All() {
			if !yield(link.Value) {
				return
			}
		}
	}
}

// Latest returns the waiters of one class from the end to the head. The loop must
// not change the queue.
func (q *Queue[T]) Latest(class int) iter.Seq[*Node[T]] {
	return func(yield func(*Node[T]) bool) {
		for link := q.classes[class].Back(); link != nil && yield(link.Value); link = link.Prev() {
		}
	}
}

// Check returns an error unless the links are whole, the counts are right, and
// the tickets of each class ascend strictly to no more than the last one given.
// It ends on any damage and costs O(Len).
func (q *Queue[T]) Check() error {
	count, filled := 0, uint8(0)
	for class := range Classes {
		waiters := &q.classes[class]
		if err := q.check(waiters, uint8(class)); err != nil {
			return err
		}
		if count += waiters.Len(); waiters.Len() > 0 {
			filled |= 1 << class
		}
	}
	if count != q.count || filled != q.filled {
		return fmt.Errorf("queue: %d waiters in classes %b, but %d in %b were counted", count, filled, q.count, q.filled)
	}
	return nil
}

func (q *Queue[T]) check(waiters *list.List[*Node[T]], class uint8) error {
	if err := waiters.Check(); err != nil {
		return fmt.Errorf("queue: %w", err)
	}
	var previous uint64
	for link := range waiters.All() {
		n := link.Value
		switch {
		case n == nil || &n.link != link:
			return fmt.Errorf("queue: behind ticket %d stands a copy of a waiter", previous)
		case n.Class != class:
			return fmt.Errorf("queue: ticket %d of class %d stands in class %d", n.ticket, n.Class, class)
		case n.ticket <= previous:
			return fmt.Errorf("queue: ticket %d stands behind ticket %d", n.ticket, previous)
		case n.ticket > q.issuer().last:
			return fmt.Errorf("queue: ticket %d was never given, the last was %d", n.ticket, q.issuer().last)
		}
		previous = n.ticket
	}
	return nil
}
