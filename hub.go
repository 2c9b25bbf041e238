package pool

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// eventRing is how many events a subscriber may fall behind before it misses
// some.
const eventRing = 4096

// What somebody listens to: the bits of hub.wants.
const (
	wantsEvents = 1 << iota
	wantsLeases
)

// hub hands the events of a registry to its subscribers. Events go into one
// ring; each subscriber has a goroutine and a place in the ring of its own, so
// none delays a publisher or another subscriber. Whoever falls more than the
// ring behind gets EventDropped in place of what it missed.
//
// A subscriber gets its events one at a time, in order of Seq, off every lock.
// A receiver that panics or calls runtime.Goexit goes on getting events. The
// panic is logged with its stack to the logger of logTo, else to
// slog.Default(): the first, second, fourth, eighth and so on of a subscriber.
type hub struct {
	wants atomic.Uint32

	mu          sync.Mutex // a leaf: nothing foreign is called under it
	ring        []Event    // event n is at n % eventRing; made at the first subscription
	seq         uint64     // of the last event
	plain       uint64     // how many of them all were not lease events
	overwritten uint64     // how many of those are no longer in the ring
	subscribers []*subscriber
	logger      *slog.Logger // told of panics
	closed      bool
}

func newHub() *hub { return &hub{} }

// active reports whether anybody listens, the log included. It is one atomic
// load.
func (h *hub) active() bool { return h.wants.Load() != 0 }

// watched reports whether anybody wants lease events; the log does not. It is
// one atomic load.
func (h *hub) watched() bool { return h.wants.Load()&wantsLeases != 0 }

// lease reports whether an event of this kind is produced only while somebody
// has subscribed. Those of leases that are overdue or leaked are not: the log
// tells of them.
func (k EventKind) lease() bool {
	return k == EventLeaseStarted || k == EventLeaseEnded
}

func (h *hub) wanted(k EventKind) bool {
	if k.lease() {
		return h.watched()
	}
	return h.active()
}

// publish numbers e, sets its Time if it has none, and puts it into the ring.
// It may be called with a pool's lock held: it takes the hub's mutex, waits for
// nobody and does not allocate. An event that nobody wants gets no number.
func (h *hub) publish(e Event) {
	if !h.wanted(e.Kind) {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.wanted(e.Kind) {
		return
	}
	h.seq++
	e.Seq = h.seq
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	at := &h.ring[h.seq%eventRing]
	if h.seq > eventRing && !at.Kind.lease() {
		h.overwritten++
	}
	if !e.Kind.lease() {
		h.plain++
	}
	*at = e
	for _, s := range h.subscribers {
		s.nudge()
	}
}

// subscribe calls fn with every event published from now on; without leases
// those of leases are left out. unsubscribe does not wait: when it returns, one
// call may be under way and no further one begins. It is idempotent and may be
// called by fn. After close, subscribe does nothing.
func (h *hub) subscribe(fn func(Event), leases bool) (unsubscribe func()) {
	s := &subscriber{hub: h, leases: leases}
	s.loop = func() {
		for {
			e, got := s.next(time.Time{})
			if got != newsEvent {
				return
			}
			fn(e)
		}
	}
	s.panicked = s.report
	if !h.add(s) {
		return func() {}
	}
	return s.unsubscribe
}

// add starts s, unless the hub is closed.
func (h *hub) add(s *subscriber) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return false
	}
	if h.ring == nil {
		h.ring = make([]Event, eventRing)
	}
	s.seq, s.plain = h.seq, h.plain
	s.wake = make(chan struct{}, 1)
	s.done = make(chan struct{})
	h.subscribers = append(h.subscribers, s)
	h.recount()
	go s.run()
	return true
}

// recount sets what active and watched say. The lock is held.
func (h *hub) recount() {
	var wants uint32
	for _, s := range h.subscribers {
		switch {
		case s.gone || h.closed:
		case s.leases:
			wants |= wantsEvents | wantsLeases
		default:
			wants |= wantsEvents
		}
	}
	h.wants.Store(wants)
}

// close ends the hub: nothing is published any more, each subscriber gets what
// it has not had yet, and close waits for that until ctx is done. It returns
// how many receivers have not returned by then, those unsubscribed before
// included; no further call of any receiver begins. A receiver that calls close
// waits for itself. Several calls wait alike, and the first ctx that is done
// ends the delivery for all.
func (h *hub) close(ctx context.Context) (blocked int) {
	for _, s := range h.shut() {
		select {
		case <-s.done:
		case <-ctx.Done():
		}
	}
	blocked, others := h.abandon()
	for _, s := range others {
		<-s.done // at once: it is not in its receiver and will not call it
	}
	return blocked
}

func (h *hub) shut() []*subscriber {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	h.recount()
	for _, s := range h.subscribers {
		s.nudge()
	}
	return slices.Clone(h.subscribers)
}

func (h *hub) abandon() (blocked int, others []*subscriber) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range h.subscribers {
		s.gone = true
		if s.calling {
			blocked++
		} else {
			others = append(others, s)
		}
	}
	h.ring = nil
	return blocked, others
}
