package codel_test

import (
	"slices"
	"testing"
	"time"

	"github.com/pooltender/pool/internal/codel"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// world is a pool of workers and what comes upon it.
type world struct {
	codel.Limits
	size     int
	hold     time.Duration
	load     []load
	hung     [2]time.Duration // no worker comes back between the two
	patience time.Duration    // a client leaves by itself; 0: never
}

// load is so many clients per second for a while, evenly.
type load struct {
	lasts time.Duration
	rate  int
}

// simulate lives through the load, in steps of a millisecond, and until nobody waits.
func simulate(w world) *line {
	l := &line{Limits: w.Limits, idle: w.size}
	var back []time.Duration // when the workers that are out come back
	lend := func(now time.Duration) {
		back = append(back, now+w.hold)
	}
	var now, ends time.Duration
	var arrived float64
	for _, load := range w.load {
		for ends += load.lasts; now < ends || load.lasts == 0; now += ms {
			for len(back) > 0 && back[0] <= now && (now < w.hung[0] || now >= w.hung[1]) {
				back = back[1:]
				if l.checkin(now) {
					lend(now)
				}
			}
			for w.patience > 0 && len(l.queue) > 0 && now-l.queue[0] >= w.patience {
				l.leave(now)
			}
			l.poll(now)
			for arrived += float64(load.rate) / 1000; arrived >= 1; arrived-- {
				if l.checkout(now) {
					lend(now)
				}
			}
			if load.lasts == 0 && len(l.queue) == 0 {
				break
			}
		}
	}
	return l
}

// between returns those turns that came to their end in a time.
func between(turns []turn, from, to time.Duration) []turn {
	return slices.DeleteFunc(slices.Clone(turns), func(t turn) bool { return t.at < from || t.at >= to })
}

func longest(turns []turn) time.Duration {
	var most time.Duration
	for _, t := range turns {
		most = max(most, t.waited)
	}
	return most
}

const minute = time.Minute

// ten workers of 100 ms can serve 100 clients per second.
func ten(load ...load) world {
	return world{Limits: limits, size: 10, hold: 100 * ms, load: load}
}

func TestOverloadIsShedWhileItLastsAndServedInTime(t *testing.T) {
	t.Parallel()
	w := ten(load{10 * time.Second, 80}, load{minute, 125}, load{minute, 95})
	const begins, ends = 10 * time.Second, 70 * time.Second
	l := simulate(w)
	settled := begins + 3*limits.Interval

	assert.Empty(t, between(l.dropped, 0, begins+2*limits.Interval), "in the first the queue only begins to stand, the second is slow")
	shed := between(l.dropped, settled, ends)
	assert.InDelta(t, 25*57, len(shed), 25, "what is too much, and no more")
	assert.InDelta(t, 100*57, len(between(l.served, settled, ends)), 20, "no worker is idle")
	bound := 2*limits.Target + w.hold
	t.Logf("served within %v (target %v), turned away after %v",
		longest(between(l.served, settled, ends)), limits.Target, longest(shed))
	assert.LessOrEqual(t, longest(between(l.served, settled, ends)), bound)
	assert.LessOrEqual(t, longest(shed), bound)

	assert.Empty(t, between(l.dropped, ends+2*limits.Interval, 2*ends), "it ceases")
	assert.Zero(t, longest(between(l.served, ends+2*limits.Interval, 2*ends)))
	assert.False(t, l.Slow())
	assert.Zero(t, l.Delay())

	w.Target = time.Hour
	never := simulate(w)
	assert.Empty(t, never.dropped)
	assert.Greater(t, longest(never.served), 10*time.Second, "what it would be without")
}

func TestABurstThatDrainsWithinAnIntervalIsServedAltogether(t *testing.T) {
	t.Parallel()
	for name, w := range map[string]world{
		"one":                     ten(load{10 * ms, 8000}, load{5 * time.Second, 5}),
		"one after another":       ten(slices.Repeat([]load{{10 * ms, 8000}, {990 * ms, 0}}, 30)...),
		"one after long idleness": ten(load{minute, 0}, load{10 * ms, 8000}, load{}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := simulate(w)
			assert.Empty(t, l.dropped)
			assert.GreaterOrEqual(t, longest(l.served), 690*ms, "although they wait long")
		})
	}
}

func TestABurstThatTakesLongerIsShedWhenTheFirstIntervalHasEnded(t *testing.T) {
	t.Parallel()
	w := ten(load{10 * ms, 40000}, load{})
	l := simulate(w)
	require.NotEmpty(t, l.dropped)
	assert.GreaterOrEqual(t, l.dropped[0].at, w.hold+limits.Interval, "an interval after the first was served who waited")
	assert.Less(t, l.dropped[0].at, 2*w.hold+limits.Interval)
	assert.Len(t, l.served, 400-len(l.dropped))
	assert.InDelta(t, 120, len(l.served), 10)
}

func TestIfAllWorkersHangThePollSheds(t *testing.T) {
	t.Parallel()
	for phase := range 10 {
		from := 10*time.Second + time.Duration(phase)*limits.Interval/10
		w := ten(load{minute, 50})
		w.hung = [2]time.Duration{from, 40 * time.Second}
		l := simulate(w)
		shed := between(l.dropped, from, w.hung[1])
		require.NotEmpty(t, shed)
		waits := from + w.hold // some workers were idle: from then on all are out
		assert.GreaterOrEqual(t, shed[0].at-waits, 2*limits.Interval)
		assert.LessOrEqual(t, shed[0].at-waits, 3*limits.Interval)
		assert.LessOrEqual(t, longest(shed), 3*limits.Interval)
		assert.LessOrEqual(t, longest(between(shed, shed[0].at+1, w.hung[1])), 2*limits.Interval+2*limits.Target,
			"the next are turned away by every other poll")

		after := between(l.served, w.hung[1]+2*limits.Interval, minute)
		assert.NotEmpty(t, after)
		assert.Zero(t, longest(after), "when they come back all is well")
		assert.Empty(t, between(l.dropped, w.hung[1]+2*limits.Interval, minute))
	}
}

func TestWaitersThatLeaveByThemselvesDoNotPutThePollOff(t *testing.T) {
	t.Parallel()
	w := ten(load{minute, 50})
	w.hung = [2]time.Duration{10 * time.Second, minute}
	w.patience = 1500 * ms
	l := simulate(w)
	require.NotEmpty(t, l.dropped, "although the head is another at every poll")
	assert.LessOrEqual(t, l.dropped[0].at, 10*time.Second+w.hold+3*limits.Interval)
	assert.Greater(t, len(l.dropped), 50*20)
}
