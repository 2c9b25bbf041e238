package pool_test

import (
	"context"
	"iter"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

// The sequence waits for room, behind item 1, when the stream ends.
func TestAStreamEndsWhileThereIsNoRoom(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 3})
		stuck := func(ctx context.Context, _ *pooltest.Worker, n int) (int, error) {
			switch n {
			case 0:
				time.Sleep(time.Second)
			case 1:
				<-ctx.Done()
			}
			return n, ctx.Err()
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		for n, err := range pool.Map(ctx, p, forever, stuck) {
			require.NoError(t, err)
			require.Zero(t, n)
			time.Sleep(time.Second)
			break
		}
		settle(t, p)
		results, err := drain(t, pool.Map(ctx, p, forever, stuck))
		require.Equal(t, []int{0}, results)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		settle(t, p)
	})
}

// Whoever does not care for its context is waited for. It loses its worker when
// ReclaimGrace is over, as any client whose context has ended.
func TestAStreamWaitsForCallsThatGoOn(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 2, ReclaimGrace: time.Second})
		began := time.Now()
		for _, err := range pool.Map(t.Context(), p, numbers(2), func(_ context.Context, _ *pooltest.Worker, n int) (int, error) {
			time.Sleep(time.Duration(1+9*n) * time.Second)
			return n, nil
		}) {
			require.NoError(t, err)
			break
		}
		require.Equal(t, 10*time.Second, time.Since(began))
		settle(t, p)
		require.Equal(t, 3, b.Starts())
	})
}

func TestALoopMayEndAStreamAnywhere(t *testing.T) {
	for _, o := range []pool.MapOptions{{}, unordered} {
		t.Run("", func(t *testing.T) {
			inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
				p := start(t, reg, b, pool.Options{Size: 3})
				for stop := range 12 {
					asStream(t, func(ctx context.Context) {
						var c crew
						var running atomic.Pointer[context.Context]
						count := 0
						for n, err := range pool.Map(ctx, p, forever, func(ctx context.Context, w *pooltest.Worker, n int) (int, error) {
							running.Store(&ctx)
							return c.takes(func(n int) time.Duration { return time.Duration(n%4) * time.Second })(ctx, w, n)
						}, o) {
							require.NoError(t, err)
							require.GreaterOrEqual(t, n, 0)
							if count == stop {
								break
							}
							count++
						}
						require.Equal(t, stop, count)
						require.Zero(t, c.now.Load())
						require.ErrorIs(t, (*running.Load()).Err(), context.Canceled)
					})
					nothingLeft(t, p)
				}
				require.Equal(t, 3, b.Starts(), "no worker is lost")
			})
		})
	}
}

// forever are the numbers from 0.
func forever(yield func(int) bool) {
	for i := 0; yield(i); i++ {
	}
}

func TestAPanicOrGoexitOfTheLoopGoesOnUp(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 3})
		asStream(t, func(ctx context.Context) {
			var c crew
			require.PanicsWithValue(t, "oh", func() {
				for range pool.Map(ctx, p, forever, c.takes(second)) {
					panic("oh")
				}
			})
			nothingLeft(t, p)
			var loops sync.WaitGroup
			loops.Go(func() {
				for range pool.Map(ctx, p, forever, c.takes(second)) {
					runtime.Goexit()
				}
			})
			loops.Wait()
		})
		nothingLeft(t, p)
		require.Equal(t, 3, b.Starts())
	})
}

// What the sequence does it does to the caller, in its turn.
func TestAPanicOrGoexitOfTheSequenceGoesOnUp(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 3})
		var c crew
		asStream(t, func(ctx context.Context) {
			for _, o := range []pool.MapOptions{{}, unordered} {
				count := 0
				require.PanicsWithValue(t, errItem, func() {
					for _, err := range pool.Map(ctx, p, then(func() { panic(errItem) }), c.takes(second), o) {
						require.NoError(t, err)
						count++
					}
				})
				require.Equal(t, 4, count)
				nothingLeft(t, p)
			}
			last := "nothing"
			var loops sync.WaitGroup
			loops.Go(func() {
				defer func() { require.Nil(t, recover()) }()
				for n, err := range pool.Map(ctx, p, then(runtime.Goexit), c.takes(second)) {
					require.NoError(t, err)
					require.Less(t, n, 4)
					last = "ranged"
				}
				last = "went on"
			})
			loops.Wait()
			require.Equal(t, "ranged", last)
			require.PanicsWithValue(t, "while cleaning up", func() {
				for range pool.Map(ctx, p, func(yield func(int) bool) {
					defer func() { panic("while cleaning up") }()
					forever(yield)
				}, c.takes(second)) {
					break
				}
			})
		})
		nothingLeft(t, p)
	})
}

// then are four numbers, and what happens then.
func then(what func()) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := range numbers(4) {
			if !yield(i) {
				return
			}
		}
		what()
	}
}

func TestAStreamEndsWithItsContext(t *testing.T) {
	for name, o := range map[string]pool.MapOptions{"in order": {}, "unordered": unordered} {
		t.Run(name, func(t *testing.T) {
			t.Run("before it begins", func(t *testing.T) {
				inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
					p := start(t, reg, b, pool.Options{Size: 1})
					var taken atomic.Int32
					var c crew
					results, err := drain(t, pool.Map(cancelled, p, counted(numbers(3), &taken), c.takes(second), o))
					require.Equal(t, context.Canceled, err)
					require.Empty(t, results)
					require.Zero(t, taken.Load())
					require.Zero(t, p.Stats().Checkouts)
				})
			})
			t.Run("while it waits for a worker", func(t *testing.T) {
				inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
					p := start(t, reg, b, pool.Options{Size: 1})
					lease := take(t, t.Context(), p)
					ctx, cancel := context.WithTimeout(t.Context(), time.Second)
					defer cancel()
					var c crew
					began := time.Now()
					_, err := drain(t, pool.Map(ctx, p, numbers(3), c.takes(second), o))
					require.Equal(t, context.DeadlineExceeded, refusal(t, err).Err)
					require.Equal(t, time.Second, time.Since(began).Truncate(time.Second))
					lease.Checkin()
					settle(t, p)
				})
			})
			t.Run("while the function runs", func(t *testing.T) {
				inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
					p := start(t, reg, b, pool.Options{Size: 2})
					ctx, cancel := context.WithCancelCause(t.Context())
					time.AfterFunc(2500*time.Millisecond, func() { cancel(errGivenUp) })
					var c crew
					began := time.Now()
					results, err := drain(t, pool.Map(ctx, p, forever, c.takes(second), o))
					require.ErrorIs(t, err, errGivenUp, "what the function returned")
					require.Len(t, results, 4)
					require.Equal(t, 2500*time.Millisecond, time.Since(began))
					settle(t, p)
					require.Equal(t, 2, b.Starts())
				})
			})
			// A sequence that watches the context must not look as if it had ended.
			t.Run("while the sequence blocks", func(t *testing.T) {
				inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
					p := start(t, reg, b, pool.Options{Size: 2})
					ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
					defer cancel()
					var c crew
					results, err := drain(t, pool.Map(ctx, p, then(func() { <-ctx.Done() }), c.takes(second), o))
					require.Equal(t, context.DeadlineExceeded, err)
					require.Len(t, results, 4)
					settle(t, p)
				})
			})
		})
	}
}

func TestAStreamEndsWithItsPool(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 2})
		var c crew
		asStream(t, func(ctx context.Context) {
			time.AfterFunc(2500*time.Millisecond, func() { _ = p.Stop(t.Context()) })
			results, err := drain(t, pool.Map(ctx, p, forever, c.takes(second)))
			require.ErrorIs(t, err, pool.ErrStopped)
			refusal(t, err)
			require.Equal(t, []int{0, 1, 2, 3, 4, 5}, results, "leases run out")
		})
		require.Zero(t, goroutinesOf(t, "stream[...])"))
	})
}

// A stream whose pool is paused goes on when it is not.
func TestAStreamOfAPausedPoolWaits(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 2})
		require.NoError(t, p.Resize(t.Context(), 0))
		time.AfterFunc(time.Hour, func() { _ = p.Resize(t.Context(), 3) })
		began := time.Now()
		var c crew
		results, err := drain(t, pool.Map(t.Context(), p, numbers(6), c.takes(second)))
		require.NoError(t, err)
		require.Len(t, results, 6)
		require.GreaterOrEqual(t, time.Since(began), time.Hour)
		synctest.Wait()
		settle(t, p)
	})
}

// Many streams share a pool, under real scheduling: each ends
// with a result of every item before the one that fails, or where its loop is
// left.
func TestStreamsThatShareAPool(t *testing.T) {
	t.Parallel()
	p := pooltest.New(t, 1, 2, 3, 4, 5)
	var streams sync.WaitGroup
	for i := range 60 {
		streams.Go(func() {
			bad, leave := 10+i, 200-3*i
			var users atomic.Int32
			count := 0
			for n, err := range pool.Map(t.Context(), p, forever, func(_ context.Context, _, n int) (int, error) {
				if users.Add(1) > 5 {
					t.Error("more calls than workers")
				}
				defer users.Add(-1)
				runtime.Gosched()
				if n >= bad {
					return 0, itemError(n)
				}
				return n, nil
			}) {
				if err != nil {
					require.Equal(t, itemError(bad), err)
					require.Equal(t, bad, count)
					return
				}
				require.Equal(t, count, n)
				if count++; count == leave {
					break
				}
			}
			require.Equal(t, leave, count)
			require.Zero(t, users.Load())
		})
	}
	streams.Wait()
	require.Zero(t, p.Stats().Leased)
	require.Zero(t, p.Stats().Waiting)
}
