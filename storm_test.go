package pool_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

// Everything a pool can be told, at once and at random: options, hooks that
// misbehave, clients of every kind, faults. Nobody may wait for ever, share a
// worker or be told what is not so, and when it is over the pool is as new.
func TestAPoolOutlivesAnyStorm(t *testing.T) {
	for seed := range rounds(40) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
				s := newStorm(t, reg, b, uint64(seed))
				for range 10 + s.r.IntN(60) {
					s.strike()
					s.pause()
					settle(t, s.controls()...)
				}
				s.calm()
			})
		})
	}
}

// The same under the real scheduler.
func TestAPoolOutlivesAnyStormInRealTime(t *testing.T) {
	t.Parallel()
	for seed := range rounds(8) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			reg, b := pooltest.NewRegistry(), pooltest.NewBackend(t)
			defer pooltest.Close(t, reg)
			defer b.Release()
			s := newStorm(t, reg, b, uint64(seed))
			for until := time.Now().Add(150 * time.Millisecond); time.Now().Before(until); {
				s.strike()
				time.Sleep(time.Duration(s.r.IntN(int(5 * s.unit))))
				pooltest.Check(t, s.controls()...)
			}
			s.calm()
		})
	}
}

// storm is two pools, a group of both, and what happens to them. One goroutine
// draws it from the seed.
type storm struct {
	t       *testing.T
	r       *rand.Rand
	reg     *pool.Registry
	b       *pooltest.Backend
	virtual bool
	unit    time.Duration // what a client takes for its work, more or less
	pools   []fakes
	opts    []pool.Options
	group   *pool.Group[*pooltest.Worker]
	clients sync.WaitGroup
	stopped atomic.Bool

	mu     sync.Mutex
	uses   map[*pooltest.Worker]int // leases, as clients have had them
	leases map[string]int           // by pool
}

func newStorm(t *testing.T, reg *pool.Registry, b *pooltest.Backend, seed uint64) *storm {
	s := &storm{
		t: t, r: rand.New(rand.NewPCG(seed, 1)), reg: reg, b: b,
		virtual: true, unit: time.Millisecond, uses: map[*pooltest.Worker]int{}, leases: map[string]int{},
	}
	if time.Now().Year() > 2000 { // bubbles begin in that year
		s.virtual, s.unit = false, 20*time.Microsecond
	}
	b.Checks, b.NoReset, b.NoStop, b.Passive = s.coin(), s.coin(), s.one(4), s.one(4)
	s.group = pool.NewGroup[*pooltest.Worker]()
	for i := range 2 {
		opts := s.options()
		p, err := pool.Start(context.Background(), reg, fmt.Sprintf("%s#%d", t.Name(), i), b.Spec(), opts)
		require.NoError(t, err)
		s.pools, s.opts = append(s.pools, p), append(s.opts, opts)
		require.NoError(t, s.group.Add(p, 1+s.r.IntN(3)))
		t.Logf("pool %d: %+v", i, opts)
	}
	t.Logf("hooks: checks %t, no reset %t, no stop %t, passive %t", b.Checks, b.NoReset, b.NoStop, b.Passive)
	if s.one(4) {
		reg.Subscribe(func(pool.Event) {})
	}
	return s
}

func (s *storm) coin() bool     { return s.one(2) }
func (s *storm) one(n int) bool { return s.r.IntN(n) == 0 }

// some is one of a few numbers of units, of which 0 stands for the default.
func (s *storm) some(units ...int) time.Duration {
	return time.Duration(oneOf(s.r, units...)) * s.unit
}

func oneOf[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

func (s *storm) options() pool.Options {
	o := pool.Options{
		Size:           oneOf(s.r, 0, 1, 2, 3, 5),
		MaxOverflow:    oneOf(s.r, 0, 0, 1, 3),
		OverflowLinger: s.some(-1, 0, 1, 40),
		Order:          oneOf(s.r, pool.OrderRecent, pool.OrderLIFO, pool.OrderFIFO),
		AsyncStart:     s.coin(),
		MaxWaiting:     oneOf(s.r, 0, 0, 0, 1, 3),
		MaxWait:        s.some(0, 0, 0, 30),
		QueueTarget:    s.some(0, 0, 0, 2, 20),
		Reclaim:        oneOf(s.r, pool.ReclaimReplace, pool.ReclaimReuse),
		ReclaimGrace:   s.some(-1, 0, 10),
		WarnHold:       s.some(0, 0, 5),
		MaxHold:        s.some(0, 0, 30),
		TraceLeases:    oneOf(s.r, 0, 0, 0, 1, 3),
		MaxLifetime:    s.some(0, 0, 40, 1000),
		MaxUses:        oneOf(s.r, 0, 0, 0, 1, 3),
		CheckEvery:     s.some(0, 0, 20, 300),
		MaxStarting:    oneOf(s.r, 0, 1, -1),
		StartTimeout:   s.some(0, 25),
		CheckTimeout:   s.some(0, 25),
		StopTimeout:    s.some(0, 25),
		MaxRestarts:    oneOf(s.r, -1, -1, 0, 1),
		Backoff:        pool.Backoff{Min: s.some(-1, 0, 1), Max: s.some(1, 100)},
	}
	if s.one(3) { // nothing in the way of what is lent without the lock
		o.Order, o.TraceLeases, o.MaxUses, o.CheckEvery = "", 0, 0, 0
	}
	if !s.virtual { // where ten seconds are long, and a start may take ten milliseconds
		o.AsyncStart = true
		o.MaxRestarts, o.OverflowLinger, o.ReclaimGrace = -1, s.some(-1, 1, 40), s.some(-1, 10)
		o.StartTimeout, o.CheckTimeout, o.StopTimeout = 500*s.unit, 500*s.unit, 500*s.unit
	}
	if o.Size == 0 {
		o.MaxOverflow = max(1, o.MaxOverflow)
	}
	if !s.b.Checks {
		o.CheckEvery = 0
	}
	if s.virtual && s.one(8) {
		o.MaxPoolRestarts = 2
	}
	return o
}

func (s *storm) controls() (all []pool.Control) {
	for _, p := range s.pools {
		all = append(all, p)
	}
	return all
}

// pause lets nothing pass, or a moment, or, rarely, long.
func (s *storm) pause() {
	switch s.r.IntN(20) {
	case 0:
		time.Sleep(time.Duration(s.r.IntN(3000)) * s.unit)
	case 1, 2, 3, 4, 5, 6, 7:
		time.Sleep(time.Duration(s.r.IntN(int(20 * s.unit))))
	}
}

// strike lets something happen.
func (s *storm) strike() {
	p := oneOf(s.r, s.pools...)
	switch s.r.IntN(40) {
	case 0:
		pooltest.KillManager(p, oneOf(s.r, pooltest.AtIdle, pooltest.AtLocked, pooltest.AtRevoke, pooltest.AtRetire))
	case 1:
		pooltest.KillSupervisor(p, oneOf(s.r, pooltest.AtIdle, pooltest.AtLocked, pooltest.AtStart, pooltest.AtStarted, pooltest.AtDetach))
	case 2:
		if s.virtual { // else a second one could hit before the first is mended, and no third attempt is made
			pooltest.KillReport(p)
		}
	case 3, 4, 5:
		pooltest.KillWorker(p, s.r.IntN(6))
	case 6:
		for range 3 {
			pooltest.KillWorker(p, s.r.IntN(6))
		}
	case 7, 8:
		size := s.r.IntN(5)
		s.ask(func(ctx context.Context) error { return p.Resize(ctx, size) })
	case 9, 10:
		s.ask(p.Recycle)
	case 11:
		s.ask(p.Restart)
	case 12:
		s.ask(func(ctx context.Context) error { return p.WaitReady(ctx, 0) })
	case 13, 14, 15, 16:
		s.b.Always(s.script())
	case 17:
		s.b.Always(pooltest.Script{})
	default:
		for range 1 + s.r.IntN(3) {
			s.send()
		}
	}
}

// calm ends the storm: from here on hooks behave, and everybody must come back.
func (s *storm) calm() {
	s.b.Always(pooltest.Script{})
	s.b.Release()
	if s.one(4) {
		s.stop()
		return
	}
	for i, p := range s.pools {
		_ = p.Resize(cancelled, s.opts[i].Size)
	}
	s.eventually("somebody waits for ever", s.everybodyIsBack())
	for _, p := range s.pools {
		for key := range 4 {
			s.eventually("the pool is not as new", func() bool {
				if p.Stats().State == pool.StateFailed {
					ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
					defer cancel()
					_ = p.Restart(ctx)
				}
				return isNew(p)
			})
			s.visitTwice(p, strconv.Itoa(key))
		}
		assert.EqualValues(s.t, s.leases[p.Name()], p.Stats().Checkouts, "leases that clients have had, of %s", p.Name())
	}
}

// isNew reports whether the pool is in order and nobody has anything of it.
func isNew(p fakes) bool {
	n := p.Stats()
	return n.State == pool.StateReady && n.Idle+n.Tending == n.Size && n.Leased+n.Waiting+n.Overflow+n.Starting+n.Stopping+n.Zombies == 0
}

// loses reports whether clients may lose leases.
func (s *storm) loses() bool {
	return slices.ContainsFunc(s.opts, func(o pool.Options) bool { return o.TraceLeases == 1 })
}

// stop stops the pools under their clients.
func (s *storm) stop() {
	s.stopped.Store(true)
	for _, p := range s.pools {
		ctx, cancel := s.patience(s.r)
		s.clients.Go(func() {
			defer cancel()
			_ = p.Stop(ctx)
		})
	}
	s.eventually("somebody waits for ever", s.everybodyIsBack())
	time.Sleep(100 * s.unit) // zombies may still be about to end
	for _, p := range s.pools {
		pooltest.NoGoroutines(s.t, p.Name())
	}
}

func (s *storm) everybodyIsBack() func() bool {
	back := make(chan struct{})
	go func() { s.clients.Wait(); close(back) }()
	return func() bool {
		select {
		case <-back:
			return true
		default:
			return false
		}
	}
}

// eventually is bounded by time in which nothing but the pool moves any more.
func (s *storm) eventually(otherwise string, cond func() bool) {
	s.t.Helper()
	for range 600 {
		if s.virtual {
			synctest.Wait()
		}
		pooltest.Check(s.t, s.controls()...)
		if cond() {
			return
		}
		if s.loses() {
			runtime.GC() // it finds the leases that clients have dropped
		}
		time.Sleep(1009 * s.unit)
	}
	for _, p := range s.pools {
		assert.Fail(s.t, otherwise, "%+v", p.Inspect())
	}
	s.t.FailNow()
}
