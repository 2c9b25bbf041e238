package main

import (
	"fmt"
	"slices"
	"strings"
)

// soak is what was counted after every gust, when all was calm.
type soak struct{ stocks []stock }

func (s *soak) sample(of stock) { s.stocks = append(s.stocks, of) }

// gauge is one of the things that are counted, and how much more of it there may
// be in the end. Timers cannot be counted: one that is left holds an object.
type gauge struct {
	name  string
	of    func(stock) int
	bound func(begin int) int
}

var gauges = []gauge{
	{"heap, bytes", func(s stock) int { return s.heap }, func(begin int) int { return 256<<10 + begin/20 }},
	{"heap, objects", func(s stock) int { return s.objects }, func(begin int) int { return 2000 + begin/20 }},
	{"goroutines", func(s stock) int { return s.goroutines }, atMost(1)},
	{"open files", func(s stock) int { return s.files }, atMost(1)},
	{"child processes", func(s stock) int { return s.children }, atMost(0)},
	{"cleanups and finalizers not run", func(s stock) int { return s.cleanups }, atMost(50)},
}

func atMost(n int) func(int) int { return func(int) int { return n } }

// drift compares the first third of what was counted with the last, after a
// quarter for what has to fill first (rings, free lists, the heap's own books).
// Medians: a worker that is replaced just then counts in one sample.
func (s *soak) drift(g gauge) (begin, end int) {
	rest := s.stocks[len(s.stocks)/4:]
	third := max(1, len(rest)/3)
	return median(rest[:third], g.of), median(rest[len(rest)-third:], g.of)
}

func median(of []stock, value func(stock) int) int {
	var values []int
	for _, one := range of {
		values = append(values, value(one))
	}
	slices.Sort(values)
	return values[len(values)/2]
}

// drifts reports what there is too much more of.
func (s *soak) drifts() (wrong []string) {
	for _, g := range gauges {
		if begin, end := s.drift(g); end-begin > g.bound(begin) {
			wrong = append(wrong, fmt.Sprintf("%s drift: %d, then %d", g.name, begin, end))
		}
	}
	return wrong
}

func (s *soak) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "  %-34s %12s %12s %10s %10s\n", fmt.Sprintf("medians of %d samples", len(s.stocks)),
		"first third", "last third", "drift", "allowed")
	for _, g := range gauges {
		begin, end := s.drift(g)
		fmt.Fprintf(&b, "  %-34s %12d %12d %+10d %10d\n", g.name, begin, end, end-begin, g.bound(begin))
	}
	return b.String()
}
