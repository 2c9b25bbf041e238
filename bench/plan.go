package main

import "time"

// A plan says how much is measured. It changes how sure the results are, and
// their size nowhere but in starts.
type plan struct {
	rounds  int           // of every comparison
	turn    time.Duration // of one peer in a round
	clients int           // of a crowd
	watched time.Duration // how long a crowd is watched, in each of watches rounds
	watches int
	samples int   // of what is awaited one by one
	starts  []int // workers started at once
}

var (
	full = plan{
		rounds: 9, turn: 40 * time.Millisecond, clients: 1000,
		watched: 400 * time.Millisecond, watches: 5,
		samples: 200, starts: []int{10_000, 100_000, 1_000_000},
	}
	quick = plan{
		rounds: 5, turn: 15 * time.Millisecond, clients: 1000,
		watched: 120 * time.Millisecond, watches: 3,
		samples: 40, starts: []int{10_000},
	}
)
