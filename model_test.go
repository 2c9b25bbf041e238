package pool_test

import (
	"maps"
	"slices"

	"github.com/pooltender/pool"
)

// model is what a pool should be doing, said as simply as possible: what is in
// each slot, and who waits. Commands end when nothing moves any more, so it knows
// no moment in between. Where a choice is the pool's, such as which of several
// idle workers is lent, the model makes the one that was seen.
type model struct {
	opts     pool.Options
	checks   bool // workers may have to be checked first, so that another is lent
	size     int
	posts    []post
	line     lineup
	moment   int  // counts the commands
	unrest   bool // slots have been emptied or filled: who waits for one of them may have to move
	crowded  bool // somebody waited when the moment began
	draining bool // a Restart waits for the leases
	stalled  bool // starts do not end
	down     bool // starts fail
	tally
}

// tally is what is counted and never goes back.
type tally struct{ born, lent, crashes, shed int }

// post is a slot. A slot that backs off is vacant, too.
type post struct {
	state  pool.SlotState
	worker uint64 // which incarnation; 0: one that has come since the last look
	holder *client
	uses   int
	old    bool
	rested int // the moment at which the worker became idle
}

func (m model) clone() model {
	m.posts = slices.Clone(m.posts)
	m.line.places = slices.Clone(m.line.places)
	m.line.passed = maps.Clone(m.line.passed)
	return m
}

func (m *model) count(of ...pool.SlotState) (n int) {
	for i := range m.posts {
		if slices.Contains(of, m.posts[i].state) {
			n++
		}
	}
	return n
}

func (m *model) idle() int     { return m.count(pool.SlotIdle) }
func (m *model) starting() int { return m.count(pool.SlotStarting) }
func (m *model) live() int     { return m.count(pool.SlotIdle, pool.SlotLeased) }
func (m *model) workers() int  { return m.live() + m.starting() }
func (m *model) limit() int    { return m.size + max(0, m.opts.MaxOverflow) }
func (m *model) surplus() int  { return max(0, m.workers()-m.size) }

func (m *model) holders() (all []*client) {
	for i := range m.posts {
		if c := m.posts[i].holder; c != nil {
			all = append(all, c)
		}
	}
	return all
}

func (m *model) postOf(c *client) int {
	return slices.IndexFunc(m.posts, func(p post) bool { return p.holder == c })
}

// flow is all that a pool does of itself and at once.
func (m *model) flow(now *sight) {
	m.crowded = len(m.line.places) > 0
	for moves := true; moves; {
		if m.unrest {
			m.line.move(now)
		}
		moves = !m.drains() && (m.shrinks(now) || m.renews(now) || m.serves(now) || m.fills(now) ||
			m.grows(now) || m.servesOtherwise() || m.thins(now))
	}
}

func (m *model) drains() bool {
	if !m.draining {
		return false
	}
	for i := range m.posts {
		if s := m.posts[i].state; s == pool.SlotIdle || s == pool.SlotStarting {
			m.vacate(i)
		}
	}
	m.draining = m.count(pool.SlotLeased) > 0
	m.scatter()
	return m.draining
}

// shrinks lets a worker go after a Resize down.
func (m *model) shrinks(now *sight) bool {
	return m.workers() > m.limit() && m.leave(now, anyone)
}

// renews lets an old worker go, if the pool can spare it. While another one was
// ending it could not, and somebody may have it now.
func (m *model) renews(now *sight) bool {
	return m.spares() && m.leave(now, func(i int) bool {
		kept := now.state(i) == pool.SlotLeased && now.incarnation(i) == m.posts[i].worker
		return m.posts[i].old && !(m.unrest && kept)
	})
}

// spares reports whether the pool can spare a worker.
func (m *model) spares() bool {
	live := m.live()
	return live > m.size-max(1, m.size/20) && (live <= m.size || m.starting() == 0)
}

// thins lets a worker go at once that is one too many, where none lingers.
func (m *model) thins(now *sight) bool {
	return m.opts.OverflowLinger < 0 && m.surplus() > 0 && m.line.waiting(anySlot) == 0 && m.leave(now, anyone)
}

// leave lets one of the idle workers go: the one that was seen to, else the last.
func (m *model) leave(now *sight, which func(i int) bool) bool {
	last := -1
	for i := range m.posts {
		if m.posts[i].state != pool.SlotIdle || !which(i) {
			continue
		}
		last = i
		if now.incarnation(i) != m.posts[i].worker || now.isDown(i) {
			break
		}
	}
	if last >= 0 {
		m.vacate(last)
	}
	return last >= 0
}

func anyone(int) bool { return true }

// serves lends an idle worker to the one whose turn it is, if that was seen.
func (m *model) serves(now *sight) bool {
	for i := range m.posts {
		if m.posts[i].state != pool.SlotIdle {
			continue
		}
		if c := m.line.next(i); c != nil && now.serves(c, i) && (c.terms.Key != "" || m.isFirst(i)) {
			m.serve(i, c)
			return true
		}
	}
	return false
}

// servesOtherwise lends a worker though that was not seen: the pool was wrong, or is
// not done.
func (m *model) servesOtherwise() bool {
	for i := range m.posts {
		if m.posts[i].state == pool.SlotIdle && m.isFirst(i) {
			if c := m.line.next(i); c != nil {
				m.serve(i, c)
				return true
			}
		}
	}
	return false
}

func (m *model) serve(i int, c *client) {
	m.line.serve(c, i)
	m.lend(i, c)
}

func (m *model) lend(i int, c *client) {
	p := &m.posts[i]
	p.state, p.holder = pool.SlotLeased, c
	p.uses++
	m.lent++
}

// isFirst reports whether the worker may be lent next, of those that were idle
// before this moment: by the order, and none beyond Size while another is idle.
func (m *model) isFirst(i int) bool {
	if m.checks || m.opts.Order == pool.OrderRecent || m.posts[i].rested == m.moment {
		return true
	}
	for j, other := range m.posts {
		switch {
		case other.state != pool.SlotIdle || other.rested == m.moment:
		case j < m.size && i >= m.size:
			return false
		case (j < m.size) != (i < m.size):
		case m.opts.Order == pool.OrderFIFO && other.rested < m.posts[i].rested:
			return false
		case m.opts.Order == pool.OrderLIFO && other.rested > m.posts[i].rested:
			return false
		}
	}
	return true
}

// fills starts a worker for the size. If somebody waits while the slots below are
// being emptied or back off, it may be in one beyond.
func (m *model) fills(now *sight) bool {
	slots := m.size
	if m.crowded {
		slots = m.limit()
	}
	return m.workers() < m.size && m.start(slots, now)
}

// grows starts a worker for one who waits for any and for whom none is on its way.
func (m *model) grows(now *sight) bool {
	return m.workers() < m.limit() && m.starting()+m.idle() < m.line.waiting(anySlot) && m.start(m.limit(), now)
}

// start starts a worker in one of the first slots.
func (m *model) start(slots int, now *sight) bool {
	if m.down || m.opts.MaxStarting > 0 && m.starting() >= m.opts.MaxStarting {
		return false
	}
	for len(m.posts) < slots {
		m.posts = append(m.posts, post{state: pool.SlotVacant})
	}
	where := -1
	for i := range slots {
		if m.posts[i].state == pool.SlotVacant && (where < 0 || now.isDown(where) && !now.isDown(i)) {
			where = i
		}
	}
	m.posts[where] = post{state: pool.SlotStarting}
	m.unrest = true
	if !m.stalled {
		m.rise(where)
	}
	return true
}

// rise is a worker that has started.
func (m *model) rise(i int) {
	m.born++
	m.posts[i].state, m.posts[i].rested = pool.SlotIdle, m.moment
	m.unrest = true
}

func (m *model) vacate(i int) {
	m.posts[i] = post{state: pool.SlotVacant}
	m.unrest = true
	m.scatter()
}

// up are the slots that keys may have.
func (m *model) up() (up []int) {
	for i := range min(m.size, len(m.posts)) {
		if m.posts[i].state != pool.SlotVacant {
			up = append(up, i)
		}
	}
	return up
}

// scatter has those who wait for one slot wait for any, if there is none that a key
// may have. While the pool drains nobody moves.
func (m *model) scatter() {
	if m.draining || len(m.up()) > 0 {
		return
	}
	for i := range m.line.places {
		m.line.places[i].slot = anySlot
	}
}

// end ends a lease. The worker stays with the pool if it may, or goes.
func (m *model) end(c *client, stays bool) {
	i := m.postOf(c)
	p := &m.posts[i]
	tooMany := m.workers() > m.limit() ||
		m.opts.OverflowLinger < 0 && m.surplus() > 0 && m.line.waiting(anySlot)+m.line.waiting(i) == 0
	if !stays || tooMany || m.spent(i) || p.old && m.spares() && !m.unrest {
		m.vacate(i)
		return
	}
	p.state, p.holder, p.rested = pool.SlotIdle, nil, m.moment
}

// spent reports whether a worker has been lent as often as it may.
func (m *model) spent(i int) bool { return m.opts.MaxUses > 0 && m.posts[i].uses >= m.opts.MaxUses }

// die is the change of epoch: every worker goes, those who wait keep their
// places.
func (m *model) die() {
	m.draining = false
	for i := range m.posts {
		m.vacate(i)
	}
}
