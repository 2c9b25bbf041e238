package protocol_test

// world is a state in the middle of a step, with the means to take it.
type world struct {
	*config
	*state
	fault string // the first that was found
	line  line
}

func (w *world) fail(fault string) {
	if w.fault == "" {
		w.fault = fault
	}
}

// enter begins a critical section of several steps, and unlock ends it.
func (w *world) enter(who int8, at place, slot int8) { w.who, w.at, w.slot = who, at, slot }

func (w *world) unlock() { w.enter(0, unlocked, 0) }

// settleFirst reports whether residents have to be recalled before the critical
// section goes on.
func (w *world) settleFirst(who int8, at place, slot int8) bool {
	if w.in(resident) == 0 {
		return false
	}
	w.enter(who, at, slot)
	return true
}

// settling recalls one resident and reports whether there are more.
func (w *world) settling() bool {
	for i := range int8(mostSlots) {
		if w.slots[i].state == resident {
			w.recall(i)
			break
		}
	}
	return w.in(resident) > 0
}

func (w *world) recall(i int8) {
	s := &w.slots[i]
	if s.state != resident {
		return
	}
	was := s.w()
	s.set(was.Recall())
	s.state = idling
	if was.Leased() && !w.is(blindRecall) {
		s.state, s.lent, s.binding = leased, true, was.Binding()
		if was.Bound() {
			s.done = s.record
		}
	}
}

// limit is the most workers there may be.
func (w *world) limit() int { return int(w.goal + w.overflow) }

// lend begins a lease under the lock.
func (w *world) lend(i, n int8) {
	s := &w.slots[i]
	s.set(s.w().Next())
	s.state, s.lent = leased, true
	cl := &w.clients[n]
	cl.slot, cl.word = i+1, s.word
	if w.of(cl).context {
		s.done = n + 1
	}
	w.watch(s.done)
	w.begun(i, n)
}

// watch wakes the manager if a lease has to be watched.
func (w *world) watch(context int8) {
	if (context != 0 || w.holds) && !w.is(deafManager) {
		w.parked = false
	}
}

// begun and ended note the truth of a lease.
func (w *world) begun(i, n int8) {
	s := &w.slots[i]
	switch {
	case s.holder != 0:
		w.fail("invariant 1: two leases of one worker")
	case s.over || s.made != up || s.state != leased && s.state != resident:
		w.fail("invariant 7: a worker is lent that is not up")
	}
	s.holder = n + 1
}

func (w *world) ended(i, who int8) {
	s := &w.slots[i]
	switch {
	case s.holder == 0:
		w.fail("invariant 14: a lease ends that has ended")
	case who <= mostClients && s.holder != who:
		w.fail("invariant 5: a stale lease ends another")
	}
	s.holder = 0
}

// endLease ends the lease of a worker under the lock.
func (w *world) endLease(i, who int8) {
	s := &w.slots[i]
	if s.state == resident {
		w.fail("invariant 14: a lease ends under the lock while its worker is resident")
	}
	w.ended(i, who)
	s.set(s.w().Next())
	s.lent, s.done, s.waiter, s.offer, s.seen = false, 0, 0, 0, false
	if w.in(leased) == 1 && !w.open() {
		w.called = true
	}
}

// comeBack decides about a worker that is lent no more, or has just started.
func (w *world) comeBack(i int8, used bool) {
	switch {
	case !w.staying(i):
		w.dismiss(i)
	case used && w.reset:
		w.slots[i].state = tending
	default:
		w.rest(i)
	}
}

func (w *world) staying(i int8) bool {
	switch {
	case !w.open():
		return false
	case w.staffed() > w.limit():
		return w.is(noNotice)
	}
	return !(w.hasty && w.surplus() > 0 && w.waitFor(i) == 0)
}

// rest makes the worker idle and serves the waiters.
func (w *world) rest(i int8) {
	s := &w.slots[i]
	if s.state == leased && s.served && w.reside(i) {
		return
	}
	s.state = idling
	if w.waiting() > 0 && !w.is(quietReturn) {
		w.serveWorker(i)
		w.recruit()
	}
	if s.state == idling && w.surplus() > 0 {
		w.lingerLater(i)
	}
}

func (w *world) lingerLater(i int8) {
	switch {
	case w.is(noLinger):
	case !w.hasty:
		w.lingers = true
	case w.queued(0) == 0:
		w.dismiss(i)
	}
}

func (w *world) reside(i int8) bool {
	s := &w.slots[i]
	if w.reset || w.holds && w.parked || !w.open() || w.waiting() > 0 && !w.is(residentBeside) || w.surplus() > 0 ||
		s.binding && !w.is(residentBinding) || w.in(resident) >= int(w.goal) {
		return false
	}
	s.record = 0
	s.set(s.w().Reside(!w.parked))
	s.state = resident
	return true
}
