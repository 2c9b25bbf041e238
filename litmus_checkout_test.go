package pool_test

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

func TestLitmusOfCancelAndGrant(t *testing.T) {
	o := newOutcomes(t)
	defer o.tell()
	p, _ := litmusPool(t, pool.Options{Size: 1})
	for range rounds(2000) {
		holder := take(t, context.Background(), p)
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan string, 1)
		go func() {
			l, err := p.Checkout(ctx)
			if err != nil {
				ended <- "cancelled"
				return
			}
			work(l)
			if !l.Checkin() {
				o.forbidden("granted, and taken away at once", l.Err())
			}
			ended <- "granted"
		}()
		for p.Stats().Waiting == 0 {
			runtime.Gosched()
		}
		meet(func() { holder.Checkin() }, cancel)
		o.saw(<-ended)
		l, err := p.TryCheckout(context.Background())
		if err != nil {
			o.forbidden("the worker is lost", err)
			return
		}
		l.Checkin()
	}
	pooltest.Check(t, p)
}

func TestLitmusOfCrashAndCheckin(t *testing.T) {
	o := newOutcomes(t)
	defer o.tell()
	p, b := litmusPool(t, pool.Options{Size: 1})
	contexts := clients(t)
	n := rounds(2000)
	for i := range n {
		ctx := contexts[i%2]
		warm(t, ctx, p, 1)
		l := take(t, ctx, p)
		var returned bool
		meet(func() { returned = l.Checkin() }, func() { pooltest.KillWorker(p, 0) })
		switch end := reason(l); {
		case returned && end == pool.EndReturned:
			o.saw("returned before the crash")
		case !returned && end == pool.EndCrashed:
			o.saw("crashed while leased")
		default:
			o.forbidden("an end with two reasons", returned, end)
		}
		if l.Checkin() {
			o.forbidden("a lease ends twice")
		}
	}
	require.NoError(t, p.WaitReady(t.Context(), 1))
	assert.Equal(t, n+1, b.Starts(), "one replacement for each crash")
	assert.EqualValues(t, n, p.Stats().Crashes)
	pooltest.Check(t, p)
}

func TestLitmusOfCrashAndClaim(t *testing.T) {
	o := newOutcomes(t)
	defer o.tell()
	p, _ := litmusPool(t, pool.Options{Size: 1})
	for i, ctx := range warmed(t, p, rounds(2000)) {
		if i%3 == 0 { // of a client that the worker does not know
			var cancel context.CancelFunc
			ctx, cancel = context.WithCancel(ctx)
			defer cancel()
		}
		var dead uint64
		var l pool.Lease[*pooltest.Worker]
		var err error
		meet(func() { l, err = p.TryCheckout(ctx) }, func() {
			dead = p.Inspect().Slots[0].Incarnation
			pooltest.KillWorker(p, 0)
		})
		switch {
		case err != nil:
			o.saw("dead before it was lent")
		case l.Slot().Incarnation != dead:
			o.saw("the replacement was lent")
		case reason(l) == pool.EndCrashed:
			o.saw("lent, and dead then")
		default:
			o.forbidden("a dead worker is lent", reason(l))
		}
		l.Checkin()
	}
	pooltest.Check(t, p)
}

func TestLitmusOfTryCheckoutWhileSomeWorkerIsAlwaysFree(t *testing.T) {
	o := newOutcomes(t)
	defer o.tell()
	const workers = 3 // as many as clients, each of which has one at most
	p, _ := litmusPool(t, pool.Options{Size: workers})
	contexts := clients(t)
	warm(t, contexts[1], p, workers)
	var stop atomic.Bool
	var looking, trying sync.WaitGroup
	looking.Go(func() {
		for !stop.Load() {
			p.Stats()
			runtime.Gosched()
		}
	})
	for i := range workers {
		trying.Go(func() {
			for n := range rounds(1000000) {
				l, err := p.TryCheckout(contexts[(i+n/64)%2])
				if err != nil {
					o.forbidden("none is free though one must be", err)
					return
				}
				work(l)
				l.Checkin()
			}
			o.saw("always found one")
		})
	}
	trying.Wait()
	stop.Store(true)
	looking.Wait()
	pooltest.Check(t, p)
}
