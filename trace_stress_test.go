package pool_test

import (
	"context"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

// Not parallel: the collector works all the time. A lease that is taken for
// dropped costs its worker.
func TestNoLeaseIsTakenForDropped(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(1))
	reg := pool.NewRegistry()
	defer pooltest.Close(t, reg)
	var leaked atomic.Int64
	defer reg.Subscribe(func(e pool.Event) {
		if e.Kind == pool.EventLeaseLeaked {
			leaked.Add(1)
		}
	})()
	var starts atomic.Int64
	p, err := pool.Start(t.Context(), reg, "traced", pool.Spec[*int]{
		Start: func(context.Context) (*int, error) { starts.Add(1); return new(int), nil },
	}, pool.Options{Size: 4, TraceLeases: 1})
	require.NoError(t, err)

	n := rounds(1000)
	visits := []func(ctx context.Context) bool{
		func(ctx context.Context) bool {
			lease, err := p.Checkout(ctx)
			use(lease.Worker())
			return err == nil && lease.Checkin()
		},
		func(ctx context.Context) (in bool) {
			lease, err := p.Checkout(ctx)
			defer func() { in = err == nil && p.Checkin(lease) }()
			use(lease.Worker())
			return
		},
		func(ctx context.Context) bool {
			return p.Do(ctx, func(ctx context.Context, w *int) error { use(w); return ctx.Err() }) == nil
		},
		func(ctx context.Context) bool {
			lease, err := p.Checkout(ctx)
			if err != nil {
				return false
			}
			next, err := lease.Transfer(ctx)
			_, again := lease.Transfer(ctx)
			use(next.Worker())
			return err == nil && again != nil && next.Checkin()
		},
		func(ctx context.Context) bool {
			lease, err := p.Checkout(ctx)
			work := lease.Context()
			use(lease.Worker())
			return err == nil && work.Err() == nil && lease.Checkin()
		},
	}
	stop := make(chan struct{})
	var collector, clients sync.WaitGroup
	collector.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				runtime.GC()
				runtime.Gosched()
			}
		}
	})
	for _, visit := range visits {
		for range 5 {
			clients.Go(func() {
				for range n {
					if !assert.True(t, visit(t.Context())) {
						return
					}
				}
			})
		}
	}
	clients.Wait()
	close(stop)
	collector.Wait()
	require.Zero(t, leaked.Load())
	require.EqualValues(t, 4, starts.Load(), "no worker was replaced")
	require.Zero(t, profiled(t, "TestNoLeaseIsTakenForDropped"))
}

//go:noinline
func checksOutUnderFire(p *pool.Pool[int]) bool {
	lease, err := p.Checkout(context.Background())
	runtime.Gosched()
	return err == nil && (lease.Checkin() || lease.Err() != nil)
}

// A lease may end before its trace is kept: then it is not traced, and leaves
// nothing behind.
func TestALeaseThatEndsWhileItIsTracedLeavesNothing(t *testing.T) {
	reg := pool.NewRegistry()
	defer pooltest.Close(t, reg)
	p, err := pool.Start(t.Context(), reg, "fragile", pool.Spec[int]{
		Start: func(context.Context) (int, error) { return 0, nil },
	}, pool.Options{Size: 1, TraceLeases: 1, MaxRestarts: -1, Backoff: pool.Backoff{Min: -1}})
	require.NoError(t, err)
	var clients, killer sync.WaitGroup
	stop := make(chan struct{})
	killer.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				pooltest.KillWorker(p, 0)
				runtime.Gosched()
			}
		}
	})
	for range 2 {
		clients.Go(func() {
			for range 10_000 {
				if !assert.True(t, checksOutUnderFire(p)) {
					return
				}
			}
		})
	}
	clients.Wait()
	close(stop)
	killer.Wait()
	require.Zero(t, profiled(t, "checksOutUnderFire"))
	pooltest.Check(t, p)
}

// use works for a while, so that a collection may begin and end meanwhile.
func use(w *int) {
	for range 5 {
		*w++
		runtime.Gosched()
	}
}
