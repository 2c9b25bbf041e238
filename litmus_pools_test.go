package pool_test

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

// crowd lets n clients do something over and over until the function returned
// is called, which waits for them.
func crowd(n int, trip func(client int)) (dismiss func()) {
	var over atomic.Bool
	var group sync.WaitGroup
	for client := range n {
		group.Go(func() {
			for n := 0; !over.Load(); n++ {
				if trip(client); n%16 == 0 {
					runtime.Gosched() // for others want a processor, too
				}
			}
		})
	}
	return func() { over.Store(true); group.Wait() }
}

func TestLitmusOfResizeAndCheckout(t *testing.T) {
	o := newOutcomes(t)
	defer o.tell()
	p, _ := litmusPool(t, pool.Options{Size: 4})
	contexts := clients(t)
	warm(t, contexts[1], p, 4)
	dismiss := crowd(3, func(client int) {
		l, err := p.Checkout(contexts[client%2])
		if err != nil {
			o.forbidden("refused", err)
			return
		}
		work(l)
		if !l.Checkin() {
			o.forbidden("a Resize revokes", l.Err())
		}
	})
	for range rounds(300) {
		size := 1 + rand.IntN(4)
		require.NoError(t, p.Resize(t.Context(), size))
		pooltest.Check(t, p)
		runtime.Gosched()
		s := p.Stats()
		if n := s.Idle + s.Leased; n != size || s.Starting+s.Stopping+s.BackingOff != 0 {
			o.forbidden("too many workers, or too few", s, size)
		}
		o.saw("size " + strconv.Itoa(size))
	}
	dismiss()
	require.NoError(t, p.Resize(t.Context(), 4))
	require.Equal(t, 4, p.Stats().Idle)
	pooltest.Check(t, p)
}

func TestLitmusOfStopAndCheckout(t *testing.T) {
	o := newOutcomes(t)
	defer o.tell()
	contexts := clients(t)
	for i := range rounds(100) {
		p, _ := litmusPool(t, pool.Options{Size: 2})
		warm(t, contexts[1], p, 2)
		var holders, trips atomic.Int32
		client := func(ctx context.Context) func() {
			return func() {
				for {
					l, err := p.Checkout(ctx)
					if err != nil {
						if !errors.Is(err, pool.ErrStopped) {
							o.forbidden("refused", err)
						}
						return
					}
					holders.Add(1)
					work(l)
					holders.Add(-1)
					if !l.Checkin() {
						o.forbidden("a Stop that drains revokes", l.Err())
					}
					trips.Add(1)
				}
			}
		}
		meet(client(contexts[i%2]), client(contexts[1]), func() {
			before := trips.Load()
			require.NoError(t, p.Stop(context.Background()))
			if n := holders.Load(); n != 0 {
				o.forbidden("Stop returns though a client has a worker", n)
			}
			if trips.Load() == before {
				o.saw("stopped at once")
			} else {
				o.saw("stopped after those who came before")
			}
		})
		if s := p.Stats(); s.Checkouts != uint64(trips.Load())+2 {
			o.forbidden("leases that were not counted", s.Checkouts, trips.Load())
		}
	}
}

func TestLitmusOfRestartAndCheckin(t *testing.T) {
	o := newOutcomes(t)
	defer o.tell()
	p, _ := litmusPool(t, pool.Options{Size: 1})
	now, cancel := context.WithCancel(context.Background())
	cancel()
	for _, ctx := range warmed(t, p, rounds(1000)) {
		for p.Stats().State != pool.StateReady { // else it has yet to see that it has started
			runtime.Gosched()
		}
		epoch := p.Inspect().Epoch
		warm(t, ctx, p, 1)
		l := take(t, ctx, p)
		var returned bool
		meet(func() { returned = l.Checkin() }, func() { _ = p.Restart(now) })
		require.NoError(t, p.WaitReady(t.Context(), 1))
		for p.Inspect().Epoch == epoch {
			runtime.Gosched()
		}
		require.NoError(t, p.WaitReady(t.Context(), 1))
		switch end := reason(l); {
		case returned && end == pool.EndReturned:
			o.saw("returned")
		case !returned && end == pool.EndRestarted:
			o.saw("revoked by the restart")
		default:
			o.forbidden("an end with two reasons", returned, end)
		}
		if l.Checkin() {
			o.forbidden("a lease of the old epoch ends in the new one")
		}
	}
	pooltest.Check(t, p)
}

func TestLitmusOfSubscribeAndCheckout(t *testing.T) {
	o := newOutcomes(t)
	defer o.tell()
	for range rounds(200) {
		reg := pooltest.NewRegistry()
		p, _ := litmusPoolIn(t, reg, pool.Options{Size: 2})
		warm(t, context.Background(), p, 2)
		var listening atomic.Bool
		const each = 500                       // few enough, or events are dropped
		promised := [2]map[string]bool{{}, {}} // of each client
		told := map[string]int{}               // by the owner of the lease: 1 for its beginning, 10 for its end
		var lending sync.WaitGroup
		for client, mine := range promised {
			lending.Go(func() {
				for n := range each {
					name, sure := strconv.Itoa(client)+"/"+strconv.Itoa(n), listening.Load()
					l, err := p.With(pool.Terms{Owner: name}).Checkout(context.Background())
					assert.NoError(t, err)
					l.Checkin()
					mine[name] = sure
				}
			})
		}
		for until := time.Now().Add(rand.N(200 * time.Microsecond)); time.Now().Before(until); {
			runtime.Gosched()
		}
		reg.Subscribe(func(e pool.Event) {
			switch e.Kind {
			case pool.EventLeaseStarted:
				told[e.Owner]++
			case pool.EventLeaseEnded:
				told[e.Owner] += 10
			case pool.EventDropped:
				o.forbidden("events are dropped", e.Dropped)
			}
		})
		listening.Store(true)
		lending.Wait()
		pooltest.Close(t, reg) // waits for the receiver
		maps.Copy(promised[0], promised[1])
		for name, sure := range promised[0] {
			switch n := told[name]; {
			case n == 11:
				o.saw("told")
			case !sure && n == 0:
				o.saw("before it")
			case !sure && n == 10:
				o.saw("told of its end")
			default:
				o.forbidden("not told of", name, n)
			}
		}
	}
}
