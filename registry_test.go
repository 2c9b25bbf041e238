package pool_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

func names(reg *pool.Registry) (all []string) {
	for p := range reg.Pools() {
		all = append(all, p.Name())
	}
	return all
}

func TestARegistryKnowsItsPoolsByName(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		require.Empty(t, names(reg))
		prefix := t.Name() + "/"
		var want []string
		for _, name := range []string{"zebra", "ant", "midge"} {
			_, err := pool.Start(t.Context(), reg, prefix+name, b.Spec(), pool.Options{Size: 1})
			require.NoError(t, err)
		}
		for _, name := range []string{"ant", "midge", "zebra"} {
			want = append(want, prefix+name)
		}
		require.Equal(t, want, names(reg), "in the order of the names")
		for p := range reg.Pools() { // may be left, and changed meanwhile
			require.Equal(t, want[0], p.Name())
			require.NoError(t, p.Stop(t.Context()))
			break
		}
		require.Equal(t, want[1:], names(reg))

		found, err := reg.Pool(want[1])
		require.NoError(t, err)
		require.Equal(t, want[1], found.Name())
		same, err := pool.Lookup[*pooltest.Worker](reg, want[1])
		require.NoError(t, err)
		require.Same(t, found, same, "the same handle")
		info := reg.Inspect()
		require.Len(t, info.Pools, 2)
		require.Equal(t, want[1], info.Pools[0].Name)
		require.Equal(t, "*pooltest.Worker", info.Pools[0].Worker)

		starts := b.Starts()
		_, err = pool.Start(t.Context(), reg, want[1], b.Spec(), pool.Options{Size: 5})
		require.ErrorIs(t, err, pool.ErrExists)
		require.ErrorContains(t, err, want[1])
		require.Equal(t, starts, b.Starts())
		for _, err := range []error{
			reg.Stop(t.Context(), "nobody"),
			func() error { _, err := reg.Pool("nobody"); return err }(),
			func() error { _, err := pool.Lookup[int](reg, "nobody"); return err }(),
		} {
			require.ErrorIs(t, err, pool.ErrNotFound)
			require.ErrorContains(t, err, `"nobody"`)
		}
		_, err = pool.Lookup[*pool.Registry](reg, want[1])
		require.ErrorIs(t, err, pool.ErrWrongType)
		require.ErrorContains(t, err, "*pooltest.Worker")
		require.ErrorContains(t, err, "*pool.Registry")
		require.ErrorContains(t, err, want[1])
	})
}

func TestWrongArgumentsAreAllReportedAndNothingIsStarted(t *testing.T) {
	t.Parallel()
	ctx := context.Context(nil)
	faults := func(err error) (fields []string) {
		t.Helper()
		var walk func(error)
		walk = func(err error) {
			if joined, ok := err.(interface{ Unwrap() []error }); ok {
				for _, one := range joined.Unwrap() {
					walk(one)
				}
				return
			}
			var option *pool.OptionError
			if errors.As(err, &option) {
				fields = append(fields, option.Field)
			} else {
				fields = append(fields, err.Error())
			}
		}
		walk(err)
		return fields
	}
	all := []string{"pool: the context must not be nil", "registry", "name", "Spec.Start", "Size", "StopTimeout"}
	wrong := pool.Options{Size: -1, StopTimeout: -1}
	_, err := pool.Start(ctx, nil, "", pool.Spec[int]{}, wrong)
	require.Equal(t, all, faults(err))
	_, err = pool.Ensure(ctx, nil, "", pool.Spec[int]{}, wrong)
	require.Equal(t, all, faults(err))
	_, err = pool.Start(t.Context(), &pool.Registry{}, "x", pool.Spec[int]{}, pool.Options{})
	require.Equal(t, []string{"registry", "Spec.Start", "Size"}, faults(err))

	reg := pooltest.NewRegistry()
	require.ErrorContains(t, reg.Stop(ctx, "x"), "nil")
	require.ErrorContains(t, reg.Serve(ctx), "nil")
	require.ErrorContains(t, reg.Shutdown(ctx), "nil")
	_, err = pool.Lookup[int](nil, "x")
	require.ErrorContains(t, err, "registry")
	require.Empty(t, names(reg))
	pooltest.Close(t, reg)
}

func TestANilContextIsAnErrorOfEveryCallOfAPool(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 1})
		ctx := context.Context(nil)
		lease := take(t, t.Context(), p)
		for name, call := range map[string]func() error{
			"Checkout":    func() error { _, err := p.Checkout(ctx); return err },
			"TryCheckout": func() error { _, err := p.TryCheckout(ctx); return err },
			"Do":          func() error { return p.Do(ctx, func(context.Context, *pooltest.Worker) error { return nil }) },
			"Each":        func() error { return p.Each(ctx, func(context.Context, *pooltest.Worker) error { return nil }) },
			"Transfer":    func() error { _, err := lease.Transfer(ctx); return err },
			"WaitReady":   func() error { return p.WaitReady(ctx, 2) },
			"Resize":      func() error { return p.Resize(ctx, 1) },
			"Recycle":     func() error { return p.Recycle(ctx) },
			"Restart":     func() error { return p.Restart(ctx) },
			"Stop":        func() error { return p.Stop(ctx) },
		} {
			assert.NotPanics(t, func() { assert.ErrorContains(t, call(), "context must not be nil", name) }, name)
		}
		require.True(t, lease.Checkin(), "nothing has changed")
		settle(t, p)
		require.Equal(t, pool.StateReady, p.Stats().State)
	})
}

func TestEnsureStartsOnceForAll(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.Always(pooltest.Script{StartAfter: time.Second})
		ensure := func(ctx context.Context) (fakes, error) {
			return pool.Ensure(ctx, reg, t.Name(), b.Spec(), pool.Options{Size: 2})
		}
		elapsed := stopwatch()
		var callers sync.WaitGroup
		var got [10]fakes
		for i := range got {
			callers.Go(func() {
				p, err := ensure(t.Context())
				assert.NoError(t, err)
				got[i] = p
			})
		}
		synctest.Wait()
		brief, cancel := context.WithTimeout(t.Context(), 500*ms)
		defer cancel()
		_, err := ensure(brief)
		require.ErrorIs(t, err, context.DeadlineExceeded, "each waits as long as it likes")
		callers.Wait()
		require.Equal(t, time.Second, elapsed())
		require.Equal(t, 2, b.Starts())
		for _, p := range got {
			require.Same(t, got[0], p)
		}
		again, err := pool.Ensure(t.Context(), reg, t.Name(), b.Spec(), pool.Options{Size: 7})
		require.NoError(t, err)
		require.Equal(t, 2, again.Stats().Size, "it keeps its options")
		_, err = pool.Ensure(t.Context(), reg, t.Name(), pool.Spec[int]{Start: func(context.Context) (int, error) { return 0, nil }}, pool.Options{Size: 1})
		require.ErrorIs(t, err, pool.ErrWrongType)
		require.Equal(t, time.Second, elapsed())

		// While it is being stopped the name is waited for.
		lease := take(t, t.Context(), again)
		stop := later(func() error { return again.Stop(t.Context()) })
		synctest.Wait()
		time.AfterFunc(3*time.Second, func() { lease.Checkin() })
		fresh, err := ensure(t.Context())
		require.NoError(t, err)
		require.NoError(t, <-stop)
		require.Equal(t, 5*time.Second, elapsed())
		require.NotSame(t, again, fresh)
	})
}

func TestCallersOfEnsureShareTheErrorOfTheStart(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.Always(pooltest.Script{StartAfter: time.Second, Start: pooltest.Fail})
		var callers sync.WaitGroup
		for range 10 {
			callers.Go(func() {
				_, err := pool.Ensure(t.Context(), reg, t.Name(), b.Spec(), pool.Options{Size: 1})
				assert.Equal(t, "start fail", hookEnd(err))
				assert.ErrorIs(t, err, pooltest.ErrScripted)
			})
		}
		callers.Wait()
		require.Equal(t, 1, b.Starts())
		require.Empty(t, names(reg))
	})
}

func TestServeShutsDownWithinDrainTimeout(t *testing.T) {
	for drain, want := range map[time.Duration]time.Duration{0: 10 * time.Second, 3 * time.Second: 3 * time.Second, -1: 0} {
		t.Run(drain.String(), func(t *testing.T) {
			inBubble(t, func(t *testing.T, _ *pool.Registry, b *pooltest.Backend) {
				reg := pool.NewRegistry(pool.RegistryOptions{DrainTimeout: drain})
				p := start(t, reg, b, pool.Options{Size: 2})
				q := start(t, reg, b, pool.Options{Size: 1})
				take(t, t.Context(), p)
				returned := take(t, t.Context(), q)
				ctx, cancel := context.WithCancel(t.Context())
				serve := later(func() error { return reg.Serve(ctx) })
				time.Sleep(time.Minute)
				require.Len(t, names(reg), 2)
				elapsed := stopwatch()
				time.AfterFunc(time.Second, func() { returned.Checkin() })
				cancel()
				synctest.Wait()
				_, err := pool.Start(t.Context(), reg, "new", b.Spec(), pool.Options{Size: 1})
				require.ErrorIs(t, err, pool.ErrStopped)
				require.NoError(t, <-serve)
				require.Equal(t, want, elapsed())
				require.Empty(t, names(reg))
				require.Empty(t, b.Alive())
				pooltest.Close(t, reg)
			})
		})
	}
}

// thejerf/suture: it panicked.
func TestARegistryIsUsedOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, _ *pool.Registry, b *pooltest.Backend) {
		reg := pooltest.NewRegistry()
		b.Next(pooltest.Script{Stop: pooltest.Ignore})
		p := start(t, reg, b, pool.Options{Size: 1})
		q := start(t, reg, b, pool.Options{Size: 1})
		lease := take(t, t.Context(), q)
		var shutdowns sync.WaitGroup
		elapsed := stopwatch()
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		reports := make([]error, 3)
		for i := range reports {
			shutdowns.Go(func() {
				time.Sleep(time.Duration(i) * time.Second)
				if reports[i] = reg.Shutdown(ctx); i == 2 {
					reports[i] = reg.Close()
				}
			})
		}
		time.AfterFunc(30*time.Second, func() { _ = reg.Close() })
		shutdowns.Wait()
		require.Equal(t, 30*time.Second, elapsed(), "Close ends the patience of all")
		for _, report := range reports {
			require.Equal(t, []string{"stop"}, zombieHooks(t, report))
			require.ErrorContains(t, report, p.Name())
			require.Equal(t, reports[0], report)
		}
		require.ErrorContains(t, lease.Err(), "stopped")
		for _, err := range []error{
			func() error { _, err := pool.Start(t.Context(), reg, "x", b.Spec(), pool.Options{Size: 1}); return err }(),
			func() error {
				_, err := pool.Ensure(t.Context(), reg, "x", b.Spec(), pool.Options{Size: 1})
				return err
			}(),
			p.Restart(t.Context()), p.Resize(t.Context(), 2), p.WaitReady(t.Context(), 1),
		} {
			require.ErrorIs(t, err, pool.ErrStopped)
		}
		require.Error(t, p.Stop(t.Context()), "every Stop says the same")
		require.NoError(t, q.Stop(t.Context()))
		require.ErrorIs(t, reg.Stop(t.Context(), p.Name()), pool.ErrNotFound)
		_, err := p.TryCheckout(t.Context())
		require.ErrorIs(t, err, pool.ErrStopped)
		b.Release()
		synctest.Wait()
	})
	require.NoError(t, pooltest.NewRegistry().Close(), "an empty one has nothing to say")
}

func TestStartRacesStartAndStopForAName(t *testing.T) {
	t.Parallel()
	reg := pooltest.NewRegistry()
	b := pooltest.NewBackend(t)
	name := t.Name()
	var won, started sync.Map
	for round := range 200 {
		var clients sync.WaitGroup
		var mine [4]fakes
		for i := range mine {
			clients.Go(func() {
				p, err := pool.Start(t.Context(), reg, name, b.Spec(), pool.Options{Size: 2})
				switch {
				case err == nil:
					mine[i] = p
					won.Store(round, true)
				case errors.Is(err, pool.ErrStopped):
					started.Store(round, true)
				default:
					assert.ErrorIs(t, err, pool.ErrExists)
				}
			})
		}
		clients.Go(func() {
			for range round % 20 {
				runtime.Gosched()
			}
			if err := reg.Stop(t.Context(), name); err != nil {
				assert.ErrorIs(t, err, pool.ErrNotFound)
			}
		})
		clients.Wait()
		live := 0
		for _, p := range mine {
			if p != nil && p.Stats().State != pool.StateStopped {
				live++
				_, err := reg.Pool(name)
				assert.NoError(t, err)
			}
		}
		assert.LessOrEqual(t, live, 1, "one name, one pool")
		_ = reg.Stop(t.Context(), name)
		assert.Empty(t, names(reg))
		assert.Empty(t, b.Alive())
	}
	pooltest.NoGoroutines(t, name)
	wins := 0
	won.Range(func(any, any) bool { wins++; return true })
	assert.Positive(t, wins)
	for _, w := range b.Workers() {
		assert.Equal(t, 1, w.Stops())
	}
	pooltest.Close(t, reg)
}

func TestCloseRacesStarts(t *testing.T) {
	t.Parallel()
	for round := range 20 {
		reg := pooltest.NewRegistry()
		b := pooltest.NewBackend(t)
		var clients sync.WaitGroup
		for i := range 4 {
			clients.Go(func() {
				_, err := pool.Start(t.Context(), reg, fmt.Sprintf("%s/%d/%d", t.Name(), round, i), b.Spec(), pool.Options{Size: 2})
				if err != nil {
					assert.ErrorIs(t, err, pool.ErrStopped)
				}
			})
		}
		clients.Go(func() { pooltest.Close(t, reg) })
		clients.Wait()
		assert.Empty(t, names(reg))
		assert.Empty(t, b.Alive())
	}
}
