package main

import (
	"context"

	"github.com/jackc/puddle/v2"
)

// puddled lends by puddle, the pool under pgxpool.
type puddled struct{ pool *puddle.Pool[*worker] }

func openPuddle(workers int) lender {
	pool, err := puddle.NewPool(&puddle.Config[*worker]{
		Constructor: func(context.Context) (*worker, error) { return new(worker), nil },
		Destructor:  func(*worker) {},
		MaxSize:     int32(workers),
	})
	must(err)
	for range workers {
		must(pool.CreateResource(context.Background()))
	}
	return &puddled{pool}
}

func (p *puddled) pairs(ctx context.Context, n int) {
	for range n {
		r, err := p.pool.Acquire(ctx)
		must(err)
		r.Value().uses++
		r.Release()
	}
}

func (p *puddled) fresh(n int) {
	for range n {
		ctx, cancel := context.WithCancel(context.Background())
		r, err := p.pool.Acquire(ctx)
		must(err)
		r.Value().uses++
		r.Release()
		cancel()
	}
}

func (p *puddled) nests(ctx context.Context, n int) {
	var held [nested]*puddle.Resource[*worker]
	for range n / nested {
		for i := range held {
			r, err := p.pool.Acquire(ctx)
			must(err)
			r.Value().uses++
			held[i] = r
		}
		for _, r := range held {
			r.Release()
		}
	}
}

func (p *puddled) visits(ctx context.Context, asks func() bool, holds func(*worker)) {
	for asks() {
		r, err := p.pool.Acquire(ctx)
		must(err)
		holds(r.Value())
		r.Release()
	}
}

func (p *puddled) close() { p.pool.Close() }
