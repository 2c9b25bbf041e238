package pool_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

// When a client has waited for MaxWait: ErrOverloaded, exactly then; Terms have
// the last word, and only for their own handle.
func TestWhenAClientHasWaitedTooLong(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 1, MaxWait: 2 * time.Second})
		lease := take(t, t.Context(), p)
		gives := func(p fakes, ctx context.Context, want time.Duration, reason error) {
			t.Helper()
			before := time.Now()
			_, err := p.Checkout(ctx)
			require.ErrorIs(t, err, reason)
			require.Equal(t, want, time.Since(before))
			require.Equal(t, want, refusal(t, err).Waited)
		}
		short, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		gives(p, short, 1500*time.Millisecond, context.DeadlineExceeded)
		gives(p, t.Context(), 2*time.Second, pool.ErrOverloaded)
		gives(p.With(pool.Terms{MaxWait: time.Second}), t.Context(), time.Second, pool.ErrOverloaded)
		gives(p.With(pool.Terms{MaxWait: 3 * time.Second}), t.Context(), 3*time.Second, pool.ErrOverloaded)
		gives(p.With(pool.Terms{Owner: "reports"}), t.Context(), 2*time.Second, pool.ErrOverloaded)
		gives(p, t.Context(), 2*time.Second, pool.ErrOverloaded)

		patient := ask(t.Context(), p.With(pool.Terms{MaxWait: -1}))
		time.Sleep(time.Second)
		_, err := p.With(pool.Terms{MaxWait: time.Second}).Checkout(t.Context())
		require.Equal(t, 2*time.Second, refusal(t, err).RetryAfter, "as long as the head of the queue has waited")
		_, err = p.TryCheckout(t.Context())
		require.ErrorIs(t, err, pool.ErrFull)
		require.Equal(t, 2*time.Second, refusal(t, err).RetryAfter)
		require.EqualValues(t, 6, p.Stats().Shed)
		time.Sleep(10 * time.Second)
		waiting(t, patient)
		lease.Checkin()
		lentTo(t, patient)
		settle(t, p)
	})
}

// When MaxWaiting clients wait: one more fails at once with ErrOverloaded;
// clients for whom a worker is on its way do not count.
func TestWhenAsManyWaitAsMay(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.NoReset = true
		p := start(t, reg, b, pool.Options{Size: 1, MaxOverflow: 3, MaxWaiting: 2, MaxStarting: 2})
		b.Always(pooltest.Script{StartAfter: time.Second})
		lease := take(t, t.Context(), p)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var asked []<-chan answer
		for range 5 { // two starts under way, one that waits for its turn, and two who wait
			asked = append(asked, ask(ctx, p))
			waiting(t, asked[len(asked)-1])
		}
		for range 3 {
			err := refused(t, ask(t.Context(), p))
			require.ErrorIs(t, err, pool.ErrOverloaded)
			require.Zero(t, err.Waited)
			require.Equal(t, 5, err.Stats.Waiting)
		}
		require.EqualValues(t, 3, p.Stats().Shed)
		lease.Checkin() // one served: room for one
		lentTo(t, asked[0])
		waiting(t, ask(ctx, p))
		require.ErrorIs(t, refused(t, ask(t.Context(), p)), pool.ErrOverloaded)
		time.Sleep(2 * time.Second)
		settle(t, p)
		require.Equal(t, 2, p.Stats().Waiting)
		require.ErrorIs(t, refused(t, ask(t.Context(), p)), pool.ErrOverloaded)
		cancel()
		settle(t, p)
		waiting(t, ask(t.Context(), p))
		settle(t, p)
	})
}

// When the next attempt to have a worker comes after the client's deadline:
// ErrUnavailable at once, with RetryAfter; who has more time waits.
func TestWhenNothingCanServeBeforeTheDeadline(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 1, MaxRestarts: -1, Backoff: pool.Backoff{Min: 20 * time.Second, Max: 20 * time.Second}})
		b.FailNext(1)
		pooltest.KillWorker(p, 0)
		settle(t, p)
		due := p.Inspect().Slots[0].RetryIn
		require.Greater(t, due, 14*time.Second)
		short, cancel := context.WithTimeout(t.Context(), due-time.Millisecond)
		defer cancel()
		for _, asked := range []<-chan answer{ask(short, p), ask(t.Context(), p.With(pool.Terms{MaxWait: time.Second}))} {
			err := refused(t, asked)
			require.ErrorIs(t, err, pool.ErrUnavailable)
			require.Equal(t, due, err.RetryAfter)
			require.Zero(t, err.Waited)
			require.ErrorContains(t, err, "retry after ")
			require.ErrorIs(t, err.Stats.LastError, pooltest.ErrScripted)
		}
		require.EqualValues(t, 2, p.Stats().Shed)
		long, cancel := context.WithTimeout(t.Context(), due)
		defer cancel()
		asked := ask(long, p)
		waiting(t, asked)
		time.Sleep(due - time.Nanosecond)
		waiting(t, asked)
		time.Sleep(time.Nanosecond)
		settle(t, p)
	})
}

// When a pool is in CrashLoop without a live worker: RetryAfter says when the
// next probe comes, but at least 100 ms.
func TestWhenAClientIsToldToRetry(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 2, MaxRestarts: 1})
		b.Always(pooltest.Script{Start: pooltest.Fail})
		pooltest.KillWorker(p, 0)
		pooltest.KillWorker(p, 1)
		time.Sleep(30 * time.Second)
		for range 500 {
			time.Sleep(17 * time.Millisecond)
			settle(t, p)
			_, err := p.TryCheckout(t.Context())
			require.ErrorIs(t, err, pool.ErrUnavailable)
			require.Equal(t, max(p.Inspect().RetryIn, 100*time.Millisecond), refusal(t, err).RetryAfter)
		}
		b.Always(pooltest.Script{})
		_, err := p.Checkout(t.Context())
		time.Sleep(refusal(t, err).RetryAfter)
		settle(t, p)
		lease := take(t, t.Context(), p)
		require.True(t, lease.Checkin())
		require.NoError(t, p.WaitReady(t.Context(), 0))
	})
}

// When a worker crashes between hand-over and delivery: the waiter waits on with
// its old ticket, or gets a lease that has ended; never lost.
func TestWhenAWorkerCrashesDuringTheHandOver(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.NoReset = true
		p := start(t, reg, b, pool.Options{Size: 1})
		lease := take(t, t.Context(), p)
		for range 100 {
			first, second := ask(t.Context(), p), ask(t.Context(), p)
			lease.Checkin()
			pooltest.KillWorker(p, 0)
			settle(t, p)
			if len(first) == 0 { // the replacement was up before the first had its place again
				first, second = second, first
			}
			if got := lentTo(t, first); got.Err() == nil {
				waiting(t, second)
				got.Checkin()
			} else {
				require.ErrorIs(t, got.Err(), pooltest.ErrKilled)
			}
			lease = lentTo(t, second)
			settle(t, p)
		}
		require.Equal(t, 101, b.Starts())
	})
}

// When revoke, checkin and crash come at the same moment: one ends the lease and
// names the reason; the others change nothing; one replacement at most.
func TestWhenALeaseEndsInThreeWaysAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 1, MaxRestarts: -1, ReclaimGrace: -1, Backoff: pool.Backoff{Min: -1}})
		for range 200 {
			starts := b.Starts()
			ctx, cancel := context.WithTimeout(t.Context(), 15*time.Millisecond)
			lease := take(t, ctx, p)
			checkedIn := make(chan bool)
			go func() {
				time.Sleep(20 * time.Millisecond) // when the manager comes by
				checkedIn <- lease.Checkin()
			}()
			time.Sleep(20 * time.Millisecond)
			lease.Worker().Crash(pooltest.ErrScripted)
			mine := <-checkedIn
			settle(t, p)
			cancel()
			reason := endOf(t, lease).Reason
			require.Equal(t, mine, reason == pool.EndReturned)
			require.Contains(t, []pool.EndReason{pool.EndReturned, pool.EndCrashed, pool.EndAbandoned}, reason)
			require.Equal(t, 1, p.Stats().Idle)
			require.Equal(t, starts+1, b.Starts())
			require.Equal(t, 1, lease.Worker().Stops())
		}
	})
}

// When the demand for overflow workers is gone before their starts have a turn:
// they are not started.
func TestWhenTheDemandIsGoneBeforeTheStartHasItsTurn(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 1, MaxOverflow: 3, MaxStarting: 1})
		lease := take(t, t.Context(), p)
		b.Always(pooltest.Script{StartAfter: time.Second})
		ctx, cancel := context.WithCancel(t.Context())
		for range 3 {
			waiting(t, ask(ctx, p))
		}
		require.Equal(t, 1, p.Stats().Starting)
		cancel()
		time.Sleep(10 * time.Second)
		require.Equal(t, 2, b.Starts())
		require.NoError(t, lease.Err())
		settle(t, p)
	})
}

// When clients come in a crowd: not each of them reads the clock, and each is
// told within a millisecond or two how long it has waited.
func TestACrowdKnowsHowLongItHasWaited(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 1})
		held := take(t, context.Background(), p)
		leave := make(chan struct{})
		go func() { // waits for long, so that the manager looks ever more rarely
			ctx, cancel := context.WithCancel(t.Context())
			go func() { <-leave; cancel() }()
			_, _ = p.Checkout(ctx)
		}()
		time.Sleep(time.Second + 3*time.Millisecond)
		hasty := p.With(pool.Terms{MaxWait: 50 * time.Millisecond})
		var crowd sync.WaitGroup
		for range 100 {
			crowd.Go(func() {
				_, err := hasty.Checkout(context.Background())
				var refused *pool.CheckoutError
				assert.ErrorAs(t, err, &refused)
				assert.InDelta(t, 50*time.Millisecond, refused.Waited, float64(2*time.Millisecond))
			})
		}
		crowd.Wait()
		close(leave)
		held.Checkin()
	})
}

// Though the next start comes too late for a client, a lease may come back in time.
func TestWhoCannotWaitForTheNextStartWaitsForALease(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 2, MaxWaiting: 10, MaxRestarts: -1, Backoff: pool.Backoff{Min: 20 * time.Second, Max: 20 * time.Second}})
		lease := take(t, t.Context(), p)
		b.FailNext(1)
		pooltest.KillWorker(p, 1-lease.Slot().Index)
		settle(t, p)
		client := ask(t.Context(), p.With(pool.Terms{MaxWait: 5 * time.Second}))
		require.Equal(t, 1, p.Stats().Waiting)
		lease.Checkin()
		lentTo(t, client)
	})
}

// In a crash loop only a probe starts, and nobody is let into the queue for it.
func TestNobodyIsLetInForAStartThatACrashLoopWillNotMake(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 3, MaxRestarts: 1, MaxWaiting: 1, Backoff: pool.Backoff{Max: time.Second}})
		lease := take(t, t.Context(), p)
		b.Always(pooltest.Script{Start: pooltest.Fail})
		for slot := range 3 {
			if slot != lease.Slot().Index {
				pooltest.KillWorker(p, slot)
			}
		}
		settle(t, p)
		time.Sleep(2 * time.Second) // the slots have backed off
		settle(t, p)
		require.Equal(t, pool.StateCrashLoop, p.Stats().State)
		client := ask(t.Context(), p)
		require.Equal(t, 1, p.Stats().Waiting)
		err := refused(t, ask(t.Context(), p))
		require.ErrorIs(t, err, pool.ErrOverloaded)
		lease.Checkin()
		lentTo(t, client)
	})
}
