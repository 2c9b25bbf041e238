package main

import (
	"context"
	"sync"
	"time"

	"github.com/pooltender/pool"
	"github.com/thejerf/suture/v4"
)

// respawning is a goroutine that starts its own successor when it dies.
type respawning struct {
	cancel context.CancelFunc
	ready  chan *mortal
	done   sync.WaitGroup
}

func openRespawn(die func() error) nursery {
	ctx, cancel := context.WithCancel(context.Background())
	r := &respawning{cancel: cancel, ready: make(chan *mortal, 1)}
	var spawn func()
	spawn = func() {
		r.done.Go(func() {
			defer func() {
				_ = recover()
				if ctx.Err() == nil {
					spawn()
				}
			}()
			m := newMortal()
			r.ready <- m
			_ = m.live(ctx, die)
		})
	}
	spawn()
	return r
}

func (r *respawning) next() *mortal { return <-r.ready }

func (r *respawning) close() {
	r.cancel()
	r.done.Wait()
}

// sutured is a service under a suture supervisor that restarts it at once,
// however often it fails.
type sutured struct {
	cancel context.CancelFunc
	ready  chan *mortal
	die    func() error
	ended  <-chan error
}

func openSuture(die func() error) nursery {
	ctx, cancel := context.WithCancel(context.Background())
	s := &sutured{cancel: cancel, ready: make(chan *mortal, 1), die: die}
	supervisor := suture.New("bench", suture.Spec{
		EventHook:        func(suture.Event) {},
		FailureThreshold: 1e18,
		FailureBackoff:   time.Nanosecond,
	})
	supervisor.Add(s)
	s.ended = supervisor.ServeBackground(ctx)
	return s
}

// Serve implements [suture.Service]: one life of the worker.
func (s *sutured) Serve(ctx context.Context) error {
	m := newMortal()
	s.ready <- m
	return m.live(ctx, s.die)
}

func (s *sutured) next() *mortal { return <-s.ready }

func (s *sutured) close() {
	s.cancel()
	<-s.ended
}

// lending is a pool of one worker, restarted at once however often it fails.
type lending struct {
	registry *pool.Registry
	pool     *pool.Pool[*mortal]
}

func openNursery(die func() error) nursery {
	registry := pool.NewRegistry()
	spec := pool.Spec[*mortal]{
		Start: func(context.Context) (*mortal, error) { return newMortal(), nil },
		Run:   func(m *mortal, ctx context.Context) error { return m.live(ctx, die) },
	}
	started, err := pool.Start(context.Background(), registry, "bench", spec, pool.Options{
		Size: 1, MaxRestarts: -1, Backoff: pool.Backoff{Min: -1},
	})
	must(err)
	return &lending{registry, started}
}

// next checks the worker out and keeps the lease, which its crash ends.
func (l *lending) next() *mortal {
	lease, err := l.pool.Checkout(context.Background())
	must(err)
	return lease.Worker()
}

func (l *lending) close() { must(l.registry.Close()) }
