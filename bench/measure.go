package main

import (
	"runtime"
	"time"
)

// An entrant does one job in one way.
type entrant struct {
	name string
	note string

	// run does the job about n times and returns how often it did. It starts
	// the watch when everything is prepared and stops it when the job is done.
	run func(n int, w *watch) int
}

// A watch measures time and allocations between its start and its stop.
type watch struct {
	began   time.Time
	elapsed time.Duration
	memory  runtime.MemStats
	mallocs uint64
}

func (w *watch) start() {
	w.count()
	w.began = time.Now()
}

// count begins to count allocations. It stops the world for a moment.
func (w *watch) count() {
	runtime.ReadMemStats(&w.memory)
	w.mallocs = w.memory.Mallocs
}

func (w *watch) stop() {
	w.elapsed = time.Since(w.began)
	runtime.ReadMemStats(&w.memory)
	w.mallocs = w.memory.Mallocs - w.mallocs
}

// compare lets the entrants run in rounds, each once a round and every time at
// another place in it, so that what disturbs the machine for a while disturbs
// all of them. Before it settles how often each does its job in a turn.
func compare(p plan, baseline string, entrants []entrant) []row {
	type record struct {
		n          int
		ns, allocs sample
	}
	records := make([]record, len(entrants))
	var w watch
	for i, e := range entrants {
		records[i].n = settle(p.turn, e, &w)
	}
	for round := range p.rounds {
		for i := range entrants {
			turn := (i + round) % len(entrants)
			r := &records[turn]
			runtime.GC()
			done := float64(entrants[turn].run(r.n, &w))
			r.ns = append(r.ns, float64(w.elapsed)/done)
			r.allocs = append(r.allocs, float64(w.mallocs)/done)
		}
	}
	rows := make([]row, len(entrants))
	for i, r := range records {
		rows[i] = row{
			Name: entrants[i].name, Note: entrants[i].note,
			NS: r.ns.median(), Spread: r.ns.spread(), Allocs: r.allocs.median(),
			rounds: r.ns,
		}
	}
	return against(baseline, rows)
}

// settle finds how often the entrant does its job in one turn.
func settle(turn time.Duration, e entrant, w *watch) int {
	for n := 1; ; n *= 8 {
		done := e.run(n, w)
		if w.elapsed >= turn/8 {
			return max(1, int(float64(done)*float64(turn)/float64(w.elapsed)))
		}
	}
}
