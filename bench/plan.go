package main

import "time"

// A plan says how much is measured: it changes how sure the results are.
type plan struct {
	rounds  int           // of every comparison
	turn    time.Duration // of one peer in a round
	clients int           // of a crowd
	watches int           // rounds of what is watched for a while
	watched time.Duration // how long that is
	samples int           // of what is awaited one by one
	held    time.Duration // the longest that a lease is held before its client ends
	starts  []start       // how many workers are started at once
}

// A start is of so many workers, in so many rounds.
type start struct{ workers, rounds int }

var (
	full = plan{
		rounds: 9, turn: 40 * time.Millisecond, clients: 1000,
		watches: 5, watched: 400 * time.Millisecond,
		samples: 500, held: 500 * time.Millisecond,
		starts: []start{{10_000, 9}, {100_000, 3}, {1_000_000, 1}},
	}
	quick = plan{
		rounds: 5, turn: 15 * time.Millisecond, clients: 1000,
		watches: 3, watched: 120 * time.Millisecond,
		samples: 100, held: 300 * time.Millisecond,
		starts: []start{{10_000, 3}},
	}
)
