package main

import (
	"bytes"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
)

// fixed is a gate over one target, with what its scenario gives the first time
// and then.
func fixed(t target, processors int, first float64, then ...float64) (verdict, int) {
	measured := 0
	t.scenario = "s"
	if t.measured == nil {
		t.measured = func(rows []row) (float64, bool) { return rows[0].NS, len(rows) > 0 }
	}
	g := gate{[]target{t}, 1.5, processors, func(string) []row {
		measured++
		return []row{{NS: then[measured-1]}}
	}}
	return g.judge(map[string][]row{"s": {{NS: first}}})[0], measured
}

func TestTheGateHasSlack(t *testing.T) {
	most, least, exact := target{limit: 2}, target{limit: 6, least: true}, target{limit: 2, exact: true}
	for _, c := range []struct {
		target target
		value  float64
		want   outcome
	}{
		{most, 3, met}, {most, 3.01, missed}, {most, 0, met},
		{least, 4, met}, {least, 3.99, missed}, {least, 100, met},
		{exact, 2, met}, {exact, 2.01, missed},
		{most, math.NaN(), missed}, {least, math.NaN(), missed},
		{least, math.Inf(1), met}, {most, math.Inf(1), missed},
	} {
		v, _ := fixed(c.target, 2, c.value, c.value, c.value)
		assert.Equal(t, c.want, v.outcome, "%+v: %v", c.target.limit, c.value)
	}
}

func TestAMissedTargetIsMeasuredAgain(t *testing.T) {
	v, again := fixed(target{limit: 2}, 2, 9, 8, 3)
	assert.Equal(t, met, v.outcome)
	assert.Equal(t, 3, v.attempts)
	assert.Equal(t, 2, again)
	assert.Equal(t, 3.0, v.value)

	v, again = fixed(target{limit: 2}, 2, 7, 8, 9)
	assert.Equal(t, missed, v.outcome)
	assert.Equal(t, 2, again)
	assert.Equal(t, 7.0, v.value, "the best of all attempts")

	v, again = fixed(target{limit: 6, least: true}, 2, 1, 4)
	assert.Equal(t, met, v.outcome)
	assert.Equal(t, 1, again)
	assert.Equal(t, 4.0, v.value)
}

func TestOneProcessorSkipsWhatNeedsTwo(t *testing.T) {
	v, again := fixed(target{limit: 2, parallel: true}, 1, 9)
	assert.Equal(t, skipped, v.outcome)
	assert.Zero(t, again)

	var out bytes.Buffer
	v.unit = ratio
	good, err := write(&out, 1.5, []verdict{v})
	assert.NoError(t, err)
	assert.True(t, good)
	assert.Contains(t, out.String(), "skipped: one processor")
}

func TestATargetWithoutItsRowsIsMissed(t *testing.T) {
	lost := most("s", floor, 2)
	v, _ := fixed(lost, 2, 1, 1, 1)
	assert.Equal(t, missed, v.outcome)

	var out bytes.Buffer
	good, err := write(&out, 1.5, []verdict{v})
	assert.NoError(t, err)
	assert.False(t, good)
	assert.Contains(t, out.String(), "MISSED")
}

func TestTargetsCompareTheRowsTheyName(t *testing.T) {
	rows := []row{
		{Name: floor, NS: 30, rounds: sample{30, 90}},
		{Name: "puddle", NS: 120, rounds: sample{120, 360}, Allocs: 3},
		{Name: ours, NS: 10, rounds: sample{10, 30}, Allocs: 1, Tail: 1.4, P50: 5},
	}
	value := func(t target) float64 {
		v, _ := t.measured(rows)
		return v
	}
	assert.InDelta(t, 1.0/3, value(most("", floor, 1)), 1e-9)
	assert.InDelta(t, 12.0, value(lead("", "puddle", 1)), 1e-9)
	assert.Equal(t, 1.4, value(tail("", 1)))
	assert.Equal(t, 5.0, value(within("", 1)))
	assert.Equal(t, 1.0, value(allocations("")))
	assert.Equal(t, 0.0, value(allocationsOver("", "puddle")))
	assert.Equal(t, 1.0, value(allocationsOver("", floor)))
}
