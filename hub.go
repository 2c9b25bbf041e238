package pool

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
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
// has subscribed. EventLeaseOverdue is not one: the log tells of it.
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

// subscriber is one receiver of events and its goroutine.
type subscriber struct {
	hub      *hub
	leases   bool                      // wants lease events
	loop     func()                    // calls next and the receiver until there is nothing more
	panicked func(v any, times uint64) // may be nil; runs in place of the receiver
	wake     chan struct{}             // one token: look again
	done     chan struct{}             // closed when the goroutine has ended
	times    uint64                    // panics; only of the goroutine

	// Under hub.mu.
	seq     uint64 // of the last event it had
	plain   uint64 // hub.plain at that event
	gone    bool   // gets nothing more
	calling bool   // its receiver may be running
}

// run runs the loop. A panic or Goexit in the receiver ends the loop and, as
// nothing stops Goexit, the goroutine; another one goes on.
func (s *subscriber) run() {
	ended := false
	defer func() {
		if ended {
			s.end()
		} else {
			go s.run()
		}
	}()
	defer func() {
		if v := recover(); v != nil && s.panicked != nil {
			defer func() { _ = recover() }()
			s.times++
			s.panicked(v, s.times)
		}
	}()
	s.loop()
	ended = true
}

// report logs a panic of the receiver: not each, for a receiver that always
// panics would flood the log.
func (s *subscriber) report(v any, times uint64) {
	if times&(times-1) != 0 {
		return
	}
	s.hub.mu.Lock()
	logger := s.hub.logger
	s.hub.mu.Unlock()
	if logger == nil {
		logger = slog.Default()
	}
	logger.LogAttrs(context.Background(), slog.LevelError, "pool: event receiver panicked",
		slog.String("panic", fmt.Sprint(v)),
		slog.Uint64("times", times),
		slog.String("stack", string(debug.Stack())))
}

func (s *subscriber) end() {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	s.hub.subscribers = slices.DeleteFunc(s.hub.subscribers, func(other *subscriber) bool { return other == s })
	close(s.done)
}

func (s *subscriber) unsubscribe() {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	s.gone = true
	s.hub.recount()
	s.nudge()
}

// last lets the receiver be called once more after newsOver, unless close waits
// no longer.
func (s *subscriber) last() bool {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	s.calling = !s.gone
	return s.calling
}

func (s *subscriber) nudge() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// news is what next came back with.
type news int

const (
	newsNone  news = iota
	newsEvent      // an event
	newsLate       // the time is over
	newsOver       // the hub is closed and all was received
	newsGone       // unsubscribed, or close waits no longer: the receiver must not be called
)

// next waits for the next event, at most until the given time if that is not
// zero.
func (s *subscriber) next(until time.Time) (Event, news) {
	for over := false; ; over = s.sleep(until) {
		if e, got := s.take(over); got != newsNone {
			return e, got
		}
	}
}

// sleep reports whether the time is over.
func (s *subscriber) sleep(until time.Time) bool {
	if until.IsZero() {
		<-s.wake
		return false
	}
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	select {
	case <-s.wake:
		return false
	case <-timer.C:
		return true
	}
}

func (s *subscriber) take(over bool) (e Event, got news) {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	defer func() { s.calling = got == newsEvent || got == newsLate }()
	if s.gone {
		return Event{}, newsGone
	}
	if e, ok := s.advance(); ok {
		return e, newsEvent
	}
	switch {
	case s.hub.closed:
		return Event{}, newsOver
	case over:
		return Event{}, newsLate
	}
	return Event{}, newsNone
}

// advance goes on to the next event for s, if there is one. The lock is held.
func (s *subscriber) advance() (Event, bool) {
	h := s.hub
	if h.seq-s.seq > eventRing {
		before := h.seq - eventRing
		dropped := before - s.seq
		if !s.leases {
			dropped = h.overwritten - s.plain
		}
		s.seq, s.plain = before, h.overwritten
		if dropped > 0 {
			oldest := &h.ring[(before+1)%eventRing]
			return Event{Kind: EventDropped, Seq: before, Time: oldest.Time, Dropped: int(dropped)}, true
		}
	}
	for s.seq < h.seq {
		s.seq++
		e := &h.ring[s.seq%eventRing]
		if !e.Kind.lease() {
			s.plain++
		} else if !s.leases {
			continue
		}
		return *e, true
	}
	return Event{}, false
}
