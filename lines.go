package pool

import (
	"cmp"
	"errors"
	"hash/maphash"
	"iter"
	"slices"

	"github.com/pooltender/pool/internal/affinity"
	"github.com/pooltender/pool/internal/queue"
)

// lines is where clients wait. Most stand in the queue, for any worker; those who
// want the worker of one slot stand in a line of that slot, so that they hold up
// nobody else. Tickets are of one series, so that a worker for whom clients of
// both kinds wait goes to whoever came first.
type lines struct {
	queue    queue.Queue[*waiter]
	beside   map[*slot]*queue.Queue[*waiter] // none of them empty
	reserved int                             // how many stand beside
	pinned   int                             // how many of those wait for one worker, whatever the limits
}

// keySeed keeps clients that choose their keys from choosing a slot.
var keySeed = maphash.MakeSeed()

// waiting counts all who wait.
func (l *lines) waiting() int { return l.queue.Len() + l.reserved }

// waits reports whether somebody of a class waits anywhere.
func (l *lines) waits(class int) bool {
	for line := range l.each {
		if line.Waits(class, nil) {
			return true
		}
	}
	return false
}

// line is that of a slot, or nil.
func (l *lines) line(s *slot) *queue.Queue[*waiter] {
	if l.reserved == 0 {
		return nil
	}
	return l.beside[s]
}

// stand gives the waiter the next ticket and its place.
func (l *lines) stand(w *waiter) { l.at(w).Push(&w.node) }

// standAgain gives it the place of the ticket it has.
func (l *lines) standAgain(w *waiter) { l.at(w).Restore(&w.node) }

// at is where a waiter belongs, who is about to stand there.
func (l *lines) at(w *waiter) *queue.Queue[*waiter] {
	if w.slot == nil {
		return &l.queue
	}
	line := l.beside[w.slot]
	if line == nil {
		if l.beside == nil {
			l.beside = make(map[*slot]*queue.Queue[*waiter])
		}
		line = queue.Beside(&l.queue)
		l.beside[w.slot] = line
	}
	l.reserved++
	if w.terms.pin != nil {
		l.pinned++
	}
	return line
}

// remove takes the waiter out of wherever it stands, and reports whether it stood
// anywhere.
func (l *lines) remove(w *waiter) bool {
	if w.slot == nil {
		return l.queue.Remove(&w.node)
	}
	line := l.beside[w.slot]
	if line == nil || !line.Remove(&w.node) {
		return false
	}
	l.left(w, line)
	return true
}

// serve takes out the waiter that the worker of a slot is for.
func (l *lines) serve(w *waiter, s *slot) {
	line := l.line(s)
	l.queue.Serve(&w.node, line)
	if w.slot != nil {
		l.left(w, line)
	}
}

func (l *lines) left(w *waiter, line *queue.Queue[*waiter]) {
	l.reserved--
	if w.terms.pin != nil {
		l.pinned--
	}
	if line.Len() == 0 {
		delete(l.beside, w.slot)
	}
}

// all iterates over everybody who waits. The loop may take out the waiter it was
// just given, and no other.
func (l *lines) all(yield func(*waiter) bool) {
	for line := range l.each {
		for n := range line.All() {
			if !yield(n.Value) {
				return
			}
		}
	}
}

// waitersLike iterates over those who wait for the same as a client of these terms
// would, and are as important.
func (c *core) waitersLike(t *terms) iter.Seq[*waiter] {
	return func(yield func(*waiter) bool) {
		line := &c.queue
		if s := c.place(t); s != nil {
			line = c.line(s)
		}
		if line == nil {
			return
		}
		for n := range line.Class(int(t.Priority.class())) {
			if !yield(n.Value) {
				return
			}
		}
	}
}

// each iterates over the lines, the queue first.
func (l *lines) each(yield func(*queue.Queue[*waiter]) bool) {
	if !yield(&l.queue) {
		return
	}
	for _, line := range l.beside {
		if !yield(line) {
			return
		}
	}
}

// lastBelow is who came last of those in the lowest class, which has to be lower
// than the given one; nil if nobody is. Who waits for one worker alone, whatever
// the limits, is not meant.
func (l *lines) lastBelow(class uint8) (last *waiter) {
	for lower := 0; lower < int(class) && last == nil; lower++ {
		for line := range l.each {
			for n := range line.Latest(lower) {
				if n.Value.terms.pin != nil {
					continue
				}
				if last == nil || n.Ticket() > last.node.Ticket() {
					last = n.Value
				}
				break
			}
		}
	}
	return last
}

// check returns an error unless every line is whole and the count is right.
func (l *lines) check() error {
	if err := l.queue.Check(); err != nil {
		return err
	}
	reserved, pinned := 0, 0
	for _, line := range l.beside {
		if err := line.Check(); err != nil {
			return err
		}
		reserved += line.Len()
		for n := range line.All() {
			if n.Value.terms.pin != nil {
				pinned++
			}
		}
	}
	if reserved != l.reserved || pinned != l.pinned {
		return errLines
	}
	return nil
}

var (
	errLines    = errors.New("pool: those who wait for one slot were miscounted")
	errReplaced = errors.New("pool: the worker has been replaced")
)

// place says whose line a client stands in: nil for any worker, which is also
// where a key has to wait while no slot of those that keys have is up.
func (c *core) place(t *terms) *slot {
	switch {
	case t.pin != nil:
		return t.pin.slot
	case t.Key != "":
		return c.slotOf(t.Key)
	}
	return nil
}

// slotOf is the slot of a key, of those below Size that are up or about to be.
func (c *core) slotOf(key string) *slot {
	i := affinity.Slot(maphash.String(keySeed, key), min(c.goal, len(c.slots)), func(i int) bool {
		return c.slots[i].isUp()
	})
	if i < 0 {
		return nil
	}
	return c.slots[i]
}

// isUp reports whether the slot has a worker or is about to have one.
func (s *slot) isUp() bool { return s.inc != nil && !s.inc.over }

// rehome finds new places for those who wait at a slot that is not up any more,
// or has no keys any more. No worker is started but after it, so that whoever
// waits for one worker alone waits for the one that is there.
func (c *core) rehome() {
	var movers []*waiter
	for s, line := range c.beside {
		if s.isUp() && s.index() < c.goal {
			continue
		}
		for n := range line.All() {
			w := n.Value
			switch {
			case w.terms.pin == nil:
				movers = append(movers, w)
			case !s.isUp():
				c.remove(w)
				c.refuse(w, errReplaced)
			}
		}
	}
	if c.move(movers) {
		c.serve()
	}
}

// bringHome moves those to a slot whose worker has just come up who wait for
// another because it was not: newcomers with the same key would pass them.
func (c *core) bringHome(s *slot) {
	if c.reserved == 0 {
		return
	}
	var movers []*waiter
	for other, line := range c.beside {
		if other == s {
			continue
		}
		for n := range line.All() {
			if w := n.Value; w.terms.pin == nil && c.slotOf(w.terms.Key) == s {
				movers = append(movers, w)
			}
		}
	}
	c.move(movers)
}

// move gives waiters with keys the places they would have if they came now, and
// with the tickets they have. There may be many: in the order of their tickets
// they go to the places of all at the price of one walk.
func (c *core) move(movers []*waiter) bool {
	if len(movers) == 0 {
		return false
	}
	c.seeWaiters(c.now()) // who has no date must not come to stand before one who has
	slices.SortFunc(movers, func(a, b *waiter) int { return cmp.Compare(a.node.Ticket(), b.node.Ticket()) })
	for _, w := range movers {
		c.remove(w)
		w.slot = c.slotOf(w.terms.Key)
		c.standAgain(w)
	}
	return true
}
