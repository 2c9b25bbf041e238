package pool_test

import (
	"context"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

// forget is a client that loses its lease after a second, and says which worker
// it had. The collector may come at any moment, but not before.
//
//go:noinline
func forget(t *testing.T, ctx context.Context, p fakes) *pooltest.Worker {
	t.Helper()
	lease := take(t, ctx, p)
	time.Sleep(time.Second)
	runtime.KeepAlive(lease)
	return lease.Worker()
}

// collect collects garbage until cond is true. Cleanups run in real time, so a
// bubble has to wait for them; the manager sees them in its own.
func collect(t *testing.T, cond func() bool) {
	t.Helper()
	for range 1000 {
		if cond() {
			return
		}
		runtime.GC()
		time.Sleep(100 * time.Millisecond)
		synctest.Wait()
	}
	require.FailNow(t, "the lease is not found")
}

// collectAll is for what must not be found.
func collectAll() {
	for range 5 {
		runtime.GC()
		time.Sleep(time.Second)
		synctest.Wait()
	}
}

func TestADroppedLeaseIsFoundAndItsWorkerReplaced(t *testing.T) {
	for _, reclaim := range []pool.Reclaim{pool.ReclaimReplace, pool.ReclaimReuse} {
		t.Run(string(reclaim), func(t *testing.T) {
			inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
				events := observe(reg)
				p := start(t, reg, b, pool.Options{Size: 2, TraceLeases: 1, Reclaim: reclaim})
				lost := forget(t, context.Background(), p.With(pool.Terms{Owner: "somebody"}))
				kept := take(t, t.Context(), p)
				collect(t, func() bool { return p.Stats().Leased == 1 })
				settle(t, p)
				require.Equal(t, 1, p.Stats().Idle)
				require.Equal(t, 1, lost.Stops(), "replaced, whatever Reclaim says")
				require.Zero(t, lost.Resets())
				require.NoError(t, kept.Err())

				leaks := events.of(pool.EventLeaseLeaked)
				require.Len(t, leaks, 1)
				require.Equal(t, "somebody", leaks[0].Owner)
				require.EqualValues(t, 1, leaks[0].Slot.Incarnation)
				require.GreaterOrEqual(t, leaks[0].Elapsed, time.Second)
				require.Regexp(t, `(?s)^github.com/pooltender/pool_test.take\n\t\S+/pool_test.go:\d+\ngithub.com/pooltender/pool_test.forget\n.*trace_test.go`, leaks[0].Stack)
				ended := events.of(pool.EventLeaseEnded)
				require.Len(t, ended, 1)
				require.Equal(t, pool.EndLeaked, ended[0].Reason)
				require.True(t, kept.Checkin())
				require.Zero(t, p.Stats().Crashes, "it counts in no restart budget")
			})
		})
	}
}

// A manager that sleeps, because nothing has to be watched, is woken for a traced
// lease that no context bounds.
func TestADroppedLeaseIsFoundWhenItIsTheOnlyOne(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 1, TraceLeases: 1})
		time.Sleep(time.Minute)
		lost := forget(t, context.Background(), p)
		collect(t, func() bool { return lost.Stops() == 1 })
		settle(t, p)
		require.Equal(t, 1, p.Stats().Idle)
	})
}

// What keeps the context of a lease does not keep the lease.
func TestTheContextOfADroppedLeaseSaysWhereItWasCheckedOut(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 1, TraceLeases: 1})
		work := func() context.Context { return take(t, t.Context(), p).Context() }()
		collect(t, func() bool { return work.Err() != nil })
		var e *pool.LeaseError
		require.ErrorAs(t, context.Cause(work), &e)
		require.Equal(t, pool.EndLeaked, e.Reason)
		require.Regexp(t, `^pool: lease of ".*" slot 0 leaked: nothing refers to the lease any more; it was checked out at \S+/pool_test.go:\d+ \(github.com/pooltender/pool_test.take\)$`, e.Error())
	})
}

// Whoever waits gets the replacement.
func TestADroppedLeaseServesTheOneWhoWaits(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 1, TraceLeases: 1})
		lost := forget(t, t.Context(), p)
		asked := ask(t.Context(), p)
		collect(t, func() bool { return p.Stats().Waiting == 0 })
		lease := lentTo(t, asked)
		require.NotSame(t, lost, lease.Worker())
		require.Contains(t, stacks(p)[0], "pool_test.ask")
		require.True(t, lease.Checkin())
	})
}

// A lease that is held is never taken for dropped, however it is held.
func TestALeaseThatIsHeldIsNotLeaked(t *testing.T) {
	for name, hold := range map[string]func(t *testing.T, p fakes){
		"lease": func(t *testing.T, p fakes) {
			lease := take(t, t.Context(), p)
			collectAll()
			require.True(t, lease.Checkin())
		},
		"deferred": func(t *testing.T, p fakes) {
			defer func(before int) { require.Equal(t, before, p.Stats().Leased) }(p.Stats().Leased)
			lease := take(t, t.Context(), p)
			defer lease.Checkin()
			collectAll()
		},
		"copy": func(t *testing.T, p fakes) {
			copies := []pool.Lease[*pooltest.Worker]{take(t, t.Context(), p)}
			collectAll()
			require.True(t, p.Checkin(copies[0]))
		},
		"other goroutine": func(t *testing.T, p fakes) {
			leases, ended := make(chan pool.Lease[*pooltest.Worker]), make(chan bool)
			go func() { lease := <-leases; collectAll(); ended <- lease.Retire(nil) }()
			leases <- take(t, t.Context(), p)
			require.True(t, <-ended)
		},
		"Do": func(t *testing.T, p fakes) {
			require.NoError(t, p.Do(t.Context(), func(ctx context.Context, _ *pooltest.Worker) error {
				collectAll()
				return ctx.Err()
			}))
		},
		"Context": func(t *testing.T, p fakes) {
			lease := take(t, t.Context(), p)
			work := lease.Context()
			collectAll()
			require.NoError(t, work.Err())
			require.True(t, lease.Checkin())
		},
		"Transfer": func(t *testing.T, p fakes) {
			lease := take(t, t.Context(), p)
			next, err := lease.Transfer(context.Background())
			require.NoError(t, err)
			_, err = lease.Transfer(context.Background())
			require.Error(t, err)
			collectAll()
			require.True(t, next.Checkin())
			require.False(t, lease.Checkin())
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
				events := observe(reg)
				p := start(t, reg, b, pool.Options{Size: 1, TraceLeases: 1})
				hold(t, p)
				settle(t, p)
				require.Empty(t, events.of(pool.EventLeaseLeaked))
			})
		})
	}
}

// A lease that was handed on is traced on, from where it was checked out.
func TestATransferredLeaseIsTracedOn(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		events := observe(reg)
		p := start(t, reg, b, pool.Options{Size: 1, TraceLeases: 1})
		lease := take(t, t.Context(), p)
		before := stacks(p)
		func() {
			next, err := lease.Transfer(context.Background())
			require.NoError(t, err)
			require.Equal(t, before, stacks(p))
			collectAll()
			require.NoError(t, next.Err())
		}()
		collect(t, func() bool { return p.Stats().Leased == 0 })
		require.Len(t, events.of(pool.EventLeaseLeaked), 1)
		require.Equal(t, before[0], events.of(pool.EventLeaseLeaked)[0].Stack)
		require.Equal(t, pool.EndTransferred, endOf(t, lease).Reason)
	})
}

// finishes are ways for a lease of a pool of one to end.
var finishes = map[string]func(p fakes, lease pool.Lease[*pooltest.Worker]){
	"checked in": func(_ fakes, l pool.Lease[*pooltest.Worker]) { l.Checkin() },
	"retired":    func(_ fakes, l pool.Lease[*pooltest.Worker]) { l.Retire(nil) },
	"detached":   func(_ fakes, l pool.Lease[*pooltest.Worker]) { l.Detach() },
	"crashed":    func(p fakes, _ pool.Lease[*pooltest.Worker]) { pooltest.KillWorker(p, 0) },
	"restarted":  func(p fakes, _ pool.Lease[*pooltest.Worker]) { _ = p.Restart(cancelled) },
	"pool died":  func(p fakes, _ pool.Lease[*pooltest.Worker]) { pooltest.KillManager(p, pooltest.AtLocked) },
	"stopped":    func(p fakes, _ pool.Lease[*pooltest.Worker]) { _ = p.Stop(cancelled) },
}

// A lease that has ended and is dropped then is nobody's loss.
func TestALeaseThatHasEndedIsNotLeaked(t *testing.T) {
	for name, finish := range finishes {

		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
				b.Passive = true
				events := observe(reg)
				p := start(t, reg, b, pool.Options{Size: 1, TraceLeases: 1})
				before := time.Now()
				func() {
					lease, err := p.Checkout(t.Context())
					require.NoError(t, err)
					finish(p, lease)
					settle(t)
					require.Error(t, lease.Err())
				}()
				require.Equal(t, before, time.Now(), "or the manager may have looked in between")
				collectAll()
				require.Empty(t, events.of(pool.EventLeaseLeaked))
			})
		})
	}
}

// A lease dropped by its client, and its pool restarted or stopped before
// anybody has noticed: no leak is reported, for the lease has ended.
func TestALeaseThatWasDroppedBeforeThePoolEndedIsNotReported(t *testing.T) {
	for name, finish := range map[string]func(p fakes) error{
		"restart": func(p fakes) error { return p.Restart(cancelled) },
		"stop":    func(p fakes) error { return p.Stop(cancelled) },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
				events := observe(reg)
				p := start(t, reg, b, pool.Options{Size: 1, TraceLeases: 1})
				forget(t, t.Context(), p)
				_ = finish(p)
				collectAll()
				require.Empty(t, events.of(pool.EventLeaseLeaked))
				require.Len(t, events.of(pool.EventLeaseEnded), 1)
			})
		})
	}
}
