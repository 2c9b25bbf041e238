package pool_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
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

// diary is what hooks write down, in the order in which it happened.
type diary struct {
	mu    sync.Mutex
	lines []string
}

func (d *diary) note(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, fmt.Sprintf(format, args...))
}

// read returns the lines since it was last called.
func (d *diary) read() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	defer func() { d.lines = nil }()
	return d.lines
}

// keep makes hooks that write what happens to their worker, each taking a second.
func (d *diary) keep(crash <-chan error) pool.Spec[int] {
	return pool.Spec[int]{
		Start: func(ctx context.Context) (int, error) {
			slot, _ := pool.SlotFrom(ctx)
			n := int(slot.Incarnation)
			d.note("start %d", n)
			return n, nil
		},
		Run: func(n int, ctx context.Context) error {
			select {
			case err := <-crash:
				d.note("crash %d", n)
				context.AfterFunc(ctx, func() { d.note("cancelled %d", n) })
				return err
			case <-ctx.Done():
			}
			d.note("cancelled %d", n)
			time.Sleep(time.Second)
			d.note("run ends %d", n)
			return nil
		},
		Reset: func(n int, ctx context.Context) error {
			d.note("reset %d", n)
			time.Sleep(time.Second)
			d.note("reset ends %d: %v", n, ctx.Err())
			return nil
		},
		Stop: func(n int, _ context.Context) error {
			time.Sleep(time.Second) // what comes with it has come
			d.note("stop %d", n)
			time.Sleep(time.Second)
			d.note("stop ends %d", n)
			return nil
		},
	}
}

func TestTheHooksOfAnEndComeInOrder(t *testing.T) {
	type lease = pool.Lease[int]
	for name, row := range map[string]struct {
		end   func(l lease, p *pool.Pool[int], crash chan error)
		after time.Duration
		want  []string
	}{
		"an orderly end: Stop, then the context, then Run, then the next": {
			end:   func(l lease, _ *pool.Pool[int], _ chan error) { l.Retire(nil) },
			after: 3 * time.Second,
			want:  []string{"stop 1", "stop ends 1", "cancelled 1", "run ends 1", "start 2"},
		},
		"a crash: the context, then Stop, then the next": {
			end:   func(_ lease, _ *pool.Pool[int], crash chan error) { crash <- pooltest.ErrScripted },
			after: 2 * time.Second,
			want:  []string{"crash 1", "cancelled 1", "stop 1", "stop ends 1", "start 2"},
		},
		"a crash during Reset: Stop waits for Reset": {
			end: func(l lease, _ *pool.Pool[int], crash chan error) {
				l.Checkin()
				synctest.Wait()
				crash <- pooltest.ErrScripted
			},
			after: 3 * time.Second,
			want: []string{"reset 1", "crash 1", "cancelled 1", "reset ends 1: context canceled",
				"stop 1", "stop ends 1", "start 2"},
		},
		"a change of epoch during Reset: Stop waits for Reset": {
			end: func(l lease, p *pool.Pool[int], _ chan error) {
				l.Checkin()
				synctest.Wait()
				pooltest.KillManager(p, pooltest.AtIdle)
			},
			after: 4 * time.Second,
			want: []string{"reset 1", "reset ends 1: context canceled",
				"stop 1", "stop ends 1", "cancelled 1", "run ends 1", "start 2"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, reg *pool.Registry, _ *pooltest.Backend) {
				var d diary
				crash := make(chan error)
				p := pooltest.StartIn(t, reg, d.keep(crash), pool.Options{Size: 1})
				l, err := p.Checkout(t.Context())
				require.NoError(t, err)
				require.Equal(t, []string{"start 1"}, d.read())
				elapsed := stopwatch()
				row.end(l, p, crash)
				l, err = p.Checkout(t.Context())
				require.NoError(t, err)
				require.Equal(t, row.after, elapsed())
				require.Equal(t, 2, l.Worker())
				settle(t, p)
				require.Equal(t, row.want, d.read())
			})
		})
	}
}

type contextKey struct{}

func TestAWorkersContextIsItsOwnLife(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		base, cancelBase := context.WithTimeout(context.WithValue(t.Context(), contextKey{}, "base"), time.Second)
		defer cancelBase()
		reg := pool.NewRegistry(pool.RegistryOptions{BaseContext: base, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
		seen := make(map[string]context.Context)
		var mu sync.Mutex
		see := func(hook string, ctx context.Context) {
			mu.Lock()
			defer mu.Unlock()
			seen[hook] = ctx
			assert.Equal(t, "base", ctx.Value(contextKey{}), hook)
			slot, ok := pool.SlotFrom(ctx)
			assert.True(t, ok, hook)
			assert.Equal(t, pool.Slot{Pool: t.Name(), Incarnation: 1, Attempt: 1}, slot, hook)
		}
		caller, cancelCaller := context.WithTimeout(context.WithValue(t.Context(), contextKey{}, "caller"), time.Minute)
		p, err := pool.Start(caller, reg, t.Name(), pool.Spec[string]{
			Start: func(ctx context.Context) (string, error) { see("start", ctx); return "", nil },
			Run: func(_ string, ctx context.Context) error {
				see("run", ctx)
				<-ctx.Done()
				return nil
			},
			Reset: func(_ string, ctx context.Context) error { see("reset", ctx); return nil },
			Stop: func(_ string, ctx context.Context) error {
				see("stop", ctx)
				deadline, _ := ctx.Deadline()
				assert.Equal(t, 4*time.Second, time.Until(deadline), "the last fifth is for Run")
				return nil
			},
		}, pool.Options{Size: 1, StartTimeout: time.Second})
		require.NoError(t, err)
		cancelCaller()
		lease, err := p.Checkout(t.Context())
		require.NoError(t, err)
		lease.Checkin()
		time.Sleep(time.Minute)
		settle(t, p)

		life := seen["start"]
		require.NoError(t, life.Err(), "neither StartTimeout nor the end of another context ends it")
		_, limited := life.Deadline()
		require.False(t, limited)
		require.Same(t, life, seen["run"])
		require.ErrorIs(t, seen["reset"].Err(), context.Canceled, "Reset has a context of its own")
		require.NoError(t, p.Stop(t.Context()))
		require.Error(t, life.Err())
		require.Contains(t, seen, "stop")
		pooltest.Close(t, reg)
		_, ok := pool.SlotFrom(t.Context())
		require.False(t, ok)
	})
}

// epgsql/pooler#31, psycopg/psycopg#786: it was adopted, by a pool that was closed.
func TestAWorkerThatComesLateIsStoppedAndNeverLent(t *testing.T) {
	for name, row := range map[string]struct {
		takes   time.Duration
		zombies int
	}{
		"after StartTimeout":                   {31 * time.Second, 0},
		"after StartTimeout, given up already": {40 * time.Second, 1},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
				spec := b.Spec()
				made := spec.Start
				spec.Start = func(ctx context.Context) (*pooltest.Worker, error) {
					if slot, _ := pool.SlotFrom(ctx); slot.Index == 0 && slot.Incarnation == 2 {
						time.Sleep(row.takes) // whatever the context says
					}
					return made(ctx)
				}
				p := pooltest.StartIn(t, reg, spec, pool.Options{Size: 2})
				pooltest.KillWorker(p, 0)
				time.Sleep(39 * time.Second)
				settle(t, p)
				require.Equal(t, row.zombies, p.Stats().Zombies)
				time.Sleep(2 * time.Second)
				settle(t, p)
				require.Zero(t, p.Stats().Zombies)
				late := 0
				for _, w := range b.Workers() {
					if w.Slot.Index == 0 && w.Slot.Incarnation == 2 {
						late++
						require.Equal(t, 1, w.Stops())
						require.Error(t, w.Context().Err())
						require.Zero(t, w.Uses())
					}
				}
				require.Equal(t, 1, late)
				require.Equal(t, 2, p.Stats().Idle)
			})
		})
	}
}

// callbacks are what hooks may do to their own pool. Each returns within a
// second, or StopTimeout later where it waits for the very hook that calls it.
var callbacks = map[string]func(ctx context.Context, p pool.Control){
	"Stats":   func(_ context.Context, p pool.Control) { p.Stats() },
	"Inspect": func(_ context.Context, p pool.Control) { p.Inspect() },
	"Checkout": func(ctx context.Context, p pool.Control) {
		if lease, err := p.(fakes).Checkout(ctx); err == nil {
			lease.Checkin()
		}
	},
	"TryCheckout": func(ctx context.Context, p pool.Control) {
		if lease, err := p.(fakes).TryCheckout(ctx); err == nil {
			lease.Retire(nil)
		}
	},
	"WaitReady":    func(ctx context.Context, p pool.Control) { _ = p.WaitReady(ctx, 3) },
	"Resize":       func(ctx context.Context, p pool.Control) { _ = p.Resize(ctx, 3) },
	"Restart":      func(ctx context.Context, p pool.Control) { _ = p.Restart(ctx) },
	"Stop":         func(ctx context.Context, p pool.Control) { _ = p.Stop(ctx) },
	"KillManager":  func(_ context.Context, p pool.Control) { pooltest.KillManager(p, pooltest.AtLocked) },
	"CrashWorker":  func(_ context.Context, p pool.Control) { pooltest.KillWorker(p, 0) },
	"Stop at once": func(ctx context.Context, p pool.Control) { over, no := context.WithCancel(ctx); no(); _ = p.Stop(over) },
}

func TestHooksMayCallBackIntoTheirPool(t *testing.T) {
	for _, hook := range []string{"start", "run", "reset", "stop"} {
		for name, call := range callbacks {
			t.Run(hook+" calls "+name, func(t *testing.T) {
				inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
					var called, returned atomic.Bool
					back := func(at string) {
						p, err := reg.Pool(t.Name())
						if at != hook || err != nil || called.Swap(true) {
							return
						}
						ctx, cancel := context.WithTimeout(context.Background(), time.Second)
						defer cancel()
						call(ctx, p)
						returned.Store(true)
					}
					inner := b.Spec()
					spec := pool.Spec[*pooltest.Worker]{
						Start: func(ctx context.Context) (*pooltest.Worker, error) { back("start"); return inner.Start(ctx) },
						Run:   func(w *pooltest.Worker, ctx context.Context) error { back("run"); return inner.Run(w, ctx) },
						Reset: func(w *pooltest.Worker, ctx context.Context) error { back("reset"); return inner.Reset(w, ctx) },
						Stop:  func(w *pooltest.Worker, ctx context.Context) error { back("stop"); return inner.Stop(w, ctx) },
					}
					p, err := pool.Start(t.Context(), reg, t.Name(), spec, pool.Options{Size: 2, AsyncStart: true})
					require.NoError(t, err)
					settle(t, p)
					if lease, err := p.Checkout(t.Context()); err == nil {
						lease.Checkin() // Reset
						settle(t, p)
						if lease, err = p.Checkout(t.Context()); err == nil {
							lease.Retire(nil) // Stop
						}
					}
					time.Sleep(time.Minute)
					settle(t, p)
					require.True(t, returned.Load())
					require.Zero(t, p.Stats().Zombies)
					if s := p.Stats(); s.State != pool.StateStopped {
						require.Equal(t, pool.StateReady, s.State)
						require.GreaterOrEqual(t, s.Idle, 2)
						require.True(t, take(t, t.Context(), p).Checkin())
					}
					settle(t, p)
					if err := p.Stop(t.Context()); strings.HasPrefix(name, "Stop") {
						// It waited for its own caller, and says so.
						require.Equal(t, []string{hook}, zombieHooks(t, err))
					} else {
						require.NoError(t, err)
					}
					for _, w := range b.Workers() {
						require.Equal(t, 1, w.Stops())
					}
				})
			})
		}
	}
}
