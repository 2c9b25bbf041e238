package main

import (
	"fmt"
	"io"
	"math"
	"strconv"
)

// attempts is how often a target may be measured before it is missed: the noise
// of a machine comes in bursts, a loss of speed stays.
const attempts = 3

// A gate holds results against targets.
type gate struct {
	targets    []target
	slack      float64 // how many times the limit is still good
	processors int
	again      func(scenario string) []row // measures it once more
}

// A verdict is what became of one target.
type verdict struct {
	target
	value    float64 // the best of all attempts; NaN: there was none
	bound    float64 // the limit with its slack
	outcome  outcome
	attempts int
}

type outcome string

const (
	met     outcome = "met"
	missed  outcome = "MISSED"
	skipped outcome = "skipped: one processor"
)

// judge looks at every target whose scenario is among the results. Scenarios
// with a target that is missed are measured again.
func (g gate) judge(results map[string][]row) []verdict {
	var all []verdict
	for _, t := range g.targets {
		if rows, ran := results[t.scenario]; ran {
			v := verdict{target: t, value: math.NaN(), bound: g.bound(t)}
			v.try(rows, g.processors)
			all = append(all, v)
		}
	}
	for range attempts - 1 {
		fresh := make(map[string][]row)
		for i := range all {
			v := &all[i]
			if v.outcome != missed {
				continue
			}
			if fresh[v.scenario] == nil {
				fresh[v.scenario] = g.again(v.scenario)
			}
			v.try(fresh[v.scenario], g.processors)
		}
	}
	return all
}

// bound is the limit with its slack.
func (g gate) bound(t target) float64 {
	switch {
	case t.held != 0:
		return t.held
	case t.exact:
		return t.limit
	case t.least:
		return t.limit / g.slack
	}
	return t.limit * g.slack
}

// try holds the verdict's target against the rows of its scenario.
func (v *verdict) try(rows []row, processors int) {
	v.attempts++
	if v.parallel && processors == 1 {
		v.outcome = skipped
		return
	}
	value, ok := v.measured(rows)
	if ok && !math.IsNaN(value) && (math.IsNaN(v.value) || (value > v.value) == v.least) {
		v.value = value
	}
	v.outcome = missed
	if v.value == v.bound || (v.value > v.bound) == v.least && !math.IsNaN(v.value) {
		v.outcome = met
	}
}

// write prints the verdicts and reports whether no target was missed.
func write(w io.Writer, slack float64, verdicts []verdict) (bool, error) {
	good := true
	grid := [][]string{{"", "target", "limit", fmt.Sprint("with slack ", slack), "measured", "attempts", ""}}
	for _, v := range verdicts {
		good = good && v.outcome != missed
		sign := "≤ "
		if v.least {
			sign = "≥ "
		}
		measured := "–"
		if !math.IsNaN(v.value) {
			measured = v.unit(v.value)
		}
		grid = append(grid, []string{
			v.scenario, v.about, sign + v.unit(v.limit), sign + v.unit(v.bound),
			measured, strconv.Itoa(v.attempts), string(v.outcome),
		})
	}
	if _, err := fmt.Fprintf(w, "\n## Targets\n\n"); err != nil {
		return false, err
	}
	return good, table(w, func(i int) bool { return i < 2 || i == 6 }, grid)
}
