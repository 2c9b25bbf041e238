// Package idle is the set of idle slots, and the choice of the one to lend.
//
// Nothing here is safe for concurrent use, and nothing but an error of Check
// allocates.
package idle

import (
	"errors"
	"fmt"
	"iter"

	"github.com/pooltender/pool/internal/list"
)

// Node is one slot, in at most one set at a time. It is ready to use once Index
// is set. Index must not change and the Node must not be copied while it is in
// a set.
type Node[T any] struct {
	Value T
	Index int // the slot's number

	// Link may be in a list of the owner's while the Node is in no set; its Value
	// is the Node.
	Link  list.Node[*Node[T]]
	added uint64 // orders the nodes of a set by age
}

// Set is a set of idle slots. Slots within its size are taken before those
// beyond; among these, the one added last is taken first, so that slots not
// needed stay unused, or the one added first if Oldest. The zero Set is empty,
// of size 0 and ready to use: all slots are beyond, and only age counts. Slots
// that were set aside are in the set and not taken. A Set must not be copied
// after first use.
//
// Every method but Restore, Resize, All and Check costs O(1).
type Set[T any] struct {
	// Oldest makes Peek choose the slot added first. It may change at any time.
	Oldest bool

	size           int
	within, beyond list.List[*Node[T]] // both from the oldest to the most recent
	aside          list.List[*Node[T]]
	last           uint64               // what the latest Add gave as added
	restored       *list.Node[*Node[T]] // the last that was: the next belongs near it
}

// Len returns the number of idle slots that can be taken.
func (s *Set[T]) Len() int { return s.within.Len() + s.beyond.Len() }

// Contains reports whether n is in the set.
func (s *Set[T]) Contains(n *Node[T]) bool {
	return n.Link.In(&s.within) || n.Link.In(&s.beyond) || n.Link.In(&s.aside)
}

// Add puts n into the set, as the most recent. If n is in a set already, this
// one or another, it returns false and changes nothing.
func (s *Set[T]) Add(n *Node[T]) bool {
	if n.Link.Linked() {
		return false
	}
	s.number(n)
	return s.home(n).PushBack(&n.Link)
}

func (s *Set[T]) number(n *Node[T]) {
	s.last++
	n.added, n.Link.Value = s.last, n
}

// Restore puts n back to where it was by its age: among those added before it
// left the set, and those added since. If n is in a set already, this one or
// another, it returns false and changes nothing. A slot that never was in this
// set must be added.
//
// It costs O(slots between n and the one restored before it), if that one is
// still there: little, where slots leave for a while one after another.
func (s *Set[T]) Restore(n *Node[T]) bool {
	if n.Link.Linked() {
		return false
	}
	slots := s.home(n)
	at := s.restored
	if at == nil || !at.In(slots) {
		at = slots.Front()
	}
	for at != nil && at.Value.added < n.added {
		at = at.Next()
	}
	if at == nil {
		at = slots.Back()
	}
	for at != nil && at.Value.added > n.added {
		at = at.Prev()
	}
	s.restored = &n.Link
	if at == nil {
		return slots.PushFront(&n.Link)
	}
	return slots.InsertAfter(&n.Link, at)
}

// SetAside keeps n in the set without being taken, until it is removed. If it is
// in no set it is added as the most recent. If it is aside already, or in another
// set, it returns false and changes nothing.
func (s *Set[T]) SetAside(n *Node[T]) bool {
	if !s.within.Remove(&n.Link) && !s.beyond.Remove(&n.Link) {
		if n.Link.Linked() {
			return false
		}
		s.number(n)
	}
	return s.aside.PushBack(&n.Link)
}

// Aside returns the slot that was set aside first, or nil.
func (s *Set[T]) Aside() *Node[T] {
	if link := s.aside.Front(); link != nil {
		return link.Value
	}
	return nil
}

// IsAside reports whether n was set aside.
func (s *Set[T]) IsAside(n *Node[T]) bool { return n.Link.In(&s.aside) }

// Peek returns the slot to lend next, or nil if none is idle.
func (s *Set[T]) Peek() *Node[T] {
	from := &s.within
	if from.Len() == 0 {
		from = &s.beyond
	}
	link := s.first(from)
	if link == nil {
		return nil
	}
	return link.Value
}

// Remove takes n out of the set. If n is not in this set, it returns false and
// changes nothing.
func (s *Set[T]) Remove(n *Node[T]) bool {
	return s.within.Remove(&n.Link) || s.beyond.Remove(&n.Link) || s.aside.Remove(&n.Link)
}

// Resize makes the slots with an Index of size or more those beyond. Who was
// added before whom stays as it was. It costs O(Len).
func (s *Set[T]) Resize(size int) {
	s.size = size
	// Each node goes once, the oldest first, from the front of its list to the
	// back of the right one; what is left of the old order stands before it.
	within, beyond := s.within.Len(), s.beyond.Len()
	for within+beyond > 0 {
		var link *list.Node[*Node[T]]
		if beyond == 0 || within > 0 && s.within.Front().Value.added < s.beyond.Front().Value.added {
			link = s.within.Front()
			s.within.Remove(link)
			within--
		} else {
			link = s.beyond.Front()
			s.beyond.Remove(link)
			beyond--
		}
		s.home(link.Value).PushBack(link)
	}
}

// All returns the slots in the order in which Peek would. The loop may remove
// the slot it was just given or set it aside, and change nothing else.
func (s *Set[T]) All() iter.Seq[*Node[T]] {
	return func(yield func(*Node[T]) bool) {
		for _, slots := range [...]*list.List[*Node[T]]{&s.within, &s.beyond} {
			for link := s.first(slots); link != nil; {
				next := s.following(link) // link may be gone afterwards
				if !yield(link.Value) {
					return
				}
				link = next
			}
		}
	}
}

// home is the list in which n belongs.
func (s *Set[T]) home(n *Node[T]) *list.List[*Node[T]] {
	if n.Index < s.size {
		return &s.within
	}
	return &s.beyond
}

// first is the one of slots to take first, or nil.
func (s *Set[T]) first(slots *list.List[*Node[T]]) *list.Node[*Node[T]] {
	if s.Oldest {
		return slots.Front()
	}
	return slots.Back()
}

// following is the one to take after link, or nil.
func (s *Set[T]) following(link *list.Node[*Node[T]]) *list.Node[*Node[T]] {
	if s.Oldest {
		return link.Next()
	}
	return link.Prev()
}

// Check returns an error unless the links are whole, Len is right, and every
// slot is on the right side of the size, in the order of age. It ends on any
// damage and costs O(Len).
func (s *Set[T]) Check() error {
	if err := s.check(&s.within); err != nil {
		return fmt.Errorf("idle: in the list within: %w", err)
	}
	if err := s.check(&s.beyond); err != nil {
		return fmt.Errorf("idle: in the list beyond: %w", err)
	}
	if err := s.aside.Check(); err != nil {
		return fmt.Errorf("idle: in the list aside: %w", err)
	}
	return nil
}

func (s *Set[T]) check(slots *list.List[*Node[T]]) error {
	if err := slots.Check(); err != nil {
		return err
	}
	var previous uint64
	for link := range slots.All() {
		n := link.Value
		switch {
		case n == nil || &n.Link != link:
			return errors.New("a copy of a slot")
		case s.home(n) != slots:
			return fmt.Errorf("slot %d is on the wrong side of size %d", n.Index, s.size)
		case n.added <= previous || n.added > s.last:
			return fmt.Errorf("slot %d is not in the order of age", n.Index)
		}
		previous = n.added
	}
	return nil
}
