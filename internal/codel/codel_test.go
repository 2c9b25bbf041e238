package codel_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool/internal/codel"
)

// slow returns a controller that has been slow since 2 s: an interval of waits
// of 60 ms has been judged.
func slow(t *testing.T) *codel.Controller {
	t.Helper()
	c := new(codel.Controller)
	for now := time.Second; now <= 2*time.Second; now += 500 * ms {
		require.False(t, c.Dequeue(limits, at(now), 60*ms))
	}
	require.True(t, c.Slow())
	return c
}

func TestAnIntervalIsSlowIfItsShortestWaitIsLongerThanTheTarget(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		waits [3]time.Duration // of an interval: the first, one within, the last
		want  bool
	}{
		{"all longer", [3]time.Duration{51 * ms, 70 * ms, 60 * ms}, true},
		{"all 1 ns longer", [3]time.Duration{50*ms + 1, 50*ms + 1, 50*ms + 1}, true},
		{"the first as long", [3]time.Duration{50 * ms, 70 * ms, 60 * ms}, false},
		{"one within as long", [3]time.Duration{70 * ms, 50 * ms, 60 * ms}, false},
		{"the last as long", [3]time.Duration{70 * ms, 60 * ms, 50 * ms}, false},
		{"none at all", [3]time.Duration{}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var c codel.Controller
			for i, now := range []time.Duration{time.Second, 1500 * ms, 2*time.Second - 1} {
				require.False(t, c.Dequeue(limits, at(now), test.waits[i]))
			}
			assert.Equal(t, min(test.waits[0], test.waits[1], test.waits[2]), c.Delay())
			assert.False(t, c.Slow(), "the interval has not ended")
			c.Dequeue(limits, at(2*time.Second), 0)
			assert.Equal(t, test.want, c.Slow())
		})
	}
}

func TestAnIntervalEndsToTheNanosecond(t *testing.T) {
	t.Parallel()
	var c codel.Controller
	c.Dequeue(limits, at(time.Second), 60*ms)
	c.Dequeue(limits, at(2*time.Second-1), 60*ms)
	assert.False(t, c.Slow())
	c.Dequeue(limits, at(2*time.Second), 60*ms)
	assert.True(t, c.Slow())

	c.Dequeue(limits, at(2500*ms), 40*ms)
	assert.Equal(t, 40*ms, c.Delay())
	assert.True(t, c.Dequeue(limits, at(3*time.Second-1), time.Second))
	assert.False(t, c.Dequeue(limits, at(3*time.Second), time.Second), "the first of an interval")
	assert.False(t, c.Slow())
	assert.Equal(t, time.Second, c.Delay(), "of the new interval")
}

func TestTooLongIsLongerThanTwiceTheTarget(t *testing.T) {
	t.Parallel()
	for wait, want := range map[time.Duration]bool{0: false, 60 * ms: false, 100 * ms: false, 100*ms + 1: true, time.Hour: true} {
		assert.Equal(t, want, limits.TooLong(wait), wait)
		assert.Equal(t, want, slow(t).Dequeue(limits, at(2500*ms), wait), wait)

		var calm codel.Controller
		calm.Dequeue(limits, at(2*time.Second), time.Hour)
		assert.False(t, calm.Dequeue(limits, at(2500*ms), wait), "not slow")
	}
	forever := codel.Limits{Target: 1<<63 - 1, Interval: time.Second}
	assert.False(t, forever.TooLong(1<<63-1))
}

func TestAWaiterThatIsTurnedAwayIsNoSample(t *testing.T) {
	t.Parallel()
	c := slow(t)
	require.True(t, c.Dequeue(limits, at(2500*ms), 101*ms))
	assert.Equal(t, 60*ms, c.Delay())
	require.False(t, c.Dequeue(limits, at(2500*ms), 55*ms))
	assert.Equal(t, 55*ms, c.Delay())
}

func TestTheFirstOfAnIntervalIsServedHoweverLongItHasWaited(t *testing.T) {
	t.Parallel()
	c := slow(t)
	require.True(t, c.Dequeue(limits, at(3*time.Second-1), time.Hour))
	require.False(t, c.Dequeue(limits, at(3*time.Second), time.Hour))
	require.True(t, c.Slow())
	require.True(t, c.Dequeue(limits, at(3*time.Second), time.Hour), "the second is not")
}

func TestAWorkerThatFindsNobodyMakesTheIntervalAGoodOne(t *testing.T) {
	t.Parallel()
	c := slow(t)
	c.Empty(limits, at(2500*ms))
	assert.Zero(t, c.Delay())
	assert.True(t, c.Slow(), "until the interval ends")
	assert.True(t, c.Dequeue(limits, at(3*time.Second-1), 101*ms))
	assert.False(t, c.Dequeue(limits, at(3*time.Second), 101*ms))
	assert.False(t, c.Slow())
}

func TestAWorkerThatFindsNobodyEndsAnIntervalToo(t *testing.T) {
	t.Parallel()
	for now, want := range map[time.Duration]bool{3*time.Second - 1: true, 3 * time.Second: false} {
		c := slow(t)
		c.Dequeue(limits, at(2500*ms), 10*ms)
		c.Empty(limits, at(now))
		assert.Equal(t, want, c.Slow(), now)
		assert.Zero(t, c.Delay())
	}
	c := slow(t)
	c.Empty(limits, at(3*time.Second))
	assert.True(t, c.Slow(), "the waits of the interval were long")
	c.Empty(limits, at(time.Minute))
	assert.True(t, c.Slow(), "nobody has waited since")
	c.Dequeue(limits, at(time.Hour), time.Minute)
	assert.False(t, c.Slow())
}

func TestTheThirdPollTurnsAwayIfNobodyIsServed(t *testing.T) {
	t.Parallel()
	var c codel.Controller
	assert.False(t, c.Poll(limits, at(1*time.Second), 500*ms), "a new head")
	assert.Zero(t, c.Delay())
	assert.False(t, c.Poll(limits, at(2*time.Second), 1500*ms), "the same head")
	assert.Equal(t, 1500*ms, c.Delay())
	assert.False(t, c.Slow())
	assert.True(t, c.Poll(limits, at(3*time.Second), 2500*ms))
	assert.Equal(t, 2500*ms, c.Delay())
	assert.True(t, c.Slow())
	assert.False(t, c.Poll(limits, at(4*time.Second), time.Second), "a new head")
	assert.True(t, c.Slow())
	assert.True(t, c.Poll(limits, at(5*time.Second), 2*time.Second))
}

func TestThePollKnowsTheBoundariesToo(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name       string
		delay      time.Duration // of the interval that the third poll judges
		wait       time.Duration // of the head then
		slow, shed bool
	}{
		{"the target, too long", 50 * ms, 101 * ms, false, false},
		{"1 ns longer than the target, too long", 50*ms + 1, 100*ms + 1, true, true},
		{"1 ns longer than the target, twice the target", 50*ms + 1, 100 * ms, true, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var c codel.Controller
			c.Poll(limits, at(1*time.Second), 0)
			c.Poll(limits, at(2*time.Second), test.delay)
			assert.Equal(t, test.shed, c.Poll(limits, at(3*time.Second), test.wait))
			assert.Equal(t, test.slow, c.Slow())
			assert.Equal(t, test.wait, c.Delay())
			assert.Equal(t, !test.shed, c.Poll(limits, at(4*time.Second), 101*ms),
				"whoever was not turned away is still the head")
		})
	}
}

func TestServingIsProgressAndSoIsTurningAway(t *testing.T) {
	t.Parallel()
	for name, progress := range map[string]func(c *codel.Controller, now time.Time){
		"served":      func(c *codel.Controller, now time.Time) { c.Dequeue(limits, now, 90*ms) },
		"turned away": func(c *codel.Controller, now time.Time) { c.Dequeue(limits, now, time.Second) },
		"nobody left": func(c *codel.Controller, now time.Time) { c.Empty(limits, now) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := slow(t)
			c.Poll(limits, at(2100*ms), 500*ms)
			progress(c, at(2999*ms))
			assert.False(t, c.Poll(limits, at(3100*ms), 500*ms))
			assert.NotEqual(t, 500*ms, c.Delay(), "no sample")
			c.Poll(limits, at(4100*ms), 700*ms)
			assert.Equal(t, 700*ms, c.Delay(), "the next is one")
		})
	}
}

func TestAQueueThatEveryoneHasLeftIsEmpty(t *testing.T) {
	t.Parallel()
	var c codel.Controller
	c.Poll(limits, at(1*time.Second), 0)
	c.Poll(limits, at(2*time.Second), time.Second)
	require.Equal(t, time.Second, c.Delay())
	c.Empty(limits, at(2500*ms))
	assert.Zero(t, c.Delay())
}

// TestNobodyIsTurnedAwayEarly asks a controller at random, and with targets that
// change.
func TestNobodyIsTurnedAwayEarly(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	upTo := func(d time.Duration) time.Duration { return 1 + time.Duration(random.Int64N(int64(d))) }
	var dropped, shed, first int
	for range 100 {
		var c codel.Controller
		var now time.Duration
		l := codel.Limits{Target: 50 * ms, Interval: 80 * ms}
		for range 1000 {
			gap, wait := upTo(100*ms), upTo(300*ms)
			now += gap
			switch n := random.IntN(100); {
			case n == 0:
				l.Target = upTo(80 * ms)
			case n == 1:
				c.Empty(l, at(now))
			case n < 30:
				if c.Poll(l, at(now), wait) {
					shed++
					require.Greater(t, wait, 2*l.Target)
				}
			default:
				drop := c.Dequeue(l, at(now), wait)
				if drop {
					dropped++
					require.Greater(t, wait, 2*l.Target)
					require.True(t, c.Slow())
				}
				if gap >= l.Interval { // whenever the interval began, it has ended
					first++
					require.False(t, drop)
				}
			}
		}
	}
	for _, n := range []int{dropped, shed, first} {
		require.Greater(t, n, 1000, "the story is not told")
	}
}

func TestAControllerDoesNotAllocate(t *testing.T) {
	var c codel.Controller
	now := epoch
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		now = now.Add(time.Second)
		c.Poll(limits, now, 60*ms)
		c.Dequeue(limits, now, 200*ms)
		c.Dequeue(limits, now, 200*ms)
		c.Empty(limits, now)
	}))
}
