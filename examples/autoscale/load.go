package main

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pooltender/pool"
)

const (
	startTime = 180 * time.Millisecond // what a worker needs to start
	work      = 65 * time.Millisecond  // what a call takes
	calls     = 7                      // of each client, one after the other
	most      = 6                      // workers that a pool may have
	linger    = 400 * time.Millisecond // of those that are too many
)

// kind is a pool to be shown.
type kind struct {
	name    string
	about   string
	options pool.Options
	resizes []resize
}

// resize is what somebody does to a pool, in ticks after the last burst.
type resize struct{ at, size int }

var kinds = []kind{{
	name:    "elastic",
	about:   "more workers while clients wait, then fewer",
	options: pool.Options{Size: 2, MaxOverflow: most - 2, OverflowLinger: linger, MaxStarting: -1},
}, {
	name:    "lazy",
	about:   "no workers while there are no clients",
	options: pool.Options{Size: 0, MaxOverflow: most, OverflowLinger: linger, MaxStarting: -1},
}, {
	name:    "resized",
	about:   "as many workers as it is told; at 0 it pauses, clients wait",
	options: pool.Options{Size: 2, MaxStarting: -1},
	resizes: []resize{{-3, 0}, {8, most}, {19, 2}},
}}

// panel is a pool and what is known of it.
type panel struct {
	kind
	pool   *pool.Pool[*worker]
	starts atomic.Int64
	seen   []pool.Stats // in each tick

	mu              sync.Mutex
	served, refused int           // calls
	longest         time.Duration // wait for a worker
}

// worker does nothing but take its time.
type worker struct{}

func (k kind) start(ctx context.Context, reg *pool.Registry) (*panel, error) {
	p := &panel{kind: k}
	var err error
	p.pool, err = pool.Start(ctx, reg, k.name, pool.Spec[*worker]{Start: p.startWorker}, k.options)
	return p, err
}

func (p *panel) startWorker(ctx context.Context) (*worker, error) {
	select {
	case <-time.After(startTime):
		p.starts.Add(1)
		return &worker{}, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// load sends the bursts, and returns when all clients have gone.
func (p *panel) load(ctx context.Context, r *report) {
	var clients sync.WaitGroup
	for n := range r.bursts {
		at, size := r.burst(n)
		time.Sleep(time.Until(r.at(at)))
		for range size {
			clients.Go(func() {
				for range calls {
					p.call(ctx)
				}
			})
		}
	}
	clients.Wait()
}

func (p *panel) call(ctx context.Context) {
	came := time.Now()
	var waited time.Duration
	err := p.pool.Do(ctx, func(context.Context, *worker) error {
		waited = time.Since(came)
		time.Sleep(work)
		return nil
	})
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil {
		p.refused++
		return
	}
	p.served++
	p.longest = max(p.longest, waited)
}

// operate resizes the pool. Resize returns when the pool has the workers it
// should have; those who wait for one stay, whatever the Size.
func (p *panel) operate(ctx context.Context, r *report) error {
	last, _ := r.burst(r.bursts - 1)
	for _, resize := range p.resizes {
		time.Sleep(time.Until(r.at(last + resize.at)))
		if err := p.pool.Resize(ctx, resize.size); err != nil {
			return err
		}
	}
	return nil
}
