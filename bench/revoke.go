package main

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/pooltender/pool"
)

// A revoker lends one worker to a client until its context ends.
type revoker interface {
	// lend gives the worker to a client that will not give it back, and returns
	// what reports that the client has lost it.
	lend(ctx context.Context) (lost func() bool)

	// next waits for the worker that takes the place of one that was lost, and
	// gives it back at once.
	next()

	close()
}

var revokers = []struct {
	name, note string
	open       func() revoker
}{
	{"channel + AfterFunc", "costs every round trip two allocations", openAfterFunc},
	{ours, "no grace", openRevoker},
}

// revocations take a worker away from a client that is gone.
func revocations() []scenario {
	columns := []column{p50Column, spreadColumn, p99Column, maxColumn, noteColumn}
	return []scenario{
		{
			name:    "revoke/waited",
			about:   "The context of a client that holds the only worker ends while another waits: from there to the other's having the replacement.",
			columns: columns,
			run:     func(p plan) []row { return revoked(p, successions) },
		},
		{
			name:    "revoke/unwaited",
			about:   "The same while nobody waits, after holding the worker for a while: from there to the loss of the lease, looked for every millisecond.",
			columns: columns,
			run:     func(p plan) []row { return revoked(p, losses) },
		},
	}
}

func revoked(p plan, measure func(p plan, open func() revoker) sample) []row {
	var rows []row
	for _, r := range revokers {
		rows = append(rows, latency(r.name, r.note, measure(p, r.open)))
	}
	return against(revokers[0].name, rows)
}

// successions are the times from the end of a client to the next one's turn.
func successions(p plan, open func() revoker) sample {
	r := open()
	defer r.close()
	var durations sample
	for range p.samples {
		ctx, cancel := context.WithCancel(context.Background())
		r.lend(ctx)
		had := make(chan time.Time)
		go func() {
			r.next()
			had <- time.Now()
		}()
		time.Sleep(rand.N(4 * time.Millisecond)) // the other waits, and no tick of a clock is preferred
		ended := time.Now()
		cancel()
		durations = append(durations, float64((<-had).Sub(ended)))
	}
	return durations
}

// losses are the times from the end of a client to the loss of its worker, each
// in a pool of its own, a hundred at a time.
func losses(p plan, open func() revoker) sample {
	var all sample
	for len(all) < p.samples {
		durations := make(sample, min(100, p.samples-len(all)))
		var done sync.WaitGroup
		for i := range durations {
			done.Go(func() {
				r := open()
				defer r.close()
				ctx, cancel := context.WithCancel(context.Background())
				lost := r.lend(ctx)
				time.Sleep(rand.N(p.held))
				ended := time.Now()
				cancel()
				for !lost() {
					time.Sleep(time.Millisecond)
				}
				durations[i] = float64(time.Since(ended))
			})
		}
		done.Wait()
		all = append(all, durations...)
	}
	return all
}

// afterFunc is a channel and a callback of the context, each time.
type afterFunc struct{ idle chan *worker }

func openAfterFunc() revoker { return &afterFunc{stocked(1)} }

func (a *afterFunc) lend(ctx context.Context) func() bool {
	<-a.idle
	context.AfterFunc(ctx, func() { a.idle <- new(worker) })
	return func() bool { return len(a.idle) > 0 }
}

func (a *afterFunc) next() { a.idle <- <-a.idle }

func (a *afterFunc) close() {}

// revoking is a pool that takes its worker away without grace.
type revoking struct{ *supervised }

func openRevoker() revoker {
	return revoking{supervise(pool.Options{Size: 1, ReclaimGrace: -1})}
}

func (r revoking) lend(ctx context.Context) func() bool {
	lease, err := r.pool.Checkout(ctx)
	must(err)
	return func() bool { return lease.Err() != nil }
}

func (r revoking) next() { r.pairs(context.Background(), 1) }
