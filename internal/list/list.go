// Package list is a doubly linked list whose nodes belong to the caller, so
// that no operation allocates. A node knows the list it is in, so that removal
// costs O(1) and a wrong call changes nothing.
//
// Nothing here is safe for concurrent use.
package list

import (
	"errors"
	"fmt"
	"iter"
)

// Node is an element of at most one list at a time. The zero Node is in none
// and ready to use. A Node must not be copied while it is in a list.
type Node[T any] struct {
	Value T

	prev, next *Node[T]
	list       *List[T]
}

// Linked reports whether n is in a list.
func (n *Node[T]) Linked() bool { return n.list != nil }

// In reports whether n is in l.
func (n *Node[T]) In(l *List[T]) bool { return l != nil && n.list == l }

// Next returns the node behind n, or nil if n is the last or in no list.
func (n *Node[T]) Next() *Node[T] { return n.next }

// Prev returns the node before n, or nil if n is the first or in no list.
func (n *Node[T]) Prev() *Node[T] { return n.prev }

// List is a doubly linked list. The zero List is empty and ready to use. A List
// must not be copied after first use.
//
// Every method but All and Check costs O(1).
type List[T any] struct {
	front, back *Node[T]
	count       int
}

// Front returns the first node, or nil if the list is empty.
func (l *List[T]) Front() *Node[T] { return l.front }

// Back returns the last node, or nil if the list is empty.
func (l *List[T]) Back() *Node[T] { return l.back }

// Len returns the number of nodes.
func (l *List[T]) Len() int { return l.count }

// PushFront makes n the first node. If n is in a list already, this one or
// another, it returns false and changes nothing.
func (l *List[T]) PushFront(n *Node[T]) bool { return l.insert(n, nil, l.front) }

// PushBack makes n the last node. If n is in a list already, this one or
// another, it returns false and changes nothing.
func (l *List[T]) PushBack(n *Node[T]) bool { return l.insert(n, l.back, nil) }

// InsertAfter puts n right behind mark. If n is in a list already or mark is
// not in this one, it returns false and changes nothing.
func (l *List[T]) InsertAfter(n, mark *Node[T]) bool {
	return mark.In(l) && l.insert(n, mark, mark.next)
}

func (l *List[T]) insert(n, prev, next *Node[T]) bool {
	if n.Linked() {
		return false
	}
	n.prev, n.next, n.list = prev, next, l
	l.join(prev, n)
	l.join(n, next)
	l.count++
	return true
}

// Remove takes n out of the list. If n is not in this list, it returns false
// and changes nothing.
func (l *List[T]) Remove(n *Node[T]) bool {
	if !n.In(l) {
		return false
	}
	l.join(n.prev, n.next)
	n.prev, n.next, n.list = nil, nil, nil
	l.count--
	return true
}

// join makes next follow prev; nil stands for the end of the list on that side.
func (l *List[T]) join(prev, next *Node[T]) {
	if prev == nil {
		l.front = next
	} else {
		prev.next = next
	}
	if next == nil {
		l.back = prev
	} else {
		next.prev = prev
	}
}

// All returns the nodes from first to last. The loop may remove the node it was
// just given, and no other.
func (l *List[T]) All() iter.Seq[*Node[T]] {
	return func(yield func(*Node[T]) bool) {
		for n := l.front; n != nil; {
			next := n.next // n may be gone afterwards
			if !yield(n) {
				return
			}
			n = next
		}
	}
}

// Check returns an error unless the links agree in both directions, every node
// names this list as its own and Len is right. It ends on any damage, a ring
// included, since a node that is met twice cannot point back to both before it.
// It costs O(Len).
func (l *List[T]) Check() error {
	var last *Node[T]
	count := 0
	for n := l.front; n != nil; last, n = n, n.next {
		switch {
		case n.list != l:
			return fmt.Errorf("list: node %d is not the list's own", count)
		case n.prev != last:
			return fmt.Errorf("list: node %d does not point back to the one before it", count)
		}
		count++
	}
	if count != l.count {
		return fmt.Errorf("list: %d nodes, but %d counted", count, l.count)
	}
	if l.back != last {
		return errors.New("list: the last node is not the one at the end")
	}
	return nil
}
