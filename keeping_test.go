package pool_test

import (
	"context"
	"runtime"
	"sync/atomic"
	"testing"
	"time"
	"weak"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
	"github.com/stretchr/testify/require"
)

// Invariant 12.
func TestNoWorkerIsReachableFromTheHandleOfAStoppedPool(t *testing.T) {
	reg := pooltest.NewRegistry()
	type worker struct{ _ [64]byte }
	var seen weak.Pointer[worker]
	p := pooltest.StartIn(t, reg, pool.Spec[*worker]{Start: func(context.Context) (*worker, error) {
		w := new(worker)
		seen = weak.Make(w)
		return w, nil
	}}, pool.Options{Size: 1})
	func() {
		lease, err := p.Checkout(t.Context())
		require.NoError(t, err)
		served := make(chan struct{})
		go func() {
			defer close(served)
			lease, err := p.Checkout(context.Background())
			if err == nil {
				lease.Checkin()
			}
		}()
		for p.Stats().Waiting == 0 {
			runtime.Gosched()
		}
		lease.Checkin()
		<-served
	}()
	require.NoError(t, reg.Close())
	for range 5 {
		runtime.GC()
	}
	require.True(t, seen.Value() == nil, "a worker is reachable from the handle of a stopped pool")
	runtime.KeepAlive(p)
}

// Invariant 6, with the sweep as the one that finds the client gone.
func TestAWorkerOfferedToAClientThatIsGoneGoesBackUnused(t *testing.T) {
	b := pooltest.NewBackend(t)
	b.NoReset = true
	var revoked atomic.Int64
	p := pooltest.Start(t, b.Spec(), pool.Options{Size: 1, ReclaimGrace: -1})
	for range 100 {
		lease := take(t, context.Background(), p)
		ctx, cancel := context.WithCancel(t.Context())
		left := make(chan struct{})
		go func() {
			defer close(left)
			if l, err := p.Checkout(ctx); err == nil {
				if !l.Checkin() {
					revoked.Add(1) // delivered, and then taken away: that is another matter
				}
			}
		}()
		for p.Stats().Waiting == 0 {
			runtime.Gosched()
		}
		cancel()
		lease.Checkin()
		<-left
	}
	require.LessOrEqual(t, b.Starts(), 1+int(revoked.Load()))
}

// Transfer meets a state that waits for the keeper.
func TestTransferNeverReturnsTheZeroLeaseWithoutAnError(t *testing.T) {
	b := pooltest.NewBackend(t)
	p := pooltest.Start(t, b.Spec(), pool.Options{Size: 1, Backoff: pool.Backoff{Min: -1}})
	for range 50 {
		lease, err := p.Checkout(t.Context())
		require.NoError(t, err)
		pooltest.KillManager(p, pooltest.AtLocked)
		for {
			next, err := lease.Transfer(context.Background())
			if err != nil {
				require.ErrorAs(t, err, new(*pool.LeaseError))
				break
			}
			require.NotNil(t, next.Worker())
			lease = next
		}
	}
}

// An error that panics when it is looked into.
func TestDoWithAnErrorThatPanicsKeepsNoLease(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 1})
		require.Panics(t, func() {
			_ = p.Do(context.Background(), func(context.Context, *pooltest.Worker) error { return badError{} })
		})
		settle(t, p)
		require.Equal(t, 0, p.Stats().Leased)
	})
}

// Nothing of the user may end the process from a goroutine of the pool.
func TestACauseThatPanicsEndsNothing(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 1, ReclaimGrace: -1})
		ctx, cancel := context.WithCancelCause(context.Background())
		lease := take(t, ctx, p)
		work := lease.Context()
		cancel(&badCause{})
		time.Sleep(time.Second)
		settle(t, p)
		require.Error(t, work.Err())
	})
}

type badError struct{}

func (badError) Error() string { return "bad" }
func (badError) Unwrap() error { panic("Unwrap") }

type badCause struct{}

func (*badCause) Error() string { panic("Error") }
