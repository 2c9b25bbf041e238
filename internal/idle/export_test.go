package idle

// The setters do the damage that Check must notice.

func (n *Node[T]) SetAge(added uint64)    { n.added = added }
func (n *Node[T]) Age() uint64            { return n.added }
func (s *Set[T]) Misplace(n *Node[T])     { s.Remove(n); s.beyond.PushBack(&n.Link) }
func (n *Node[T]) PointTo(other *Node[T]) { n.Link.Value = other }

// Take removes the slot to lend next and returns it, or nil if none is idle.
func (s *Set[T]) Take() *Node[T] {
	n := s.Peek()
	if n != nil {
		s.Remove(n)
	}
	return n
}
