package word_test

// The places of the manager in its program.
const (
	mAsleep int8 = iota
	mLoad        // locked: loads the word of worker i
	mRead        // loads the record
	mAgain       // loads the word once more
	mRecall      // recalls it
	mPark        // recalls worker i, to park
)

// managerMoves are those of the manager: one sweep after another, if it is not
// parked. What it has not seen before it may leave where it is.
func (c *config) managerMoves(s *state, can func(string, func(*config, *state))) {
	m, owner := &s.manager, int8(most+1)
	if m.at == mAsleep {
		if s.lock == 0 && !s.parked && m.sweeps > 0 {
			can("the manager sweeps", func(c *config, s *state) {
				s.lock = owner
				s.manager = sweeper{at: mLoad, sweeps: s.manager.sweeps - 1}
			})
		}
		return
	}
	if s.lock != owner {
		return
	}
	switch {
	case m.at == mLoad && m.i == workers:
		can("the manager goes on", func(c *config, s *state) {
			s.lock = 0
			s.manager = sweeper{sweeps: s.manager.sweeps}
		})
		if !m.found {
			can("the manager is about to park", func(c *config, s *state) { s.manager.at, s.manager.i = mPark, 0 })
		}
	case m.at == mRecall && !m.gone:
		can("the manager leaves a lease", func(c *config, s *state) { s.manager.onward() })
		can("the manager recalls a lease", (*config).sweep)
	default:
		can("the manager looks", (*config).sweep)
	}
}

func (m *sweeper) onward() {
	m.at, m.same, m.gone, m.record, m.word = mLoad, false, false, 0, 0
	m.i++
}

// sweep is a step of the manager, which has the lock.
func (c *config) sweep(s *state) {
	m := &s.manager
	if m.at == mPark {
		c.park(s)
		return
	}
	w := &s.workers[m.i]
	switch m.at {
	case mLoad:
		m.word = w.word
		switch {
		case w.resident && m.word.Leased() && m.word.Bound():
			m.at = mRead
		case w.resident:
			m.onward()
		default:
			c.look(s)
		}
	case mRead:
		m.record, m.at = w.record, mAgain
	case mAgain:
		m.gone = w.word == m.word && s.ended[m.record]
		m.found, m.at = true, mRecall
	case mRecall:
		c.recall(s, m.i)
		c.look(s)
	}
}

// look judges the lease of a worker that is under the lock.
func (c *config) look(s *state) {
	m := &s.manager
	i, w := m.i, &s.workers[m.i]
	defer m.onward()
	if !w.held || w.done == 0 {
		return
	}
	m.found = true
	if !s.ended[w.done] {
		return
	}
	for n, context := range c.contexts {
		cl := &s.clients[n]
		if cl.has() && cl.worker == i && cl.word.Same(w.word) && !s.ended[context] && !(c.thief && n == len(c.contexts)-1) {
			panic(violation("a lease is revoked whose client is there"))
		}
	}
	c.takeBack(s, i)
	c.end(s, i)
}

// takeBack is for an offer that nobody has accepted: the waiter is first again.
func (c *config) takeBack(s *state, i int8) {
	for n := range s.clients {
		cl := &s.clients[n]
		if !cl.offered || cl.worker != i || !cl.word.Same(s.workers[i].word) {
			continue
		}
		s.workers[i].begun--
		s.workers[i].counted--
		cl.offered, cl.waits = false, true
		for k := range int8(workers) {
			c.recall(s, k) // in fact one by one
		}
		copy(s.queue[1:], s.queue[:])
		s.queue[0] = int8(n) + 1
		for k := range int8(workers) {
			if k != i && s.queue[0] != 0 && s.workers[k].idle() {
				c.comeBack(s, k)
			}
		}
	}
}

func (c *config) park(s *state) {
	m := &s.manager
	if m.i < workers {
		if !c.parkUnsettled {
			c.recall(s, m.i)
		}
		m.i++
		return
	}
	s.parked = true
	for i := range s.workers {
		if s.workers[i].held && s.workers[i].done != 0 {
			s.parked = false
		}
	}
	s.lock = 0
	s.manager = sweeper{sweeps: m.sweeps}
}
