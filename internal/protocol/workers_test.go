package protocol_test

// workerMoves are those of the goroutines of a worker: what it reports.
func (c *config) workerMoves(s *state, i int8, all []move) []move {
	w := &s.slots[i]
	if s.poisoned {
		return all
	}
	can := func(st step, enabled bool) {
		if enabled {
			all = append(all, move{st, aWorker, i})
		}
	}
	can(started, w.state == starting && w.made == launched)
	can(failed, w.state == starting && w.made == launched && !w.over && s.failures > 0)
	can(crash, w.live() && s.crashes > 0)
	can(tended, w.state == tending)
	can(gone, w.state == stopping)
	return all
}

// worker takes a step of a worker.
func (w *world) worker(m move) {
	i := m.arg
	s := &w.slots[i]
	switch m.step {
	case started:
		s.made = up
		if s.over && !w.is(lateAdoption) { // too late
			s.state = stopping
			return
		}
		w.comeBack(i, false)
		w.stirred = true
	case failed:
		w.failures--
		w.vacate(i)
	case tended:
		w.comeBack(i, false)
	case gone:
		w.vacate(i)
	case crash:
		w.crashes--
		w.crash(i)
	}
}

// crash marks a live worker as dead.
func (w *world) crash(i int8) {
	s := &w.slots[i]
	if !w.is(unseenCrash) {
		w.recall(i)
	}
	if s.lent && w.takeBack(i) && w.phase < draining {
		if !w.is(unsettledReturn) && w.settleFirst(aWorker, takingBack, i) {
			return
		}
		w.servedAgain(i)
	}
	w.crashed(i)
}

func (w *world) servedAgain(i int8) {
	w.putBack(i)
	w.serve()
}

func (w *world) crashed(i int8) {
	if w.slots[i].lent {
		w.endLease(i, aWorker)
	}
	w.finish(i)
	w.slots[i].state = stopping
	w.assess()
	if w.is(twoReplacements) {
		for other := range int8(mostSlots) {
			if w.slots[other].state == vacant {
				w.launch(other)
				break
			}
		}
	}
}

func (w *world) recruit() {
	if w.in(vacant) > 0 && w.wanted() > 0 {
		w.stirred = true
	}
}

// wanted counts the starts that should begin now.
func (w *world) wanted() int {
	if !w.open() {
		return 0
	}
	base, room := w.openings()
	return base + max(0, min(w.queued(0)-w.permits()-base, room))
}

func (w *world) openings() (base, room int) {
	down, occupied := 0, w.occupied()
	for i := range int(w.goal) {
		if w.slots[i].state == vacant {
			down++
		}
	}
	if w.is(greedyGrowth) {
		occupied -= w.in(stopping)
	}
	free := max(0, w.limit()-occupied)
	base = max(0, min(int(w.goal)-w.staffed(), down, free))
	return base, free - base
}

// dismiss tells a live worker to end.
func (w *world) dismiss(i int8) {
	w.finish(i)
	w.slots[i].state = stopping
	w.assess()
}

// finish is the point of no return of a worker.
func (w *world) finish(i int8) {
	w.slots[i].over, w.stirred = true, true
	for n := range w.clients {
		if i == 0 && w.of(&w.clients[n]).pin {
			w.clients[n].over = true
		}
	}
}

// tell makes whatever worker there is end that is not leased.
func (w *world) tell(i int8) {
	s := &w.slots[i]
	switch {
	case s.state == vacant || s.over:
	case s.state == starting:
		w.finish(i)
	default:
		w.dismiss(i)
	}
}

func (w *world) assess() {
	if w.surplus() == 0 {
		w.lingers = false
	}
}

// vacate empties a slot whose worker is no more.
func (w *world) vacate(i int8) {
	s := &w.slots[i]
	switch {
	case s.holder != 0 || s.lent:
		w.fail("invariant 14: a lease outlives its worker")
	case s.w().Resident():
		w.fail("invariant 7: a worker that is no more can be claimed")
	}
	for n := range w.clients {
		if cl := &w.clients[n]; cl.slot == i+1 {
			cl.slot, cl.word = 0, 0
		}
	}
	*s = slot{}
	w.stirred = w.stirred || !w.is(noReplacement)
	w.called = w.called || !w.is(deafKeeper)
}
