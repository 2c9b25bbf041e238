package pool_test

import (
	"bytes"
	"context"
	"log/slog"
	"math/rand/v2"
	"regexp"
	"runtime/metrics"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

// fast runs a test in virtual time on a pool whose workers have been lent to
// ctx before, so that they may be lent without the lock.
func fast(t *testing.T, opts pool.Options, test func(t *testing.T, p fakes, ctx context.Context, cancel context.CancelFunc)) {
	t.Helper()
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.NoReset = true
		p := start(t, reg, b, opts)
		for range 20 { // in other moments of the manager's
			ctx, cancel := context.WithCancel(context.Background())
			warm(t, ctx, p, opts.Size)
			time.Sleep(rand.N(300 * time.Millisecond))
			warm(t, ctx, p, opts.Size)
			test(t, p, ctx, cancel)
			cancel()
			time.Sleep(rand.N(10 * time.Second))
			settle(t, p)
			require.Equal(t, opts.Size, p.Stats().Idle)
		}
	})
}

// lazily is how late the manager may look when nobody waits.
const lazily = 100 * time.Millisecond

func TestAFastLeaseOfAClientThatIsGoneIsTakenBack(t *testing.T) {
	fast(t, pool.Options{Size: 2}, func(t *testing.T, p fakes, ctx context.Context, cancel context.CancelFunc) {
		lease := take(t, ctx, p)
		time.Sleep(rand.N(time.Second))
		cancel()
		took := untilEnd(t, lease)
		require.GreaterOrEqual(t, took, time.Second)
		require.LessOrEqual(t, took, time.Second+lazily+time.Millisecond)
		require.Equal(t, pool.EndAbandoned, endOf(t, lease).Reason)
	})
}

func TestAFastLeaseOfAClientThatIsGoneIsTakenBackSoonerWhenSomebodyWaits(t *testing.T) {
	fast(t, pool.Options{Size: 1, ReclaimGrace: -1}, func(t *testing.T, p fakes, ctx context.Context, cancel context.CancelFunc) {
		lease := take(t, ctx, p)
		waiter := inBackground(func() error {
			next, err := p.Checkout(t.Context())
			next.Checkin()
			return err
		})
		time.Sleep(rand.N(time.Second))
		cancel()
		require.LessOrEqual(t, untilEnd(t, lease), 2*time.Millisecond)
		require.NoError(t, <-waiter)
	})
}

func TestALeaseWithoutEndDoesNotHideTheOneAfterIt(t *testing.T) {
	fast(t, pool.Options{Size: 2}, func(t *testing.T, p fakes, ctx context.Context, cancel context.CancelFunc) {
		time.Sleep(time.Minute) // nobody looks any more
		warm(t, context.Background(), p, 2)
		endless := take(t, context.Background(), p)
		time.Sleep(time.Hour)
		lease := take(t, ctx, p)
		cancel()
		require.LessOrEqual(t, untilEnd(t, lease), time.Second+lazily+time.Millisecond)
		require.True(t, endless.Checkin())
	})
}

func TestInspectShowsWhoHasAFastLease(t *testing.T) {
	fast(t, pool.Options{Size: 3}, func(t *testing.T, p fakes, ctx context.Context, _ context.CancelFunc) {
		ann, bob := p.With(pool.Terms{Owner: "ann"}), p.With(pool.Terms{Owner: "bob"})
		take(t, ctx, ann).Checkin()
		leases := map[string]pool.Lease[*pooltest.Worker]{
			"ann": take(t, ctx, ann), "bob": take(t, context.Background(), bob), "": take(t, context.Background(), p),
		}
		slots := p.Inspect().Slots
		for owner, lease := range leases {
			shown := slots[lease.Slot().Index].Lease
			require.NotNil(t, shown)
			require.Equal(t, owner, shown.Owner)
			require.True(t, lease.Checkin())
		}
	})
}

func TestFastLeasesAreCounted(t *testing.T) {
	fast(t, pool.Options{Size: 1}, func(t *testing.T, p fakes, ctx context.Context, _ context.CancelFunc) {
		before, used := p.Stats().Checkouts, p.Inspect().Slots[0].Uses
		trips := uint64(rand.IntN(100))
		for n := range trips {
			if n%7 == 0 {
				take(t, context.Background(), p).Checkin()
			} else {
				take(t, ctx, p).Checkin()
			}
		}
		require.Equal(t, before+trips, p.Stats().Checkouts)
		lease := take(t, ctx, p)
		require.Equal(t, before+trips+1, p.Stats().Checkouts)
		require.Equal(t, used+trips+1, p.Inspect().Slots[0].Uses)
		lease.Checkin()
		require.Equal(t, before+trips+1, p.Stats().Checkouts)
	})
}

func TestAFastLeaseGetsOldAsOthersDo(t *testing.T) {
	const warn, most = time.Second, 3 * time.Second
	fast(t, pool.Options{Size: 2, WarnHold: warn, MaxHold: most}, func(t *testing.T, p fakes, ctx context.Context, _ context.CancelFunc) {
		for _, ctx := range []context.Context{ctx, context.Background()} {
			lease := take(t, ctx, p)
			took := untilEnd(t, lease)
			require.GreaterOrEqual(t, took, most)
			require.LessOrEqual(t, took, most+lazily+time.Millisecond)
			require.Equal(t, pool.EndOverdue, endOf(t, lease).Reason)
		}
	})
}

func TestTheContextOfAFastLeaseEndsWithItsWorker(t *testing.T) {
	fast(t, pool.Options{Size: 1}, func(t *testing.T, p fakes, ctx context.Context, _ context.CancelFunc) {
		lease := take(t, ctx, p)
		work := lease.Context()
		require.NoError(t, work.Err())
		lease.Worker().Crash(pooltest.ErrScripted)
		settle(t, p)
		require.ErrorIs(t, context.Cause(work), pooltest.ErrScripted)
		require.False(t, lease.Checkin())
		time.Sleep(time.Minute) // its replacement has come
	})
}

func TestTheContextOfAFastLeaseIsNobodyElses(t *testing.T) {
	fast(t, pool.Options{Size: 1}, func(t *testing.T, p fakes, ctx context.Context, _ context.CancelFunc) {
		lease := take(t, ctx, p)
		work := lease.Context()
		require.Same(t, work, lease.Context())
		require.True(t, lease.Checkin())
		require.Error(t, work.Err(), "it ends with the lease")
		next := take(t, ctx, p)
		require.NoError(t, next.Context().Err())
		next.Checkin()
	})
}

func TestASubscriberIsToldOfEveryLeaseFromThenOn(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.NoReset = true
		p := start(t, reg, b, pool.Options{Size: 2})
		for range 10 {
			warm(t, t.Context(), p, 2)
			old := take(t, t.Context(), p)
			var told []string
			unsubscribe := reg.Subscribe(func(e pool.Event) { told = append(told, string(e.Kind)) })
			lease := take(t, t.Context(), p)
			synctest.Wait()
			require.Equal(t, []string{"lease started"}, told)
			lease.Checkin()
			old.Checkin()
			take(t, t.Context(), p).Checkin()
			synctest.Wait()
			require.Equal(t, []string{"lease started", "lease ended", "lease ended", "lease started", "lease ended"}, told)
			unsubscribe()
		}
	})
}

// journal is what a logger has written, for those who read while it writes.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

func TestAFastLeaseThatIsHeldLongIsReportedWithItsOwner(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log journal
		reg := pool.NewRegistry(pool.RegistryOptions{Logger: slog.New(slog.NewTextHandler(&log, nil))})
		defer pooltest.Close(t, reg)
		b := pooltest.NewBackend(t)
		b.NoReset = true
		p := start(t, reg, b, pool.Options{Size: 2, WarnHold: time.Second})
		reported := func() int {
			settle(t, p)
			return len(regexp.MustCompile("lease overdue.* owner=ann").FindAllString(log.String(), -1))
		}
		for n := range 10 {
			warm(t, context.Background(), p, 2)
			time.Sleep(rand.N(2 * time.Second))
			lease := take(t, context.Background(), p.With(pool.Terms{Owner: "ann"}))
			time.Sleep(time.Second - time.Nanosecond)
			require.Equal(t, n, reported())
			time.Sleep(lazily + time.Millisecond)
			time.Sleep(time.Second) // the log tells of several at once
			require.Equal(t, n+1, reported())
			lease.Checkin()
			time.Sleep(time.Minute)
		}
	})
}

// turns is about an eighth of how often a goroutine of the program has begun to
// run.
func turns() (n uint64) {
	sample := []metrics.Sample{{Name: "/sched/latencies:seconds"}}
	metrics.Read(sample)
	for _, count := range sample[0].Value.Float64Histogram().Counts {
		n += count
	}
	return n
}

// Not parallel: the turns of other tests would count.
func TestAManagerThatHasNothingToWatchSleeps(t *testing.T) {
	for name, row := range map[string]struct {
		hold  func(p fakes, ctx context.Context) (pool.Lease[*pooltest.Worker], error)
		looks bool
	}{
		"nothing is leased": {func(fakes, context.Context) (l pool.Lease[*pooltest.Worker], err error) { return l, nil }, false},
		"a lease that nothing bounds": {func(p fakes, _ context.Context) (pool.Lease[*pooltest.Worker], error) {
			return p.Checkout(context.Background())
		}, false},
		"a lease that a context may bound": {func(p fakes, ctx context.Context) (pool.Lease[*pooltest.Worker], error) { return p.Checkout(ctx) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := pooltest.NewBackend(t)
				b.NoReset = true
				p := pooltest.Start(t, b.Spec(), pool.Options{Size: 2})
				warm(t, t.Context(), p, 2)
				lease, err := row.hold(p, t.Context())
				require.NoError(t, err)
				time.Sleep(time.Minute)
				before := turns()
				time.Sleep(3 * time.Hour) // 108 000 looks, or none
				if n := turns() - before; row.looks {
					require.Greater(t, n, uint64(2000))
				} else {
					require.Less(t, n, uint64(200))
				}
				lease.Checkin()
			})
		})
	}
}

// When there are more workers than Size: the highest slots go, though their
// workers were the first to come back and clients come and go.
//
// golang/go#43173: used in turn, none was ever idle for long.
func TestASurplusWorkerGoesThoughClientsComeAndGo(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.NoReset = true
		p := start(t, reg, b, pool.Options{Size: 1, MaxOverflow: 1, OverflowLinger: time.Second})
		for range 20 {
			base, surplus := take(t, t.Context(), p), take(t, t.Context(), p)
			require.Equal(t, 1, surplus.Slot().Index)
			surplus.Checkin()
			base.Checkin()
			for range 30 {
				lease := take(t, t.Context(), p)
				time.Sleep(100 * time.Millisecond)
				lease.Checkin()
			}
			settle(t, p)
			slots := p.Inspect().Slots
			require.Equal(t, pool.SlotIdle, slots[0].State)
			require.Equal(t, pool.SlotVacant, slots[1].State)
		}
	})
}

// When the manager has long found nothing to look at: MaxHold counts from the
// next lease all the same, and from a sweep of ten milliseconds after it at most.
func TestALeaseGetsNoOlderThanMaxHoldAndASweep(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.NoReset = true
		p := start(t, reg, b, pool.Options{Size: 2, MaxHold: 100 * time.Millisecond})
		for i := range 40 {
			warm(t, context.Background(), p, 2)
			time.Sleep(time.Duration(i) * 17 * time.Millisecond)
			took := untilEnd(t, take(t, context.Background(), p))
			require.GreaterOrEqual(t, took, 100*time.Millisecond)
			require.LessOrEqual(t, took, 111*time.Millisecond)
		}
	})
}

// When clients without a context wait for long, and then one with a context is
// served and goes away while another waits: it is found within two milliseconds.
func TestTheManagerIsEagerAgainForTheFirstLeaseThatItHasToWatch(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 1, ReclaimGrace: -1})
		held := take(t, context.Background(), p)
		ctx, cancel := context.WithCancel(t.Context())
		go func() { _, _ = p.Checkout(ctx) }() // never comes back
		synctest.Wait()
		served := inBackground(func() error {
			lease, err := p.Checkout(context.Background())
			lease.Checkin()
			return err
		})
		time.Sleep(time.Second + 5*time.Millisecond)
		held.Checkin()
		time.Sleep(2 * time.Millisecond)
		began := time.Now()
		cancel()
		require.NoError(t, <-served)
		require.LessOrEqual(t, time.Since(began), 2*time.Millisecond)
	})
}

// When the manager dies while a lease goes on that the lock knows nothing of:
// it ends as all the others do, and its worker is not lent in the new epoch.
func TestAFastLeaseEndsWithItsEpoch(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.NoReset = true
		p := start(t, reg, b, pool.Options{Size: 2})
		for i := range 10 {
			warm(t, context.Background(), p, 2)
			lease := take(t, context.Background(), p)
			if i%2 == 0 {
				pooltest.KillManager(p, pooltest.AtIdle)
			} else {
				pooltest.KillManager(p, pooltest.AtLocked)
			}
			settle(t, p)
			time.Sleep(time.Minute)
			require.Equal(t, pool.EndRestarted, endOf(t, lease).Reason)
			require.False(t, lease.Checkin())
			require.Equal(t, 1, lease.Worker().Stops())
			settle(t, p)
			require.Equal(t, 2, p.Stats().Idle)
		}
	})
}
