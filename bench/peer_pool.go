package main

import (
	"context"

	"github.com/pooltender/pool"
)

// supervised lends by this library.
type supervised struct {
	registry *pool.Registry
	pool     *pool.Pool[*worker]
}

func openPool(workers int) lender { return supervise(pool.Options{Size: workers}) }

// supervise opens a pool of passive workers.
func supervise(options pool.Options) *supervised {
	registry := pool.NewRegistry()
	spec := pool.Spec[*worker]{
		Start: func(context.Context) (*worker, error) { return new(worker), nil },
	}
	started, err := pool.Start(context.Background(), registry, "bench", spec, options)
	must(err)
	return &supervised{registry, started}
}

func (s *supervised) pairs(ctx context.Context, n int) {
	for range n {
		lease, err := s.pool.Checkout(ctx)
		must(err)
		lease.Worker().uses++
		lease.Checkin()
	}
}

func (s *supervised) fresh(n int) {
	for range n {
		ctx, cancel := context.WithCancel(context.Background())
		lease, err := s.pool.Checkout(ctx)
		must(err)
		lease.Worker().uses++
		lease.Checkin()
		cancel()
	}
}

func (s *supervised) nests(ctx context.Context, n int) {
	var held [nested]pool.Lease[*worker]
	for range n / nested {
		for i := range held {
			lease, err := s.pool.Checkout(ctx)
			must(err)
			lease.Worker().uses++
			held[i] = lease
		}
		for _, lease := range held {
			lease.Checkin()
		}
	}
}

func (s *supervised) visits(ctx context.Context, asks func() bool, holds func(*worker)) {
	for asks() {
		lease, err := s.pool.Checkout(ctx)
		must(err)
		holds(lease.Worker())
		lease.Checkin()
	}
}

func (s *supervised) close() { must(s.registry.Close()) }
