package pool_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

// checking runs a test with workers that have a Check.
func checking(t *testing.T, test func(t *testing.T, reg *pool.Registry, b *pooltest.Backend)) {
	t.Helper()
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.Checks = true
		test(t, reg, b)
	})
}

func TestCheckEveryNeedsACheck(t *testing.T) {
	t.Parallel()
	reg := pooltest.NewRegistry()
	defer pooltest.Close(t, reg)
	_, err := pool.Start(t.Context(), reg, "p", pooltest.NewBackend(t).Spec(), pool.Options{Size: 1, CheckEvery: time.Second})
	require.EqualError(t, err, "pool: CheckEvery must not be set without Spec.Check, got 1s")
	var fault *pool.OptionError
	require.ErrorAs(t, err, &fault)
	_, err = pool.Ensure(t.Context(), reg, "p", pooltest.NewBackend(t).Spec(), pool.Options{Size: 1, CheckEvery: -1})
	require.NoError(t, err)
}

func TestAnIdleWorkerIsCheckedWhenItIsDueToTheNanosecond(t *testing.T) {
	checking(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.NoReset = true
		b.Always(pooltest.Script{CheckAfter: time.Second})
		p := start(t, reg, b, pool.Options{Size: 1, CheckEvery: time.Minute})
		w := b.Workers()[0]
		due := time.Now().Add(time.Minute)
		for n := range 3 { // after its start, after it has passed a check, and again
			sleepUntil(due.Add(-1))
			require.Equal(t, n, w.Checks())
			require.Equal(t, 1, p.Stats().Idle)
			sleepUntil(due)
			require.Equal(t, n+1, w.Checks())
			require.Equal(t, 1, p.Stats().Tending)
			sleepUntil(due.Add(time.Second))
			require.Equal(t, 1, p.Stats().Idle)
			due = time.Now().Add(time.Minute)
			pooltest.Check(t, p)
		}
		// A lease that is checked in says that the worker is well, too.
		time.Sleep(30 * time.Second)
		lease := take(t, t.Context(), p)
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		lease.Checkin()
		due = time.Now().Add(time.Minute)
		sleepUntil(due.Add(-1))
		require.Equal(t, 3, w.Checks())
		sleepUntil(due)
		require.Equal(t, 4, w.Checks())
	})
}

func TestNoIdleWorkerIsCheckedWhereThatIsOff(t *testing.T) {
	checking(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 3})
		time.Sleep(time.Hour)
		take(t, t.Context(), p).Checkin()
		for _, w := range b.Workers() {
			require.Zero(t, w.Checks())
		}
	})
}

func TestWhoWasWellLongestAgoIsCheckedFirstAndFewAtOnce(t *testing.T) {
	for _, order := range []pool.Order{pool.OrderRecent, pool.OrderLIFO, pool.OrderFIFO} {
		t.Run(string(order), func(t *testing.T) {
			checking(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
				b.NoReset = true
				b.Always(pooltest.Script{CheckAfter: time.Second})
				p := start(t, reg, b, pool.Options{Size: 20, CheckEvery: time.Minute, Order: order})
				var leases []fakeLease
				for range 20 {
					leases = append(leases, take(t, t.Context(), p))
				}
				for _, lease := range leases { // known to be well at intervals of a millisecond
					time.Sleep(time.Millisecond)
					lease.Checkin()
				}
				time.Sleep(time.Minute - 20*time.Millisecond)
				for pair := range 10 {
					time.Sleep(2 * time.Millisecond)
					synctest.Wait()
					require.Equal(t, 2, p.Stats().Tending, "a tenth")
					for i, lease := range leases {
						require.Equal(t, i < 2*pair+2, lease.Worker().Checks() > 0, "%v of pair %d", lease.Worker(), pair)
					}
					time.Sleep(time.Second - 2*time.Millisecond)
				}
			})
		})
	}
}

func TestACheckDoesNotChangeTheOrder(t *testing.T) {
	for order, want := range map[pool.Order][]int{pool.OrderLIFO: {2, 1, 0}, pool.OrderFIFO: {0, 1, 2}} {
		t.Run(string(order), func(t *testing.T) {
			checking(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
				b.NoReset = true
				p := start(t, reg, b, pool.Options{Size: 3, CheckEvery: time.Minute, Order: order})
				var leases []fakeLease
				for range 3 {
					leases = append(leases, take(t, t.Context(), p))
				}
				var workers []*pooltest.Worker
				for _, lease := range leases {
					workers = append(workers, lease.Worker())
					time.Sleep(time.Second)
					lease.Checkin()
				}
				sleepUntil(time.Now().Add(time.Minute - time.Second))
				require.Equal(t, []int{1, 1, 0}, []int{workers[0].Checks(), workers[1].Checks(), workers[2].Checks()})
				for _, i := range want {
					require.Same(t, workers[i], take(t, t.Context(), p).Worker())
				}
			})
		})
	}
}

// vitessio/vitess#20080: whoever looked after idle connections kept them from
// clients.
func TestACheckIsCalledOffForAClientThatWaits(t *testing.T) {
	for name, act := range map[string]pooltest.Act{"says that it was": pooltest.Hang, "says nothing": pooltest.OK} {
		t.Run(name, func(t *testing.T) {
			checking(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
				b.Always(pooltest.Script{Check: act, CheckAfter: 4 * time.Second})
				p := start(t, reg, b, pool.Options{Size: 1, CheckEvery: time.Minute})
				time.Sleep(time.Minute + time.Second)
				synctest.Wait()
				require.Equal(t, 1, p.Stats().Tending)
				_, err := p.TryCheckout(t.Context())
				require.ErrorIs(t, err, pool.ErrFull, "it does not wait")
				require.Equal(t, 1, p.Stats().Tending)

				before := time.Now()
				lease := take(t, t.Context(), p)
				require.Zero(t, time.Since(before))
				require.Equal(t, 1, lease.Worker().ID)
				require.Zero(t, p.Stats().Crashes)
				settle(t, p)
				require.True(t, lease.Checkin())
				settle(t, p)
				require.Equal(t, 1, lease.Worker().Checks())
			})
		})
	}
}

// The waiter is gone when the check has been called off: the worker is as due as
// it was, and the first to be checked.
func TestACheckThatWasCalledOffInVainIsMadeAgain(t *testing.T) {
	checking(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.Next(pooltest.Script{Check: pooltest.Ignore}, pooltest.Script{})
		p := start(t, reg, b, pool.Options{Size: 2, MaxStarting: 1, CheckEvery: time.Minute, CheckTimeout: -1})
		lease := take(t, t.Context(), p)
		if lease.Worker().ID == 1 {
			other := take(t, t.Context(), p)
			lease.Checkin()
			lease = other
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		require.Equal(t, 1, p.Stats().Tending)
		ctx, cancel := context.WithCancel(t.Context())
		ended := inBackground(func() error { _, err := p.Checkout(ctx); return err })
		cancel()
		require.ErrorIs(t, <-ended, context.Canceled)
		b.Release()
		settle(t, p)
		require.Equal(t, 2, b.Workers()[0].Checks())
		require.Equal(t, 1, p.Stats().Idle)
		lease.Checkin()
	})
}

func TestNoCheckBeginsWhileSomebodyWaits(t *testing.T) {
	checking(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 2, CheckEvery: time.Minute})
		leases := []fakeLease{take(t, t.Context(), p), take(t, t.Context(), p)}
		time.Sleep(30 * time.Second)
		ended := inBackground(func() error {
			_, err := p.With(pool.Terms{Key: keyOf(t, p, leases[1].Slot().Index)}).Checkout(t.Context())
			return err
		})
		leases[0].Checkin() // and is idle: the client waits for the other
		time.Sleep(2 * time.Minute)
		settle(t, p)
		require.Equal(t, 1, p.Stats().Idle)
		require.Zero(t, leases[0].Worker().Checks())
		leases[1].Checkin()
		require.NoError(t, <-ended)
		settle(t, p)
		require.Equal(t, 1, leases[0].Worker().Checks(), "at once")
	})
}

// keyOf is a key whose clients go to that slot.
func keyOf(t *testing.T, p fakes, slot int) string {
	t.Helper()
	return pool.KeyOf(p, slot)
}

func TestACheckThatFailsIsTheEndOfItsWorker(t *testing.T) {
	for name, test := range map[string]struct {
		script pooltest.Script
		after  time.Duration
		says   string
	}{
		"fail":   {pooltest.Script{Check: pooltest.Fail}, 0, "check failed: pooltest: as scripted"},
		"panic":  {pooltest.Script{Check: pooltest.Panic}, 0, "check panicked: pooltest: as scripted"},
		"goexit": {pooltest.Script{Check: pooltest.Goexit}, 0, "check called runtime.Goexit"},
		"hang":   {pooltest.Script{Check: pooltest.Hang}, 5 * time.Second, "check failed: context deadline exceeded"},
		"ignore": {pooltest.Script{Check: pooltest.Ignore}, 5 * time.Second, "check failed: context deadline exceeded (CheckTimeout is 5s)"},
	} {
		t.Run(name, func(t *testing.T) {
			checking(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
				b.Next(test.script)
				p := start(t, reg, b, pool.Options{Size: 1, CheckEvery: time.Minute})
				time.Sleep(time.Minute)
				if test.after > 0 {
					sleepUntil(time.Now().Add(test.after - 1))
					require.Zero(t, p.Stats().Crashes)
					time.Sleep(time.Nanosecond)
				}
				settle(t, p)
				require.EqualValues(t, 1, p.Stats().Crashes)
				require.ErrorContains(t, p.Stats().LastError, test.says)
				var crash *pool.CrashError
				require.ErrorAs(t, p.Stats().LastError, &crash)
				require.Equal(t, "check", crash.Hook)
				time.Sleep(5 * time.Second)
				settle(t, p)
				if name == "ignore" {
					require.Len(t, p.Inspect().Zombies, 1, "%+v", p.Inspect())
					require.Equal(t, "check", p.Inspect().Zombies[0].Hook)
				} else {
					require.Equal(t, 1, b.Workers()[0].Stops())
				}
				require.Equal(t, 1, p.Stats().Idle)
				require.Equal(t, 2, b.Starts())
				b.Release()
				settle(t, p)
				require.Equal(t, 1, b.Workers()[0].Stops())
			})
		})
	}
}

func TestACheckIsCutShortByTheEndOfItsWorker(t *testing.T) {
	for name, end := range map[string]func(t *testing.T, p fakes){
		"crash":   func(_ *testing.T, p fakes) { pooltest.KillWorker(p, 0) },
		"stop":    func(t *testing.T, p fakes) { require.ErrorAs(t, p.Stop(t.Context()), new(*pool.StopError)) },
		"restart": func(t *testing.T, p fakes) { _ = p.Restart(t.Context()) },
		"death":   func(_ *testing.T, p fakes) { pooltest.KillManager(p, pooltest.AtLocked) },
	} {
		for _, awaited := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				checking(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
					b.Always(pooltest.Script{Check: pooltest.Ignore})
					p := start(t, reg, b, pool.Options{Size: 1, CheckEvery: time.Minute, CheckTimeout: -1})
					time.Sleep(time.Minute)
					var ended <-chan error
					if awaited {
						ended = inBackground(func() error { _, err := p.Checkout(t.Context()); return err })
					}
					settle(t, p)
					end(t, p)
					b.Release()
					settle(t, p)
					require.Equal(t, 1, b.Workers()[0].Stops())
					switch {
					case awaited && name == "stop":
						require.ErrorIs(t, <-ended, pool.ErrStopped)
					case awaited:
						require.NoError(t, <-ended)
					}
				})
			})
		}
	}
}

func TestACheckThatOutlivesItsEpochIsAZombieOfTheNextOne(t *testing.T) {
	checking(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.Next(pooltest.Script{Check: pooltest.Ignore})
		p := start(t, reg, b, pool.Options{Size: 1, CheckEvery: time.Minute, CheckTimeout: -1})
		time.Sleep(time.Minute)
		synctest.Wait()
		pooltest.KillManager(p, pooltest.AtLocked)
		time.Sleep(10 * time.Second)
		settle(t, p)
		require.Len(t, p.Inspect().Zombies, 1)
		require.Equal(t, "check", p.Inspect().Zombies[0].Hook)
		time.Sleep(time.Minute)
		settle(t, p)
		require.Equal(t, 1, b.Workers()[1].Checks())
		b.Release()
		settle(t, p)
		require.Empty(t, p.Inspect().Zombies)
	})
}
