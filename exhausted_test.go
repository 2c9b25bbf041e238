package pool_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

// crashLoop brings a pool into that state and returns when it is there.
func crashLoop(t *testing.T, p fakes, b *pooltest.Backend) {
	t.Helper()
	breakDown(p, b, down)
	_, err := p.Checkout(t.Context())
	require.ErrorIs(t, err, pool.ErrUnavailable)
	require.Equal(t, pool.StateCrashLoop, p.Stats().State)
}

func TestRequestsThatKillNowAndThenMakeAPoolUnstableAndNothingWorse(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		events := observe(reg)
		b.NoReset = true
		p := start(t, reg, b, pool.Options{Size: 2})
		refused := 0
		for i := range 200 * 110 { // 110 s, 200 leases a second, 1 in 100 kills
			err := p.Do(t.Context(), func(ctx context.Context, w *pooltest.Worker) error {
				if i%100 == 99 {
					w.Crash(pooltest.ErrScripted)
					<-ctx.Done()
				}
				return nil
			})
			if err != nil {
				refused++
			}
			time.Sleep(5 * ms)
		}
		settle(t, p)
		require.Zero(t, refused)
		s := p.Stats()
		require.EqualValues(t, 220, s.Crashes)
		require.True(t, s.Unstable)
		require.Equal(t, pool.StateReady, s.State)
		require.NotContains(t, events.states(), pool.StateCrashLoop)
		unstable := events.of(pool.EventUnstable)
		require.Len(t, unstable, 2, "once a window")
		require.ErrorIs(t, unstable[0].Err, pooltest.ErrScripted)
		require.Greater(t, unstable[1].Time.Sub(unstable[0].Time), time.Minute)
		time.Sleep(time.Minute + time.Second)
		require.False(t, p.Stats().Unstable)
	})
}

func TestABlackHoleIsFoundWhenAStartHasTimedOut(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 3})
		time.Sleep(time.Minute)
		elapsed := stopwatch()
		breakDown(p, b, pooltest.Script{Start: pooltest.Hang})
		_, err := p.Checkout(t.Context())
		require.ErrorIs(t, err, pool.ErrUnavailable)
		require.Equal(t, 30*time.Second, elapsed())
		settle(t, p)
		require.Equal(t, pool.StateCrashLoop, p.Stats().State)
		require.Equal(t, 6, b.Starts(), "three to begin with, three into the hole")
		time.Sleep(time.Minute)
		settle(t, p)
		require.Equal(t, 8, b.Starts(), "one probe at a time")
		require.LessOrEqual(t, p.Stats().Starting, 1)

		b.Always(pooltest.Script{})
		require.NoError(t, p.WaitReady(t.Context(), 1))
		require.True(t, take(t, t.Context(), p).Checkin())
		require.NoError(t, p.WaitReady(t.Context(), 3))
	})
}

func TestWorkersThatAnEpochHasEndedWereAliveUntilThen(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		down := false
		a := &attempts{fails: func(s pool.Slot) bool { return down || isPoisoned(s) }}
		p := pooltest.StartIn(t, reg, a.watch(b.Spec()), pool.Options{Size: 2, AsyncStart: true})
		time.Sleep(2 * time.Minute)
		settle(t, p)
		require.Positive(t, p.Inspect().Failures)
		down = true
		elapsed := stopwatch()
		pooltest.KillManager(p, pooltest.AtIdle)
		settle(t, p)
		_, err := p.Checkout(t.Context())
		require.ErrorIs(t, err, pool.ErrUnavailable)
		require.Equal(t, 10*time.Second, elapsed(), "so long no worker was alive")
	})
}

func TestAPoolThatMayRestartForEverLetsItsClientsWait(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		events := observe(reg)
		p := start(t, reg, b, pool.Options{Size: 2, MaxRestarts: -1})
		breakDown(p, b, pooltest.Script{Start: pooltest.Fail})
		time.AfterFunc(10*time.Minute, func() { b.Always(pooltest.Script{}) })
		elapsed := stopwatch()
		require.True(t, take(t, t.Context(), p).Checkin())
		require.Less(t, elapsed(), 10*time.Minute+30*time.Second)
		require.Equal(t, []pool.State{pool.StateReady, pool.StateDegraded}, events.states()[:2])
		require.NotContains(t, events.states(), pool.StateCrashLoop)
		require.Empty(t, events.of(pool.EventUnstable))
	})
}

func TestWhoeverCannotBeServedInTimeIsToldAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 1, MaxRestarts: -1})
		breakDown(p, b, pooltest.Script{Start: pooltest.Fail})
		time.Sleep(time.Minute)
		settle(t, p)
		retry := p.Inspect().Slots[0].RetryIn
		require.Greater(t, retry, 2*ms)
		elapsed := stopwatch()
		ctx, cancel := context.WithTimeout(t.Context(), retry-ms)
		defer cancel()
		for _, late := range []func() error{
			func() error { _, err := p.Checkout(ctx); return err },
			func() error { _, err := p.With(pool.Terms{MaxWait: retry - ms}).Checkout(t.Context()); return err },
		} {
			err := late()
			require.ErrorIs(t, err, pool.ErrUnavailable)
			checkout, _ := errors.AsType[*pool.CheckoutError](err)
			require.Equal(t, retry, checkout.RetryAfter)
			require.Zero(t, elapsed())
		}
		b.Always(pooltest.Script{})
		_, err := p.With(pool.Terms{MaxWait: retry + ms}).Checkout(t.Context())
		require.NoError(t, err, "in time for the next attempt")
		require.Equal(t, retry, elapsed())
	})
}

func TestThoseWhoWaitInACrashLoopAreToldWhenItsLastWorkerGoes(t *testing.T) {
	type lease = pool.Lease[*pooltest.Worker]
	for name, end := range map[string]func(p fakes, l lease, cancel func()){
		"by a crash": func(p fakes, l lease, _ func()) { pooltest.KillWorker(p, l.Slot().Index) },
		"retired":    func(_ fakes, l lease, _ func()) { l.Retire(nil) },
		"revoked":    func(_ fakes, _ lease, cancel func()) { cancel() },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
				p := start(t, reg, b, pool.Options{Size: 2, ReclaimGrace: -1})
				crashLoop(t, p, b)
				b.Next(pooltest.Script{})
				require.NoError(t, p.WaitReady(t.Context(), 1))
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				l := take(t, ctx, p)
				told := make(chan error, 1)
				go func() { _, err := p.Checkout(t.Context()); told <- err }()
				settle(t, p)
				require.Equal(t, 1, p.Stats().Waiting)
				elapsed := stopwatch()
				end(p, l, cancel)
				err := <-told
				require.ErrorIs(t, err, pool.ErrUnavailable)
				require.LessOrEqual(t, elapsed(), ms, "the manager looks for clients that are gone every millisecond")
				settle(t, p)
			})
		})
	}
}

// expired is a context that is done.
func expired(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

func TestARelapseIsSlowerThanTheFirstCrashLoop(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 4})
		crashLoop(t, p, b)
		time.Sleep(time.Minute) // the probes are 5 s apart now
		b.Always(pooltest.Script{})
		require.NoError(t, p.WaitReady(t.Context(), 1))
		require.True(t, take(t, t.Context(), p).Checkin())
		require.NoError(t, p.WaitReady(t.Context(), 4))
		starts := b.Starts()
		crashLoop(t, p, b)
		require.LessOrEqual(t, b.Starts()-starts, 4*7, "no storm")
		within(t, 5*time.Second, p.Inspect().RetryIn, "the pace is kept")

		b.Always(pooltest.Script{})
		require.NoError(t, p.WaitReady(t.Context(), 1))
		require.True(t, take(t, t.Context(), p).Checkin())
		require.NoError(t, p.WaitReady(t.Context(), 4))
		time.Sleep(10 * time.Second) // of Ready
		crashLoop(t, p, b)
		within(t, 100*ms, p.Inspect().RetryIn, "forgotten")
	})
}

func TestStopAndRestartDoNotWaitForTheNextProbe(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 2})
		crashLoop(t, p, b)
		time.Sleep(time.Minute)
		b.Always(pooltest.Script{})
		elapsed := stopwatch()
		require.NoError(t, p.Restart(t.Context()))
		require.Zero(t, elapsed())
		require.Equal(t, pool.StateReady, p.Stats().State)
		require.Zero(t, p.Inspect().Failures)

		crashLoop(t, p, b)
		time.Sleep(p.Inspect().RetryIn - ms)
		b.Always(pooltest.Script{Start: pooltest.Hang})
		time.Sleep(ms)
		settle(t, p)
		require.Equal(t, 1, p.Stats().Starting)
		starts := b.Starts()
		elapsed = stopwatch()
		require.NoError(t, p.Stop(t.Context()))
		require.Zero(t, elapsed())
		time.Sleep(time.Hour)
		require.Equal(t, starts, b.Starts(), "no more probes")
	})
}

func TestAFirstStartThatFailsIsAnAnswer(t *testing.T) {
	for name, row := range map[string]struct {
		scripts []pooltest.Script
		ctx     time.Duration
		after   time.Duration
		want    string
	}{
		"a start fails while others run": {
			scripts: []pooltest.Script{{}, {StartAfter: time.Second, Start: pooltest.Fail}, {StartAfter: time.Minute}},
			ctx:     time.Hour, after: time.Second, want: "start fail",
		},
		"a worker dies before all are up": {
			scripts: []pooltest.Script{{Run: pooltest.Panic, RunAfter: time.Second}, {}, {StartAfter: time.Minute}},
			ctx:     time.Hour, after: time.Second, want: "run panic",
		},
		"the context ends": {
			scripts: []pooltest.Script{{}, {}, {StartAfter: time.Minute}},
			ctx:     2 * time.Second, after: 2 * time.Second,
			want: `pool: start of "p": context deadline exceeded (2 of 3 workers live)`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
				b.Next(row.scripts...)
				ctx, cancel := context.WithTimeout(t.Context(), row.ctx)
				defer cancel()
				waiter := make(chan error, 1)
				go func() {
					time.Sleep(ms)
					p, err := pool.Lookup[*pooltest.Worker](reg, t.Name())
					for err == nil {
						_, err = p.Checkout(t.Context())
					}
					waiter <- err
				}()
				elapsed := stopwatch()
				_, err := pool.Start(ctx, reg, t.Name(), b.Spec(), pool.Options{Size: 3, MaxStarting: 3})
				require.Equal(t, row.after, elapsed())
				require.Equal(t, row.want, strings.ReplaceAll(hookEnd(err), t.Name(), "p"))
				require.ErrorIs(t, <-waiter, pool.ErrStopped)
				_, err = reg.Pool(t.Name())
				require.ErrorIs(t, err, pool.ErrNotFound)
				pooltest.NoGoroutines(t, t.Name())
				for _, w := range b.Workers() {
					require.Equal(t, 1, w.Stops())
				}
				_, err = pool.Start(t.Context(), reg, t.Name(), b.Spec(), pool.Options{Size: 3})
				require.NoError(t, err)
			})
		})
	}
}

func TestStopDuringTheFirstStartWaitsForNobody(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.Next(pooltest.Script{}, pooltest.Script{StartAfter: time.Minute})
		started := later(func() error {
			_, err := pool.Start(t.Context(), reg, t.Name(), b.Spec(), pool.Options{Size: 2, MaxStarting: 1})
			return err
		})
		time.Sleep(time.Second)
		p, err := pool.Lookup[*pooltest.Worker](reg, t.Name())
		require.NoError(t, err)
		held := take(t, t.Context(), p)
		elapsed := stopwatch()
		time.AfterFunc(time.Hour, func() { held.Checkin() })
		require.NoError(t, reg.Stop(t.Context(), t.Name()))
		require.ErrorIs(t, <-started, pool.ErrStopped)
		require.Zero(t, elapsed(), "a client that came before the pool was up is not waited for")
		require.ErrorContains(t, held.Err(), "stopped")
		require.Empty(t, b.Alive())
	})
}
