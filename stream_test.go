package pool_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"runtime/pprof"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

var unordered = pool.MapOptions{Unordered: true}

// numbers are the first n numbers, from 0.
func numbers(n int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := range n {
			if !yield(i) {
				return
			}
		}
	}
}

// counted counts how many items of a sequence were asked for.
func counted[T any](seq iter.Seq[T], taken *atomic.Int32) iter.Seq[T] {
	return func(yield func(T) bool) {
		for item := range seq {
			taken.Add(1)
			if !yield(item) {
				return
			}
		}
	}
}

// drain ranges over a stream to its end.
func drain[R any](t *testing.T, stream iter.Seq2[R, error]) (results []R, err error) {
	t.Helper()
	for r, e := range stream {
		require.NoError(t, err, "the error is the last")
		if err = e; err != nil {
			require.Zero(t, r, "what comes with the error")
			continue
		}
		results = append(results, r)
	}
	return results, err
}

// crew is what the functions of a stream do to their workers, and how many do
// it at a time.
type crew struct{ now, most atomic.Int32 }

// takes makes a function that holds its worker for as long as it is told, and
// gives up when its context ends.
func (c *crew) takes(d func(n int) time.Duration) func(context.Context, *pooltest.Worker, int) (int, error) {
	return func(ctx context.Context, w *pooltest.Worker, n int) (_ int, err error) {
		now := c.now.Add(1)
		defer c.now.Add(-1)
		for most := c.most.Load(); now > most && !c.most.CompareAndSwap(most, now); most = c.most.Load() {
		}
		w.Use(func() {
			select {
			case <-time.After(d(n)):
			case <-ctx.Done():
				err = context.Cause(ctx)
			}
		})
		return n, err
	}
}

func second(int) time.Duration { return time.Second }

// nothingLeft expects that the workers are back and the stream is gone.
func nothingLeft(t *testing.T, p fakes) {
	t.Helper()
	require.Zero(t, p.Stats().Leased)
	require.Zero(t, p.Stats().Waiting)
	settle(t, p)
	require.Zero(t, goroutinesOf(t, "stream[...])"))
}

// goroutinesOf counts those begun under asStream that are in a function.
func goroutinesOf(t *testing.T, function string) (count int) {
	t.Helper()
	var profile strings.Builder
	require.NoError(t, pprof.Lookup("goroutine").WriteTo(&profile, 1))
	_, stacks, _ := strings.Cut(profile.String(), "\n") // how many there are
	for stack := range strings.SplitSeq(stacks, "\n\n") {
		if strings.Contains(stack, fmt.Sprintf("%q:%q", "stream", t.Name())) && strings.Contains(stack, function) {
			var alike int
			_, err := fmt.Sscanf(stack, "%d @", &alike)
			require.NoError(t, err, stack)
			count += alike
		}
	}
	return count
}

// asStream marks the goroutines that do begins.
func asStream(t *testing.T, do func(ctx context.Context)) {
	pprof.Do(t.Context(), pprof.Labels("stream", t.Name()), do)
}

func TestAStreamYieldsInTheOrderOfItsItems(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 4, MaxOverflow: 3})
		random := rand.New(rand.NewPCG(1, 2))
		durations := make([]time.Duration, 200)
		for i := range durations {
			durations[i] = time.Duration(random.Int64N(int64(time.Second)))
		}
		asStream(t, func(ctx context.Context) {
			var c crew
			results, err := drain(t, pool.Map(ctx, p, numbers(200), c.takes(func(n int) time.Duration { return durations[n] })))
			require.NoError(t, err)
			require.Equal(t, slices.Collect(numbers(200)), results)
			require.EqualValues(t, 7, c.most.Load(), "as many at a time as there may be workers")
			nothingLeft(t, p)

			results, err = drain(t, pool.Map(ctx, p, numbers(200), c.takes(func(n int) time.Duration { return durations[n] }), unordered))
			require.NoError(t, err)
			require.False(t, slices.IsSorted(results))
			slices.Sort(results)
			require.Equal(t, slices.Collect(numbers(200)), results)
		})
		nothingLeft(t, p)
	})
}

func TestAnUnorderedStreamYieldsAsResultsCome(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.NoReset = true
		p := start(t, reg, b, pool.Options{Size: 3})
		// The three workers are free again after 6, 5 and 4 s; then 3 takes until 8, 4 until 7.
		var c crew
		durations := []time.Duration{6 * time.Second, 5 * time.Second, 4 * time.Second, 4 * time.Second, 2 * time.Second}
		work := c.takes(func(n int) time.Duration { return durations[n] })
		began := time.Now()
		var results []int
		for n, err := range pool.Map(t.Context(), p, numbers(5), work, pool.MapOptions{Unordered: true}, pool.MapOptions{}) {
			require.NoError(t, err)
			results = append(results, n)
			require.Equal(t, time.Duration(3+len(results))*time.Second, time.Since(began))
		}
		require.Equal(t, []int{2, 1, 0, 4, 3}, results)
		settle(t, p)
	})
}

// Of two clients of a pool of one, each gets its turn: the stream has a lease for
// each item, not one for all.
func TestAStreamLetsOthersHaveTheirTurn(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.NoReset = true
		p := start(t, reg, b, pool.Options{Size: 1})
		began := time.Now()
		var c crew
		for n, err := range pool.Map(t.Context(), p, numbers(3), c.takes(second)) {
			require.NoError(t, err)
			if n == 0 {
				synctest.Wait() // item 1 has the worker
				lease := take(t, t.Context(), p)
				require.Equal(t, 2*time.Second, time.Since(began))
				lease.Checkin()
			}
		}
		require.Equal(t, 3*time.Second, time.Since(began))
		settle(t, p)
	})
}

// The first item does not end: what is behind it is done as far as there is room,
// and one item more waits for that. The very next result makes room for one.
func TestAStreamIsOnlySoFarAhead(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 2, MaxOverflow: 1})
		var taken, calls atomic.Int32
		first, second := make(chan struct{}), make(chan struct{})
		work := func(_ context.Context, _ *pooltest.Worker, n int) (int, error) {
			calls.Add(1)
			switch n {
			case 0:
				<-first
			case 1:
				<-second
			}
			return n, nil
		}
		body := make(chan struct{})
		var yielded atomic.Int32
		var streams sync.WaitGroup
		streams.Go(func() {
			for n, err := range pool.Map(t.Context(), p, counted(numbers(100), &taken), work) {
				require.NoError(t, err)
				require.EqualValues(t, n, yielded.Load())
				if yielded.Add(1) == 3 {
					<-body
				}
			}
		})
		time.Sleep(time.Hour)
		require.EqualValues(t, 2*3+1, taken.Load())
		require.EqualValues(t, 2*3, calls.Load())
		close(first)
		time.Sleep(time.Hour)
		require.EqualValues(t, 1, yielded.Load())
		require.EqualValues(t, 1+2*3+1, taken.Load())
		require.EqualValues(t, 1+2*3, calls.Load())
		close(second)
		time.Sleep(time.Hour) // now the loop is slow
		require.EqualValues(t, 3, yielded.Load())
		require.LessOrEqual(t, taken.Load(), int32(3+2*3+1))
		close(body)
		streams.Wait()
		require.EqualValues(t, 100, yielded.Load())
		settle(t, p)
	})
}

func TestAnUnorderedStreamWaitsForASlowLoop(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 3})
		var taken atomic.Int32
		var c crew
		count := 0
		for _, err := range pool.Map(t.Context(), p, counted(numbers(40), &taken), c.takes(second), unordered) {
			require.NoError(t, err)
			count++
			time.Sleep(time.Minute)
			require.LessOrEqual(t, int(taken.Load()), count+2*3+1)
			require.Zero(t, p.Stats().Leased, "who waits for the loop holds no worker")
		}
		require.Equal(t, 40, count)
		settle(t, p)
	})
}

func TestAStreamHasNoMoreGoroutinesThanItems(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.Passive = true
		p := start(t, reg, b, pool.Options{Size: 1000})
		gate := make(chan struct{})
		asStream(t, func(ctx context.Context) {
			var streams sync.WaitGroup
			streams.Go(func() {
				_, err := drain(t, pool.Map(ctx, p, numbers(5), func(context.Context, *pooltest.Worker, int) (int, error) {
					<-gate
					return 1, nil
				}))
				require.NoError(t, err)
			})
			time.Sleep(time.Second)
			require.Equal(t, 5, goroutinesOf(t, ").work"))
			require.Equal(t, 1, goroutinesOf(t, ").feed"))
			require.Equal(t, 6, goroutinesOf(t, "stream[...])"))
			require.Equal(t, 5, p.Stats().Leased)
			close(gate)
			streams.Wait()
		})
		nothingLeft(t, p)
	})
}

// A worker that has nothing to do takes the next item: no goroutine begins while
// another would do.
func TestAStreamWithASlowSequenceNeedsOneClient(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 5})
		slow := func(yield func(int) bool) {
			for i := range 10 {
				time.Sleep(time.Minute)
				if !yield(i) {
					return
				}
			}
		}
		asStream(t, func(ctx context.Context) {
			var c crew
			began := time.Now()
			for n, err := range pool.Map(ctx, p, slow, c.takes(second)) {
				require.NoError(t, err)
				require.Equal(t, time.Duration(n+1)*time.Minute+time.Second, time.Since(began), "the sequence holds up no result")
				synctest.Wait()
				if n < 9 {
					require.Equal(t, 1, goroutinesOf(t, ").work"))
				}
			}
		})
		nothingLeft(t, p)
	})
}

func TestAStreamGrowsWithItsPool(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 1})
		var c crew
		for n, err := range pool.Map(t.Context(), p, numbers(40), c.takes(second)) {
			require.NoError(t, err)
			if n == 10 {
				require.EqualValues(t, 1, c.most.Load())
				require.NoError(t, p.Resize(t.Context(), 6))
			}
			if n == 25 {
				require.EqualValues(t, 6, c.most.Load())
				require.NoError(t, p.Resize(t.Context(), 2))
				c.most.Store(0)
			}
		}
		require.LessOrEqual(t, c.most.Load(), int32(6))
		settle(t, p)
	})
}

// The loop may put back what it finds: results do not wait for the sequence.
func TestASequenceMayWaitForTheLoop(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 3})
		found := make(chan int, 100)
		found <- 1
		left := 1
		seen := make(map[int]bool)
		seq := func(yield func(int) bool) {
			for n := range found {
				if !yield(n) {
					return
				}
			}
		}
		var c crew
		for n, err := range pool.Map(t.Context(), p, seq, c.takes(second), unordered) {
			require.NoError(t, err)
			seen[n] = true
			for _, next := range []int{2 * n, 2*n + 1} {
				if next < 20 {
					left++
					found <- next
				}
			}
			if left--; left == 0 {
				close(found)
			}
		}
		require.Len(t, slices.Collect(maps.Keys(seen)), 19)
		settle(t, p)
	})
}

func TestAStreamBeginsWhenItIsRangedOverAndEachTimeAnew(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 2})
		var taken atomic.Int32
		var c crew
		stream := pool.Map(t.Context(), p, counted(numbers(3), &taken), c.takes(second))
		time.Sleep(time.Minute)
		require.Zero(t, taken.Load())
		require.Zero(t, p.Stats().Checkouts)
		for run := range 3 {
			results, err := drain(t, stream)
			require.NoError(t, err)
			require.Equal(t, []int{0, 1, 2}, results)
			require.EqualValues(t, 3*(run+1), taken.Load())
		}
		settle(t, p)
	})
}

func TestAStreamOfNothing(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 2})
		asStream(t, func(ctx context.Context) {
			var c crew
			for range 2 {
				results, err := drain(t, pool.Map(ctx, p, numbers(0), c.takes(second)))
				require.NoError(t, err)
				require.Empty(t, results)
				require.NoError(t, p.Stop(ctx)) // nobody is asked for anything
			}
		})
		require.Zero(t, goroutinesOf(t, "stream[...])"))
	})
}

func TestStreamsOverSeveralPools(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		outer := start(t, reg, b, pool.Options{Size: 2})
		inner, err := pool.Start(t.Context(), reg, "inner", b.Spec(), pool.Options{Size: 3})
		require.NoError(t, err)
		var c crew
		sums, err := drain(t, pool.Map(t.Context(), outer, numbers(6), func(ctx context.Context, _ *pooltest.Worker, n int) (sum int, _ error) {
			for m, err := range pool.Map(ctx, inner, numbers(n), c.takes(second)) {
				if err != nil {
					return 0, err
				}
				sum += m
			}
			return sum, nil
		}))
		require.NoError(t, err)
		require.Equal(t, []int{0, 0, 1, 3, 6, 10}, sums)
		require.EqualValues(t, 3, c.most.Load())

		lengths, err := drain(t, pool.Map(t.Context(), outer, slices.Values([]string{"a", "bb"}),
			func(_ context.Context, _ *pooltest.Worker, s string) (int, error) { return len(s), nil }))
		require.NoError(t, err)
		require.Equal(t, []int{1, 2}, lengths)
		settle(t, outer, inner)
	})
}

func TestForEachDoesEveryItemOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 4})
		var done sync.Map
		began := time.Now()
		asStream(t, func(ctx context.Context) {
			require.NoError(t, pool.ForEach(ctx, p, numbers(40), func(_ context.Context, w *pooltest.Worker, n int) error {
				w.Use(func() { time.Sleep(time.Second) })
				if _, twice := done.LoadOrStore(n, true); twice {
					return errors.New("twice")
				}
				return nil
			}))
		})
		require.Equal(t, 10*time.Second, time.Since(began))
		count := 0
		done.Range(func(any, any) bool { count++; return true })
		require.Equal(t, 40, count)
		nothingLeft(t, p)
	})
}
