package main

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// holds are what a client of a crowd does while it has a worker.
var holds = []struct {
	name, about string
	hold        func()
}{
	{"none", "gives the worker back at once", nil},
	{"yield", "yields the processor while it has the worker", runtime.Gosched},
	{"5us", "computes for 5 µs and yields while it has the worker", func() { spin(5 * time.Microsecond); runtime.Gosched() }},
}

// crowds are many clients for few workers, each with a context of its own.
func crowds() []scenario {
	const about = "A thousand clients for ten workers, each with a cancellable context of its own, each of which "
	var all []scenario
	for _, h := range holds {
		all = append(all, scenario{
			name: "crowd/" + h.name, about: about + h.about + ". Without clocks.",
			columns: []column{timeColumn, spreadColumn, ratioColumn, allocsColumn},
			run: func(p plan) []row {
				client := job(pairs)
				if h.hold != nil {
					client = holding(h.hold)
				}
				return loop{few, p.clients, true, client}.run(p)
			},
		})
	}
	for _, h := range holds {
		hold := h.hold
		if hold == nil {
			hold = func() {}
		}
		all = append(all, scenario{
			name: "wait/" + h.name, about: about + h.about + ". How long it waits, by two clock readings each time, and how evenly all are served (1 is even).",
			columns: []column{p50Column, spreadColumn, p99Column, maxColumn, tailColumn, fairnessColumn},
			run:     func(p plan) []row { return queues(p, hold) },
		})
	}
	return all
}

// queues watches how long the clients of each peer wait.
func queues(p plan, hold func()) []row {
	guests := invite(few)
	defer guests.close()
	rows := make([]row, len(guests))
	all := make([]struct{ p50, p99, max, tail, fairness sample }, len(guests))
	for round := range p.watches {
		for i := range guests {
			turn := (i + round) % len(guests)
			runtime.GC()
			q := queue(guests[turn].lender, p.clients, p.watched, hold)
			p50, p99 := float64(q.waits.quantile(0.5)), float64(q.waits.quantile(0.99))
			a := &all[turn]
			a.p50 = append(a.p50, p50)
			a.p99 = append(a.p99, p99)
			a.max = append(a.max, float64(q.waits.max.Load()))
			a.tail = append(a.tail, p99/max(p50, 1))
			a.fairness = append(a.fairness, fairness(q.served))
		}
	}
	for i, a := range all {
		rows[i] = row{
			Name: guests[i].name, NS: a.p50.median(), Spread: a.p50.spread(),
			P50: a.p50.median(), P99: a.p99.median(), Max: a.max.quantile(1),
			Tail: a.tail.median(), Fairness: a.fairness.median(), rounds: a.p50,
		}
	}
	return against(floor, rows)
}

// waits is what was seen of a crowd: the durations of its waits, and how often
// each client was served.
type waits struct {
	waits  histogram
	served []int
}

// queue watches clients for a while.
func queue(l lender, clients int, watched time.Duration, hold func()) *waits {
	contexts, cancel := contexts(clients, true)
	defer cancel()
	seen := &waits{served: make([]int, clients)}
	var over atomic.Bool
	var done sync.WaitGroup
	for i := range clients {
		done.Go(func() {
			var asked time.Time
			l.visits(contexts[i],
				func() bool {
					asked = time.Now()
					return !over.Load()
				},
				func(w *worker) {
					if seen.served[i] > 0 { // the first wait is for the crowd to gather
						seen.waits.record(time.Since(asked))
					}
					seen.served[i]++
					w.uses++
					hold()
				})
		})
	}
	time.Sleep(watched)
	over.Store(true)
	done.Wait()
	return seen
}
