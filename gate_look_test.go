package pool_test

import (
	"context"
	"fmt"
	"strings"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
)

// answer is what somebody gets, and when.
func (c *call) answer(lease fakeLease, err error) string {
	what := word(err)
	switch {
	case err != nil:
	case lease.Slot().Index != c.slot.Index:
		what = "another"
	case lease.Slot().Incarnation == c.slot.Incarnation:
		what = "the same"
	default:
		what = fmt.Sprintf("%d later", lease.Slot().Incarnation-c.slot.Incarnation)
		if what == "1 later" {
			what = "the next"
		}
	}
	return what + c.after()
}

// after is how long it took until now. Whether the manager sees two leases in one
// look or in two is chance.
func (c *call) after() string {
	if since := time.Since(c.began); since > aLook {
		return " after " + when(since)
	}
	return " at once"
}

const aLook = 10 * ms // from one look of the manager to the next

// when is a time as the tables have it. One that chance has a hand in is known
// to the step.
func when(d time.Duration) string {
	if d%ms != 0 {
		return "less than " + (d.Truncate(step) + step).String()
	}
	return d.String()
}

// observe has the hook called and looks on for a while.
func (c *call) observe() (o effect) {
	c.began = time.Now()
	c.op.begin(c)
	select {
	case <-c.entered:
	case <-time.After(24 * time.Hour):
		require.FailNow(c.t, "the hook is not called")
	}
	synctest.Wait()
	c.began = time.Now()
	c.told = len(c.events.of(tellable...))
	if c.pool == nil {
		c.find()
	}
	if c.needsOther() && c.other.Err() != nil { // not lent yet, or its epoch has ended
		c.other, _ = c.pool.TryCheckout(context.Background())
	}
	if !c.op.alone && !c.came {
		c.come()
	}
	if c.op.then != nil {
		c.op.then(c)
	}
	synctest.Wait()
	before := c.neighbour.Stats()
	var states []string
	last := pool.SlotState("")
	look := func(at string) {
		settle(c.t, c.pool)
		now := pool.SlotState("no slot")
		if slots := c.pool.Inspect().Slots; c.slot.Index < len(slots) {
			now = slots[c.slot.Index].State
		}
		if now != last {
			states, last = append(states, at+string(now)), now
		}
	}
	look("")
	close(c.proceed)
	look("")
	for at := step; at <= 9*time.Second; at += step {
		time.Sleep(step - 1)
		look("before " + at.String() + " ")
		time.Sleep(time.Nanosecond)
		look(at.String() + " ")
	}
	require.Equal(c.t, before, c.neighbour.Stats())
	o = effect{slot: strings.Join(states, ", "), told: c.tale()}
	select {
	case r := <-c.replies:
		c.lease, o.client = r.lease, r.what
	default:
		if c.came {
			o.client = "waits"
		}
	}
	return o
}

var tellable = []pool.EventKind{
	pool.EventWorkerStarted, pool.EventStartFailed, pool.EventWorkerCrashed, pool.EventWorkerStopped, pool.EventZombie, pool.EventLeaseEnded,
}

// tale is what events tell of the slot since the hook was called.
func (c *call) tale() string {
	var lines []string
	at := time.Duration(0)
	for _, e := range c.events.of(tellable...)[c.told:] {
		if e.Slot.Pool != c.slot.Pool || e.Slot.Index != c.slot.Index {
			continue
		}
		line := strings.TrimPrefix(string(e.Kind), "worker ")
		switch {
		case e.Kind == pool.EventLeaseEnded:
			line = "lease " + string(e.Reason)
		case e.Kind == pool.EventZombie:
			hook, _, _ := strings.Cut(strings.TrimPrefix(e.Err.Error(), "pool: "), " ")
			line += " (" + hook + ")"
		case e.Err != nil:
			line += " (" + hookEnd(e.Err) + ")"
		}
		if since := e.Time.Sub(c.began); since != at {
			at = since
			line = when(since) + " " + line
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, ", ")
}

// conclude checks what holds for every cell, whatever the hook did.
func (c *call) conclude() {
	s := c.pool.Stats()
	var crashes, restarts uint64
	var last error
	zombies := 0
	for _, e := range c.events.of(append(tellable, pool.EventPoolDied)...) {
		if e.Slot.Pool != c.slot.Pool {
			continue
		}
		switch e.Kind {
		case pool.EventWorkerCrashed:
			crashes, last = crashes+1, e.Err
		case pool.EventStartFailed, pool.EventPoolDied:
			last = e.Err
		case pool.EventWorkerStarted:
			if e.Slot.Incarnation > 1 {
				restarts++
			}
		case pool.EventZombie:
			zombies++
		}
	}
	require.Equal(c.t, crashes, s.Crashes)
	require.Equal(c.t, restarts, s.Restarts)
	require.Equal(c.t, last, s.LastError)
	if c.conduct == ignores {
		require.Equal(c.t, zombies, s.Zombies)
	} else {
		require.Zero(c.t, s.Zombies, "what has ended is no zombie any more")
	}

	c.letGo()
	c.lease.Checkin()
	c.other.Checkin()
	time.Sleep(time.Minute)
	settle(c.t, c.pool)
	if s := c.pool.Stats(); s.State != pool.StateStopped {
		require.Zero(c.t, s.Zombies)
		if s.Size > 0 {
			require.Equal(c.t, pool.StateReady, s.State)
		}
		require.NoError(c.t, c.pool.Stop(cancelled))
	}
	for _, w := range c.backend.Workers() {
		if w.Slot.Pool == c.slot.Pool {
			require.Equal(c.t, 1, w.Stops(), "%v of %v", w, w.Slot)
			require.Error(c.t, w.Context().Err())
		}
	}
}
