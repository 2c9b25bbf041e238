package main

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/pooltender/pool"
)

// gust is a part of the storm: it begins and ends in calm.
type gust struct {
	*storm
	clients []*client
}

// length is that of a gust: a fortieth of the storm, some seconds.
func (s *storm) length() time.Duration {
	return min(max(s.duration/40, 2*time.Second), 15*time.Second, s.duration)
}

// blow lets clients and the saboteur loose, and returns when all of them have
// come back.
func (s *storm) blow(ctx context.Context, n uint64) error {
	ctx, cancel := context.WithTimeout(ctx, s.length())
	defer cancel()
	g := &gust{storm: s}
	for i := range clientsPerPool * len(s.houses) {
		g.clients = append(g.clients, &client{storm: s, r: rand.New(rand.NewPCG(s.seed, n<<32|uint64(i)))})
	}
	var all sync.WaitGroup
	for _, c := range g.clients {
		all.Go(func() { c.live(ctx) })
	}
	saboteur := &saboteur{gust: g, r: rand.New(rand.NewPCG(s.seed+1, n))}
	all.Go(func() { saboteur.harm(ctx) })
	all.Go(func() {
		if err := s.quiet.measure(ctx, &s.quiet.beside); err != nil {
			s.checker.violated("the quiet pool says %v", err)
		}
	})
	back := make(chan struct{})
	go func() { all.Wait(); close(back) }()
	return g.watch(back)
}

// most is how long the pools may need until all is as new, and clients until they
// are back.
const most = time.Minute

// calm waits until the pools are as new.
func (s *storm) calm() error {
	ctx, cancel := context.WithTimeout(context.Background(), most)
	defer cancel()
	for _, h := range s.houses {
		for !h.isNew() {
			if err := pause(ctx, 2*ms); err != nil {
				s.checker.violated("%s does not recover: %+v", h.name, h.pool().Inspect())
				return s.stuck()
			}
			h.heal(ctx)
		}
	}
	return nil
}

// isNew reports whether the pool is as it was in the beginning, and its workers
// say the same.
func (h *house) isNew() bool {
	l := h.lodger.Load()
	n := l.pool.Stats()
	return n.State == pool.StateReady && n.Size == h.options.Size && n.Idle == n.Size &&
		n.Leased+n.Waiting+n.Tending+n.Overflow+n.Starting+n.Stopping+n.BackingOff+n.Zombies == 0 && l.era.population() == n.Idle
}

// heal does what an operator can, and proves workers by using them. Its errors are
// those of a pool that is still ill, which calm finds out.
func (h *house) heal(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 50*ms)
	defer cancel()
	p := h.pool()
	n := p.Stats()
	if n.State == pool.StateFailed {
		_ = p.Restart(ctx)
	}
	if n.Size != h.options.Size {
		_ = p.Resize(ctx, h.options.Size)
	}
	if n.BackingOff > 0 || n.State == pool.StateCrashLoop {
		_ = p.Do(ctx, func(context.Context, *worker) error { return nil })
	}
	if h.options.TraceLeases > 0 && n.Leased > 0 {
		collect()
	}
}
