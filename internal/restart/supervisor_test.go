package restart_test

import (
	"math"
	"time"

	"github.com/pooltender/pool/internal/restart"
)

// end takes a slot down after a failed start or a crash.
func (p *pool) end(s *slot, e restart.Ending) {
	proven := s.phase == live && s.proven
	if s.phase == live {
		p.ledger.Alive(at(p.now))
	}
	if proven {
		p.proven--
	}
	p.move(s, down)
	s.proven, s.leased = false, 0
	streak, wait := p.policy.Next(s.streak, e, proven, p.random.Float64())
	s.streak, s.due = streak, p.now+wait
	if forget := proven && p.neverForgiven; !forget && p.ledger.Ended(p.policy, at(p.now), e, proven) {
		p.unstable++
	}
	if s == p.probe {
		p.nextProbe()
	}
}

func (p *pool) prove(s *slot) {
	if s.proven {
		return
	}
	s.proven = true
	p.proven++
	if !p.looping {
		return
	}
	p.looping, p.ramping, p.probe = false, true, nil
	if p.keepDelays {
		return
	}
	for i := range p.slots {
		if o := &p.slots[i]; o.phase == down {
			o.due = p.now
		}
	}
}

func (p *pool) nextProbe() {
	p.probe = nil
	p.probeAt = p.now + p.policy.ProbeDelay(p.attempt, p.random.Float64())
	p.attempt++
}

func (p *pool) supervise() {
	if !p.looping && p.ledger.Exhausted(p.policy, at(p.now), p.count[live], p.proven > 0) {
		p.looping, p.ramping = true, false
		p.entered = append(p.entered, p.now)
		p.nextProbe()
	}
	if p.looping {
		if p.probe == nil && p.count[starting] == 0 && p.now >= p.probeAt {
			p.probe = p.begin(func(s *slot) time.Duration { return s.tried })
		}
		return
	}
	permits := maxStarting
	if p.ramping {
		permits = min(permits, max(1, p.count[live]))
	}
	for p.count[starting] < permits {
		s := p.begin(func(s *slot) time.Duration {
			if s.due > p.now {
				return math.MaxInt64
			}
			return s.due
		})
		if s == nil {
			break
		}
	}
}

// begin starts the down slot of the least rank, and returns nil if there is none
// below the highest.
func (p *pool) begin(rank func(*slot) time.Duration) *slot {
	if p.count[down] == 0 {
		return nil
	}
	var next *slot
	least := time.Duration(math.MaxInt64)
	for i := range p.slots {
		s := &p.slots[i]
		if s.phase == down && rank(s) < least {
			next, least = s, rank(s)
		}
	}
	if next == nil {
		return nil
	}
	p.starts++
	p.move(next, starting)
	next.tried, next.due = p.now, p.now+startTakes
	next.ok = !next.poisoned && p.random.Float64() >= p.refuse
	if p.out() && p.hang > 0 {
		next.ok, next.due = false, p.now+p.hang
	}
	return next
}

func (p *pool) move(s *slot, to phase) {
	p.count[s.phase]--
	s.phase = to
	p.count[to]++
}
