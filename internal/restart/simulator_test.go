package restart_test

import (
	"math"
	"math/rand/v2"
	"time"

	"github.com/pooltender/pool/internal/restart"
)

const (
	step        = 10 * ms
	startTakes  = 50 * ms
	leaseTakes  = 20 * ms
	maxStarting = 4
)

// world is what happens to a simulated pool.
type world struct {
	size     int
	lasts    time.Duration
	outage   [2]time.Duration // from, to: every worker crashes at from, starts fail
	hang     time.Duration    // a start in the outage fails only after so long
	poisoned int              // the starts of so many slots fail
	refuse   float64          // share of starts that fail
	life     time.Duration    // mean of an exponential distribution; 0: for ever
	regular  bool             // life is the same for all
	load     float64          // leases a second
	kill     float64          // share of leases that crash the worker

	// Rules of the policy that can be left out, to see what they are for.
	keepDelays    bool // the end of CrashLoop leaves the slots' delays as they are
	neverForgiven bool // the end of a proven worker does not clear the failures
}

type slot struct {
	poisoned bool
	phase    phase
	due      time.Duration // down: earliest start. starting: end of the start
	ok       bool          // starting: it will succeed
	tried    time.Duration // last start
	streak   int
	born     time.Duration
	dies     time.Duration
	proven   bool
	leased   time.Duration // until when; 0: idle
}

type phase uint8

const (
	down phase = iota
	starting
	live
)

// pool is a worker supervisor with CrashLoop, and what is measured of it.
type pool struct {
	world
	policy  restart.Policy
	ledger  restart.Ledger
	random  *rand.Rand
	now     time.Duration
	slots   []slot
	count   [3]int // slots by phase
	proven  int    // live slots
	looping bool
	ramping bool
	probe   *slot // the probe under way
	probeAt time.Duration
	attempt int           // probes since the pool was last well
	ready   time.Duration // the last moment when not all were live

	starts   int
	entered  []time.Duration // when CrashLoop began
	inLoop   time.Duration
	clients  int
	unserved int           // clients that met no free worker
	first    time.Duration // from the end of the outage until a worker was live
	full     time.Duration // from the end of the outage until all were live
	unstable int           // times it was said
}

// simulate starts with a pool whose workers are up and proven.
func simulate(w world, seed uint64) *pool {
	p := &pool{
		world:  w,
		policy: defaults(w.size),
		random: rand.New(rand.NewPCG(seed, 1)),
		slots:  make([]slot, w.size),
	}
	if w.outage[1] > 0 {
		p.first, p.full = -1, -1
	}
	p.ledger.Begin(at(0))
	for i := range p.slots {
		if i < w.poisoned {
			p.slots[i].poisoned = true
			p.count[down]++
			continue
		}
		p.slots[i] = slot{phase: live, proven: true, dies: p.lifetime()}
		p.count[live]++
		p.proven++
	}
	p.ledger.Alive(at(0))
	for ; p.now < w.lasts; p.now += step {
		p.endStarts()
		p.endLives()
		if p.load > 0 {
			p.endLeases()
			p.admit()
		}
		p.supervise()
		p.measure()
	}
	return p
}

func (p *pool) lifetime() time.Duration {
	switch {
	case p.life == 0:
		return math.MaxInt64
	case p.regular:
		return p.now + p.life
	}
	return p.now + time.Duration(p.random.ExpFloat64()*float64(p.life))
}

func (p *pool) out() bool { return p.now >= p.outage[0] && p.now < p.outage[1] }

func (p *pool) endStarts() {
	if p.count[starting] == 0 {
		return
	}
	for i := range p.slots {
		s := &p.slots[i]
		switch {
		case s.phase != starting || p.now < s.due:
		case s.ok && !p.out():
			p.move(s, live)
			s.born, s.dies, s.proven = p.now, p.lifetime(), false
			p.ledger.Alive(at(p.now))
		default:
			p.end(s, restart.StartFailed)
		}
	}
}

func (p *pool) endLives() {
	strikes := p.outage[1] > 0 && p.now == p.outage[0]
	if !strikes && p.life == 0 && p.proven == p.count[live] {
		return
	}
	for i := range p.slots {
		s := &p.slots[i]
		switch {
		case s.phase != live:
		case strikes || p.now >= s.dies:
			p.end(s, restart.Crashed)
		case p.now-s.born >= p.policy.HealthyAfter:
			p.prove(s)
		}
	}
}

func (p *pool) endLeases() {
	for i := range p.slots {
		s := &p.slots[i]
		if s.phase != live || s.leased == 0 || p.now < s.leased {
			continue
		}
		s.leased = 0
		if p.random.Float64() < p.kill {
			p.end(s, restart.Crashed)
		} else {
			p.prove(s)
		}
	}
}

// admit lets the clients of a step come, a Poisson process. None of them waits.
func (p *pool) admit() {
	for gap := p.random.ExpFloat64(); gap < p.load*step.Seconds(); gap += p.random.ExpFloat64() {
		p.clients++
		if !p.serve() {
			p.unserved++
		}
	}
}

func (p *pool) serve() bool {
	if p.count[live] == 0 {
		return false
	}
	from := p.random.IntN(p.size)
	for i := range p.slots {
		if s := &p.slots[(from+i)%p.size]; s.phase == live && s.leased == 0 {
			s.leased = p.now + leaseTakes
			return true
		}
	}
	return false
}

func (p *pool) measure() {
	if p.looping {
		p.inLoop += step
	}
	if p.count[live] < p.size {
		p.ready = p.now
	} else {
		p.ramping = false
		if p.now-p.ready >= p.policy.HealthyAfter {
			p.attempt = 0
		}
	}
	if p.now < p.outage[1] {
		return
	}
	if p.first < 0 && p.count[live] > 0 {
		p.first = p.now - p.outage[1]
	}
	if p.full < 0 && p.count[live] == p.size {
		p.full = p.now - p.outage[1]
	}
}
