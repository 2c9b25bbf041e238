package main

import (
	"context"
	"runtime"
	"sync"
	"time"

	"github.com/pooltender/pool"
)

// pace of the client of the quiet pool.
const pacing = 200 * time.Microsecond

// storms are a quiet pool beside something that is not.
func storms() []scenario {
	return []scenario{{
		name:    "storm",
		about:   "A client of a quiet pool takes a worker and gives it back five thousand times a second; how long that takes it, by two clock readings, beside others.",
		columns: []column{p50Column, spreadColumn, p99Column, maxColumn, ratioColumn, noteColumn},
		run:     quietude,
	}}
}

// neighbours of the quiet pool: each returns what ends it.
var neighbours = []struct {
	name, note string
	move       func(*pool.Registry) (end func())
}{
	{"alone", "nothing else runs", func(*pool.Registry) func() { return func() {} }},
	{"beside load", "goroutines that start and end on all processors", load},
	{"beside a crash storm", "in one registry: every worker dies at once, clients keep asking", storm},
}

func quietude(p plan) []row {
	durations := make([]sample, len(neighbours))
	for round := range p.watches {
		for i := range neighbours {
			turn := (i + round) % len(neighbours)
			quiet := supervise(pool.Options{Size: workers})
			end := neighbours[turn].move(quiet.registry)
			durations[turn] = append(durations[turn], visit(quiet, p.watched)...)
			end()
			quiet.close()
		}
	}
	var rows []row
	for i, n := range neighbours {
		rows = append(rows, latency(n.name, n.note, durations[i]))
	}
	return against("beside load", rows)
}

// visit makes round trips at a pace for a while.
func visit(l lender, watched time.Duration) sample {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var durations sample
	for end := time.Now().Add(watched); time.Now().Before(end); {
		time.Sleep(pacing)
		began := time.Now()
		l.pairs(ctx, 1)
		durations = append(durations, float64(time.Since(began)))
	}
	return durations
}

// unrest runs clients until it is ended.
func unrest(client func(ctx context.Context)) (end func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	for range 4 * runtime.GOMAXPROCS(0) {
		done.Go(func() {
			for ctx.Err() == nil {
				client(ctx)
			}
		})
	}
	return func() {
		cancel()
		done.Wait()
	}
}

func load(*pool.Registry) (end func()) {
	return unrest(func(context.Context) {
		ended := make(chan struct{})
		go close(ended)
		<-ended
	})
}

func storm(registry *pool.Registry) (end func()) {
	spec := pool.Spec[*worker]{
		Start: func(context.Context) (*worker, error) { return new(worker), nil },
		Run:   func(*worker, context.Context) error { return errKilled },
	}
	stormy, err := pool.Start(context.Background(), registry, "stormy", spec, pool.Options{
		Size: 4, AsyncStart: true, MaxRestarts: -1, Backoff: pool.Backoff{Min: -1},
	})
	must(err)
	return unrest(func(ctx context.Context) {
		if lease, err := stormy.Checkout(ctx); err == nil {
			lease.Checkin()
		}
	})
}
