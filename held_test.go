package pool_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

// turnedAway returns the error of a checkout that fails.
func turnedAway(t *testing.T, ctx context.Context, p fakes) *pool.CheckoutError {
	t.Helper()
	_, err := p.Checkout(ctx)
	return refusal(t, err)
}

const mayWaitForItself = `; the client's own context holds slot 0 of this pool: ` +
	`a client that waits for a second worker while it keeps the first may wait for itself`

// When a client waits for a worker while it holds the only one: the error says
// so, whichever context the client passes on.
//
// golang/go#16873, panjf2000/ants#80: it hung, and nobody said why.
func TestWhenAClientWaitsForItself(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 1})
		other := start(t, reg, b, pool.Options{Size: 1})
		type key struct{}
		fails := func(ctx context.Context, holding pool.Slot) {
			t.Helper()
			short, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			e := turnedAway(t, short, p)
			require.Equal(t, context.DeadlineExceeded, e.Err)
			require.Equal(t, holding, e.Holding)
			require.Contains(t, e.Error()+"$", mayWaitForItself+"$")

			e = turnedAway(t, ctx, p.With(pool.Terms{MaxWait: time.Second}))
			require.Equal(t, pool.ErrOverloaded, e.Err)
			require.Equal(t, holding, e.Holding)

			_, err := p.TryCheckout(ctx)
			require.ErrorIs(t, err, pool.ErrFull)
			require.Equal(t, holding, refusal(t, err).Holding)
		}
		for _, traced := range []bool{false, true} {
			if traced {
				p = start(t, reg, b, pool.Options{Size: 1, TraceLeases: 1})
			}
			lease := take(t, t.Context(), p)
			fails(lease.Context(), lease.Slot())
			fails(context.WithValue(context.WithoutCancel(lease.Context()), key{}, 1), lease.Slot())
			lease.Checkin()

			require.NoError(t, p.Do(t.Context(), func(ctx context.Context, w *pooltest.Worker) error {
				slot := p.Inspect().Slots[0]
				fails(ctx, pool.Slot{Pool: p.Name(), Index: 0, Incarnation: slot.Incarnation, Attempt: 1})
				return other.Do(ctx, func(ctx context.Context, w *pooltest.Worker) error { // another pool in between
					fails(ctx, pool.Slot{Pool: p.Name(), Index: 0, Incarnation: slot.Incarnation, Attempt: 1})
					lease := take(t, ctx, start(t, reg, b, pool.Options{Size: 1}))
					defer lease.Checkin()
					fails(lease.Context(), pool.Slot{Pool: p.Name(), Index: 0, Incarnation: slot.Incarnation, Attempt: 1})
					return nil
				})
			}))
			settle(t, p, other)
		}
	})
}

// When a client holds several workers of a pool: the last is named, and when
// that is back, the one before.
func TestWhenAClientHoldsSeveralWorkersAndWaits(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 2})
		outer := take(t, t.Context(), p)
		inner := take(t, outer.Context(), p)
		work := inner.Context()
		impatient := p.With(pool.Terms{MaxWait: time.Second})
		require.Equal(t, inner.Slot(), turnedAway(t, work, impatient).Holding)
		next, err := inner.Transfer(context.Background())
		require.NoError(t, err)
		require.ErrorIs(t, turnedAway(t, work, impatient).Err, context.Canceled)
		require.Equal(t, outer.Slot(), turnedAway(t, context.WithoutCancel(work), impatient).Holding, "the inner one has been handed on")
		outer.Checkin()
		settle(t, p)
		rival := take(t, t.Context(), p)
		require.Zero(t, turnedAway(t, context.WithoutCancel(work), impatient).Holding, "another client's lease")
		rival.Checkin()
		next.Checkin()
	})
}

// When the client does not wait for itself, or would be refused anyway: nothing
// is said.
func TestWhenAClientWaitsForOthers(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 1})
		lease := take(t, t.Context(), p)
		e := turnedAway(t, t.Context(), p.With(pool.Terms{MaxWait: time.Second}))
		require.Zero(t, e.Holding)
		require.NotContains(t, e.Error(), "own context")

		work, cancel := context.WithCancel(lease.Context())
		cancel()
		require.Zero(t, turnedAway(t, work, p).Holding, "it did not wait")
		asked := make(chan error, 1)
		go func() {
			_, err := p.Checkout(lease.Context())
			asked <- err
		}()
		time.Sleep(time.Second)
		go p.Stop(t.Context())
		stopped := refusal(t, <-asked)
		require.ErrorIs(t, stopped, pool.ErrStopped)
		require.Zero(t, stopped.Holding)
		require.True(t, lease.Checkin())
	})
}

func TestWhoIsRefusedAtOnceIsToldOfItsWorkerToo(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 1, MaxWaiting: 1})
		held := take(t, t.Context(), p)
		ask(t.Context(), p)
		e := turnedAway(t, held.Context(), p)
		require.ErrorIs(t, e, pool.ErrOverloaded)
		require.Equal(t, held.Slot(), e.Holding)
		require.NoError(t, stopNow(p))
	})
}

// The manager may look only when both limits are over.
func TestALeaseIsReportedBeforeItIsRevoked(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		var kinds []pool.EventKind
		defer reg.Subscribe(func(e pool.Event) {
			if e.Kind == pool.EventLeaseOverdue || e.Kind == pool.EventLeaseEnded {
				kinds = append(kinds, e.Kind)
			}
		})()
		p := start(t, reg, b, pool.Options{Size: 1, WarnHold: time.Second - 1, MaxHold: time.Second})
		lease := take(t, t.Context(), p)
		<-lease.Context().Done()
		settle(t, p)
		require.Equal(t, []pool.EventKind{pool.EventLeaseOverdue, pool.EventLeaseEnded}, kinds)
	})
}
