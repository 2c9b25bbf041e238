package list

// The setters do the damage that Check must notice.

func (n *Node[T]) SetPrev(prev *Node[T])   { n.prev = prev }
func (n *Node[T]) SetNext(next *Node[T])   { n.next = next }
func (n *Node[T]) SetOwner(owner *List[T]) { n.list = owner }
func (l *List[T]) SetFront(front *Node[T]) { l.front = front }
func (l *List[T]) SetBack(back *Node[T])   { l.back = back }
func (l *List[T]) SetLen(count int)        { l.count = count }
