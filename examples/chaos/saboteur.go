package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"time"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

// saboteur does harm, as the seed says.
type saboteur struct {
	*gust
	r    *rand.Rand
	long sync.WaitGroup // what takes its time
}

// fault is a kind of harm.
type fault struct {
	name  string
	often int
	do    func(s *saboteur, ctx context.Context, h *house)
}

const respite = 16 * ms // at most, from one fault to the next

var faults = []fault{
	{"worker killed", 24, (*saboteur).killWorker},
	{"process killed, by kill -9", 4, (*saboteur).killProcess},
	{"manager killed", 3, (*saboteur).killManager},
	{"worker supervisor killed", 3, (*saboteur).killSupervisor},
	{"client cancelled", 30, (*saboteur).cancelClient},
	{"hook spoiled", 12, (*saboteur).spoilHook},
	{"pool resized", 6, (*saboteur).resize},
	{"pool recycled", 3, (*saboteur).recycle},
	{"pool restarted", 3, (*saboteur).restart},
	{"pool stopped, and started again", 2, (*saboteur).move},
	{"receiver of events that dawdles and panics", 1, (*saboteur).listen},
	{"garbage collected", 1, func(*saboteur, context.Context, *house) { runtime.GC() }},
}

// harm goes on until the gust is over and all that was begun has ended.
func (s *saboteur) harm(ctx context.Context) {
	defer s.relent()
	for pause(ctx, time.Duration(s.r.Int64N(int64(respite)))) == nil {
		f := drawn(s.r, faults, func(f fault) int { return f.often })
		s.faults.add(f.name)
		f.do(s, ctx, oneOf(s.r, s.houses))
	}
}

// relent takes back what would keep clients waiting.
func (s *saboteur) relent() {
	s.long.Wait()
	for _, h := range s.houses {
		h.mischief.Store(nil)
		h.resizeBack()
	}
	collect()
}

func oneOf[T any](r *rand.Rand, of []T) T { return of[r.IntN(len(of))] }

// killWorker makes one end as its Run can, or by the pool's hand.
func (s *saboteur) killWorker(_ context.Context, h *house) {
	if s.r.IntN(2) == 0 {
		pooltest.KillWorker(h.pool(), s.r.IntN(5))
		return
	}
	select {
	case h.orders <- oneOf(s.r, deaths):
	default: // no worker is there to hear it
	}
}

func (s *saboteur) killProcess(_ context.Context, h *house) { h.herd.kill(s.r) }

func (s *saboteur) killManager(_ context.Context, h *house) {
	pooltest.KillManager(h.pool(), oneOf(s.r, []pooltest.Point{
		pooltest.AtIdle, pooltest.AtLocked, pooltest.AtRevoke, pooltest.AtRetire,
	}))
}

func (s *saboteur) killSupervisor(_ context.Context, h *house) {
	pooltest.KillSupervisor(h.pool(), oneOf(s.r, []pooltest.Point{
		pooltest.AtIdle, pooltest.AtLocked, pooltest.AtStart, pooltest.AtStarted, pooltest.AtDetach,
	}))
}

func (s *saboteur) cancelClient(context.Context, *house) {
	if cancel := oneOf(s.r, s.clients).cancel.Load(); cancel != nil {
		(*cancel)()
	}
}

// spoilHook makes one hook of a pool behave badly for some time.
func (s *saboteur) spoilHook(_ context.Context, h *house) {
	acts := []act{fail, blow, exit, dawdle, hang, ignore}
	if h.kind.careful {
		acts = acts[:4]
	}
	h.mischief.Store(&mischief{
		hook:  oneOf(s.r, []string{"start", "run", "check", "reset", "stop"}),
		act:   oneOf(s.r, acts),
		until: time.Now().Add(time.Duration(s.r.Int64N(int64(150 * ms)))),
	})
}

// resize leaves no pool at 0 for long, or all clients would soon wait there.
func (s *saboteur) resize(ctx context.Context, h *house) {
	size := s.r.IntN(6)
	if h.options.Size == 0 {
		size = 0
	}
	s.ask(ctx, h, func(ctx context.Context, p pool.Control) error { return p.Resize(ctx, size) })
	if size == 0 {
		s.long.Go(func() {
			_ = pause(ctx, 50*ms)
			h.resizeBack()
		})
	}
}

func (s *saboteur) recycle(ctx context.Context, h *house) {
	s.ask(ctx, h, func(ctx context.Context, p pool.Control) error { return p.Recycle(ctx) })
}

func (s *saboteur) restart(ctx context.Context, h *house) {
	s.ask(ctx, h, func(ctx context.Context, p pool.Control) error { return p.Restart(ctx) })
}

// ask wants something of a pool, and waits for it no longer than the gust.
func (s *saboteur) ask(ctx context.Context, h *house, what func(context.Context, pool.Control) error) {
	patience := time.Duration(s.r.Int64N(int64(100 * ms)))
	s.long.Go(func() {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		stops := h.stops.Load()
		err := what(ctx, h.pool())
		switch {
		case err == nil, ctx.Err() != nil, errors.Is(err, pool.ErrUnavailable):
		case errors.Is(err, pool.ErrStopped) && h.hasStopped(stops):
		default:
			s.checker.violated("%s: who wanted it changed was told %v", h.name, err)
		}
	})
}

func (s *saboteur) move(_ context.Context, h *house) {
	patience := time.Duration(s.r.Int64N(int64(40 * ms)))
	s.long.Go(func() {
		if err := h.move(patience); err != nil {
			s.checker.violated("%s: who stopped it and started it again was told %v", h.name, err)
		}
	})
}

// listen subscribes to the events of all pools, and is too slow for them.
func (s *saboteur) listen(ctx context.Context, _ *house) {
	heard := 0
	unsubscribe := s.reg.Subscribe(func(pool.Event) {
		time.Sleep(5 * ms)
		if heard++; heard%4 == 0 {
			panic(errMischief)
		}
	})
	s.long.Go(func() {
		_ = pause(ctx, 50*ms)
		unsubscribe()
	})
}
