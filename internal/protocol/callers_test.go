package protocol_test

// callerMoves are those of who resizes, restarts or stops the pool.
func (c *config) callerMoves(s *state, all []move) []move {
	can := func(st step, arg int8, enabled bool) {
		if enabled && !s.poisoned {
			all = append(all, move{st, aCaller, arg})
		}
	}
	for i := range c.goals {
		can(resize, int8(i), s.resizes > 0 && s.phase < draining && c.goals[i] != s.goal)
	}
	can(drain, 0, s.stops > 0 && s.phase < draining)
	can(force, 0, s.forces > 0 && !s.forced && (s.phase == draining || s.phase == restarting && s.halves))
	can(restart, 0, s.restarts > 0 && s.phase == running)
	return all
}

func (w *world) caller(m move) {
	switch m.step {
	case resize:
		w.resizes--
		w.word = uint16(w.goals[m.arg])
		if w.is(unsettledResize) || !w.settleFirst(aCaller, resizing, 0) {
			w.resizeNow()
		}
	case drain:
		w.stops--
		if !w.settleFirst(aCaller, drainingAll, 0) {
			w.drainNow()
		}
	case restart:
		w.restarts--
		if !w.settleFirst(aCaller, restartingAll, 0) {
			w.restartNow()
		}
	case force:
		w.forces--
		w.force()
	}
}

// resizeNow sets the goal. What is surplus ends at once if it is idle, else when it
// comes back.
func (w *world) resizeNow() {
	w.goal, w.word = uint8(w.word), 0
	w.most = uint8(w.occupied())
	for i := int8(mostSlots - 1); i >= 0; i-- {
		if s := &w.slots[i]; w.staffed() > w.limit() && (s.state == idling || s.state == starting) {
			w.tell(i)
		}
	}
	w.assess()
	for i := int8(mostSlots - 1); i >= 0 && w.surplus() > 0; i-- {
		if w.slots[i].state == idling {
			w.lingerLater(i)
		}
	}
	w.serve()
	w.stirred = true
}

func (w *world) drainNow() {
	w.phase, w.forced = draining, false
	w.dismissWaiters()
	w.tellAll()
	w.called, w.stirred = true, true
}

func (w *world) restartNow() {
	w.phase, w.forced = restarting, false
	w.tellAll()
	w.called = true
}

func (w *world) tellAll() {
	for i := int8(mostSlots - 1); i >= 0; i-- {
		if w.slots[i].state != leased {
			w.tell(i)
		}
	}
}

// force revokes what leases there are left when a Stop runs out of patience; those
// that a Restart does not wait for the keeper ends.
func (w *world) force() {
	w.forced, w.called = true, true
	if w.phase == restarting {
		return
	}
	for i := int8(mostSlots - 1); i >= 0; i-- {
		if w.slots[i].state == leased {
			w.takeBack(i)
			w.endLease(i, aCaller)
			w.tell(i)
		}
	}
}
