package pool

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"time"
)

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
			return e.written(), got
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
