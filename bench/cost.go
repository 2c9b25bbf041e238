package main

import (
	"context"
	"sync/atomic"

	"github.com/pooltender/pool"
)

// A visitor does one round trip of this library in one way.
type visitor struct {
	name    string
	options pool.Options
	prepare func(s *supervised) // nil: nothing
	loop    func(s *supervised, ctx context.Context, n int)
}

var visitors = []visitor{
	{"Checkout, Checkin", pool.Options{}, nil, (*supervised).pairs},
	{"TryCheckout, Checkin", pool.Options{}, nil, tries},
	{"Do", pool.Options{}, nil, does},
	{"Call", pool.Options{}, nil, calls},
	{"Checkout with an Owner", pool.Options{}, nil, owns},
	{"and Lease.Context", pool.Options{}, nil, asksContext},
	{"OrderLIFO", pool.Options{Order: pool.OrderLIFO}, nil, (*supervised).pairs},
	{"OrderFIFO", pool.Options{Order: pool.OrderFIFO}, nil, (*supervised).pairs},
	{"overflow in use", pool.Options{Size: nested, MaxOverflow: workers - nested}, occupy, (*supervised).pairs},
	{"TraceLeases 128", pool.Options{TraceLeases: 128}, nil, (*supervised).pairs},
	{"TraceLeases 1", pool.Options{TraceLeases: 1}, nil, (*supervised).pairs},
	{"a subscriber to events", pool.Options{}, subscribe, (*supervised).pairs},
}

// costs compares what this library offers.
func costs() []scenario {
	return []scenario{{
		name:    "costs",
		about:   "One client with one cancellable context, 16 workers: a round trip in all the ways of this library.",
		columns: []column{timeColumn, spreadColumn, ratioColumn, allocsColumn},
		run:     bill,
	}}
}

func bill(p plan) []row {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	idle := openChannel(workers)
	entrants := []entrant{
		{name: floor, run: alone(func(n int) { idle.pairs(ctx, n) })},
		{name: "two compare-and-swaps", run: alone(swaps)},
	}
	for _, v := range visitors {
		if v.options.Size == 0 {
			v.options.Size = workers
		}
		s := supervise(v.options)
		defer s.close()
		if v.prepare != nil {
			v.prepare(s)
		}
		entrants = append(entrants, entrant{name: v.name, run: alone(func(n int) { v.loop(s, ctx, n) })})
	}
	return compare(p, floor, entrants)
}

// swaps is the least that a round trip can be: two clients compete for a worker,
// and a lease that has ended must lose.
func swaps(n int) {
	var word atomic.Uint64
	for range n {
		v := word.Load()
		word.CompareAndSwap(v, v+1)
		word.CompareAndSwap(v+1, v+2)
	}
}

// alone is the run of one client.
func alone(client func(n int)) func(n int, w *watch) int {
	return func(n int, w *watch) int {
		together([]func(int){client}, nested, n, w)
		return n
	}
}

func tries(s *supervised, ctx context.Context, n int) {
	for range n {
		lease, err := s.pool.TryCheckout(ctx)
		must(err)
		lease.Worker().uses++
		lease.Checkin()
	}
}

func does(s *supervised, ctx context.Context, n int) {
	for range n {
		must(s.pool.Do(ctx, func(_ context.Context, w *worker) error {
			w.uses++
			return nil
		}))
	}
}

func calls(s *supervised, ctx context.Context, n int) {
	for range n {
		_, err := pool.Call(ctx, s.pool, func(_ context.Context, w *worker) (int, error) {
			w.uses++
			return w.uses, nil
		})
		must(err)
	}
}

func owns(s *supervised, ctx context.Context, n int) {
	owner := &supervised{s.registry, s.pool.With(pool.Terms{Owner: "client"})}
	owner.pairs(ctx, n)
}

func asksContext(s *supervised, ctx context.Context, n int) {
	for range n {
		lease, err := s.pool.Checkout(ctx)
		must(err)
		must(lease.Context().Err())
		lease.Worker().uses++
		lease.Checkin()
	}
}

// occupy takes all workers but those beyond Size, for good.
func occupy(s *supervised) {
	for range nested {
		_, err := s.pool.Checkout(context.Background())
		must(err)
	}
}

// subscribe has the registry tell every lease, to somebody who does not care.
func subscribe(s *supervised) { s.registry.Subscribe(func(pool.Event) {}) }
