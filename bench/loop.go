package main

import (
	"context"
	"runtime"
)

// A loop is a scenario in which clients do nothing but take workers and give
// them back, and no clock is read in between.
type loop struct {
	workers     int
	clients     int
	cancellable bool // each client has one cancellable context; else the background
	client      job
}

// A job makes one client of a lender; what it returns makes n round trips.
type job func(l lender, ctx context.Context) (work func(n int))

func pairs(l lender, ctx context.Context) func(int) {
	return func(n int) { l.pairs(ctx, n) }
}

func nests(l lender, ctx context.Context) func(int) {
	return func(n int) { l.nests(ctx, n) }
}

func fresh(l lender, _ context.Context) func(int) { return l.fresh }

// holding is pairs of a client that does something with each worker.
func holding(hold func()) job {
	return func(l lender, ctx context.Context) func(int) {
		left := 0
		asks := func() bool { left--; return left >= 0 }
		holds := func(w *worker) { w.uses++; hold() }
		return func(n int) {
			left = n
			l.visits(ctx, asks, holds)
		}
	}
}

func loops() []scenario {
	processors := runtime.GOMAXPROCS(0)
	const alone, parallel = "One client, 16 workers; ", "One client a processor, 16 workers; "
	return []scenario{
		loop{workers, 1, false, pairs}.scenario("uncontended/background", alone+"context.Background."),
		loop{workers, 1, true, pairs}.scenario("uncontended/cancellable", alone+"one cancellable context, passed each time."),
		loop{workers, 1, false, fresh}.scenario("uncontended/fresh", alone+"a cancellable context made, passed and cancelled each time."),
		loop{workers, 1, false, nests}.scenario("uncontended/nested", alone+"it takes eight, then gives them back; context.Background."),
		loop{workers, processors, false, pairs}.scenario("parallel/background", parallel+"context.Background."),
		loop{workers, processors, true, pairs}.scenario("parallel/cancellable", parallel+"each has one cancellable context, passed each time."),
		loop{workers, processors, false, fresh}.scenario("parallel/fresh", parallel+"a cancellable context made, passed and cancelled each time."),
	}
}

func (l loop) scenario(name, about string) scenario {
	return scenario{
		name: name, about: about + " A round trip is one take and one give.",
		columns: []column{timeColumn, spreadColumn, ratioColumn, allocsColumn},
		run:     l.run,
	}
}

func (l loop) run(p plan) []row {
	guests := invite(l.workers)
	defer guests.close()
	return compare(p, floor, guests.entrants(l.entrant))
}

// entrant makes about n round trips of l's clients at a lender.
func (l loop) entrant(lender lender) func(n int, w *watch) int {
	return func(n int, w *watch) int {
		contexts, cancel := contexts(l.clients, l.cancellable)
		defer cancel()
		clients := make([]func(int), l.clients)
		for i, ctx := range contexts {
			clients[i] = l.client(lender, ctx)
		}
		share := (n/l.clients/nested + 1) * nested
		together(clients, nested, share, w)
		return share * l.clients
	}
}

// contexts makes one context a client.
func contexts(clients int, cancellable bool) ([]context.Context, context.CancelFunc) {
	all := make([]context.Context, clients)
	cancels := make([]context.CancelFunc, clients)
	for i := range all {
		all[i], cancels[i] = context.Background(), func() {}
		if cancellable {
			all[i], cancels[i] = context.WithCancel(all[i])
		}
	}
	return all, func() {
		for _, cancel := range cancels {
			cancel()
		}
	}
}
