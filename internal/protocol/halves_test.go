package protocol_test

import "slices"

// The points at which a half can be killed with the lock held, beside those where
// it has changed nothing.
const (
	atAnyTime int8 = iota // with the lock held, nothing changed yet
	atRest                // without the lock
	atRevoke              // a lease revoked, its worker not yet told
	atRetire              // a surplus worker out of the idle set, not yet told
	atStart               // a slot marked as starting, nothing started yet
	atStarted             // a start under way, not yet counted
)

// halfMoves are those of the manager and of the worker supervisor. The clock goes
// as it likes: what is due may be done at any time, or late.
func (c *config) halfMoves(s *state, all []move) []move {
	can := func(st step, arg int8, enabled bool) {
		if enabled {
			all = append(all, move{st, aHalf, arg})
		}
	}
	dies := s.kills > 0 && s.halves && !s.died
	can(kill, atAnyTime, dies && !s.poisoned)
	can(kill, atRest, dies)
	if s.poisoned {
		return all
	}
	can(start, 0, s.stirred && s.open())
	can(kill, atStart, dies && s.stirred && s.open() && c.starts(s))
	can(kill, atStarted, dies && s.stirred && s.open() && c.starts(s))
	if !s.halves || s.died {
		return all
	}
	for i := range int8(mostSlots) {
		w := &s.slots[i]
		gone := w.done != 0 && s.clients[w.done-1].ended
		if !s.parked || s.waiting() > 0 {
			can(sweep, i, c.glances(s, w))
			can(reclaim, i, w.state == leased && w.lent && (gone || c.holds && s.lates > 0))
			can(kill, atRevoke+i<<4, dies && w.state == leased && w.lent && gone && w.seen)
		}
	}
	idle := s.lingers && s.queued(0) == 0 && s.surplus() > 0 && s.in(idling) > 0
	can(linger, 0, s.lingers && (s.surplus() == 0 || s.queued(0) == 0))
	can(kill, atRetire, dies && idle)
	can(park, 0, c.watches() && !s.parked && s.waiting() == 0 && s.count(c.tracked) == 0)
	return all
}

// watches reports whether the manager has anything to look for.
func (c *config) watches() bool {
	return c.holds || slices.ContainsFunc(c.kinds, func(k kind) bool { return k.context })
}

// glances reports whether the manager has to look at a resident: its client is
// gone, or it is to be told from one that has just begun.
func (c *config) glances(s *state, w *slot) bool {
	if c.holds {
		return w.state == resident && w.w().Leased()
	}
	return w.state == resident && w.w().Bound() && w.record != 0 && (c.sighting || s.clients[w.record-1].ended)
}

func (c *config) tracked(s *slot) bool { return s.lent && (s.done != 0 || c.holds) }

func (c *config) starts(s *state) bool {
	w := world{config: c, state: s}
	return w.wanted() > 0
}

// half takes a step of the manager or the worker supervisor.
func (w *world) half(m move) {
	i := m.arg
	switch m.step {
	case start:
		w.supervise(0)
	case sweep:
		w.word = w.slots[i].word
		w.enter(aHalf, sweeping, i)
		if w.holds {
			w.at = watching
		}
	case reclaim:
		w.look(i)
	case linger:
		w.retireSurplus(false)
	case park:
		if !w.settleFirst(aHalf, parking, 0) {
			w.parkNow()
		}
	case kill:
		w.kills--
		switch i & 15 {
		case atAnyTime:
			w.poison()
		case atRest:
			w.died = true
		case atRevoke:
			w.doomed = true
			w.look(i >> 4)
		case atRetire:
			w.retireSurplus(true)
		default:
			w.supervise(i)
		}
	}
}

func (w *world) poison() {
	w.poisoned, w.called, w.doomed = true, true, false
	w.unlock()
}

// supervise starts the workers that are wanted.
func (w *world) supervise(point int8) {
	w.stirred = false
	w.rehome()
	base, extra := w.openings()
	for i := range int8(w.limit()) {
		if w.slots[i].state != vacant {
			continue
		}
		switch {
		case i < int8(w.goal) && base > 0:
			base--
		case extra > 0 && w.queued(0) > w.permits():
			extra--
		default:
			continue
		}
		w.launch(i)
		if point != 0 {
			if point == atStart {
				w.slots[i].made = decided
			}
			w.poison()
			return
		}
	}
}

// rehome refuses those who wait for a worker that is over.
func (w *world) rehome() {
	for n := range int8(mostClients) {
		if cl := &w.clients[n]; cl.queued && cl.over && !w.is(loyalty) {
			cl.queued = false
			w.turnAway(n)
		}
	}
}

func (w *world) launch(i int8) {
	w.slots[i] = slot{state: starting, made: launched}
	if w.occupied() > w.limit() {
		w.fail("invariant 3: a worker is started that there is no room for")
	}
}

// manager goes on with a critical section of the manager.
func (w *world) manager() {
	i := w.slot
	s := &w.slots[i]
	switch w.at {
	case sweeping:
		w.at = watching
		if s.word != w.word && !w.is(oneGlance) {
			w.unlock()
			w.word = 0
		}
	case watching:
		w.word = 0
		w.unlock()
		w.recall(i)
		if w.is(oneGlance) && s.lent {
			w.slots[i].seen = true
		}
		w.look(i)
	case parking:
		if w.settling() {
			return
		}
		w.unlock()
		w.parkNow()
	}
}

func (w *world) parkNow() { w.parked = w.count(w.tracked) == 0 || w.is(blindPark) }

// look judges one lease that is under the lock.
func (w *world) look(i int8) {
	s := &w.slots[i]
	switch {
	case !w.tracked(s):
		return
	case w.lates > 0:
		w.lates--
		w.revoke(i)
		return
	case s.done == 0:
		return
	case !w.clients[s.done-1].ended && !(w.is(oneGlance) && s.seen):
		return
	case !s.seen:
		s.seen = true
		return
	}
	if h := s.holder; h != 0 && !w.clients[h-1].ended {
		w.fail("a lease is revoked whose client is there")
	}
	w.revoke(i)
}

// revoke ends a lease on the initiative of the manager.
func (w *world) revoke(i int8) {
	unused := w.takeBack(i)
	if unused && w.phase < draining {
		if w.settleFirst(aHalf, takingBack, i) {
			return
		}
		w.servedAgain(i)
	}
	w.reclaimed(i, unused)
}

func (w *world) reclaimed(i int8, unused bool) {
	w.endLease(i, aHalf)
	switch {
	case w.doomed:
		w.poison()
	case unused:
		w.comeBack(i, false)
	case w.reuse:
		w.comeBack(i, true)
	default:
		w.dismiss(i)
	}
}

// retireSurplus ends surplus workers that are idle, the highest slot first.
func (w *world) retireSurplus(dies bool) {
	w.lingers = false
	for i := int8(mostSlots - 1); i >= 0 && w.surplus() > 0; i-- {
		if w.slots[i].state != idling {
			continue
		}
		if dies {
			w.poison()
			return
		}
		w.dismiss(i)
	}
}
