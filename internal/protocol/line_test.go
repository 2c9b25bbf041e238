package protocol_test

import "github.com/pooltender/pool/internal/queue"

// serve gives the idle workers to those who wait.
func (w *world) serve() {
	for i := range int8(mostSlots) {
		if w.slots[i].state == idling && w.waitFor(i) > 0 {
			w.serveWorker(i)
		}
	}
	w.recruit()
}

func (w *world) serveWorker(i int8) {
	if !w.open() {
		return
	}
	for w.waitFor(i) > 0 {
		n := w.nextWaiter(i)
		if w.clients[n].ended {
			w.clients[n].queued = false // it finds out by itself
			continue
		}
		w.serveNext(i, n)
		w.lend(i, n)
		w.slots[i].waiter, w.slots[i].offer = n+1, w.offer(n)
		w.clients[n].failed = false
		if w.is(earlyWake) {
			w.clients[n].offer, w.clients[n].token = 0, true
		}
		return
	}
}

// offer makes what the waiter is given stand, and the waiter be woken when the
// lock is free.
func (w *world) offer(n int8) uint8 {
	cl := &w.clients[n]
	w.offers++
	cl.offer = w.offers
	if cl.poked {
		cl.token = true
	}
	cl.poked = true
	return w.offers
}

// turnAway ends the waiting of a waiter that is out of the queue.
func (w *world) turnAway(n int8) {
	w.clients[n].failed = true
	w.offer(n)
	if w.is(sleepyRefusal) {
		w.clients[n].poked = false
	}
}

// takeBack takes back an offer that nobody has accepted yet.
func (w *world) takeBack(i int8) bool {
	s := &w.slots[i]
	if s.waiter == 0 || w.is(keptOffer) {
		return false
	}
	cl := &w.clients[s.waiter-1]
	if cl.offer != s.offer && !w.is(blindTakeBack) {
		return false
	}
	cl.offer, cl.slot, cl.word = 0, 0, 0
	if w.phase >= draining {
		w.turnAway(s.waiter - 1)
	}
	return true
}

// putBack gives the waiter its place again.
func (w *world) putBack(i int8) {
	n := w.slots[i].waiter - 1
	if w.is(backToTail) {
		w.push(n)
	} else {
		w.restore(n)
	}
}

func (w *world) dismissWaiters() {
	for n := range int8(mostClients) {
		if cl := &w.clients[n]; cl.queued && !w.is(keptWaiters) {
			cl.queued = false
			w.turnAway(n)
		}
	}
}

// line is the queue as the library has it, made anew when it is needed.
type line struct {
	queue  queue.Queue[int8]
	beside *queue.Queue[int8]
	nodes  [mostClients]queue.Node[int8]
}

// arrange makes the queue that the state says: whoever has a ticket has had it
// from Push, in their order, and who is not queued has left.
func (w *world) arrange() *line {
	l := &w.line
	*l = line{}
	l.beside = queue.Beside(&l.queue)
	if w.passed > 0 {
		var low queue.Node[int8]
		l.queue.Push(&low)
		for range w.passed {
			high := queue.Node[int8]{Class: 1}
			l.queue.Push(&high)
			l.queue.Serve(&high, nil)
		}
		l.queue.Remove(&low)
	}
	for ticket := uint8(1); ticket <= mostClients; ticket++ {
		for n := range w.clients {
			if w.clients[n].ticket == ticket {
				l.nodes[n].Value, l.nodes[n].Class = int8(n), w.of(&w.clients[n]).class
				w.lineOf(int8(n)).Push(&l.nodes[n])
			}
		}
	}
	for n := range w.clients {
		if !w.clients[n].queued {
			w.lineOf(int8(n)).Remove(&l.nodes[n])
		}
	}
	return l
}

// rank numbers the tickets anew, in the order that the queue has.
func (w *world) rank(l *line) {
	for n := range w.clients {
		w.clients[n].ticket = 0
		if t := l.nodes[n].Ticket(); t != 0 {
			w.clients[n].ticket = 1
			for other := range l.nodes {
				if o := l.nodes[other].Ticket(); o != 0 && o < t {
					w.clients[n].ticket++
				}
			}
		}
	}
}

// lineOf is where a client stands, and besides the line of a slot.
func (w *world) lineOf(n int8) *queue.Queue[int8] {
	if w.clients[n].beside > 0 {
		return w.line.beside
	}
	return &w.line.queue
}

func (w *world) besides(i int8) *queue.Queue[int8] {
	if i == 0 {
		return w.line.beside
	}
	return nil
}

func (w *world) push(n int8) {
	l := w.arrange()
	l.nodes[n].Value, l.nodes[n].Class = n, w.of(&w.clients[n]).class
	w.lineOf(n).Push(&l.nodes[n])
	w.clients[n].queued = true
	w.rank(l)
}

func (w *world) restore(n int8) {
	l := w.arrange()
	w.lineOf(n).Restore(&l.nodes[n])
	w.clients[n].queued = true
	w.rank(l)
}

func (w *world) nextWaiter(i int8) int8 {
	l := w.arrange()
	if w.is(lastFirst) {
		for n := range l.queue.Latest(0) {
			return n.Value
		}
	}
	if w.is(noAging) {
		for class := range 2 {
			for n := range l.queue.Class(1 - class) {
				return n.Value
			}
		}
	}
	return l.queue.Next(w.besides(i)).Value
}

// serveNext takes out the waiter whose turn it is, and checks that it is.
func (w *world) serveNext(slot, n int8) {
	l := w.arrange()
	l.queue.Serve(&l.nodes[n], w.besides(slot))
	w.clients[n].queued = false
	if w.clients[n].over {
		w.fail("a client is lent another worker than it asked for")
	}
	class := w.of(&w.clients[n]).class
	passes := false
	for i := range w.clients {
		other := &w.clients[i]
		switch {
		case !other.queued, other.beside > 0 && other.beside != slot+1:
		case w.of(other).class == class && other.came < w.clients[n].came && !other.ended:
			w.fail("invariant 9: a waiter is served before one who came first")
		case w.of(other).class < class:
			passes = true
		}
	}
	switch {
	case passes && w.passed >= queue.Passes:
		w.fail("invariant 9: a waiter is passed over too often")
	case passes:
		w.passed++
	default:
		w.passed = 0
	}
}
