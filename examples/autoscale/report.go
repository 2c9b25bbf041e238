package main

import (
	"fmt"
	"strings"
	"time"
)

// report is what there is to see in the end.
type report struct {
	config
	began  time.Time
	panels []*panel
}

// at is when the tick begins.
func (r *report) at(n int) time.Time { return r.began.Add(time.Duration(n) * tick) }

func (r *report) good() bool {
	_, refused := r.calls()
	return refused == 0
}

// calls counts those to all pools together.
func (r *report) calls() (served, refused int) {
	for _, p := range r.panels {
		served += p.served
		refused += p.refused
	}
	return served, refused
}

func (r *report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "The workers of three pools over time, under the same load. One takes %v to\n"+
		"start. A burst is some clients at once, each of which makes %d calls of %v.\n\n%s\n\n",
		startTime, calls, work, legend)
	for _, p := range r.panels {
		p.draw(&b)
	}
	r.axis(&b)
	served, refused := r.calls()
	fmt.Fprintf(&b, "\nOf %d calls %d were served and %d refused.\n\n", served+refused, served, refused)
	fmt.Fprintf(&b, "%8s  longest wait  most workers  on average  started  back at Size\n", "")
	for _, p := range r.panels {
		most, average := p.staff()
		fmt.Fprintf(&b, "%-8s  %12v  %12d  %10.1f  %7d  %s\n", p.name,
			p.longest.Round(10*time.Millisecond), most, average, p.starts.Load(), p.settled())
	}
	return b.String()
}

// staff says how many workers there were at most, and on average.
func (p *panel) staff() (most int, average float64) {
	sum := 0
	for _, s := range p.seen {
		most = max(most, workers(s))
		sum += workers(s)
	}
	return most, float64(sum) / float64(len(p.seen))
}

// settled says how long after its last client the pool had no more workers than
// Size.
func (p *panel) settled() string {
	busy, surplus := 0, -1
	for n, s := range p.seen {
		if s.Leased+s.Waiting > 0 {
			busy = n
		}
		if s.Overflow > 0 {
			surplus = n
		}
	}
	if surplus < 0 {
		return "never beyond"
	}
	return fmt.Sprintf("after %v", time.Duration(max(0, surplus-busy))*tick)
}
