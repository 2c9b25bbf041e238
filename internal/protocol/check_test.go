package protocol_test

// check looks at what must hold in every state, while nobody has the lock and the
// state is sound.
func (w *world) check() {
	for n := range w.clients {
		cl := &w.clients[n]
		if cl.queued && cl.offer != 0 {
			w.fail("invariant 6: a waiter has an offer and its place in the queue")
		}
		if cl.queued && cl.at != asleep && cl.at != atRead && cl.at != atAccept {
			w.fail("invariant 6: a client has its place in the queue and does not wait")
		}
	}
	if w.stops < w.from.stops && w.phase < draining && w.who == 0 {
		w.fail("invariant 12: a Stop is lost")
	}
	if w.who != 0 || w.poisoned {
		return
	}
	for i := range w.slots {
		s := &w.slots[i]
		switch {
		case (s.state == resident) != s.w().Resident():
			w.fail("invariant 2: a worker and its word differ in where it is")
		case s.lent != (s.state == leased):
			w.fail("invariant 14: a worker is leased and not lent, or lent and not leased")
		case (s.holder != 0) != (s.lent || s.state == resident && s.w().Leased()):
			w.fail("invariant 14: a lease is nobody's, or a client's alone")
		case s.holder != 0 && !w.has(s.holder-1, i):
			w.fail("invariant 6: a worker is lent to nobody")
		case s.holder != 0 && s.over:
			w.fail("invariant 7: a worker that is over is lent")
		case s.holder != 0:
			w.checkWatched(s)
		}
		if w.open() && s.state == idling && w.waitFor(int8(i)) > 0 {
			w.fail("invariant 8: a waiter sleeps beside an idle worker")
		}
		if s.state == resident && (w.waiting() > 0 || !w.open() || w.surplus() > 0) {
			w.fail("invariant 9: a worker is resident that the pool must not lend without the lock")
		}
	}
	if w.open() && w.staffed() > w.limit() && w.in(idling)+w.in(resident) > 0 {
		w.fail("invariant 3: a worker stays that came back after a Resize down")
	}
	if w.occupied() > max(w.limit(), int(w.most)) {
		w.fail("invariant 3: there are too many workers")
	}
}

// has reports whether a lease is in the hands of its client, or under way to it.
func (w *world) has(n int8, i int) bool {
	cl := &w.clients[n]
	if int(cl.slot) != i+1 || !cl.w().Same(w.slots[i].w()) {
		return false
	}
	switch cl.at {
	case atRecord, atBind, atMend, atHold, atEnd, vanished:
		return true
	case asleep, atRead, atAccept:
		return cl.offer != 0 || w.is(earlyWake) && cl.poked
	}
	return false
}

// checkWatched is for the lease of a client with a context: when that ends, the
// manager must find it.
func (w *world) checkWatched(s *slot) {
	cl := &w.clients[s.holder-1]
	if !w.of(cl).context || cl.at == atRecord || cl.at == atBind || cl.at == atMend {
		return
	}
	switch {
	case s.state == leased && s.done != s.holder, s.state == resident && (!s.w().Bound() || s.record != s.holder):
		w.fail("the manager does not find the context of a lease")
	case w.parked && w.halves:
		w.fail("the manager is parked though a lease has to be watched")
	}
}

// checkEnd judges a state from which nothing goes on.
func (w *world) checkEnd() {
	switch {
	case w.who != 0:
		w.fail("the lock is never free again")
	case w.poisoned:
		w.fail("a poisoned state is never healed")
	case w.phase == draining:
		w.fail("invariant 12: Stop does not come to an end")
	case w.phase == restarting:
		w.fail("a restart does not come to an end")
	}
	for i := range w.slots {
		s := &w.slots[i]
		switch {
		case w.phase == stopped && s.state != vacant:
			w.fail("invariant 12: a worker survives its pool")
		case s.holder != 0 || s.lent:
			w.fail("invariant 6: a worker is lent for ever")
		case s.state != vacant && s.state != idling && s.state != resident:
			w.fail("invariant 2: a slot stays as it is for ever")
		case w.phase == running && i < int(w.goal) && w.live() < int(w.goal):
			w.fail("invariant 4: a worker that is wanted is never replaced")
		}
	}
	if w.phase == running && w.surplus() > 0 {
		w.fail("invariant 4: a surplus worker stays for ever")
	}
	for n := range w.crowd {
		if at := w.clients[n].at; at != done && at != vanished {
			w.fail("invariant 8: a client waits for ever")
		}
	}
}
