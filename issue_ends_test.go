package pool_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

// commons-pool POOL-240, 310, 391, 401, 424 and vitessio/vitess#20187: an object
// was destroyed, or all were replaced, and those who waited were not told of the
// room that there was now: they waited for ever.
func TestHoweverAWorkerEndsWhoeverWaitsIsServed(t *testing.T) {
	type lease = pool.Lease[*pooltest.Worker]
	for name, way := range map[string]struct {
		opts   pool.Options
		script pooltest.Script
		after  time.Duration // until the first client is served, at the latest
		end    func(t *testing.T, p fakes, b *pooltest.Backend, l lease)
	}{
		"retire": {end: func(_ *testing.T, _ fakes, _ *pooltest.Backend, l lease) { l.Retire(nil) }},
		"crash":  {end: func(_ *testing.T, _ fakes, _ *pooltest.Backend, l lease) { l.Worker().Crash(nil) }},
		"detach": {end: func(t *testing.T, _ fakes, _ *pooltest.Backend, l lease) {
			_, ok := l.Detach()
			require.True(t, ok)
		}},
		"last use":      {opts: pool.Options{MaxUses: 1}, end: func(_ *testing.T, _ fakes, _ *pooltest.Backend, l lease) { l.Checkin() }},
		"bad reset":     {script: pooltest.Script{Reset: pooltest.Fail}, end: func(_ *testing.T, _ fakes, _ *pooltest.Backend, l lease) { l.Checkin() }},
		"reset hangs":   {script: pooltest.Script{Reset: pooltest.Hang}, after: 5 * time.Second, end: func(_ *testing.T, _ fakes, _ *pooltest.Backend, l lease) { l.Checkin() }},
		"stop hangs":    {script: pooltest.Script{Stop: pooltest.Ignore}, after: 5 * time.Second, end: func(_ *testing.T, _ fakes, _ *pooltest.Backend, l lease) { l.Retire(nil) }},
		"held too long": {opts: pool.Options{MaxHold: time.Minute}, after: time.Minute + 10*time.Millisecond, end: func(*testing.T, fakes, *pooltest.Backend, lease) {}},
		"old age": {opts: pool.Options{MaxLifetime: time.Minute}, end: func(_ *testing.T, _ fakes, _ *pooltest.Backend, l lease) {
			time.Sleep(time.Minute)
			l.Checkin()
		}},
		"recycle": {end: func(t *testing.T, p fakes, _ *pooltest.Backend, l lease) {
			go func() { _ = p.Recycle(t.Context()) }()
			synctest.Wait()
			l.Checkin()
		}},
		"restart": {after: time.Second, end: func(t *testing.T, p fakes, _ *pooltest.Backend, _ lease) {
			go func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				_ = p.Restart(ctx)
			}()
		}},
		"manager": {after: time.Second, end: func(_ *testing.T, p fakes, _ *pooltest.Backend, _ lease) { pooltest.KillManager(p, pooltest.AtIdle) }},
		"resize": {end: func(t *testing.T, p fakes, _ *pooltest.Backend, _ lease) {
			go func() { _ = p.Resize(t.Context(), 3) }()
		}},
		"failing starts": {after: time.Second, end: func(_ *testing.T, _ fakes, b *pooltest.Backend, l lease) {
			b.FailNext(3)
			l.Retire(nil)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
				b.Passive = name == "detach"
				b.Next(way.script)
				way.opts.Size, way.opts.MaxStarting = 2, 1
				p := start(t, reg, b, way.opts)
				first, second := take(t, t.Context(), p), take(t, t.Context(), p)
				if first.Worker().ID != 1 { // whose script it is
					first, second = second, first
				}
				line := []<-chan answer{ask(t.Context(), p), ask(t.Context(), p), ask(t.Context(), p)}
				waiting(t, line[2])
				way.end(t, p, b, first)
				time.Sleep(way.after)
				lease := lentTo(t, line[0])
				settle(t, p)
				second.Checkin()
				for _, asked := range line[1:] {
					lease.Checkin()
					time.Sleep(time.Second)
					lease = lentTo(t, asked)
				}
				lease.Checkin()
				settle(t, p)
			})
		})
	}
}

// oversight: a child that ended in order was counted like one that crashed, and
// three of them took the whole tree along.
func TestWorkersThatEndInOrderCountInNoBudget(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 2, MaxRestarts: 1, MaxUses: 2})
		began := time.Now()
		for range 50 {
			take(t, t.Context(), p).Retire(nil)
			for range 4 {
				take(t, t.Context(), p).Checkin()
				synctest.Wait()
			}
			require.NoError(t, p.Recycle(t.Context()))
			require.NoError(t, p.Resize(t.Context(), 1))
			require.NoError(t, p.Resize(t.Context(), 2))
			settle(t, p)
		}
		require.Zero(t, time.Since(began), "nothing backs off")
		require.Greater(t, b.Starts(), 200)
		s := p.Stats()
		require.Equal(t, pool.StateReady, s.State)
		require.False(t, s.Unstable)
		require.Zero(t, s.Crashes)
		require.NoError(t, s.LastError)
		require.Zero(t, p.Inspect().Failures)
	})
}

// thejerf/suture#77, einride/supervisor-go#65: a service that returned somebody
// else's context.Canceled was taken for one that had been told to stop, and was
// not restarted.
func TestTheEndOfAnotherContextIsACrash(t *testing.T) {
	for _, foreign := range []error{context.Canceled, context.DeadlineExceeded, fmt.Errorf("query: %w", context.Canceled)} {
		t.Run(foreign.Error(), func(t *testing.T) {
			inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
				spec, fails := b.Spec(), 0
				healthy := spec.Start
				spec.Start = func(ctx context.Context) (*pooltest.Worker, error) {
					if fails--; fails >= 0 {
						return nil, foreign
					}
					return healthy(ctx)
				}
				p := pooltest.StartIn(t, reg, spec, pool.Options{Size: 1})
				for idle := range 2 {
					lease := take(t, t.Context(), p)
					if idle == 1 {
						lease.Checkin()
						settle(t, p)
					}
					fails = 2 // starts, too
					lease.Worker().Crash(foreign)
					time.Sleep(time.Second)
					settle(t, p)
					s := p.Stats()
					require.Equal(t, 1, s.Idle)
					require.EqualValues(t, 1+idle, s.Crashes)
					require.Equal(t, 2+idle, b.Starts())
					require.ErrorIs(t, s.LastError, foreign)
					if idle == 0 {
						require.ErrorIs(t, lease.Err(), foreign)
						require.Equal(t, pool.EndCrashed, endOf(t, lease).Reason)
					}
				}
			})
		})
	}
}

// commons-pool POOL-283, 284: objects were told apart by equals and found by
// hashCode, so equal ones, and those that changed while they were lent, were
// lost. In Go a worker may not even be comparable.
func TestWorkersThatAreEqualOrCannotBeComparedAreWorkersToo(t *testing.T) {
	for name, alike := range map[string]any{
		"equal": struct{}{}, "nil": nil, "slices": []int{1}, "maps": map[string]int{}, "functions": func() {}, "not equal to itself": [1]any{[]int{}},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, reg *pool.Registry, _ *pooltest.Backend) {
				var stops atomic.Int32
				p := pooltest.StartIn(t, reg, pool.Spec[any]{
					Start: func(context.Context) (any, error) { return alike, nil },
					Reset: func(any, context.Context) error { return nil },
					Stop:  func(any, context.Context) error { stops.Add(1); return nil },
				}, pool.Options{Size: 3, MaxStarting: 1})
				var held [3]pool.Lease[any]
				for i := range held {
					lease, err := p.Checkout(t.Context())
					require.NoError(t, err)
					held[i] = lease
				}
				require.True(t, held[0].Checkin())
				require.False(t, held[0].Checkin(), "it is that lease, whatever the others are alike")
				require.NoError(t, held[1].Err())
				require.True(t, held[1].Retire(nil))
				settle(t, p)
				_, ok := held[2].Detach()
				require.True(t, ok)
				settle(t, p)
				require.EqualValues(t, 1, stops.Load())
				visits := 0
				require.NoError(t, p.Each(t.Context(), func(context.Context, any) error { visits++; return nil }))
				require.Equal(t, 3, visits)
				settle(t, p)
				require.NoError(t, p.Stop(t.Context()))
				require.EqualValues(t, 1+3, stops.Load())
			})
		})
	}
}

// shy is a worker that must not be printed, and is written to all the time.
type shy struct {
	t *testing.T
	n int
}

func (s *shy) write(ctx context.Context) error {
	for ctx.Err() == nil {
		s.n++
		time.Sleep(100 * time.Millisecond)
	}
	return ctx.Err()
}

func (s *shy) Format(fmt.State, rune)       { s.t.Error("printed") }
func (s *shy) MarshalText() ([]byte, error) { s.t.Error("marshaled"); return nil, nil }

// everything is a logger that formats all there is.
func everything(t *testing.T) *slog.Logger {
	t.Helper()
	return slog.New(slog.NewJSONHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelDebug, AddSource: true}))
}

// suture named its services by fmt.Sprintf("%#v"): it read by reflection, from
// its own goroutine, what theirs were writing.
func TestAWorkerIsNeverPrinted(t *testing.T) {
	inBubble(t, func(t *testing.T, _ *pool.Registry, _ *pooltest.Backend) {
		reg := pool.NewRegistry(pool.RegistryOptions{Logger: everything(t)})
		reg.Subscribe(func(e pool.Event) { _ = fmt.Sprintf("%+v %#v", e, e) })
		p := pooltest.StartIn(t, reg, pool.Spec[*shy]{
			Start: func(context.Context) (*shy, error) { return &shy{t: t}, nil },
			Run:   func(s *shy, ctx context.Context) error { return s.write(ctx) },
			Stop:  func(*shy, context.Context) error { return pooltest.ErrScripted },
		}, pool.Options{Size: 1, WarnHold: time.Second, MaxHold: 2 * time.Second})
		for range 3 {
			lease, err := p.Checkout(t.Context())
			require.NoError(t, err)
			text := fmt.Sprint(p.Stats(), lease.Slot())
			time.Sleep(3 * time.Second)
			_, err = p.TryCheckout(cancelled)
			require.NotEmpty(t, text+fmt.Sprintf("%+v %v %+v %v", p.Inspect(), lease.Err(), reg.Inspect(), err))
			pooltest.KillWorker(p, 0)
			settle(t, p)
		}
		pooltest.Close(t, reg)
	})
}
