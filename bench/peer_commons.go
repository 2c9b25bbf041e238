package main

import (
	"context"

	commons "github.com/jolestar/go-commons-pool/v2"
)

// borrowed lends by go-commons-pool, after Apache's for Java.
type borrowed struct{ pool *commons.ObjectPool }

func openCommons(workers int) lender {
	ctx := context.Background()
	config := commons.NewDefaultPoolConfig()
	config.MaxTotal, config.MaxIdle = workers, workers
	pool := commons.NewObjectPool(ctx, commons.NewPooledObjectFactorySimple(
		func(context.Context) (any, error) { return new(worker), nil },
	), config)
	for range workers {
		must(pool.AddObject(ctx))
	}
	return &borrowed{pool}
}

func (b *borrowed) pairs(ctx context.Context, n int) {
	for range n {
		object, err := b.pool.BorrowObject(ctx)
		must(err)
		object.(*worker).uses++
		must(b.pool.ReturnObject(ctx, object))
	}
}

func (b *borrowed) fresh(n int) {
	for range n {
		ctx, cancel := context.WithCancel(context.Background())
		object, err := b.pool.BorrowObject(ctx)
		must(err)
		object.(*worker).uses++
		must(b.pool.ReturnObject(ctx, object))
		cancel()
	}
}

func (b *borrowed) nests(ctx context.Context, n int) {
	var held [nested]any
	for range n / nested {
		for i := range held {
			object, err := b.pool.BorrowObject(ctx)
			must(err)
			object.(*worker).uses++
			held[i] = object
		}
		for _, object := range held {
			must(b.pool.ReturnObject(ctx, object))
		}
	}
}

func (b *borrowed) visits(ctx context.Context, asks func() bool, holds func(*worker)) {
	for asks() {
		object, err := b.pool.BorrowObject(ctx)
		must(err)
		holds(object.(*worker))
		must(b.pool.ReturnObject(ctx, object))
	}
}

func (b *borrowed) close() { b.pool.Close(context.Background()) }
