package main

// A row is the result of one entrant in one scenario. Durations are in
// nanoseconds.
type row struct {
	Scenario string  `json:"scenario"`
	Name     string  `json:"name"`
	NS       float64 `json:"ns"`
	Allocs   float64 `json:"allocs"`
	Baseline string  `json:"baseline"` // the name of another row of the scenario
	Ratio    float64 `json:"ratio"`    // to the baseline; 0: there is none

	Spread   float64 `json:"spread,omitempty"` // distance of the quartiles as a part of ns
	P50      float64 `json:"p50,omitempty"`
	P99      float64 `json:"p99,omitempty"`
	Max      float64 `json:"max,omitempty"`
	Tail     float64 `json:"tail,omitempty"`     // p99 / p50
	Fairness float64 `json:"fairness,omitempty"` // Jain's index
	Bytes    float64 `json:"bytes,omitempty"`
	Note     string  `json:"note,omitempty"`

	rounds sample // ns of each round
}

// rounded returns r with no more digits than mean something, and no number that
// JSON does not know.
func (r row) rounded() row {
	for _, f := range []*float64{&r.NS, &r.Allocs, &r.Ratio, &r.Spread, &r.P50, &r.P99, &r.Max, &r.Tail, &r.Fairness, &r.Bytes} {
		*f = digits(*f, 4)
	}
	return r
}

// latency is the row of something whose durations were taken one by one.
func latency(name, note string, durations sample) row {
	p50, p99 := durations.median(), durations.quantile(0.99)
	return row{
		Name: name, Note: note, NS: p50, Spread: durations.spread(),
		P50: p50, P99: p99, Max: durations.quantile(1), Tail: p99 / max(p50, 1),
	}
}

// against sets the ratio of every row to the one named baseline. The rounds
// decide where there are some.
func against(baseline string, rows []row) []row {
	base, ok := named(rows, baseline)
	if !ok {
		return rows
	}
	for i := range rows {
		rows[i].Baseline, rows[i].Ratio = baseline, rows[i].over(base)
	}
	return rows
}

// over returns how many times the duration of the other row this one takes.
func (r row) over(other row) float64 {
	switch {
	case len(r.rounds) > 0 && len(other.rounds) > 0:
		return r.rounds.over(other.rounds)
	case other.NS > 0:
		return r.NS / other.NS
	}
	return 0
}

// named finds the row of that name.
func named(rows []row, name string) (row, bool) {
	for _, r := range rows {
		if r.Name == name {
			return r, true
		}
	}
	return row{}, false
}
