package pool_test

import (
	"context"
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
	o := newOutcomes(t, grades{"size 1": usual, "size 2": usual, "size 3": usual, "size 4": usual})
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

func TestLitmusOfTryCheckoutWhileSomeWorkerIsAlwaysFree(t *testing.T) {
	o := newOutcomes(t, grades{"always found one": usual})
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

func TestLitmusOfStatsAndFastLeases(t *testing.T) {
	o := newOutcomes(t, grades{"0 leased": usual, "1 leased": usual, "2 leased": rare, "3 leased": rare})
	defer o.tell()
	const workers = 4
	p, b := litmusPool(t, pool.Options{Size: workers})
	contexts := clients(t)
	warm(t, contexts[1], p, workers)
	var trips atomic.Uint64
	trips.Store(workers)
	dismiss := crowd(3, func(client int) {
		for i := range 100 {
			l, err := p.Checkout(contexts[(client+i)%2])
			assert.NoError(t, err)
			work(l)
			trips.Add(1)
			assert.True(t, l.Checkin())
		}
	})
	var last uint64
	for range rounds(3000) {
		before := trips.Load()
		info := p.Inspect()
		s := info.Stats
		leased, uses := 0, uint64(0)
		for _, slot := range info.Slots {
			uses += slot.Uses
			if slot.Lease != nil {
				leased++
			}
		}
		switch {
		case s.Idle+s.Leased != workers:
			o.forbidden("slots that do not add up", s)
		case s.Leased != leased:
			o.forbidden("leases that do not add up", s.Leased, leased)
		case s.Checkouts < last || s.Checkouts < before:
			o.forbidden("leases that are not counted", s.Checkouts, last, before)
		case s.Checkouts != uses:
			o.forbidden("uses that do not add up", s.Checkouts, uses)
		}
		last = s.Checkouts
		o.saw(strconv.Itoa(s.Leased) + " leased")
	}
	dismiss()
	assert.Equal(t, trips.Load(), p.Stats().Checkouts)
	worked := 0
	for _, w := range b.Workers() {
		worked += w.Uses()
	}
	assert.EqualValues(t, worked+workers, trips.Load())
	pooltest.Check(t, p)
}

// What the record of a worker says of one client must not be held against the
// next: each of these comes with a context of its own, which ends when it has
// returned its worker, while the pool looks and takes back what it can.
func TestLitmusOfManyClientsOfOneWorker(t *testing.T) {
	o := newOutcomes(t, grades{"lent": usual, "none free": usual, "looked at": usual})
	defer o.tell()
	const workers, n = 2, 4
	p, _ := litmusPool(t, pool.Options{Size: workers, ReclaimGrace: -1, Reclaim: pool.ReclaimReuse})
	warm(t, clients(t)[1], p, workers)
	var terms [n]fakes
	for i := range n {
		terms[i] = p.With(pool.Terms{Owner: strconv.Itoa(i)})
	}
	dismiss := crowd(n, func(client int) {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		lend := terms[client].Checkout
		if client > 0 { // else it waits, now and then
			lend = terms[client].TryCheckout
		}
		l, err := lend(ctx)
		if err != nil {
			o.saw("none free")
			runtime.Gosched()
			return
		}
		work(l)
		if rand.IntN(100) == 0 {
			time.Sleep(rand.N(2 * time.Millisecond))
		}
		if err := l.Err(); err != nil {
			o.forbidden("revoked because of another client", err)
		}
		if !l.Checkin() {
			o.forbidden("revoked because of another client", l.Err())
		}
		o.saw("lent")
	})
	until := time.Now().Add(time.Duration(rounds(10)) * 50 * time.Millisecond)
	for time.Now().Before(until) {
		runtime.Gosched()
		owners := map[string]bool{}
		for _, slot := range p.Inspect().Slots {
			if slot.Lease == nil {
				continue
			}
			owner := slot.Lease.Owner
			if owner != "" && owners[owner] {
				o.forbidden("one client seems to have two workers", owner)
			}
			owners[owner] = true
		}
		o.saw("looked at")
	}
	dismiss()
	pooltest.Check(t, p)
	require.Equal(t, workers, p.Stats().Idle)
}

func TestLitmusOfSubscribeAndCheckout(t *testing.T) {
	o := newOutcomes(t, grades{"told": usual, "before it": usual, "told of its end": rare})
	defer o.tell()
	for range rounds(100) {
		reg := pooltest.NewRegistry()
		p := pooltest.StartIn(t, reg, litmusBackend(t).Spec(), litmusOptions(pool.Options{Size: 2}))
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
