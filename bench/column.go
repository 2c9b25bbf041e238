package main

import (
	"fmt"
	"math"
	"strconv"
)

// A column of a table. Its head may name the baseline, as %s; without a head it
// is words, not numbers.
type column struct {
	head string
	cell func(row) string
}

var (
	timeColumn     = column{"time/op", func(r row) string { return duration(r.NS) }}
	spreadColumn   = column{"spread", func(r row) string { return percent(r.Spread) }}
	ratioColumn    = column{"× %s", func(r row) string { return ratio(r.Ratio) }}
	allocsColumn   = column{"allocs/op", func(r row) string { return strconv.FormatFloat(r.Allocs, 'f', 1, 64) }}
	p50Column      = column{"p50", func(r row) string { return duration(r.P50) }}
	p99Column      = column{"p99", func(r row) string { return duration(r.P99) }}
	maxColumn      = column{"max", func(r row) string { return duration(r.Max) }}
	tailColumn     = column{"p99/p50", func(r row) string { return ratio(r.Tail) }}
	fairnessColumn = column{"fairness", func(r row) string { return fmt.Sprintf("%.3f", r.Fairness) }}
	bytesColumn    = column{"bytes/worker", func(r row) string { return size(r.Bytes) }}
	noteColumn     = column{"", func(r row) string { return r.Note }}
)

// duration writes nanoseconds in the unit that suits them, with three digits.
func duration(ns float64) string {
	if none(ns) {
		return "–"
	}
	for _, unit := range []struct {
		size float64
		name string
	}{{1e9, " s"}, {1e6, " ms"}, {1e3, " µs"}} {
		if v := ns / unit.size; v >= 0.9995 {
			return three(v) + unit.name
		}
	}
	return three(ns) + " ns"
}

// three writes x with three digits, or all those before the point.
func three(x float64) string {
	switch {
	case x < 9.995:
		return strconv.FormatFloat(x, 'f', 2, 64)
	case x < 99.95:
		return strconv.FormatFloat(x, 'f', 1, 64)
	}
	return strconv.FormatFloat(x, 'f', 0, 64)
}

func size(n float64) string { return strconv.FormatFloat(n, 'f', 0, 64) }

func ratio(x float64) string {
	switch {
	case none(x):
		return "–"
	case x < 100:
		return strconv.FormatFloat(x, 'f', 2, 64)
	}
	return strconv.FormatFloat(x, 'f', 0, 64)
}

func percent(x float64) string {
	if none(x) {
		return "–"
	}
	return fmt.Sprintf("%.0f %%", 100*x)
}

// none reports whether there is nothing to show: a duration or a ratio is never
// exactly 0.
func none(x float64) bool { return x == 0 || math.IsNaN(x) || math.IsInf(x, 0) }

// digits rounds x to that many significant digits. What is no number is 0.
func digits(x float64, n int) float64 {
	if none(x) {
		return 0
	}
	rounded, _ := strconv.ParseFloat(strconv.FormatFloat(x, 'e', n-1, 64), 64)
	return rounded
}
