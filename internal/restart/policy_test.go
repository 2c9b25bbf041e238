package restart_test

import (
	"math"
	"testing"
	"time"

	"github.com/pooltender/pool/internal/restart"
	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"
)

const ms = time.Millisecond

// almost is the largest u in [0,1).
var almost = math.Nextafter(1, 0)

func defaults(size int) restart.Policy {
	return restart.Policy{
		Min:          100 * ms,
		Max:          30 * time.Second,
		MaxRestarts:  6 * max(1, size),
		Window:       time.Minute,
		HealthyAfter: 10 * time.Second,
		ProbeMax:     5 * time.Second,
	}
}

func TestTheFirstFailureCostsNothingAndTheDelayThenDoublesToMax(t *testing.T) {
	t.Parallel()
	p := defaults(1)
	for streak, whole := range []time.Duration{
		0, 0, 100 * ms, 200 * ms, 400 * ms, 800 * ms, 1600 * ms, 3200 * ms, 6400 * ms,
		12800 * ms, 25600 * ms, 30000 * ms, 30000 * ms, 30000 * ms,
	} {
		assert.Equal(t, whole*3/4, p.Delay(streak, 0), "least after %d failures", streak)
		assert.Equal(t, whole*7/8, p.Delay(streak, 0.5), "half way after %d failures", streak)
		assert.InDelta(t, whole, p.Delay(streak, almost), 1, "most after %d failures", streak)
	}
}

func TestHugeStreaksDoNotOverflow(t *testing.T) {
	t.Parallel()
	p := defaults(1)
	for _, streak := range []int{38, 39, 40, 63, 64, 65, 66, 67, 1000, math.MaxInt} {
		assert.Equal(t, 22500*ms, p.Delay(streak, 0), "streak %d", streak)
		assert.Equal(t, 3750*ms, p.ProbeDelay(streak, 0), "attempt %d", streak)
	}
	p.Max = math.MaxInt64
	for streak := range 100 {
		assert.GreaterOrEqual(t, p.Delay(streak+1, almost), p.Delay(streak, almost), "streak %d", streak)
	}
}

func TestMinOfTheBackoff(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		least time.Duration
		want  []time.Duration // with u = 0, from the second failure
	}{
		"negative: no backoff":  {-1, []time.Duration{0, 0, 0, 0}},
		"zero stays zero":       {0, []time.Duration{0, 0, 0, 0}},
		"longer than Max":       {time.Minute, []time.Duration{22500 * ms, 22500 * ms}},
		"Max is no power of it": {7 * time.Second, []time.Duration{5250 * ms, 10500 * ms, 21000 * ms, 22500 * ms}},
	} {
		p := defaults(1)
		p.Min = c.least
		for i, want := range c.want {
			assert.Equal(t, want, p.Delay(i+2, 0), "%s: failure %d", name, i+2)
		}
		assert.Zero(t, p.Delay(0, 0), name)
		assert.Zero(t, p.Delay(1, 0), name)
	}
}

func TestProbesSlowDownToTheirOwnMaximum(t *testing.T) {
	t.Parallel()
	noBackoff, short := defaults(1), defaults(1)
	noBackoff.Min = -1
	short.Max = time.Second
	for attempt, whole := range []time.Duration{
		100 * ms, 200 * ms, 400 * ms, 800 * ms, 1600 * ms, 3200 * ms, 5000 * ms, 5000 * ms,
	} {
		for name, p := range map[string]restart.Policy{"default": defaults(1), "negative Min": noBackoff} {
			assert.Equal(t, whole*3/4, p.ProbeDelay(attempt, 0), "%s: attempt %d", name, attempt)
			assert.InDelta(t, whole, p.ProbeDelay(attempt, almost), 1, "%s: attempt %d", name, attempt)
		}
		assert.Equal(t, min(whole, time.Second)*3/4, short.ProbeDelay(attempt, 0), "short Max: attempt %d", attempt)
	}
}

func TestJitterOnlyShortens(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := defaults(1)
		p.Min = time.Duration(rapid.Int64Range(0, math.MaxInt64).Draw(t, "min"))
		p.Max = time.Duration(rapid.Int64Range(0, math.MaxInt64).Draw(t, "max"))
		streak := rapid.IntRange(2, 200).Draw(t, "streak")
		u := rapid.Float64Range(0, almost).Draw(t, "u")
		d, least := p.Delay(streak, u), p.Delay(streak, 0)
		assert.GreaterOrEqual(t, d, least)
		assert.LessOrEqual(t, d, p.Max)
		assert.GreaterOrEqual(t, p.ProbeDelay(streak, u), p.ProbeDelay(streak, 0))
		assert.LessOrEqual(t, p.ProbeDelay(streak, u), min(p.Max, p.ProbeMax))
	})
}

func TestNext(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		streak int
		ending restart.Ending
		proven bool
		want   int
		wait   time.Duration
	}{
		{"a proven worker's crash", 0, restart.Crashed, true, 0, 0},
		{"a proven worker's crash clears the streak", 7, restart.Crashed, true, 0, 0},
		{"a proven worker's orderly end clears the streak", 7, restart.Orderly, true, 0, 0},
		{"an unproven worker's orderly end is no failure", 0, restart.Orderly, false, 0, 0},
		{"an unproven worker's orderly end proves nothing", 7, restart.Orderly, false, 7, 0},
		{"the first crash", 0, restart.Crashed, false, 1, 0},
		{"the first failed start", 0, restart.StartFailed, false, 1, 0},
		{"the second crash", 1, restart.Crashed, false, 2, 75 * ms},
		{"the second failed start", 1, restart.StartFailed, false, 2, 75 * ms},
		{"crashes and failed starts make one streak", 3, restart.Crashed, false, 4, 300 * ms},
		{"a long streak", 50, restart.StartFailed, false, 51, 22500 * ms},
	} {
		streak, wait := defaults(1).Next(c.streak, c.ending, c.proven, 0)
		assert.Equal(t, c.want, streak, c.name)
		assert.Equal(t, c.wait, wait, c.name)
	}

	p := defaults(1)
	_, wait := p.Next(1, restart.Crashed, false, 0.5)
	assert.Equal(t, 87500*time.Microsecond, wait, "u is passed on")
	p.Min = -1
	streak, wait := p.Next(9, restart.Crashed, false, 0.5)
	assert.Equal(t, 10, streak, "failures are counted without a backoff")
	assert.Zero(t, wait)
}
