package main

import (
	"fmt"
	"time"
)

// A target is what this library must reach in a scenario.
type target struct {
	scenario string
	about    string
	limit    float64
	least    bool    // the limit is the least that is good, not the most
	exact    bool    // no slack: what is counted has no noise
	held     float64 // where it is not reached: what may not get worse, slack included; 0: it is
	parallel bool    // means nothing on one processor
	unit     func(float64) string

	// measured reads the value from the rows of the scenario. It reports false
	// where they lack it.
	measured func(rows []row) (float64, bool)
}

// targets are all there are. They are promises of BENCHMARKS.md.
func targets() []target {
	all := []target{
		most("uncontended/background", floor, 0.35),
		most("uncontended/cancellable", floor, 0.60),
		most("uncontended/fresh", floor, 1.3),
		most("parallel/background", floor, 0.25),
		most("parallel/cancellable", floor, 0.35),
		most("crowd/none", floor, 0.8),
		most("crowd/yield", "channel + select", 1.1),
		tail("wait/yield", 1.5),
		lead("uncontended/background", "puddle", 8),
		lead("parallel/background", "puddle", 15),
		atMost("crash/error", "suture", 1, 3.5),
		most("crash/panic", "suture", 1),
		within("revoke/waited", 2*time.Millisecond),
		within("revoke/unwaited", 100*time.Millisecond),
		{
			scenario: "start/10000", about: "time of " + running + " ÷ " + bare, limit: 1.5, held: 5, unit: ratio,
			measured: func(rows []row) (float64, bool) { return between(rows, running, bare, row.over) },
		},
		{
			scenario: "start/10000", about: "bytes of " + passive, limit: 256, held: 290, unit: size, // those of the pool itself are among them
			measured: func(rows []row) (float64, bool) {
				r, ok := named(rows, passive)
				return r.Bytes, ok
			},
		},
	}
	for _, scenario := range []string{
		"uncontended/background", "uncontended/cancellable",
		"parallel/background", "parallel/cancellable",
		"crowd/none", "crowd/yield", "crowd/5us",
	} {
		all = append(all, allocations(scenario))
	}
	return append(all, allocationsOver("uncontended/fresh", "channel + select"), allocationsOver("parallel/fresh", "channel + select"))
}

// most bounds what this library takes, in durations of the other.
func most(scenario, other string, limit float64) target {
	return target{
		scenario: scenario, about: "time of " + ours + " ÷ " + other, limit: limit, unit: ratio, parallel: concurrent(scenario),
		measured: func(rows []row) (float64, bool) { return between(rows, ours, other, row.over) },
	}
}

// atMost is most where that is not reached, and may not get worse than held.
func atMost(scenario, other string, limit, held float64) target {
	t := most(scenario, other, limit)
	t.held = held
	return t
}

// lead bounds from below what the other takes, in durations of this library.
func lead(scenario, other string, limit float64) target {
	return target{
		scenario: scenario, about: "time of " + other + " ÷ " + ours, limit: limit, least: true, unit: ratio, parallel: concurrent(scenario),
		measured: func(rows []row) (float64, bool) { return between(rows, other, ours, row.over) },
	}
}

// tail bounds how much longer than most the slowest in a hundred wait.
func tail(scenario string, limit float64) target {
	return own(target{scenario: scenario, about: "p99 ÷ p50 of the wait", limit: limit, unit: ratio},
		func(r row) float64 { return r.Tail })
}

// within bounds the median of a latency.
func within(scenario string, limit time.Duration) target {
	return own(target{scenario: scenario, about: "p50", limit: float64(limit), unit: duration},
		func(r row) float64 { return r.P50 })
}

// rare is how many allocations are none: those of the measuring, and what a
// collection of garbage took away.
const rare = 0.05

func allocations(scenario string) target {
	return own(target{scenario: scenario, about: "allocations", limit: rare, exact: true, unit: allocs, parallel: concurrent(scenario)},
		func(r row) float64 { return r.Allocs })
}

// allocationsOver counts those beyond what the other does, whose own are those
// of the context.
func allocationsOver(scenario, other string) target {
	return target{
		scenario: scenario, about: "allocations beyond those of " + other, limit: rare, exact: true, unit: allocs, parallel: concurrent(scenario),
		measured: func(rows []row) (float64, bool) {
			return between(rows, ours, other, func(a, b row) float64 { return max(0, a.Allocs-b.Allocs) })
		},
	}
}

func allocs(n float64) string { return fmt.Sprintf("%.2f", n) }

// own completes a target that looks at the row of this library alone.
func own(t target, value func(row) float64) target {
	t.measured = func(rows []row) (float64, bool) {
		r, ok := named(rows, ours)
		return value(r), ok
	}
	return t
}

// between compares two rows.
func between(rows []row, a, b string, value func(a, b row) float64) (float64, bool) {
	x, hasA := named(rows, a)
	y, hasB := named(rows, b)
	return value(x, y), hasA && hasB
}

// concurrent says which scenarios need two processors.
func concurrent(scenario string) bool {
	return len(scenario) > 8 && scenario[:8] == "parallel"
}
