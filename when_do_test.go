package pool_test

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

// When fn of Do or Call returns: its result and its error are passed on, and the
// worker is checked in; marked by Retire, it is replaced.
func TestWhenTheFunctionOfDoReturns(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 1})
		n, err := pool.Call(t.Context(), p, func(_ context.Context, w *pooltest.Worker) (int, error) { return w.ID + 41, nil })
		require.NoError(t, err)
		require.Equal(t, 42, n)
		settle(t, p)
		n, err = pool.Call(t.Context(), p, func(context.Context, *pooltest.Worker) (int, error) { return 7, errGivenUp })
		require.Equal(t, errGivenUp, err)
		require.Equal(t, 7, n, "the result comes with the error")
		settle(t, p)
		require.Equal(t, 1, b.Starts())
		require.Equal(t, 2, b.Workers()[0].Resets())
		require.Equal(t, 1, p.Stats().Idle)

		require.NoError(t, pool.Retire(nil))
		require.EqualError(t, pool.Retire(errGivenUp), "given up")
		err = p.Do(t.Context(), func(context.Context, *pooltest.Worker) error {
			return errors.Join(context.Canceled, pool.Retire(errGivenUp))
		})
		require.ErrorIs(t, err, errGivenUp)
		require.ErrorIs(t, err, context.Canceled)
		require.False(t, errors.As(err, new(*pool.LeaseError)))
		settle(t, p)
		require.Equal(t, 2, b.Starts())
		require.Equal(t, 2, b.Workers()[0].Resets())
		require.Equal(t, 1, b.Workers()[0].Stops())
		require.Equal(t, errGivenUp, p.Stats().LastError)

		require.NoError(t, p.Do(t.Context(), func(context.Context, *pooltest.Worker) error { return pool.Retire(nil) }))
		settle(t, p)
		require.Equal(t, 2, b.Starts())
	})
}

// When no worker can be had: Do and Call return the error of Checkout and do not
// call fn.
func TestWhenDoGetsNoWorker(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 1, MaxWait: time.Second})
		take(t, t.Context(), p)
		n, err := pool.Call(t.Context(), p, func(context.Context, *pooltest.Worker) (int, error) {
			t.Error("called without a worker")
			return 1, nil
		})
		require.ErrorIs(t, err, pool.ErrOverloaded)
		refusal(t, err)
		require.Zero(t, n)
		require.NoError(t, p.Stop(cancelled))
		require.ErrorIs(t, p.Do(t.Context(), func(context.Context, *pooltest.Worker) error { return nil }), pool.ErrStopped)
	})
}

// When fn of Do panics or calls Goexit: the worker is replaced, and it goes on
// up; no budget is touched.
func TestWhenTheFunctionOfDoPanicsOrCallsGoexit(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 1, MaxRestarts: 1})
		for round := range 5 {
			require.PanicsWithValue(t, errGivenUp, func() {
				_ = p.Do(t.Context(), func(context.Context, *pooltest.Worker) error { panic(errGivenUp) })
			})
			settle(t, p)
			after := "nothing"
			go func() {
				defer func() { after = "deferred"; require.Nil(t, recover()) }()
				_, _ = pool.Call(t.Context(), p, func(context.Context, *pooltest.Worker) (int, error) {
					runtime.Goexit()
					return 0, nil
				})
				after = "went on"
			}()
			settle(t, p)
			require.Equal(t, "deferred", after)
			require.Equal(t, 3+2*round, b.Starts())
			require.Equal(t, 1, p.Stats().Idle)
			require.Zero(t, p.Stats().Crashes)
			require.Zero(t, p.Inspect().Failures)
		}
		for _, w := range b.Workers()[:10] {
			require.Equal(t, 1, w.Stops())
			require.Zero(t, w.Resets())
		}
	})
}

// When the worker crashes under fn: the context that fn was given is done, with
// the cause, and the error of Do says so; unless fn succeeds all the same.
func TestWhenTheWorkerCrashesDuringDo(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 1})
		for _, mark := range []func(error) error{func(err error) error { return err }, pool.Retire} {
			err := p.Do(t.Context(), func(ctx context.Context, w *pooltest.Worker) error {
				require.NoError(t, ctx.Err())
				w.Crash(pooltest.ErrScripted)
				<-ctx.Done()
				require.ErrorAs(t, context.Cause(ctx), new(*pool.CrashError))
				return mark(ctx.Err())
			})
			require.ErrorIs(t, err, context.Canceled)
			require.ErrorIs(t, err, pooltest.ErrScripted)
			require.ErrorAs(t, err, new(*pool.LeaseError))
			require.ErrorAs(t, err, new(*pool.CrashError))
		}
		require.NoError(t, p.Do(t.Context(), func(_ context.Context, w *pooltest.Worker) error {
			w.Crash(pooltest.ErrScripted)
			synctest.Wait()
			return nil
		}))
		require.NoError(t, p.WaitReady(t.Context(), 0))
		require.Equal(t, 4, b.Starts())
		settle(t, p)
	})
}

// When fn of Do looks at its context: it has the values and the deadline of the
// client's, ends with it, and ends with the call.
func TestWhenTheFunctionOfDoUsesItsContext(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 1})
		type key struct{}
		ctx, cancel := context.WithTimeout(context.WithValue(t.Context(), key{}, "kept"), time.Second)
		defer cancel()
		var kept context.Context
		require.NoError(t, p.Do(ctx, func(work context.Context, _ *pooltest.Worker) error {
			kept = work
			want, _ := ctx.Deadline()
			got, ok := work.Deadline()
			require.True(t, ok)
			require.Equal(t, want, got)
			require.Equal(t, "kept", work.Value(key{}))
			child, cancel := context.WithCancel(work)
			defer cancel()
			<-child.Done()
			require.Equal(t, context.DeadlineExceeded, child.Err())
			require.Equal(t, context.DeadlineExceeded, work.Err())
			return nil
		}))
		require.Error(t, kept.Err())
		settle(t, p)
		require.NoError(t, p.Do(t.Context(), func(work context.Context, _ *pooltest.Worker) error { kept = work; return work.Err() }))
		<-kept.Done()
		require.ErrorContains(t, context.Cause(kept), "has been checked in")
		require.Equal(t, 1, b.Starts())
		settle(t, p)
	})
}

// When a lease is handed on by Transfer: the old one ends, the new one goes on
// with the same worker, bound to the other context alone.
func TestWhenALeaseIsTransferred(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 1})
		ctx, cancel := context.WithCancel(t.Context())
		old := take(t, ctx, p.With(pool.Terms{Owner: "reports"}))
		work := old.Context()
		_, err := old.Transfer(cancelled)
		require.Equal(t, context.Canceled, err)
		_, err = old.Transfer(context.Context(nil))
		require.Error(t, err)
		require.NoError(t, old.Err())

		heir, stop := context.WithCancel(context.Background())
		lease, err := old.Transfer(heir)
		require.NoError(t, err)
		require.Same(t, old.Worker(), lease.Worker())
		require.Equal(t, pool.EndTransferred, endOf(t, old).Reason)
		require.Error(t, work.Err())
		require.False(t, old.Checkin())
		require.False(t, old.Retire(nil))
		_, err = old.Transfer(heir)
		require.Equal(t, old.Err(), err)
		require.Equal(t, "reports", p.Inspect().Slots[0].Lease.Owner)
		require.EqualValues(t, 1, p.Stats().Checkouts)
		cancel()
		time.Sleep(10 * time.Second)
		require.NoError(t, lease.Err())
		require.NoError(t, lease.Context().Err())
		require.Zero(t, lease.Worker().Resets())
		stop()
		time.Sleep(1100 * time.Millisecond)
		require.Equal(t, pool.EndAbandoned, endOf(t, lease).Reason)
		settle(t, p)

		lease, err = take(t, t.Context(), p).Transfer(t.Context())
		require.NoError(t, err)
		require.True(t, lease.Checkin())
		settle(t, p)
		require.Equal(t, 2, b.Starts())
	})
}

// When a lease that nobody had to watch is handed to a client that can go away:
// the manager watches it from then on.
func TestWhenALeaseIsTransferredFromTheBackground(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 1, ReclaimGrace: -1})
		ctx, cancel := context.WithCancel(t.Context())
		time.Sleep(time.Second)
		lease, err := take(t, context.Background(), p).Transfer(ctx)
		require.NoError(t, err)
		time.Sleep(time.Second)
		cancel()
		require.LessOrEqual(t, untilEnd(t, lease), 101*time.Millisecond)
		settle(t, p)
	})
}

// When a worker is detached: it is the client's for good, with its life, and the
// pool has another; workers with a Run stay.
func TestWhenAWorkerIsDetached(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.Passive, b.NoReset = true, true
		p := start(t, reg, b, pool.Options{Size: 1, MaxRestarts: 1})
		for range 5 {
			lease := take(t, t.Context(), p)
			asked := ask(t.Context(), p)
			worker, ok := lease.Detach()
			require.True(t, ok)
			require.Same(t, lease.Worker(), worker)
			_, ok = lease.Detach()
			require.False(t, ok)
			require.False(t, lease.Checkin())
			next := lentTo(t, asked)
			require.NotSame(t, worker, next.Worker())
			next.Checkin()
			settle(t, p)
			require.NoError(t, worker.Context().Err())
			require.Zero(t, worker.Stops())
		}
		require.Equal(t, 6, b.Starts())
		require.NoError(t, p.Stop(t.Context()))
		require.NoError(t, b.Workers()[0].Context().Err())

		b.Passive = false
		q := start(t, reg, b, pool.Options{Size: 1})
		lease := take(t, t.Context(), q)
		worker, ok := lease.Detach()
		require.False(t, ok)
		require.Nil(t, worker)
		require.NoError(t, lease.Err())
		require.True(t, lease.Checkin())
		settle(t, q)
	})
}

// When a client says by Retire that a worker is no good: it is replaced; with an
// error that counts as a crash does, a proven worker excepted.
func TestWhenAClientRetiresAWorker(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.NoReset = true
		p := start(t, reg, b, pool.Options{Size: 1})
		retire := func(err error) {
			lease := take(t, t.Context(), p)
			require.True(t, lease.Retire(err))
			require.False(t, lease.Retire(err))
			settle(t, p)
			require.Equal(t, 1, lease.Worker().Stops())
		}
		for range 10 {
			retire(nil)
			require.Equal(t, 1, p.Stats().Idle)
			require.Zero(t, p.Inspect().Failures)
		}
		lease := take(t, t.Context(), p)
		lease.Checkin()
		settle(t, p)
		retire(errGivenUp)
		require.Zero(t, p.Inspect().Failures, "it had proven itself")
		retire(errGivenUp)
		require.Equal(t, 1, p.Inspect().Failures)
		require.Equal(t, 1, p.Stats().Idle)
		retire(errGivenUp)
		require.Equal(t, 2, p.Inspect().Slots[0].Failures)
		require.Equal(t, 1, p.Stats().BackingOff)
		require.Equal(t, errGivenUp, p.Stats().LastError)
		time.Sleep(100 * time.Millisecond)
		settle(t, p)
		require.Equal(t, 1, p.Stats().Idle)
		require.Zero(t, p.Stats().Crashes)
	})
}

// When a client comes on terms: the label is shown where it waits and where it
// holds a worker; the handle it was made from stays as it is.
func TestWhenAClientHasTerms(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 1})
		named := p.With(pool.Terms{Owner: "payments"})
		require.Equal(t, p.Name(), named.Name())
		lease := take(t, t.Context(), named)
		asked, other := ask(t.Context(), named), ask(t.Context(), p)
		time.Sleep(time.Second)
		info := p.Inspect()
		require.Equal(t, "payments", info.Slots[0].Lease.Owner)
		require.Equal(t, time.Second, info.Slots[0].Lease.Age)
		require.Equal(t, []pool.WaiterInfo{{Ticket: 1, Owner: "payments", Slot: -1, Waited: time.Second}, {Ticket: 2, Slot: -1, Waited: time.Second}}, info.Waiters)
		require.True(t, p.Checkin(lease), "it is the same pool")
		lease = lentTo(t, asked)
		lease.Checkin()
		lentTo(t, other)
		settle(t, p)
	})
}
