package queue

// The setters do the damage that Check must notice.

func (n *Node[T]) SetTicket(ticket uint64) { n.ticket = ticket }
func (q *Queue[T]) ForgetHead()            { q.classes[0].Front().Value = nil }
func (q *Queue[T]) Miscount()              { q.count++ }
