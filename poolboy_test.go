package pool_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

// These are the cases of poolboy's own test suite, on a pool that is set up to
// behave as poolboy does: surplus workers are dismissed at checkin, nothing is
// reset, the worker of a client that is gone is lent on, and every restart comes
// at once.
//
// Where poolboy counts the clients that it monitors, the leases and the waiters
// are counted here: it monitors each of them once.

// boy is a pool like poolboy's.
type boy struct {
	fakes
	t *testing.T
	b *pooltest.Backend
}

func likePoolboy(t *testing.T, size, overflow int, test func(p boy), configure ...func(*pool.Options)) {
	t.Helper()
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.NoReset = true
		opts := pool.Options{
			Size: size, MaxOverflow: overflow, OverflowLinger: -1,
			Order: pool.OrderLIFO, Reclaim: pool.ReclaimReuse, ReclaimGrace: -1,
			Backoff: pool.Backoff{Min: -1}, MaxRestarts: -1,
		}
		for _, set := range configure {
			set(&opts)
		}
		p := boy{start(t, reg, b, opts), t, b}
		test(p)
		require.NoError(t, p.Stop(t.Context()))
		require.Empty(t, b.Alive())
	})
}

// take takes n workers.
func (p boy) take(n int) (leases []fakeLease) {
	p.t.Helper()
	for range n {
		leases = append(leases, take(p.t, p.t.Context(), p.fakes))
	}
	return leases
}

// put returns workers, one after the other.
func (p boy) put(leases ...fakeLease) {
	p.t.Helper()
	for _, lease := range leases {
		require.True(p.t, lease.Checkin())
		settle(p.t, p)
	}
}

// kill kills the worker of a lease.
func (p boy) kill(lease fakeLease) {
	p.t.Helper()
	lease.Worker().Crash(pooltest.ErrScripted)
	settle(p.t, p)
	require.ErrorIs(p.t, lease.Err(), pooltest.ErrScripted)
}

// blocked starts a client that takes a worker, and sees to it that it waits.
func (p boy) blocked() <-chan fakeLease {
	p.t.Helper()
	served := make(chan fakeLease, 1)
	go func() {
		if lease, err := p.Checkout(p.t.Context()); err == nil {
			served <- lease
		}
	}()
	time.Sleep(500 * time.Millisecond)
	require.Empty(p.t, served)
	require.Equal(p.t, 1, p.Stats().Waiting)
	return served
}

func (p boy) full() {
	p.t.Helper()
	_, err := p.TryCheckout(p.t.Context())
	require.ErrorIs(p.t, err, pool.ErrFull)
}

// counts expects so many idle workers and so many alive.
func (p boy) counts(idle, alive int) {
	p.t.Helper()
	settle(p.t, p)
	require.Equal(p.t, []int{idle, alive}, []int{p.Stats().Idle, len(p.b.Alive())}, "idle, alive")
}

func (p boy) leases(n int) {
	p.t.Helper()
	require.Equal(p.t, n, p.Stats().Leased)
}

// monitors expects so many clients that hold a worker or wait for one.
func (p boy) monitors(n int) {
	p.t.Helper()
	settle(p.t, p)
	s := p.Stats()
	require.Equal(p.t, n, s.Leased+s.Waiting)
}

// status expects what poolboy's status tells, but for the name.
func (p boy) status(idle, overflow, leased int) {
	p.t.Helper()
	settle(p.t, p)
	s := p.Stats()
	require.Equal(p.t, []int{idle, overflow, leased}, []int{s.Idle, s.Overflow, s.Leased}, "idle, overflow, leased")
}

func TestPoolboy01BasicOperations(t *testing.T) {
	likePoolboy(t, 10, 5, func(p boy) {
		p.counts(10, 10)
		p.take(1)
		p.counts(9, 10)
		second := p.take(1)
		p.counts(8, 10)
		p.put(second...)
		p.counts(9, 10)
		p.leases(1)
		// The first is still out: the end of the pool revokes it.
		ctx, cancel := context.WithCancel(p.t.Context())
		cancel()
		require.NoError(p.t, p.Stop(ctx))
	})
}

func TestPoolboy02OverflowWorks(t *testing.T) {
	likePoolboy(t, 5, 5, func(p boy) {
		l := p.take(7)
		p.counts(0, 7)
		p.put(l[0:2]...)
		p.counts(0, 5)
		p.put(l[2:4]...)
		p.counts(2, 5)
		p.put(l[4:6]...)
		p.counts(4, 5)
		p.put(l[6])
		p.counts(5, 5)
		p.leases(0)
	})
}

func TestPoolboy03And04BehavesWhenEmpty(t *testing.T) {
	for _, overflow := range []int{2, 0} {
		t.Run(fmt.Sprintf("overflow %d", overflow), func(t *testing.T) {
			likePoolboy(t, 5, overflow, func(p boy) {
				l := p.take(5 + overflow)
				p.counts(0, 5+overflow)
				served := p.blocked()
				p.put(l[0:2]...)
				p.put(<-served)
				p.counts(2-overflow, 5)
				p.put(l[2:4]...)
				p.counts(4-overflow, 5)
				p.put(l[4:]...)
				p.counts(5, 5)
				p.leases(0)
			})
		})
	}
}

func TestPoolboy05BehavesOnWorkerDeath(t *testing.T) {
	likePoolboy(t, 5, 2, func(p boy) {
		p.kill(p.take(1)[0])
		p.counts(5, 5)
		l := p.take(7)
		p.counts(0, 7)
		p.kill(l[0])
		p.counts(0, 6)
		p.kill(l[1])
		p.kill(l[2])
		p.counts(1, 5)
		p.leases(4)
		p.put(l[3:]...)
	})
}

func TestPoolboy06WorkerDiesWhileFull(t *testing.T) {
	likePoolboy(t, 5, 2, func(p boy) {
		p.kill(p.take(1)[0])
		p.counts(5, 5)
		l := p.take(7)
		p.counts(0, 7)
		served := p.blocked()
		p.kill(l[0])
		last := <-served
		require.NotSame(p.t, l[0].Worker(), last.Worker())
		p.kill(l[1])
		p.counts(0, 6)
		p.leases(6)
		p.put(append(l[2:], last)...)
	})
}

func TestPoolboy07WorkerDiesWhileFullWithoutOverflow(t *testing.T) {
	likePoolboy(t, 5, 0, func(p boy) {
		p.kill(p.take(1)[0])
		p.counts(5, 5)
		l := p.take(5)
		p.counts(0, 5)
		served := p.blocked()
		p.kill(l[0])
		last := <-served
		p.kill(l[1])
		p.counts(1, 5)
		p.kill(l[2])
		p.counts(2, 5)
		p.leases(3)
		p.put(append(l[3:], last)...)
	})
}

func TestPoolboy08NonBlockingFullWithoutOverflow(t *testing.T) {
	likePoolboy(t, 5, 0, func(p boy) {
		l := p.take(5)
		p.counts(0, 5)
		p.full()
		p.full()
		p.put(l[0])
		again := p.take(1)[0]
		require.Same(p.t, l[0].Worker(), again.Worker())
		p.leases(5)
		p.put(append(l[1:], again)...)
	})
}

func TestPoolboy09NonBlockingFull(t *testing.T) {
	likePoolboy(t, 5, 5, func(p boy) {
		l := p.take(10)
		p.counts(0, 10)
		p.full()
		p.put(l[0])
		require.Error(p.t, l[0].Worker().Context().Err())
		// Other than poolboy's, a take that does not block never starts a
		// worker; one that may block does.
		p.full()
		p.counts(0, 9)
		fresh := p.take(1)[0]
		require.NotSame(p.t, l[0].Worker(), fresh.Worker())
		p.full()
		p.leases(10)
		p.put(append(l[1:], fresh)...)
	})
}

func TestPoolboy10OwnerDeath(t *testing.T) {
	likePoolboy(t, 5, 5, func(p boy) {
		go func() {
			ctx, die := context.WithCancel(context.Background())
			defer die()
			_, _ = p.Checkout(ctx)
			time.Sleep(500 * time.Millisecond)
		}()
		synctest.Wait()
		p.leases(1)
		time.Sleep(time.Second)
		p.counts(5, 5)
		p.leases(0)
		require.Equal(p.t, 5, p.b.Starts(), "the worker is lent on, not replaced")
	})
}

func TestPoolboy11CheckedInAfterPanicInTransaction(t *testing.T) {
	likePoolboy(t, 2, 0, func(p boy) {
		p.counts(2, 2)
		var worker *pooltest.Worker
		require.PanicsWithValue(p.t, "it failed", func() {
			_ = p.Do(p.t.Context(), func(_ context.Context, w *pooltest.Worker) error {
				worker = w
				p.counts(1, 2)
				panic("it failed")
			})
		})
		p.counts(2, 2)
		// Other than poolboy's, the worker is not lent on: who knows what the
		// panic left behind.
		require.NotContains(p.t, p.b.Alive(), worker)
	})
}

func TestPoolboy12Status(t *testing.T) {
	for _, c := range []struct {
		name           string
		size, overflow int
		want           [][3]int // idle, overflow, leased: before the first take and after each
	}{
		{"no overflow", 2, 0, [][3]int{{2, 0, 0}, {1, 0, 1}, {0, 0, 2}}},
		{"one and one", 1, 1, [][3]int{{1, 0, 0}, {0, 0, 1}, {0, 1, 2}}},
		{"overflow only", 0, 2, [][3]int{{0, 0, 0}, {0, 1, 1}, {0, 2, 2}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			likePoolboy(t, c.size, c.overflow, func(p boy) {
				var leases []fakeLease
				for i, want := range c.want {
					if i > 0 {
						leases = append(leases, p.take(1)...)
					}
					p.status(want[0], want[1], want[2])
				}
				p.full()
				p.put(leases...)
			})
		})
	}
	t.Run("nothing at all", func(t *testing.T) {
		// Other than in poolboy, a pool that could never lend is refused.
		err := pool.Options{}.Validate()
		var wrong *pool.OptionError
		require.ErrorAs(t, err, &wrong)
		require.Equal(t, "Size", wrong.Field)
	})
}

func TestPoolboy13DemonitorsPreviouslyWaitingProcesses(t *testing.T) {
	likePoolboy(t, 1, 0, func(p boy) {
		held := p.take(1)
		time.AfterFunc(500*time.Millisecond, func() { held[0].Checkin() })
		lease := p.take(1)
		p.monitors(1)
		p.put(lease...)
		p.monitors(0)
	})
}

func TestPoolboy14DemonitorsWhenCheckoutCancelled(t *testing.T) {
	likePoolboy(t, 1, 0, func(p boy) {
		held := p.take(1)
		ctx, cancel := context.WithTimeout(p.t.Context(), time.Second)
		defer cancel()
		failed := make(chan error, 1)
		go func() {
			_, err := p.Checkout(ctx)
			failed <- err
		}()
		time.Sleep(500 * time.Millisecond)
		p.monitors(2)
		require.ErrorIs(p.t, <-failed, context.DeadlineExceeded)
		p.monitors(1)
		p.put(held...)
	})
}

func TestPoolboy15And16LIFOIsTheDefault(t *testing.T) {
	for _, order := range []pool.Order{"", pool.OrderLIFO} {
		t.Run(string(order), func(t *testing.T) {
			likePoolboy(t, 2, 0, func(p boy) {
				first := p.take(1)
				p.put(first...)
				again := p.take(1)
				require.Same(p.t, first[0].Worker(), again[0].Worker())
				p.put(again...)
			}, func(o *pool.Options) { o.Order = order })
		})
	}
}

func TestPoolboy17FIFO(t *testing.T) {
	likePoolboy(t, 2, 0, func(p boy) {
		first := p.take(1)
		p.put(first...)
		second := p.take(1)
		require.NotSame(p.t, first[0].Worker(), second[0].Worker())
		third := p.take(1)
		require.Same(p.t, first[0].Worker(), third[0].Worker())
		p.put(second[0], third[0])
	}, func(o *pool.Options) { o.Order = pool.OrderFIFO })
}

func TestPoolboy18ReusesWaitingMonitorWhenWorkerExits(t *testing.T) {
	likePoolboy(t, 1, 0, func(p boy) {
		held := p.take(1)[0]
		served := p.blocked()
		p.monitors(2)
		p.kill(held)
		p.monitors(1)
		p.put(<-served)
	})
}

func TestPoolboy19And20RecoverFromTransactionTimeout(t *testing.T) {
	likePoolboy(t, 1, 0, func(p boy) {
		before := p.b.Alive()
		ctx, cancel := context.WithTimeout(p.t.Context(), 0)
		defer cancel()
		err := p.Do(ctx, func(context.Context, *pooltest.Worker) error {
			p.t.Error("a worker was lent to a client whose time is over")
			return nil
		})
		require.ErrorIs(p.t, err, context.DeadlineExceeded)
		p.status(1, 0, 0)
		require.Equal(p.t, before, p.b.Alive())

		// The same with the timeout at the very moment of the hand-over:
		// whoever wins, the worker is back, and no other than before.
		for range 100 {
			held := p.take(1)[0]
			ctx, cancel := context.WithCancel(p.t.Context())
			done := make(chan error, 1)
			go func() {
				done <- p.Do(ctx, func(context.Context, *pooltest.Worker) error { return nil })
			}()
			synctest.Wait()
			go cancel()
			require.True(p.t, held.Checkin())
			if err := <-done; err != nil {
				require.ErrorIs(p.t, err, context.Canceled)
			}
			p.status(1, 0, 0)
			require.Equal(p.t, before, p.b.Alive())
		}
	})
}
