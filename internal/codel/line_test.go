package codel_test

import (
	"time"

	"github.com/pooltender/pool/internal/codel"
)

const ms = time.Millisecond

var (
	epoch  = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	limits = codel.Limits{Target: 50 * ms, Interval: time.Second}
)

// at is a moment d after the pool was started.
func at(d time.Duration) time.Time { return epoch.Add(d) }

// line is a queue before idle workers, that asks its controller as a pool does.
type line struct {
	codel.Controller
	codel.Limits
	idle  int
	queue []time.Duration // since when they wait
	due   time.Duration   // when to poll, if somebody waits

	served, dropped []turn
}

// turn is the end of a wait.
type turn struct{ at, waited time.Duration }

func (l *line) checkout(now time.Duration) (served bool) {
	if l.idle > 0 {
		l.idle--
		l.served = append(l.served, turn{now, 0})
		return true
	}
	l.queue = append(l.queue, now)
	return false
}

func (l *line) checkin(now time.Duration) (served bool) {
	for len(l.queue) > 0 {
		head := l.leave(now)
		if !l.Dequeue(l.Limits, at(now), head.waited) {
			l.served = append(l.served, head)
			return true
		}
		l.dropped = append(l.dropped, head)
	}
	l.Empty(l.Limits, at(now))
	l.idle++
	return false
}

func (l *line) poll(now time.Duration) {
	if now < l.due || len(l.queue) == 0 {
		return
	}
	l.due = now + l.Interval
	if !l.Poll(l.Limits, at(now), now-l.queue[0]) {
		return
	}
	for len(l.queue) > 0 && l.TooLong(now-l.queue[0]) {
		l.dropped = append(l.dropped, l.leave(now))
	}
}

// leave takes the head out of the queue.
func (l *line) leave(now time.Duration) turn {
	head := turn{now, now - l.queue[0]}
	l.queue = l.queue[1:]
	return head
}
