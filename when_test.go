package pool_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

// answer is what a Checkout on a goroutine of its own came to.
type answer struct {
	lease pool.Lease[*pooltest.Worker]
	err   error
}

// ask checks out on a goroutine of its own and returns when that waits in the
// queue or has its answer.
func ask(ctx context.Context, p interface {
	Checkout(ctx context.Context) (pool.Lease[*pooltest.Worker], error)
}) <-chan answer {
	answers := make(chan answer, 1)
	go func() {
		lease, err := p.Checkout(ctx)
		answers <- answer{lease, err}
	}()
	synctest.Wait()
	return answers
}

// lentTo is the lease of an answer that has to be there by now.
func lentTo(t *testing.T, answers <-chan answer) pool.Lease[*pooltest.Worker] {
	t.Helper()
	synctest.Wait()
	select {
	case a := <-answers:
		require.NoError(t, a.err)
		return a.lease
	default:
		require.FailNow(t, "the client still waits")
		panic("unreachable")
	}
}

// refused is the error of an answer that has to be there by now.
func refused(t *testing.T, answers <-chan answer) *pool.CheckoutError {
	t.Helper()
	synctest.Wait()
	select {
	case a := <-answers:
		return refusal(t, a.err)
	default:
		require.FailNow(t, "the client still waits")
		panic("unreachable")
	}
}

func refusal(t *testing.T, err error) *pool.CheckoutError {
	t.Helper()
	var refusal *pool.CheckoutError
	require.ErrorAs(t, err, &refusal)
	return refusal
}

func waiting(t *testing.T, answers <-chan answer) {
	t.Helper()
	synctest.Wait()
	require.Empty(t, answers, "the client does not wait")
}

func endOf(t *testing.T, lease pool.Lease[*pooltest.Worker]) *pool.LeaseError {
	t.Helper()
	var end *pool.LeaseError
	require.ErrorAs(t, lease.Err(), &end)
	return end
}

// When all workers are out: TryCheckout says ErrFull. Checkout: an overflow
// worker is started if allowed, and the caller gets whatever comes first; else
// it waits; else ErrOverloaded.
func TestWhenAllWorkersAreOut(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.NoReset = true
		p := start(t, reg, b, pool.Options{Size: 1, MaxOverflow: 1, MaxWaiting: 1})
		first := take(t, t.Context(), p)
		_, err := p.TryCheckout(t.Context())
		require.ErrorIs(t, err, pool.ErrFull)
		settle(t, p)
		require.Equal(t, 1, b.Starts(), "TryCheckout never starts a worker")

		b.Always(pooltest.Script{StartAfter: time.Second})
		second := ask(t.Context(), p)
		require.Equal(t, 1, p.Stats().Starting)
		first.Checkin()
		require.Same(t, first.Worker(), lentTo(t, second).Worker(), "what comes first is not the new one")

		time.Sleep(time.Second)
		settle(t, p)
		require.NotSame(t, first.Worker(), take(t, t.Context(), p).Worker())
		third := ask(t.Context(), p)
		waiting(t, third)
		_, err = p.Checkout(t.Context())
		require.ErrorIs(t, err, pool.ErrOverloaded)
		waiting(t, third)
		require.Equal(t, 2, b.Starts())
		settle(t, p)
	})
}

// When ctx is already done: error at once; queue and workers untouched.
func TestWhenTheContextIsAlreadyDone(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 1, MaxOverflow: 1})
		try := func(ctx context.Context, want error) {
			before := p.Stats()
			_, err := p.Checkout(ctx)
			require.ErrorIs(t, err, want)
			refusal(t, err)
			_, err = p.TryCheckout(ctx)
			require.ErrorIs(t, err, want)
			require.ErrorIs(t, p.Do(ctx, func(context.Context, *pooltest.Worker) error {
				t.Error("called without a worker")
				return nil
			}), want)
			settle(t, p)
			require.Equal(t, before, p.Stats())
		}
		late, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
		defer cancel()
		try(cancelled, context.Canceled)
		try(late, context.DeadlineExceeded)
		take(t, t.Context(), p)
		take(t, t.Context(), p)
		waiter := ask(t.Context(), p)
		try(cancelled, context.Canceled)
		waiting(t, waiter)
	})
}

// When ctx ends while waiting: the waiter is removed.
func TestWhenTheContextEndsWhileWaiting(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 1})
		lease := take(t, t.Context(), p)
		first := ask(t.Context(), p)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		second := ask(ctx, p)
		third := ask(t.Context(), p)
		time.Sleep(3 * time.Second)
		err := refused(t, second)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 3*time.Second, err.Waited)
		require.Equal(t, 2, p.Stats().Waiting)
		lease.Checkin()
		lease = lentTo(t, first)
		lease.Checkin()
		lentTo(t, third)
		settle(t, p)
	})
}

// When a worker is handed over in the moment in which the waiter's ctx ends: it
// goes back unused and clean to the next waiter.
func TestWhenAWorkerIsHandedToAWaiterWhoseContextHasEnded(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.NoReset = true
		p := start(t, reg, b, pool.Options{Size: 1})
		lease := take(t, t.Context(), p)
		for range 100 {
			ctx, cancel := context.WithCancel(t.Context())
			first, second := ask(ctx, p), ask(t.Context(), p)
			before := p.Stats().Checkouts
			cancel()
			lease.Checkin()
			require.ErrorIs(t, refused(t, first), context.Canceled)
			lease = lentTo(t, second)
			require.Equal(t, before+1, p.Stats().Checkouts)
			settle(t, p)
		}
		require.Equal(t, 1, b.Starts())
	})
}

// When a new worker is handed over in the moment in which the waiter's ctx ends:
// whoever gets it is its first user.
func TestWhenANewWorkerIsHandedToAWaiterWhoseContextHasEnded(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		spec, cancel := b.Spec(), func() {}
		inner := spec.Start
		spec.Start = func(ctx context.Context) (*pooltest.Worker, error) {
			w, err := inner(ctx)
			cancel()
			return w, err
		}
		p := pooltest.StartIn(t, reg, spec, pool.Options{Size: 1})
		b.Always(pooltest.Script{StartAfter: time.Second})
		for range 100 {
			ctx, stop := context.WithCancel(t.Context())
			cancel = stop
			pooltest.KillWorker(p, 0)
			first, second := ask(ctx, p), ask(t.Context(), p)
			time.Sleep(time.Second)
			require.ErrorIs(t, refused(t, first), context.Canceled)
			lease := lentTo(t, second)
			require.Zero(t, lease.Worker().Resets())
			require.EqualValues(t, 1, p.Inspect().Slots[0].Uses)
			lease.Checkin()
			stop()
			settle(t, p)
		}
	})
}

// When a client checks in twice, or checks in a worker now lent to another:
// false; the other lease is untouched.
//
// jackc/puddle, jackc/pgx#2260, #2564: the second release freed what the next client
// had by then.
func TestWhenAClientChecksInTwice(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p, q := start(t, reg, b, pool.Options{Size: 1}), start(t, reg, b, pool.Options{Size: 1})
		first := take(t, t.Context(), p)
		require.True(t, first.Checkin())
		require.False(t, first.Checkin())
		settle(t, p)
		second := take(t, t.Context(), p)
		require.Same(t, first.Worker(), second.Worker())

		require.False(t, first.Checkin())
		require.False(t, p.Checkin(first))
		require.False(t, first.Retire(pooltest.ErrScripted))
		_, err := first.Transfer(t.Context())
		require.Equal(t, pool.EndReturned, endOf(t, first).Reason)
		require.Equal(t, first.Err(), err)
		require.False(t, q.Checkin(second), "a lease means nothing to another pool")
		require.False(t, p.Checkin(pool.Lease[*pooltest.Worker]{}))
		settle(t, p, q)
		require.NoError(t, second.Err())
		require.Equal(t, 1, p.Stats().Leased)
		require.Equal(t, 1, second.Worker().Resets())
		require.True(t, p.Checkin(second))
	})
}

// When client A returns a worker, B gets it, then A goes away: B keeps it.
func TestWhenTheFormerClientOfAWorkerGoesAway(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 1})
		ctx, cancel := context.WithCancel(t.Context())
		a := take(t, ctx, p)
		asked := ask(t.Context(), p)
		a.Checkin()
		lease := lentTo(t, asked)
		cancel()
		time.Sleep(time.Minute)
		require.NoError(t, lease.Err())
		require.NoError(t, lease.Context().Err())
		require.Same(t, a.Worker(), lease.Worker())
		require.Equal(t, 1, p.Stats().Leased)
		settle(t, p)
	})
}

// When the client's ctx ends while it holds a worker: Lease.Context is done and
// the client has ReclaimGrace to check in. Then the lease is revoked, the worker
// replaced, or reset and reused.
//
// devinus/poolboy#56, epgsql/pgapp#20: what was still busy was lent on.
func TestWhenTheClientsContextEndsWhileItHoldsAWorker(t *testing.T) {
	for _, policy := range []pool.Reclaim{pool.ReclaimReplace, pool.ReclaimReuse} {
		t.Run(string(policy), func(t *testing.T) {
			inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
				p := start(t, reg, b, pool.Options{Size: 1, Reclaim: policy})
				ctx, cancel := context.WithCancel(t.Context())
				orderly := take(t, ctx, p)
				work := orderly.Context()
				cancel()
				require.ErrorIs(t, work.Err(), context.Canceled)
				time.Sleep(time.Second - time.Nanosecond)
				require.NoError(t, orderly.Err())
				require.True(t, orderly.Checkin())
				settle(t, p)
				require.Equal(t, 1, b.Starts(), "a request that was cancelled costs no worker")

				ctx, cancel = context.WithCancel(t.Context())
				gone := take(t, ctx, p)
				worker := gone.Worker()
				require.Same(t, orderly.Worker(), worker)
				cancel()
				time.Sleep(1100 * time.Millisecond)
				require.Equal(t, pool.EndAbandoned, endOf(t, gone).Reason)
				require.False(t, gone.Checkin())
				settle(t, p)
				next := take(t, t.Context(), p).Worker()
				if policy == pool.ReclaimReuse {
					require.Same(t, worker, next)
					require.Equal(t, 2, worker.Resets())
					require.Zero(t, worker.Stops())
				} else {
					require.NotSame(t, worker, next)
					require.Equal(t, 1, worker.Resets())
					require.Equal(t, 1, worker.Stops())
					require.Error(t, worker.Context().Err())
				}
				require.Zero(t, p.Stats().Crashes)
				require.Zero(t, p.Inspect().Failures, "a revocation counts in no budget")
			})
		})
	}
}

// When an idle worker crashes: it is replaced, exactly once, however many
// signals told of it; never lent in between.
func TestWhenAnIdleWorkerCrashes(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.Next(pooltest.Script{StopAfter: time.Second})
		p := start(t, reg, b, pool.Options{Size: 1})
		worker := b.Workers()[0]
		require.True(t, pooltest.KillWorker(p, 0))
		require.False(t, pooltest.KillWorker(p, 0))
		worker.Crash(pooltest.ErrScripted)
		worker.Panic("again")
		_, err := p.TryCheckout(t.Context())
		require.ErrorIs(t, err, pool.ErrFull)
		asked := ask(t.Context(), p)
		require.Equal(t, 1, p.Stats().Stopping)
		waiting(t, asked)
		time.Sleep(time.Second)
		require.NotSame(t, worker, lentTo(t, asked).Worker())
		settle(t, p)
		time.Sleep(time.Minute)
		require.Equal(t, 2, b.Starts())
		require.Equal(t, 1, worker.Stops())
		require.EqualValues(t, 1, p.Stats().Crashes)
		require.EqualValues(t, 1, p.Stats().Restarts)
	})
}

// When a leased worker crashes: the client is not killed, its lease ends at once
// with *CrashError; a waiter gets the replacement.
func TestWhenALeasedWorkerCrashes(t *testing.T) {
	for name, crash := range map[string]func(*pooltest.Worker){
		"error":  func(w *pooltest.Worker) { w.Crash(pooltest.ErrScripted) },
		"return": func(w *pooltest.Worker) { w.Crash(nil) },
		"panic":  func(w *pooltest.Worker) { w.Panic("as scripted") },
		"goexit": func(w *pooltest.Worker) { w.Goexit() },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
				p := start(t, reg, b, pool.Options{Size: 1})
				lease := take(t, t.Context(), p)
				asked, work := ask(t.Context(), p), lease.Context()
				crash(lease.Worker())
				next := lentTo(t, asked)
				require.NotSame(t, lease.Worker(), next.Worker())

				var crashed *pool.CrashError
				require.ErrorAs(t, lease.Err(), &crashed)
				require.Equal(t, "run", crashed.Hook)
				require.Equal(t, lease.Slot(), crashed.Slot)
				require.Equal(t, name == "goexit", crashed.Exit)
				require.Equal(t, name == "panic", crashed.Panic != nil && len(crashed.Stack) > 0)
				require.NotContains(t, string(crashed.Stack), "\n\ngoroutine ", "the stack is of one")
				require.Equal(t, name == "error", errors.Is(crashed, pooltest.ErrScripted))
				require.Equal(t, pool.EndCrashed, endOf(t, lease).Reason)
				require.ErrorAs(t, context.Cause(work), new(*pool.CrashError))
				require.NoError(t, t.Context().Err())
				require.False(t, lease.Checkin())
				require.NoError(t, next.Err())
				settle(t, p)
			})
		})
	}
}

// When a worker crashes while there are more than Size: it is not replaced
// unless somebody waits.
func TestWhenAWorkerCrashesBeyondSize(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 1, MaxOverflow: 1})
		low, high := take(t, t.Context(), p), take(t, t.Context(), p)
		asked := ask(t.Context(), p)
		low.Worker().Crash(nil)
		lease := lentTo(t, asked)
		require.Equal(t, 3, b.Starts())
		require.Equal(t, low.Slot().Index, lease.Slot().Index)

		lease.Worker().Crash(nil)
		settle(t, p)
		time.Sleep(time.Minute)
		require.Equal(t, 3, b.Starts(), "one is left, which is Size")
		require.NoError(t, high.Err())
		high.Worker().Crash(nil)
		settle(t, p)
		require.Equal(t, 4, b.Starts())
		require.Equal(t, 1, p.Stats().Idle)
	})
}
