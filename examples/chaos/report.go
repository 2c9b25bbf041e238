package main

import (
	"fmt"
	"strings"
	"time"
)

// report is what the storm came to.
type report struct {
	*storm
	took time.Duration
	left stock
}

// problems is everything that was not as it should be.
func (r *report) problems() (all []string) {
	all, n := r.checker.violations()
	if n > len(all) {
		all = append(all, fmt.Sprintf("and %d more", n-len(all)))
	}
	if r.soak != nil {
		all = append(all, r.soak.drifts()...)
	}
	return all
}

func (r *report) String() string {
	var b strings.Builder
	section := func(title string, t *tally) {
		fmt.Fprintf(&b, "%s: %d\n%v\n", title, t.total(), t)
	}
	section("operations", &r.operations)
	section("how they ended", &r.outcomes)
	section("leases by their end, where clients hold them themselves", &r.ends)
	section("faults", &r.faults)
	workers, _ := r.checker.workers()
	processes, _ := r.houses[0].herd.count()
	fmt.Fprintf(&b, "workers started: %d, processes among them: %d, in %v\n\n", workers, processes, r.took.Round(time.Second))
	fmt.Fprintf(&b, "a quiet pool of the same registry, and a channel\n%v\n", r.quiet)
	if r.soak != nil {
		fmt.Fprintf(&b, "soak: what there is when all is calm\n%v\n", r.soak)
	}
	problems := r.problems()
	fmt.Fprintf(&b, "left over in the end: %v\nviolations: %d\n", r.left, len(problems))
	for _, p := range problems {
		fmt.Fprintf(&b, "  %s\n", p)
	}
	return b.String()
}
