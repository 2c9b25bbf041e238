// Package bench compares this library with its peers: the same job, in one
// binary, in one run.
package bench

import (
	"context"
	"testing"

	"github.com/jackc/puddle/v2"

	"github.com/pooltender/pool"
)

const workers = 16

type worker struct{ uses int }

// A lender makes one round trip: take a worker and give it back.
type lender func(ctx context.Context) error

var lenders = []struct {
	name string
	make func(b *testing.B) lender
}{
	{"pool", func(b *testing.B) lender {
		reg := pool.NewRegistry()
		b.Cleanup(func() { reg.Close() })
		p, err := pool.Start(context.Background(), reg, "bench", pool.Spec[*worker]{
			Start: func(context.Context) (*worker, error) { return new(worker), nil },
		}, pool.Options{Size: workers})
		if err != nil {
			b.Fatal(err)
		}
		return func(ctx context.Context) error {
			lease, err := p.Checkout(ctx)
			if err != nil {
				return err
			}
			lease.Worker().uses++
			lease.Checkin()
			return nil
		}
	}},
	{"puddle", func(b *testing.B) lender {
		p, err := puddle.NewPool(&puddle.Config[*worker]{
			Constructor: func(context.Context) (*worker, error) { return new(worker), nil },
			Destructor:  func(*worker) {},
			MaxSize:     workers,
		})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(p.Close)
		for range workers {
			if err := p.CreateResource(context.Background()); err != nil {
				b.Fatal(err)
			}
		}
		return func(ctx context.Context) error {
			resource, err := p.Acquire(ctx)
			if err != nil {
				return err
			}
			resource.Value().uses++
			resource.Release()
			return nil
		}
	}},
	{"channel", func(b *testing.B) lender {
		idle := make(chan *worker, workers)
		for range workers {
			idle <- new(worker)
		}
		return func(ctx context.Context) error {
			w := <-idle
			w.uses++
			idle <- w
			return nil
		}
	}},
}

// contexts are what a client passes.
var contexts = []struct {
	name string
	make func(b *testing.B) context.Context
}{
	{"background", func(*testing.B) context.Context { return context.Background() }},
	{"cancellable", func(b *testing.B) context.Context {
		ctx, cancel := context.WithCancel(context.Background())
		b.Cleanup(cancel)
		return ctx
	}},
}

// each runs a benchmark for every context and lender.
func each(b *testing.B, run func(b *testing.B, ctx context.Context, lend lender)) {
	for _, c := range contexts {
		for _, l := range lenders {
			b.Run("ctx="+c.name+"/lender="+l.name, func(b *testing.B) {
				lend := l.make(b)
				ctx := c.make(b)
				b.ReportAllocs()
				run(b, ctx, lend)
			})
		}
	}
}

// BenchmarkAlone is one client that never waits.
func BenchmarkAlone(b *testing.B) {
	each(b, func(b *testing.B, ctx context.Context, lend lender) {
		for b.Loop() {
			if err := lend(ctx); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkParallel is one client a processor, none of which ever waits.
func BenchmarkParallel(b *testing.B) {
	each(b, func(b *testing.B, ctx context.Context, lend lender) {
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if err := lend(ctx); err != nil {
					b.Error(err)
					return
				}
			}
		})
	})
}

// BenchmarkCrowd is a thousand clients for sixteen workers.
func BenchmarkCrowd(b *testing.B) {
	each(b, func(b *testing.B, ctx context.Context, lend lender) {
		b.SetParallelism(1000)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if err := lend(ctx); err != nil {
					b.Error(err)
					return
				}
			}
		})
	})
}
