package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/pooltender/pool"
)

// clerk is a worker that takes 4 ms for whatever it is asked.
type clerk struct{}

var spec = pool.Spec[clerk]{Start: func(context.Context) (clerk, error) { return clerk{}, nil }}

func (clerk) work(ctx context.Context) error {
	select {
	case <-time.After(4 * time.Millisecond):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// traffic is clients of one kind: each asks, waits for the answer, pauses, and
// asks again.
type traffic struct {
	pool    *pool.Pool[clerk]
	terms   pool.Terms
	clients int
	pause   time.Duration // on average
}

// measured is how long clients are watched.
const measured = 600 * time.Millisecond

// measure has all the clients work side by side, and returns the latencies of
// each kind.
func measure(ctx context.Context, kinds ...traffic) ([]latencies, error) {
	took := make([]latencies, len(kinds))
	ends := time.Now().Add(measured)
	var mu sync.Mutex
	var failed error
	var clients sync.WaitGroup
	for i, kind := range kinds {
		for range kind.clients {
			clients.Go(func() {
				mine, err := kind.client(ctx, ends)
				mu.Lock()
				defer mu.Unlock()
				took[i] = append(took[i], mine...)
				failed = errors.Join(failed, err)
			})
		}
	}
	clients.Wait()
	for _, l := range took {
		slices.Sort(l)
	}
	return took, failed
}

// client is one client, and how long each of its requests took.
func (t traffic) client(ctx context.Context, ends time.Time) (took latencies, err error) {
	for {
		if t.pause > 0 {
			time.Sleep(rand.N(2 * t.pause))
		}
		began := time.Now()
		if !began.Before(ends) {
			return took, nil
		}
		err := t.pool.Do(ctx, func(ctx context.Context, c clerk) error { return c.work(ctx) })
		if err != nil {
			return nil, err
		}
		took = append(took, time.Since(began))
	}
}

// latencies are how long requests took, the shortest first.
type latencies []time.Duration

// percentile is what so many percent of the requests did not exceed.
func (l latencies) percentile(percent int) time.Duration {
	if len(l) == 0 {
		return 0
	}
	return l[(len(l)-1)*percent/100].Round(100 * time.Microsecond)
}
