package pool_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

// nosy is an error that calls back into the pool when it is asked for anything.
type nosy struct{ p fakes }

func (e nosy) Error() string { e.p.Stats(); return "nosy" }
func (e nosy) Is(error) bool { e.p.Stats(); return false }

// endedWith is a context that has ended, with an error of its own.
type endedWith struct {
	context.Context
	err error
}

func (c endedWith) Err() error { return c.err }

func (c endedWith) Done() <-chan struct{} {
	done := make(chan struct{})
	close(done)
	return done
}

// withoutDeadlock runs a test outside of a bubble, whose clock would stand still
// in a deadlock.
func withoutDeadlock(t *testing.T, call func(p fakes)) {
	t.Parallel()
	reg, b := pooltest.NewRegistry(), pooltest.NewBackend(t)
	p := start(t, reg, b, pool.Options{Size: 1})
	ended := make(chan struct{})
	go func() { call(p); close(ended) }()
	select {
	case <-ended:
		pooltest.Close(t, reg)
	case <-time.After(10 * time.Second):
		require.FailNow(t, "deadlock")
	}
}

func TestTheErrorOfAContextMayCallThePool(t *testing.T) {
	withoutDeadlock(t, func(p fakes) {
		_, _ = p.Checkout(endedWith{t.Context(), nosy{p}})
		_, _ = p.TryCheckout(endedWith{t.Context(), nosy{p}})
		_ = p.WaitReady(endedWith{t.Context(), nosy{p}}, 2)
	})
}

func TestTheErrorOfAWorkerMayCallThePool(t *testing.T) {
	withoutDeadlock(t, func(p fakes) {
		lease, err := p.Checkout(context.Background())
		if err == nil {
			lease.Worker().Crash(nosy{p})
			<-lease.Context().Done()
		}
		_ = p.WaitReady(cancelled, 2)
		_, _ = p.Checkout(cancelled)
	})
}

func TestAContextThatHasEndedWithoutAnErrorIsCanceled(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 1})
		take(t, t.Context(), p)
		_, err := p.Checkout(endedWith{t.Context(), nil})
		require.ErrorIs(t, err, context.Canceled)
		settle(t, p)
	})
}

func TestANilContextIsAnErrorAndNoPanic(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 1})
		var none context.Context
		before := p.Stats()
		_, err := p.Checkout(none)
		for _, err := range []error{err, p.WaitReady(none, 2), p.Restart(none), p.Resize(none, 2), p.Stop(none)} {
			require.ErrorContains(t, err, "must not be nil")
		}
		settle(t, p)
		require.Equal(t, before, p.Stats())
	})
}
