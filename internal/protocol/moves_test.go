package protocol_test

// step is the name of an atomic step, as the comments in the code have it.
type step uint8

const (
	look step = iota
	claim
	record
	bind
	mend
	take
	peek
	grab
	settle
	join
	wake
	poke
	read
	accept
	cancel
	leave
	refuse
	checkin
	end
	vanish
	start
	started
	failed
	crash
	tended
	gone
	sweep
	reread
	watch
	reclaim
	linger
	park
	resize
	drain
	force
	restart
	kill
	over
	withdraw
	begin
	stop
	steps
)

var names = [steps]string{
	"look", "claim", "record", "bind", "mend", "take", "peek", "grab", "settle", "join", "wake", "poke", "read",
	"accept", "cancel", "leave", "refuse", "checkin", "end", "vanish", "start", "started", "failed", "crash",
	"tended", "gone", "sweep", "reread", "watch", "reclaim", "linger", "park", "resize", "drain", "force",
	"restart", "kill", "over", "withdraw", "begin", "stop",
}

func (s step) String() string { return names[s] }

// move is a step that may come next: whose, and of which slot or kind.
type move struct {
	step     step
	who, arg int8
}

// mayNotCome reports whether a step is one that nobody owes: a fault, a client
// that wants no more, what a caller asks for.
func (m move) mayNotCome(s *state) bool {
	switch m.step {
	case cancel, crash, failed, kill, resize, drain, force, restart:
		return true
	case reclaim:
		return s.slots[m.arg].done == 0 || !s.clients[s.slots[m.arg].done-1].ended
	case sweep:
		return !s.slots[m.arg].w().Bound() || !s.clients[s.slots[m.arg].record-1].ended
	case leave:
		return s.clients[m.who].at == asleep && !s.clients[m.who].ended
	}
	return false
}

// moves are all that may come next in a state.
func (c *config) moves(s *state, all []move) []move {
	for n := range c.crowd {
		all = c.clientMoves(s, int8(n), all)
	}
	if s.at != unlocked {
		return append(all, s.inside())
	}
	for i := range int8(mostSlots) {
		all = c.workerMoves(s, i, all)
	}
	all = c.halfMoves(s, all)
	return c.keeperMoves(s, c.callerMoves(s, all))
}

// inside is the step with which the critical section goes on that has begun.
func (s *state) inside() move {
	m := move{settle, s.who, s.slot}
	if s.who <= mostClients {
		m.who--
	}
	switch s.at {
	case choosing:
		m.step = peek
	case grabbing:
		m.step = grab
	case sweeping:
		m.step = reread
	case watching:
		m.step = watch
	case clearing:
		m.step = withdraw
	}
	return m
}

// step takes a step.
func (w *world) step(m move) {
	switch {
	case w.at != unlocked && m == w.inside():
		w.goOn()
	case m.who < mostClients:
		w.client(m)
	case m.who == aHalf:
		w.half(m)
	case m.who == theKeeper:
		w.keeper(m)
	case m.who == aWorker:
		w.worker(m)
	case m.who == aCaller:
		w.caller(m)
	}
}

// goOn takes the next step of the critical section that has begun.
func (w *world) goOn() {
	who, i := w.who, w.slot
	switch w.at {
	case choosing, grabbing, emptying:
		w.searching(who - 1)
		return
	case sweeping, watching, parking:
		w.manager()
		return
	case clearing:
		w.clear()
		return
	}
	at := w.at
	if w.settling() {
		return
	}
	w.unlock()
	switch at {
	case turningAway:
		w.returned(who - 1)
	case resizing:
		w.resizeNow()
	case drainingAll:
		w.drainNow()
	case restartingAll:
		w.restartNow()
	case takingBack:
		w.servedAgain(i)
		if who == aWorker {
			w.crashed(i)
		} else {
			w.reclaimed(i, true)
		}
	}
}
