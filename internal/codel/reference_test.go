package codel_test

import "time"

// elixir is the state of DBConnection.ConnectionPool, and its functions as they
// are written there, as far as they concern CoDel. A waiter is the time it was
// sent, and no two are sent at once.
type elixir struct {
	busy             bool
	queue            []time.Duration // sent
	idle             int
	target, interval time.Duration
	delay, next      time.Duration
	slow             bool
	pollAt, lastSent time.Duration

	served, dropped []time.Duration
}

func newElixir(idle int, target, interval time.Duration) *elixir {
	return &elixir{idle: idle, target: target, interval: interval, pollAt: interval}
}

func (e *elixir) checkout(now time.Duration) {
	if !e.busy && e.idle > 0 {
		e.idle--
		e.served = append(e.served, now)
		return
	}
	e.busy = true
	e.queue = append(e.queue, now)
}

func (e *elixir) checkin(now time.Duration) {
	if e.busy {
		e.dequeue(now)
	}
	if !e.busy {
		e.idle++
	}
}

func (e *elixir) dequeue(time time.Duration) {
	switch {
	case time >= e.next:
		e.dequeueFirst(time, e.delay > e.target)
	case !e.slow:
		e.dequeueFast(time)
	default:
		e.dequeueSlow(time, 2*e.target)
	}
}

func (e *elixir) dequeueFirst(time time.Duration, slow bool) {
	e.next = time + e.interval
	e.slow = slow
	if len(e.queue) == 0 {
		e.delay = 0
		e.busy = false
		return
	}
	e.delay = time - e.queue[0]
	e.handOver(time)
}

func (e *elixir) dequeueFast(time time.Duration) {
	if len(e.queue) == 0 {
		e.delay = 0
		e.busy = false
		return
	}
	e.handOver(time)
}

func (e *elixir) dequeueSlow(time, timeout time.Duration) {
	e.drop(time, timeout)
	e.dequeueFast(time)
}

// handOver is go there.
func (e *elixir) handOver(time time.Duration) {
	sent := e.queue[0]
	e.queue = e.queue[1:]
	e.served = append(e.served, sent)
	e.delay = min(e.delay, time-sent)
}

func (e *elixir) drop(time, timeout time.Duration) {
	for len(e.queue) > 0 && time-e.queue[0] > timeout {
		e.dropped = append(e.dropped, e.queue[0])
		e.queue = e.queue[1:]
	}
}

// poll is the message of the poll timer, which is due at pollAt.
func (e *elixir) poll() {
	time, lastSent := e.pollAt, e.lastSent
	e.pollAt += e.interval
	if len(e.queue) == 0 || !e.busy {
		e.lastSent = time
		return
	}
	e.lastSent = e.queue[0]
	if e.queue[0] <= lastSent {
		e.timeout(time-e.queue[0], time)
	}
}

func (e *elixir) timeout(delay, time time.Duration) {
	switch {
	case time >= e.next && e.delay > e.target:
		e.slow, e.delay, e.next = true, delay, time+e.interval
		e.drop(time, 2*e.target)
	case time >= e.next:
		e.slow, e.delay, e.next = false, delay, time+e.interval
	}
}
