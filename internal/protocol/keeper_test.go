package protocol_test

// keeperMoves are those of the keeper, which runs the halves as one unit.
func (c *config) keeperMoves(s *state, all []move) []move {
	can := func(st step, enabled bool) {
		if enabled {
			all = append(all, move{st, theKeeper, 0})
		}
	}
	switch {
	case s.phase == stopped:
	case s.halves:
		can(over, s.called || s.died)
	case !s.cleared || s.poisoned:
		can(withdraw, true)
	default:
		can(begin, s.phase == restarting || c.is(stopLost))
		can(stop, s.phase == draining && (s.called || s.stirred))
	}
	return all
}

func (w *world) keeper(m move) {
	switch m.step {
	case over:
		w.called = false
		if w.died || w.poisoned || w.phase == restarting && (w.forced || w.in(leased) == 0) || w.phase == draining && w.empty() {
			w.halves, w.cleared = false, false
		}
	case withdraw:
		w.clear()
	case begin:
		w.phase, w.forced, w.halves, w.stirred = running, false, true, true
	case stop:
		w.called, w.stirred = false, false
		if w.empty() {
			w.phase = stopped
		}
	}
}

func (w *world) empty() bool { return w.in(vacant) == mostSlots }

// clear takes one slot after another from the old epoch, and rebuilds the state.
func (w *world) clear() {
	if w.phase == running {
		w.phase = restarting
	}
	if w.at == unlocked {
		w.enter(theKeeper, clearing, 0)
	}
	i := w.slot
	w.slot++
	if s := &w.slots[i]; s.state != vacant && !w.is(spared) {
		w.recall(i)
		if s.lent && !w.is(oldLeases) {
			if w.takeBack(i) && w.phase < draining {
				w.putBack(i)
			}
			w.endLease(i, theKeeper)
		}
		s.set(s.w().Next())
	}
	if w.slot == mostSlots {
		w.unlock()
		w.rebuild()
	}
}

func (w *world) rebuild() {
	for i := range int8(mostSlots) {
		s := &w.slots[i]
		switch {
		case s.state == vacant:
		case s.made == decided && !w.is(lostStart):
			w.finish(i)
			*s = slot{}
		case s.made == up:
			w.finish(i)
			s.state = stopping
		default:
			w.finish(i)
		}
	}
	if w.phase == draining {
		w.dismissWaiters()
	}
	w.poisoned, w.died, w.cleared, w.parked, w.lingers, w.called = false, false, true, true, false, true
}
