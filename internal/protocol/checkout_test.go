package protocol_test

// take lends an idle worker, looks for one among the residents, or queues.
func (w *world) take(n int8) {
	cl := &w.clients[n]
	switch {
	case cl.ended:
		cl.at = atRefusal
	case !w.open():
		w.without(n)
	case w.of(cl).pin:
		if !w.lendPinned(n) {
			w.without(n)
		}
	case w.queued(0) > 0:
		w.queueUp(n)
	case w.lendIdle(n):
	case w.in(resident) > 0:
		w.enter(n+1, choosing, 0)
	default:
		w.queueUp(n)
	}
}

func (w *world) join(n int8) {
	switch {
	case w.phase >= draining:
		w.clients[n].at = atRefusal
	case w.of(&w.clients[n]).pin:
		w.joinLine(n)
	case !w.open() || w.queued(0) > 0:
		w.enqueue(n)
	case w.lendIdle(n):
	case w.in(resident) > 0:
		w.enter(n+1, choosing, 0)
	default:
		w.queueUp(n)
	}
}

// lendPinned lends the worker that the client asks for, if it is idle.
func (w *world) lendPinned(n int8) bool {
	if w.clients[n].over {
		return false
	}
	w.recall(0)
	if w.slots[0].state != idling {
		return false
	}
	w.lend(0, n)
	w.clients[n].at = atHold
	return true
}

// joinLine is join for who waits for one worker.
func (w *world) joinLine(n int8) {
	switch {
	case w.open() && w.lendPinned(n):
	case w.clients[n].over:
		w.clients[n].at = atRefusal
	case w.settleFirst(n+1, emptying, 0):
	default:
		w.enqueue(n)
	}
}

// queueUp is where no worker was found, in the same critical section.
func (w *world) queueUp(n int8) {
	if w.clients[n].at != atJoin && (w.of(&w.clients[n]).try || w.live() == 0) {
		w.without(n)
		return
	}
	w.enqueue(n)
}

// without ends a critical section that has brought nothing.
func (w *world) without(n int8) {
	cl := &w.clients[n]
	cl.at = atJoin
	if w.of(cl).try {
		cl.at = atRefusal
		if w.open() && !w.of(cl).pin && w.count((*slot).free)+w.in(idling) > 0 {
			w.fail("TryCheckout says ErrFull beside an idle worker")
		}
	}
}

// searching goes on with a critical section in which a client looks for a worker.
func (w *world) searching(n int8) {
	s := w.state
	switch s.at {
	case choosing:
		for s.slot < mostSlots && s.slots[s.slot].state != resident {
			s.slot++
		}
		switch {
		case s.slot == mostSlots:
			s.at, s.slot = emptying, 0
			if w.is(hastyFull) && w.of(&w.clients[n]).try || w.is(unsettledQueue) {
				w.unlock()
				w.queueUp(n)
			}
		case s.slots[s.slot].free():
			s.at = grabbing
		default:
			s.slot++
		}
	case grabbing:
		w.recall(s.slot)
		s.at = choosing
		s.slot++
		if w.lendIdle(n) {
			w.unlock()
		}
	case emptying:
		if !w.settling() {
			w.unlock()
			if w.of(&w.clients[n]).pin || !w.lendIdle(n) {
				w.queueUp(n)
			}
		}
	}
}

// lendIdle lends an idle worker, those within the goal first.
func (w *world) lendIdle(n int8) bool {
	for i := range int8(mostSlots) {
		if w.slots[i].state == idling {
			w.lend(i, n)
			w.clients[n].at = atHold
			return true
		}
	}
	return false
}

func (w *world) enqueue(n int8) {
	cl := &w.clients[n]
	if w.of(cl).pin {
		cl.beside = 1
	}
	w.push(n)
	for i := range w.clients {
		cl.came = max(cl.came, w.clients[i].came+1)
	}
	cl.at = asleep
	if !w.is(forgottenGrowth) {
		w.recruit()
	}
}

// leave ends the waiting of a client that has got nothing.
func (w *world) leave(n int8) {
	cl := &w.clients[n]
	if cl.at == asleep && !cl.ended {
		w.cancels--
	}
	switch {
	case cl.queued:
		cl.queued = false
	case cl.offer != 0:
		cl.offer = 0
		if i := cl.slot - 1; !cl.failed && i >= 0 && w.slots[i].w().Same(cl.w()) && !w.is(swallow) {
			w.endLease(i, n+1)
			w.comeBack(i, false)
		}
	}
	cl.ticket, cl.came, cl.beside, cl.failed = 0, 0, 0, false
	cl.slot, cl.word, cl.at = 0, 0, atRefusal
	w.recruit()
}

// end ends a lease under the lock, if it is live.
func (w *world) end(n int8, k kind) {
	cl := &w.clients[n]
	i := cl.slot - 1
	if i >= 0 && !w.poisoned {
		w.recall(i)
		s := &w.slots[i]
		if s.w().Same(cl.w()) || w.is(staleEnd) && s.state == leased {
			s.served = s.served || !k.retire
			w.endLease(i, n+1)
			if k.retire {
				w.dismiss(i)
			} else {
				w.comeBack(i, true)
			}
		}
	}
	w.checkedIn(n, k)
}
