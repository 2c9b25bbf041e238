package pool_test

import (
	"context"
	"math/rand/v2"
	"runtime"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

func TestLitmusOfStatsAndFastLeases(t *testing.T) {
	o := newOutcomes(t)
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
	o := newOutcomes(t)
	defer o.tell()
	const workers, n = 2, 4
	p, _ := litmusPool(t, pool.Options{Size: workers, ReclaimGrace: -1, Reclaim: pool.ReclaimReuse})
	warm(t, clients(t)[1], p, workers)
	var gone [n]context.Context // of the client's last lease
	var terms [n]fakes
	for i := range n {
		terms[i] = p.With(pool.Terms{Owner: strconv.Itoa(i)})
	}
	dismiss := crowd(n, func(client int) {
		ctx, cancel := context.WithCancel(context.Background())
		gone[client] = ctx
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
