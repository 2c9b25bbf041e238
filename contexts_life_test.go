package pool_test

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

// What belonged to a worker that was stopped ends when it has been stopped.
func TestTheContextOfStopEndsWhenStopReturns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		reg := pooltest.NewRegistry()
		defer pooltest.Close(t, reg)
		var returned, ended time.Time
		p := pooltest.StartIn(t, reg, pool.Spec[int]{
			Start: func(context.Context) (int, error) { return 1, nil },
			Run:   func(_ int, ctx context.Context) error { <-ctx.Done(); return nil },
			Stop: func(_ int, ctx context.Context) error {
				context.AfterFunc(ctx, func() { ended = time.Now() })
				returned = time.Now()
				return nil
			},
		}, pool.Options{Size: 1})
		lease, err := p.Checkout(t.Context())
		require.NoError(t, err)
		lease.Retire(nil)
		synctest.Wait()
		require.Equal(t, returned, ended)
		require.Equal(t, 1, p.Stats().Idle)
	})
}

// Not in a bubble: it waits for the garbage collector.
func TestAWorkerThatHasEndedIsNotKept(t *testing.T) {
	type worker struct {
		_    [1 << 16]byte
		fail chan error
	}
	var freed atomic.Int32
	p := pooltest.Start(t, pool.Spec[*worker]{
		Start: func(context.Context) (*worker, error) {
			w := &worker{fail: make(chan error, 1)}
			runtime.AddCleanup(w, func(int) { freed.Add(1) }, 0)
			return w, nil
		},
		Run: func(w *worker, ctx context.Context) error {
			select {
			case err := <-w.fail:
				return err
			case <-ctx.Done():
				return nil
			}
		},
		Stop: func(*worker, context.Context) error { return nil },
	}, pool.Options{Size: 1, Backoff: pool.Backoff{Min: -1}})
	for range 3 {
		_ = p.Do(t.Context(), func(ctx context.Context, w *worker) error {
			w.fail <- io.EOF
			<-ctx.Done()
			return nil
		})
		_ = p.Do(t.Context(), func(context.Context, *worker) error { return nil }) // the next is up
	}
	for freed.Load() < 3 && t.Context().Err() == nil {
		runtime.GC()
		runtime.Gosched()
	}
}

// Loggers and mocks print contexts.
func TestContextsCanBePrintedAtAnyTime(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		printed := make(chan string, 1)
		stop := make(chan struct{})
		p := pooltest.StartIn(t, reg, pool.Spec[int]{Start: func(ctx context.Context) (int, error) {
			printed <- fmt.Sprint(ctx)
			go func() {
				for ctx.Err() == nil {
					select {
					case <-stop:
						return
					default:
						fmt.Fprint(io.Discard, ctx)
					}
				}
			}()
			return 1, nil
		}}, pool.Options{Size: 1})
		require.Contains(t, <-printed, p.Name())
		for range 100 {
			require.NoError(t, p.Do(t.Context(), func(ctx context.Context, _ int) error {
				fmt.Fprint(io.Discard, ctx)
				return nil
			}))
			p.Stats()
		}
		close(stop)
	})
}

// A worker's context is what context.WithCancelCause would have made.
func TestAWorkersContextBehavesAsContextsDo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		type key struct{}
		reg := pool.NewRegistry(pool.RegistryOptions{BaseContext: context.WithValue(context.Background(), key{}, "base")})
		defer pooltest.Close(t, reg)
		var life context.Context // of the first worker
		var ended atomic.Int32
		p := pooltest.StartIn(t, reg, pool.Spec[int]{Start: func(ctx context.Context) (int, error) {
			if life == nil {
				life = ctx
				context.AfterFunc(ctx, func() { ended.Add(1) })
			}
			return 1, nil
		}}, pool.Options{Size: 1})
		child, cancel := context.WithTimeout(life, time.Hour)
		defer cancel()
		apart := context.WithoutCancel(life)
		require.Equal(t, "base", child.Value(key{}))
		slot, found := pool.SlotFrom(apart)
		require.True(t, found)
		require.EqualValues(t, 1, slot.Incarnation)
		require.NoError(t, context.Cause(life))
		_, bounded := life.Deadline()
		require.False(t, bounded)

		lease, err := p.Checkout(life) // a client that lives no longer than the worker
		require.NoError(t, err)
		lease.Retire(pooltest.ErrScripted)
		synctest.Wait()
		late, cancelLate := context.WithCancel(life)
		defer cancelLate()
		for _, ctx := range []context.Context{life, child, late} {
			require.ErrorIs(t, ctx.Err(), context.Canceled)
			require.ErrorIs(t, context.Cause(ctx), pooltest.ErrScripted)
		}
		require.NoError(t, apart.Err())
		require.EqualValues(t, 1, ended.Load())
	})
}
