package pool_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

var errItem = errors.New("no such item")

type itemError int

func (e itemError) Error() string { return fmt.Sprint("item ", int(e)) }

// failing is takes for functions of which some fail when their time is over.
func (c *crew) failing(d func(n int) time.Duration, bad ...int) func(context.Context, *pooltest.Worker, int) (int, error) {
	work := c.takes(d)
	return func(ctx context.Context, w *pooltest.Worker, n int) (int, error) {
		m, err := work(ctx, w, n)
		for _, b := range bad {
			if err == nil && n == b {
				return -1, itemError(n)
			}
		}
		return m, err
	}
}

// Items 3 and 5 fail, 5 long before 3: what comes before 3 is yielded, then the
// error of 3. From the moment that 5 has failed no more items are taken.
func TestTheFirstErrorInTheOrderOfItemsEndsAStream(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.NoReset = true
		p := start(t, reg, b, pool.Options{Size: 6})
		var taken atomic.Int32
		var c crew
		began := time.Now()
		var running context.Context
		work := c.failing(func(n int) time.Duration {
			return []time.Duration{5 * time.Second, 6 * time.Second, 6 * time.Second, 7 * time.Second, time.Hour, time.Second}[n]
		}, 3, 5)
		asStream(t, func(ctx context.Context) {
			var results []int
			for n, err := range pool.Map(ctx, p, counted(numbers(100), &taken), func(ctx context.Context, w *pooltest.Worker, n int) (int, error) {
				if n == 4 {
					running = ctx
				}
				return work(ctx, w, n)
			}) {
				if err != nil {
					require.Equal(t, itemError(3), err)
					require.Zero(t, n)
					require.Equal(t, 7*time.Second, time.Since(began))
					require.Equal(t, itemError(3), context.Cause(running), "item 4 is told why")
					require.Zero(t, c.now.Load(), "and has been waited for")
					nothingLeft(t, p)
					continue
				}
				results = append(results, n)
			}
			require.Equal(t, []int{0, 1, 2}, results)
		})
		require.EqualValues(t, 6+1, taken.Load())
		require.EqualValues(t, 6, p.Stats().Checkouts)
		require.Equal(t, 6, b.Starts(), "an error costs no worker")
		nothingLeft(t, p)
	})
}

func TestTheFirstErrorInTimeEndsAnUnorderedStream(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 4})
		for range 3 {
			began := time.Now()
			var c crew
			durations := []time.Duration{9 * time.Second, 3 * time.Second, time.Second, 2 * time.Second}
			work := c.failing(func(n int) time.Duration { return durations[n%4] }, 0, 1, 3)
			asStream(t, func(ctx context.Context) {
				results, err := drain(t, pool.Map(ctx, p, numbers(100), work, unordered))
				require.Equal(t, itemError(3), err)
				require.Equal(t, []int{2}, results)
				require.Equal(t, 2*time.Second, time.Since(began))
				require.Zero(t, c.now.Load())

				err = pool.ForEach(ctx, p, numbers(100), func(ctx context.Context, w *pooltest.Worker, n int) error {
					_, err := work(ctx, w, n)
					return err
				})
				require.Equal(t, itemError(3), err)
			})
			nothingLeft(t, p)
		}
	})
}

// Item 1 has failed when the sequence comes to item 2; item 0 goes on.
func TestNoCallOfAStreamBeginsAfterAnError(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 3})
		var c crew
		work := c.failing(func(n int) time.Duration { return time.Duration(9-8*n) * time.Second }, 1)
		slow := func(yield func(int) bool) {
			if yield(0) && yield(1) {
				time.Sleep(time.Second + 1)
				require.False(t, yield(2))
			}
		}
		results, err := drain(t, pool.Map(t.Context(), p, slow, work))
		require.Equal(t, itemError(1), err)
		require.Equal(t, []int{0}, results)
		require.EqualValues(t, 2, p.Stats().Checkouts)
		settle(t, p)
	})
}

func TestAPanicOfAFunctionEndsAStream(t *testing.T) {
	for _, o := range []pool.MapOptions{{}, unordered} {
		t.Run("", func(t *testing.T) {
			inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
				p := start(t, reg, b, pool.Options{Size: 2, MaxRestarts: 1})
				for value, wrapped := range map[any]error{"oh": nil, errItem: errItem, nil: new(runtime.PanicNilError)} {
					starts := b.Starts()
					results, err := drain(t, pool.Map(t.Context(), p, numbers(9), func(_ context.Context, _ *pooltest.Worker, n int) (int, error) {
						if n == 3 {
							panic(value)
						}
						return n, nil
					}, o))
					if o.Unordered {
						require.NotContains(t, results, 3)
					} else {
						require.Equal(t, []int{0, 1, 2}, results)
					}
					var panicked *pool.PanicError
					require.ErrorAs(t, err, &panicked)
					require.IsType(t, wrapped, panicked.Unwrap())
					require.NotNil(t, panicked.Panic)
					require.False(t, panicked.Exit)
					require.Contains(t, string(panicked.Stack), "TestAPanicOfAFunctionEndsAStream")
					require.ErrorContains(t, err, "pool: the function given panicked: ")
					settle(t, p)
					require.Equal(t, starts+1, b.Starts(), "the worker is replaced")
					require.Zero(t, p.Stats().Crashes)
				}
			})
		})
	}
}

func TestGoexitInAFunctionEndsAStream(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 2})
		asStream(t, func(ctx context.Context) {
			err := pool.ForEach(ctx, p, numbers(9), func(_ context.Context, _ *pooltest.Worker, n int) error {
				if n == 3 {
					runtime.Goexit()
				}
				return nil
			})
			var exited *pool.PanicError
			require.ErrorAs(t, err, &exited)
			require.True(t, exited.Exit)
			require.EqualError(t, err, "pool: the function given called runtime.Goexit")
			require.NoError(t, errors.Unwrap(err))
		})
		nothingLeft(t, p)
		require.Equal(t, 3, b.Starts(), "the worker is replaced")
	})
}

func TestACrashUnderAStreamIsItsError(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 2})
		var c crew
		time.AfterFunc(1500*time.Millisecond, func() { b.Alive()[0].Crash(pooltest.ErrScripted) })
		asStream(t, func(ctx context.Context) {
			results, err := drain(t, pool.Map(ctx, p, forever, c.takes(second)))
			require.ErrorAs(t, err, new(*pool.CrashError))
			require.ErrorIs(t, err, pooltest.ErrScripted)
			require.GreaterOrEqual(t, len(results), 2)
		})
		nothingLeft(t, p)
		require.Equal(t, 3, b.Starts())
		results, err := drain(t, pool.Map(t.Context(), p, numbers(9), c.takes(second)))
		require.NoError(t, err)
		require.Len(t, results, 9)
	})
}

func TestAnOverloadedPoolEndsAStream(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 1, MaxWait: time.Second})
		lease := take(t, t.Context(), p)
		var c crew
		asStream(t, func(ctx context.Context) {
			_, err := drain(t, pool.Map(ctx, p, forever, c.takes(second)))
			require.ErrorIs(t, err, pool.ErrOverloaded)
		})
		lease.Checkin()
		nothingLeft(t, p)
	})
}

func TestAnErrorMarkedByRetireReplacesTheWorkerOfAStream(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 1})
		_, err := drain(t, pool.Map(t.Context(), p, forever, func(_ context.Context, _ *pooltest.Worker, n int) (string, error) {
			return "half", pool.Retire(errItem)
		}))
		require.ErrorIs(t, err, errItem)
		settle(t, p)
		require.Equal(t, 2, b.Starts())
	})
}

func TestAStreamOfMissingArgumentsIsAnError(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 1})
		each := func(context.Context, *pooltest.Worker, int) error { return nil }
		var none context.Context
		for want, try := range map[string]func() (iter.Seq2[int, error], error){
			"pool: the context must not be nil": func() (iter.Seq2[int, error], error) {
				return pool.Map(none, p, numbers(1), new(crew).takes(second)), pool.ForEach(none, p, numbers(1), each)
			},
			"pool: pool must be one made by Start, got <nil>": func() (iter.Seq2[int, error], error) {
				return pool.Map(t.Context(), nil, numbers(1), new(crew).takes(second)), pool.ForEach(t.Context(), nil, numbers(1), each)
			},
			"pool: the sequence must not be nil": func() (iter.Seq2[int, error], error) {
				return pool.Map(t.Context(), p, nil, new(crew).takes(second)), pool.ForEach(t.Context(), p, nil, each)
			},
			"pool: the function must not be nil": func() (iter.Seq2[int, error], error) {
				return pool.Map[*pooltest.Worker, int, int](t.Context(), p, numbers(1), nil),
					pool.ForEach(t.Context(), p, numbers(1), nil)
			},
		} {
			stream, err := try()
			require.EqualError(t, err, want)
			_, err = drain(t, stream)
			require.EqualError(t, err, want)
		}
	})
}
