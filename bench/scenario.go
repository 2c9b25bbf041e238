package main

import (
	"regexp"
	"slices"
)

// A scenario measures one thing for several entrants, in one table.
type scenario struct {
	name    string // in lower case: words, and parts of them after a slash
	about   string // a sentence or two: the job, and what a row means
	columns []column
	run     func(p plan) []row
}

// scenarios are all that a plan allows, in the order of the report.
func scenarios(p plan) []scenario {
	return slices.Concat(
		loops(),
		crowds(),
		handoffs(),
		crashes(),
		revocations(),
		storms(),
		costs(),
		starts(p),
		functions(),
	)
}

// measure runs the scenario and labels what comes out.
func (s scenario) measure(p plan) []row {
	rows := s.run(p)
	for i := range rows {
		rows[i].Scenario = s.name
	}
	return rows
}

// matching returns those whose names match.
func matching(all []scenario, pattern *regexp.Regexp) []scenario {
	var chosen []scenario
	for _, s := range all {
		if pattern.MatchString(s.name) {
			chosen = append(chosen, s)
		}
	}
	return chosen
}
