package word_test

import "slices"

// A move is one of the steps that may come next.
type move struct {
	what string
	who  int8
	take func(c *config, s *state)
}

// moves are all of them, in this state.
func (c *config) moves(s *state) (all []move) {
	var who int8
	can := func(what string, take func(c *config, s *state)) { all = append(all, move{what, who, take}) }
	for n := range c.contexts {
		who = int8(n)
		c.clientMoves(s, int8(n), can)
	}
	c.managerMoves(s, can)
	if s.lock != 0 {
		return all
	}
	if s.crashes > 0 {
		for i := range int8(workers) {
			if who = i; !s.workers[i].dead {
				can("worker crashes", func(c *config, s *state) {
					s.crashes--
					c.recall(s, i)
					w := &s.workers[i]
					w.word, w.held, w.dead = w.word.Next(), false, true
				})
			}
		}
	}
	if s.restarts > 0 { // as if the same workers went on
		can("the epoch changes", func(c *config, s *state) {
			s.restarts--
			s.parked, s.manager.at = true, 0
			for i := range s.workers {
				c.recall(s, int8(i))
				w := &s.workers[i]
				w.word, w.held, w.done = w.word.Next(), false, 0
				if !w.dead && s.queue[0] != 0 {
					c.comeBack(s, int8(i))
				}
			}
		})
	}
	if s.endings > 0 {
		for context := int8(1); context < most; context++ {
			if who = context; !s.ended[context] && slices.Contains(c.contexts, context) {
				can("context ends", func(c *config, s *state) {
					s.endings--
					s.ended[context] = true
				})
			}
		}
	}
	return all
}

// clientMoves are those of one client: one, or two where it may be cancelled.
func (c *config) clientMoves(s *state, n int8, can func(string, func(*config, *state))) {
	cl := &s.clients[n]
	free, mine := s.lock == 0, s.lock == n+1
	what := places[cl.at]
	switch cl.at {
	case gone:
	case atRest: // the thief
		if s.clients[0].at == holding && !s.clients[0].again && !s.stolen {
			can(what, func(c *config, s *state) {
				s.stolen = true
				s.clients[n].worker, s.clients[n].word = s.clients[0].worker, s.clients[0].word
				s.clients[n].at = atEnd
			})
		}
	case asleep:
		if cl.offered {
			can(what, func(c *config, s *state) { s.clients[n].offered, s.clients[n].at = false, holding })
		}
		if s.cancels > 0 {
			can("is cancelled", func(c *config, s *state) { s.cancels--; s.clients[n].at = atLeave })
		}
	case atMend, atLock, atLeave, atEnd:
		if free {
			can(what, func(c *config, s *state) { c.locked(s, n) })
		}
	case atTake, atGrab, atSettle, atRecall:
		if mine {
			can(what, func(c *config, s *state) { c.locked(s, n) })
		}
	default:
		can(what, func(c *config, s *state) { c.unlocked(s, n) })
	}
}

// swap is a compare-and-swap.
func (s *state) swap(i int8, from, to wordOf) bool {
	if s.workers[i].word != from {
		return false
	}
	s.workers[i].word = to
	return true
}

// unlocked is a step of a client without the lock.
func (c *config) unlocked(s *state, n int8) {
	cl, context := &s.clients[n], c.contexts[n]
	w := &s.workers[min(cl.i, workers-1)]
	onward := func() {
		cl.at = atLook
		if cl.i++; cl.i == workers {
			cl.at = atLock
		}
	}
	claimed := func(word wordOf, at place) {
		if w.dead {
			panic(violation("invariant 7: a dead worker is claimed"))
		}
		w.begun++
		cl.worker, cl.word, cl.at = cl.i, word, at
	}
	switch cl.at {
	case atLook:
		cl.word = w.word
		switch {
		case context == 0 && cl.word.Free():
			cl.at = atClaim
		case context != 0 && c.freeToBind(cl.word):
			cl.at = atRead
		default:
			onward()
		}
	case atRead:
		cl.same, cl.at = w.record == context, atClaim
		if c.early && !cl.same {
			w.record = context
		}
	case atClaim:
		from := cl.word
		switch {
		case context == 0 && s.swap(cl.i, from, c.claim(from)):
			claimed(c.claim(from), holding)
		case context != 0 && cl.same && s.swap(cl.i, from, c.bound(from)):
			claimed(c.bound(from), holding)
		case context != 0 && !cl.same && s.swap(cl.i, from, c.protocol.binding(from)):
			claimed(c.protocol.binding(from), atWrite)
		default:
			onward()
		}
	case atWrite:
		s.workers[cl.worker].record, cl.at = context, atBind
	case atBind:
		cl.at = atMend
		if to := c.bind(cl.word); s.swap(cl.worker, cl.word, to) {
			cl.word, cl.at = to, holding
		}
	case holding:
		if !cl.word.Resident() || !s.swap(cl.worker, cl.word, c.release(cl.word)) {
			cl.at = atEnd
			return
		}
		if cl.again {
			panic(violation("invariant 5: a lease ends twice, without the lock"))
		}
		cl.checkedIn()
	}
}

func (cl *client) checkedIn() {
	if !cl.again {
		cl.again, cl.at = true, holding
		return
	}
	cl.again, cl.at, cl.i = false, atLook, 0
	if cl.trips--; cl.trips <= 0 {
		*cl = client{at: gone}
	}
}

// locked is a step of a client that has the lock, or takes it.
func (c *config) locked(s *state, n int8) {
	cl := &s.clients[n]
	s.lock = n + 1
	lent := func() bool {
		for i := range int8(workers) {
			if s.workers[i].idle() {
				cl.worker, cl.word, cl.at = i, c.lend(s, i, n), holding
				s.lock = 0
				return true
			}
		}
		return false
	}
	switch cl.at {
	case atMend:
		w := &s.workers[cl.worker]
		w.binding = false
		cl.at = atLock
		if w.word.Same(cl.word) || c.careless {
			cl.word, cl.at = cl.word.Recall(), holding
			w.done = c.contexts[n]
			if !c.deaf {
				c.watch(s, w.done)
			}
		}
		s.lock = 0
	case atLock:
		if s.queue[0] != 0 {
			c.enqueue(s, n)
			cl.at, s.lock = asleep, 0
		} else if !lent() {
			cl.at, cl.i = atTake, 0
		}
	case atTake:
		if cl.i == workers {
			cl.at, cl.i = atSettle, 0
		} else if w := &s.workers[cl.i]; w.resident && w.word.Free() {
			cl.at = atGrab
		} else {
			cl.i++
		}
	case atGrab:
		c.recall(s, cl.i)
		if !lent() {
			cl.at = atTake
			cl.i++
		}
	case atSettle:
		if cl.i < workers {
			if !c.noSettle {
				c.recall(s, cl.i)
			}
			cl.i++
		} else if !lent() {
			c.enqueue(s, n)
			cl.at, s.lock = asleep, 0
		}
	case atLeave:
		switch {
		case cl.waits:
			for i, k := 0, 0; i < most; i++ {
				who := s.queue[i]
				s.queue[i] = 0
				if who != 0 && who != n+1 {
					s.queue[k], k = who, k+1
				}
			}
		case cl.offered && s.workers[cl.worker].word.Same(cl.word):
			s.workers[cl.worker].begun--
			s.workers[cl.worker].counted--
			c.end(s, cl.worker)
		}
		*cl = client{at: gone}
		s.lock = 0
	case atEnd, atRecall:
		c.endUnderLock(s, n)
	}
}

func (c *config) endUnderLock(s *state, n int8) {
	cl := &s.clients[n]
	w := &s.workers[cl.worker]
	live := w.word.Same(cl.word)
	if cl.at == atEnd && live && w.resident {
		cl.at = atRecall
		return
	}
	if cl.at == atRecall {
		c.recall(s, cl.worker)
		if live = w.word.Same(cl.word); !live && c.blind {
			panic(violation("invariant 14: a lease ends that has ended before"))
		}
	}
	if live {
		if cl.again {
			panic(violation("invariant 5: a lease ends twice"))
		}
		c.end(s, cl.worker)
	}
	s.lock = 0
	cl.checkedIn()
}
