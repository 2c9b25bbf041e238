package protocol_test

import "github.com/pooltender/pool/internal/word"

// clientMoves are those of one client. While somebody has the lock they are those
// that need none.
func (c *config) clientMoves(s *state, n int8, all []move) []move {
	cl := &s.clients[n]
	k := c.of(cl)
	free := s.who == 0
	sound := free && !s.poisoned
	can := func(st step, arg int8, enabled bool) {
		if enabled {
			all = append(all, move{st, n, arg})
		}
	}
	can(poke, 0, cl.poked)
	if k.context && !cl.ended && cl.at < vanished {
		can(cancel, 0, s.cancels > 0)
	}
	if s.who == n+1 {
		return all
	}
	switch cl.at {
	case atLook:
		for i := range int8(mostSlots) {
			w := &s.slots[i]
			can(look, i, !k.pin && w.free() && !cl.ended && (!k.context || w.w().Swept()))
		}
		can(take, 0, free || cl.ended)
	case atClaim, atClaimOwn:
		can(claim, 0, true)
	case atRecord:
		can(record, 0, true)
	case atBind:
		can(bind, 0, true)
	case atMend:
		can(mend, 0, sound)
	case atJoin:
		can(join, 0, sound)
	case asleep:
		can(wake, 0, cl.token || c.is(polling))
		can(leave, 0, sound && (cl.ended || s.cancels > 0 && !k.pin))
	case atRead:
		can(read, 0, true)
	case atAccept:
		can(accept, 0, true)
	case atLeave:
		can(leave, 0, sound)
	case atRefusal:
		can(refuse, 0, sound)
	case atHold:
		switch {
		case k.last && !s.others(n):
		case k.vanish:
			can(vanish, 0, true)
		case !k.retire && cl.w().Resident():
			can(checkin, 0, true)
		default:
			can(end, 0, free)
		}
	case atEnd:
		can(end, 0, free)
	}
	return all
}

// swap is a compare-and-swap of the word that the client knows.
func (w *world) swap(cl *client, to word.Word) bool {
	if cl.slot == 0 || w.slots[cl.slot-1].word != cl.word {
		return false
	}
	w.slots[cl.slot-1].set(to)
	return true
}

// client takes a step of a client.
func (w *world) client(m move) {
	n := m.who
	cl := &w.clients[n]
	k := w.of(cl)
	switch m.step {
	case poke:
		cl.poked = false
		if w.is(earlyWake) && !cl.failed {
			if cl.slot != 0 {
				cl.offer = w.slots[cl.slot-1].offer
			}
			return
		}
		cl.token = true
	case cancel:
		w.cancels--
		cl.ended = true
	case look:
		cl.slot, cl.word, cl.at = m.arg+1, w.slots[m.arg].word, atClaim
		if w.slots[m.arg].record == n+1 {
			cl.at = atClaimOwn
		}
	case claim:
		w.claim(n)
	case record:
		if cl.slot != 0 {
			w.slots[cl.slot-1].record = n + 1
		}
		cl.at = atBind
	case bind:
		next := cl.w().Bind()
		switch {
		case w.is(blindBind):
			w.slots[cl.slot-1].set(next)
			fallthrough
		case w.swap(cl, next):
			cl.word, cl.at = uint16(next), atHold
			w.hold(n)
		default:
			cl.at = atMend
		}
	case mend:
		w.mend(n)
	case take:
		w.take(n)
	case join:
		w.join(n)
	case wake:
		cl.token, cl.at = false, atRead
	case read:
		cl.read, cl.at = cl.offer, atAccept
		if cl.read == 0 {
			cl.at = asleep
		}
	case accept:
		w.accept(n)
	case leave:
		w.leave(n)
	case refuse:
		if !w.settleFirst(n+1, turningAway, 0) {
			w.returned(n)
		}
	case checkin:
		w.checkin(n, k)
	case end:
		w.end(n, k)
	case vanish:
		cl.ended, cl.at = true, vanished
	}
}

func (w *world) claim(n int8) {
	cl := &w.clients[n]
	k, from := w.of(cl), cl.w()
	to, at := from.ClaimBinding(), atRecord
	switch {
	case !k.context:
		to, at = from.Claim(), atHold
	case cl.at == atClaimOwn:
		to, at = from.ClaimBound(), atHold
	}
	i := cl.slot - 1
	if !w.swap(cl, to) {
		w.again(cl)
		return
	}
	cl.word, cl.at = uint16(to), at
	w.begun(i, n)
}

// mend goes on with a lease under the lock that was recalled while it was claimed.
func (w *world) mend(n int8) {
	cl := &w.clients[n]
	if cl.slot != 0 {
		s := &w.slots[cl.slot-1]
		s.binding = false
		if s.w().Same(cl.w()) || w.is(carelessMend) {
			cl.word, cl.at = uint16(cl.w().Recall()), atHold
			s.done = n + 1
			w.watch(s.done)
			w.hold(n)
			return
		}
	}
	w.again(cl)
}

func (w *world) again(cl *client) {
	*cl = client{kind: cl.kind, trips: cl.trips, ended: cl.ended, over: cl.over, token: cl.token, poked: cl.poked}
}

func (w *world) accept(n int8) {
	cl := &w.clients[n]
	cl.at = asleep
	if cl.offer != cl.read && !(w.is(blindAccept) && cl.read != 0) {
		cl.read = 0
		return
	}
	cl.offer, cl.read, cl.at = 0, 0, atHold
	cl.ticket, cl.came, cl.beside = 0, 0, 0
	if cl.failed {
		cl.at = atLeave
		return
	}
	w.hold(n)
}

// hold is where a client learns that it has a lease, which has not ended then.
func (w *world) hold(n int8) {
	if i := w.clients[n].slot - 1; i < 0 || w.slots[i].holder != n+1 {
		w.fail("invariant 14: a client is given a lease that has ended")
	}
}

// returned is the end of one trip of a client.
func (w *world) returned(n int8) {
	cl := &w.clients[n]
	cl.trips--
	cl.again = false
	w.again(cl)
	if cl.trips == 0 {
		cl.at = done
	}
}

func (w *world) checkin(n int8, k kind) {
	cl := &w.clients[n]
	i := cl.slot - 1
	if w.is(staleSwap) && i >= 0 && w.slots[i].w().Resident() && w.slots[i].w().Leased() {
		cl.word = w.slots[i].word
	}
	if !w.swap(cl, cl.w().Release()) {
		cl.at = atEnd
		return
	}
	w.ended(i, n+1)
	w.checkedIn(n, k)
}

func (w *world) checkedIn(n int8, k kind) {
	cl := &w.clients[n]
	if k.twice && !cl.again {
		cl.again, cl.at = true, atHold
		return
	}
	w.returned(n)
}
