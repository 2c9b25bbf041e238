package protocol_test

import "github.com/pooltender/pool/internal/word"

const (
	mostSlots   = 3
	mostClients = 4
)

// condition is the state of a slot.
type condition uint8

const (
	vacant condition = iota
	starting
	idling
	leased
	tending
	stopping
	resident
)

// made is how far a worker has come.
type made uint8

const (
	decided  made = iota // its goroutine does not exist yet
	launched             // Start runs, or has failed
	up                   // Start returned it
)

// slot is a place for a worker, with what the pool knows of its worker and of its
// lease. The zero slot is vacant.
type slot struct {
	word    uint16 // a word.Word of few generations
	state   condition
	record  int8 // the client that the record of a resident names
	made    made
	over    bool // crashed or told to end
	served  bool // a lease was completed by a checkin
	binding bool // recalled while its client was about to bind

	lent   bool  // there is a loan
	done   int8  // whose context bounds it; 0: nobody's
	waiter int8  // who was offered it
	offer  uint8 // under which number
	seen   bool  // the context was seen done

	holder int8 // whose lease it is in truth; nothing of the pool reads it
}

// seat is where a client is in its program.
type seat uint8

const (
	atLook     seat = iota // looks for a free resident, or takes the lock
	atClaim                // swaps
	atClaimOwn             // swaps: the record names it already
	atRecord               // writes the record
	atBind                 // swaps
	atMend                 // locks: recalled while it was binding
	atJoin                 // locks: queues
	asleep                 // waits to be woken
	atRead                 // loads the number of the offer
	atAccept               // swaps it
	atLeave                // locks: got nothing
	atRefusal              // locks: counts
	atHold                 // has a lease, or thinks so
	atEnd                  // locks: ends it
	vanished               // left without a word, holding a worker
	done
)

// client is one caller, and its waiter. What is offered to a waiter is written
// where the client then has its lease.
type client struct {
	word   uint16 // read, or of the lease
	slot   int8   // the worker it looks at, is offered or has: slot + 1; 0: one that is no more
	kind   uint8  // of config.kinds
	at     seat
	trips  uint8
	ended  bool // its context
	over   bool // the worker it asks for is no more
	beside int8 // in whose line it stands: slot + 1; 0: in the queue
	again  bool // it has checked in
	queued bool
	failed bool  // what is offered is an error
	token  bool  // in its wake-up channel
	poked  bool  // somebody is about to put one there
	offer  uint8 // the number that stands
	read   uint8 // the number it has loaded
	ticket uint8
	came   uint8 // in which order those came who have not returned yet; nothing of the pool reads it
}

// phase is the state of the pool.
type phase uint8

const (
	running phase = iota
	restarting
	draining
	stopped
)

// place is where a critical section goes on that is not one step.
type place uint8

const (
	unlocked      place = iota
	choosing            // take: looks at the residents one after another
	grabbing            // take: recalls the one that was free
	emptying            // take: recalls them all
	turningAway         // refuse: recalls them all
	takingBack          // crash, reclaim: recalls them all, and puts a waiter back
	resizing            // recalls them all
	drainingAll         // recalls them all
	restartingAll       // recalls them all
	sweeping            // looks at the word once more
	watching            // recalls
	parking             // recalls them all
	clearing            // the keeper: recalls the worker of one slot after another
)

// state is all of it: comparable, copied for every step, and without gaps between its
// fields, so that it is hashed and compared as one piece of memory.
type state struct {
	slots   [mostSlots]slot
	clients [mostClients]client
	word    uint16 // that whoever has the lock has read

	who  int8  // has the lock: client + 1, or one of those below; 0: nobody
	at   place // where
	slot int8  // and with which

	phase    phase
	poisoned bool
	goal     uint8
	most     uint8 // workers that there may be
	passed   uint8 // how often a waiter of class 0 was passed over
	offers   uint8
	parked   bool
	lingers  bool // a surplus worker is to be looked at
	stirred  bool // a wake-up of the worker supervisor
	called   bool // a wake-up of the keeper
	halves   bool // manager and worker supervisor run
	cleared  bool // the keeper rests between two epochs
	died     bool // one of the halves has
	forced   bool

	doomed bool // whoever has the lock is about to be killed at a named point

	crashes, failures, cancels, lates, kills, resizes, stops, forces, restarts uint8 // left
}

// Those who take the lock beside clients.
const (
	aHalf int8 = mostClients + 1 + iota // the manager or the worker supervisor
	theKeeper
	aWorker
	aCaller
)

// kind is the program of a client.
type kind struct {
	context bool  // it has one that can end
	class   uint8 // 0 or 1
	try     bool  // TryCheckout
	pin     bool  // for the worker that slot 0 has at the beginning, and no other
	retire  bool  // ends its lease by Retire
	vanish  bool  // never ends it: its context does
	twice   bool  // ends it twice
	last    bool  // keeps it until all others are done
	trips   uint8
}

// config says who there is, and what may happen.
type config struct {
	name     string
	kinds    []kind
	crowd    []uint8 // the kind of each client
	overflow uint8
	hasty    bool // a negative linger: surplus workers go at once
	reset    bool // workers are cleaned
	reuse    bool // revoked leases cost no worker
	sighting bool // the manager recalls leases that last
	holds    bool // no lease may last
	goals    []uint8
	from     state
	broken   fault
}

func (s *slot) w() word.Word    { return word.Word(s.word) }
func (s *slot) set(w word.Word) { s.word = uint16(w) }
func (s *slot) live() bool {
	return s.state == idling || s.state == leased || s.state == tending || s.state == resident
}
func (s *slot) free() bool           { return s.state == resident && s.w().Free() }
func (c *client) w() word.Word       { return word.Word(c.word) }
func (c *config) is(f fault) bool    { return c.broken == f }
func (c *config) of(cl *client) kind { return c.kinds[cl.kind] }

func (s *state) count(of func(*slot) bool) (n int) {
	for i := range s.slots {
		if of(&s.slots[i]) {
			n++
		}
	}
	return n
}

func (s *state) live() int { return s.count((*slot).live) }
func (s *state) permits() int {
	return s.count(func(s *slot) bool { return s.state == starting && !s.over })
}
func (s *state) occupied() int { return s.count(func(s *slot) bool { return s.state != vacant }) }
func (s *state) staffed() int  { return s.live() + s.permits() }
func (s *state) surplus() int  { return max(0, s.staffed()-int(s.goal)) }
func (s *state) open() bool    { return s.phase == running && !s.poisoned }

func (s *state) in(c condition) int { return s.count(func(s *slot) bool { return s.state == c }) }

// others reports whether all clients but one are done.
func (s *state) others(n int8) bool {
	for i := range s.clients {
		if i != int(n) && s.clients[i].at < vanished {
			return false
		}
	}
	return true
}

// waiting counts all who wait, and queued those in one line.
func (s *state) waiting() int { return s.queued(0) + s.queued(1) }

func (s *state) queued(beside int8) (n int) {
	for i := range s.clients {
		if s.clients[i].queued && s.clients[i].beside == beside {
			n++
		}
	}
	return n
}

// waitFor counts those whom the worker of a slot could serve.
func (s *state) waitFor(i int8) int {
	if i == 0 {
		return s.waiting()
	}
	return s.queued(0)
}
