package word_test

import (
	"fmt"

	"github.com/pooltender/pool/internal/word"
)

// The model is a pool in which all is left out but the words, and what is done
// to them: clients check out and in, once by the way without the lock and else
// under it, a manager sweeps, parks and revokes, a worker crashes. Each access
// to what is not guarded by the lock is a step of its own; whoever holds the
// lock goes on while others take steps without it.

const (
	workers = 2
	most    = 4 // clients
)

// protocol is what may be broken on purpose.
type protocol struct {
	claim, bound, binding, bind, release, recall func(word.Word) word.Word
	reside                                       func(w word.Word, looked bool) word.Word
	freeToBind                                   func(word.Word) bool
	noSettle, parkUnsettled, blind, hasty        bool
	forgetful, deaf, careless, early             bool
}

func shipped() protocol {
	return protocol{
		claim: word.Word.Claim, bound: word.Word.ClaimBound, binding: word.Word.ClaimBinding,
		bind: word.Word.Bind, release: word.Word.Release, recall: word.Word.Recall,
		reside: word.Word.Reside, freeToBind: freeToBind,
	}
}

// worker is a slot and its incarnation.
type worker struct {
	word           word.Word
	record         int8 // whose context the record names; 0: none
	settled        word.Word
	resident, held bool
	binding, dead  bool
	done           int8 // as record, of a lease under the lock
	begun, counted int8
}

func (w *worker) idle() bool { return !w.resident && !w.held && !w.dead }

// The places of a client in its program.
type place int8

const (
	atRest   place = iota // before it begins
	atLook                // loads the word of stripe i
	atRead                // loads the record
	atClaim               // swaps
	atWrite               // stores the record
	atBind                // swaps
	atMend                // locks: it was recalled while it was binding
	atLock                // locks
	atTake                // locked: loads the word of stripe i
	atGrab                // locked: recalls it
	atSettle              // locked: recalls stripe i
	asleep                // in the queue, or offered a worker
	atLeave               // locks: cancelled
	holding               // checks in: swaps
	atEnd                 // locks, loads whether the lease is live
	atRecall              // locked: recalls it
	gone
)

var places = [...]string{
	"begins", "looks", "reads the record", "claims", "writes the record", "binds", "mends", "locks", "looks for a free one",
	"recalls it", "settles", "is served", "leaves", "checks in", "ends its lease", "recalls its worker", "is gone",
}

// client is one after the other of its trips.
type client struct {
	at      place
	trips   int8
	i       int8
	same    bool // what the record says
	again   bool // it checks in for the second time
	waits   bool
	offered bool
	worker  int8
	word    word.Word // read; then that of the lease
}

// bindingNow reports whether the lease is claimed but not the client's yet.
func (c *client) bindingNow() bool { return c.at == atWrite || c.at == atBind || c.at == atMend }

func (c *client) has() bool {
	return c.bindingNow() || c.offered || !c.again && (c.at == holding || c.at == atEnd || c.at == atRecall)
}

// sweeper is the manager.
type sweeper struct {
	at     int8 // 0: asleep
	i      int8
	found  bool
	same   bool
	gone   bool
	record int8
	word   word.Word
	sweeps int8 // left
}

// state is the whole of it. It is comparable, and copied for each step.
type state struct {
	workers  [workers]worker
	clients  [most]client
	queue    [most]int8 // client + 1
	lock     int8       // who has it + 1
	parked   bool
	manager  sweeper
	ended    [most + 1]bool // the contexts
	crashes  int8           // left, as all of these
	cancels  int8
	endings  int8
	restarts int8
	stolen   bool // a lease was given to another goroutine as well
}

// config says who there is.
type config struct {
	protocol
	name     string
	contexts []int8 // of each client; 0: one that never ends
	trips    int8
	thief    bool // the last client has no trips: it ends the first one's lease
	from     state
}

// violation is what must not be.
type violation string

func (c *config) recall(s *state, i int8) {
	w := &s.workers[i]
	if !w.resident {
		return
	}
	was := w.word
	w.word = c.protocol.recall(was)
	w.counted += int8(was.Leases(w.settled))
	w.resident = false
	if was.Leased() {
		w.held = true
		if was.Bound() {
			w.done = w.record
		}
		w.binding = was.Binding() && !c.forgetful
	}
}

func (c *config) lend(s *state, i int8, client int8) word.Word {
	w := &s.workers[i]
	if w.dead {
		panic(violation("a dead worker is lent under the lock"))
	}
	w.word = w.word.Next()
	w.held, w.done = true, c.contexts[client]
	w.begun++
	w.counted++
	c.watch(s, w.done)
	return w.word
}

func (c *config) watch(s *state, context int8) {
	if context != 0 {
		s.parked = false
	}
}

// end ends the lease of a worker under the lock, and lends it on.
func (c *config) end(s *state, i int8) {
	w := &s.workers[i]
	if w.resident {
		panic(violation("a lease ends under the lock while its worker is resident"))
	}
	w.word = w.word.Next()
	w.held, w.done = false, 0
	c.comeBack(s, i)
}

func (c *config) comeBack(s *state, i int8) {
	w := &s.workers[i]
	switch head := s.queue[0]; {
	case w.dead:
	case head != 0:
		copy(s.queue[:], s.queue[1:])
		s.queue[most-1] = 0
		waiter := &s.clients[head-1]
		waiter.waits, waiter.offered = false, true
		waiter.worker, waiter.word = i, c.lend(s, i, head-1)
	case !w.binding || c.hasty:
		w.record = 0
		w.settled = c.reside(w.word, !s.parked)
		w.word = w.settled
		w.resident = true
	}
}

func (c *config) enqueue(s *state, client int8) {
	for i := range s.queue {
		if s.queue[i] == 0 {
			s.queue[i] = client + 1
			break
		}
	}
	s.clients[client].waits = true
}

// check looks at what must hold in every state, or while nobody has the lock.
func (c *config) check(s *state) {
	for i := range s.workers {
		w, holders := &s.workers[i], 0
		for n := range s.clients {
			cl := &s.clients[n]
			if !cl.has() || int(cl.worker) != i || !cl.word.Same(w.word) {
				continue
			}
			if c.thief && n == len(c.contexts)-1 {
				continue // it has the first one's
			}
			holders++
			if context := c.contexts[n]; s.lock == 0 && context != 0 && !cl.bindingNow() {
				if w.resident && (!w.word.Bound() || w.record != context) || !w.resident && w.done != context {
					panic(violation("the sweep does not find the context of a lease"))
				}
				if s.parked {
					panic(violation("the manager is parked though a lease has to be watched"))
				}
			}
		}
		leased := w.held || w.resident && w.word.Leased()
		switch {
		case holders > 1:
			panic(violation("invariant 1: two live leases of one worker"))
		case holders == 1 && w.dead:
			panic(violation("invariant 7: a dead worker is lent"))
		case holders == 1 && !leased:
			panic(violation("invariant 1: a lease of a worker that is idle"))
		case s.lock == 0 && leased && holders == 0 && !w.dead:
			panic(violation("a leased worker is nobody's"))
		case s.lock != 0:
		case s.queue[0] != 0 && w.resident:
			panic(violation("invariant 9: a resident while somebody waits"))
		case s.queue[0] != 0 && w.idle():
			panic(violation("invariant 8: an idle worker while somebody waits"))
		case !w.resident && w.begun != w.counted:
			panic(violation(fmt.Sprintf("%d leases begun, %d counted", w.begun, w.counted)))
		}
	}
}
