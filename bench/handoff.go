package main

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// busy is how long the one who gives a worker back computes afterwards.
const busy = time.Millisecond

// handoffs are from a client that gives back a worker, and has better to do
// then, to another that waits for it.
func handoffs() []scenario {
	columns := []column{p50Column, spreadColumn, p99Column, maxColumn, ratioColumn}
	return []scenario{
		{
			name:    "handoff/idle",
			about:   "One worker, two clients. One gives it back and computes for 1 ms, the other waits; the other processors are idle. From the one's giving to the other's having.",
			columns: columns,
			run: func(p plan) []row {
				each := max(1, p.samples/p.rounds)
				return hands(p.rounds, 1, func(l lender) sample { return relay(l, each) })
			},
		},
		{
			name:    "handoff/busy",
			about:   "A worker and sixteen clients a processor. Each client holds a worker for 1 ms, asleep, gives it back and computes for 1 ms, so that all processors are busy. From a worker's being given to the next one's having it.",
			columns: columns,
			run: func(p plan) []row {
				processors := runtime.GOMAXPROCS(0)
				return hands(p.watches, processors, func(l lender) sample { return rush(l, 16*processors, p.watched) })
			},
		},
	}
}

// hands lets all peers pass workers on, in rounds.
func hands(rounds, workers int, measure func(lender) sample) []row {
	guests := invite(workers)
	defer guests.close()
	durations := make([]sample, len(guests))
	for round := range rounds {
		for i := range guests {
			turn := (i + round) % len(guests)
			runtime.GC()
			durations[turn] = append(durations[turn], measure(guests[turn].lender)...)
		}
	}
	var rows []row
	for i, guest := range guests {
		rows = append(rows, latency(guest.name, "", durations[i]))
	}
	return against(floor, rows)
}

// rush has clients for more than all processors, for a while.
func rush(l lender, clients int, watched time.Duration) sample {
	all := make([]sample, clients)
	var over atomic.Bool
	var done sync.WaitGroup
	for i := range clients {
		done.Go(func() {
			rounds := 0
			l.visits(context.Background(),
				func() bool {
					if rounds > 0 {
						spin(busy)
					}
					rounds++
					return !over.Load()
				},
				func(w *worker) {
					if !w.given.IsZero() {
						all[i] = append(all[i], float64(time.Since(w.given)))
					}
					w.uses++
					time.Sleep(busy)
					if w.given = time.Now(); over.Load() {
						w.given = time.Time{}
					}
				})
		})
	}
	time.Sleep(watched)
	over.Store(true)
	done.Wait()
	return slices.Concat(all...)
}

// relay passes the worker on n times, and back.
func relay(l lender, n int) sample {
	var durations sample
	var given time.Time
	ask, had := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(had)
		l.visits(context.Background(),
			func() bool {
				if len(durations) > 0 {
					had <- struct{}{}
				}
				_, asked := <-ask
				return asked
			},
			func(w *worker) {
				durations = append(durations, float64(time.Since(given)))
				w.uses++
			})
	}()
	rounds := 0
	l.visits(context.Background(),
		func() bool {
			if rounds > 0 {
				spin(busy)
				<-had
			}
			rounds++
			return rounds <= n
		},
		func(w *worker) {
			w.uses++
			ask <- struct{}{}
			spin(busy / 2) // until the other waits; asleep, this one would wake up beside a scheduler in search of work
			given = time.Now()
		})
	close(ask)
	<-had
	return durations
}
