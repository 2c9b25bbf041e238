package pool_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

// The clients of TestThePoolOutlivesItsClients, each of another temper.
var tempers = []func(ctx context.Context, p fakes, r *rand.Rand){
	func(ctx context.Context, p fakes, _ *rand.Rand) { // orderly, and checks in twice
		if l, err := p.Checkout(ctx); err == nil {
			l.Worker().Use(func() { l.Worker().Note++ })
			l.Checkin()
			l.Checkin()
		}
	},
	func(ctx context.Context, p fakes, _ *rand.Rand) { // in a hurry
		if l, err := p.TryCheckout(ctx); err == nil {
			l.Worker().Use(func() { l.Worker().Note++ })
			p.Checkin(l)
		}
	},
	func(ctx context.Context, p fakes, r *rand.Rand) { // impatient
		ctx, cancel := context.WithTimeout(ctx, time.Duration(r.IntN(300))*time.Microsecond)
		defer cancel()
		if l, err := p.Checkout(ctx); err == nil {
			l.Checkin()
		}
	},
	func(ctx context.Context, p fakes, _ *rand.Rand) { // forgets its lease
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		_, _ = p.Checkout(ctx)
	},
	func(ctx context.Context, p fakes, r *rand.Rand) { // kills, or says that it is broken
		if l, err := p.Checkout(ctx); err == nil {
			if r.IntN(2) == 0 {
				l.Worker().Crash(pooltest.ErrScripted)
			} else {
				l.Retire(nil)
			}
			l.Checkin()
		}
	},
	func(ctx context.Context, p fakes, r *rand.Rand) { // careless: fails, panics, hands on
		switch r.IntN(3) {
		case 0:
			_ = p.Do(ctx, func(context.Context, *pooltest.Worker) error { return pool.Retire(pooltest.ErrScripted) })
		case 1:
			defer func() { _ = recover() }()
			_ = p.Do(ctx, func(context.Context, *pooltest.Worker) error { panic("careless") })
		default:
			if l, err := p.Checkout(ctx); err == nil {
				if heir, err := l.Transfer(ctx); err == nil {
					heir.Checkin()
				}
				l.Retire(nil) // not its lease any more
			}
		}
	},
}

// Under the real scheduler, with the race detector for a witness.
func TestThePoolOutlivesItsClients(t *testing.T) {
	t.Parallel()
	for seed, opts := range []pool.Options{
		{Size: 3},
		{Size: 2, MaxOverflow: 2, OverflowLinger: -1, Order: pool.OrderFIFO, Reclaim: pool.ReclaimReuse},
		{Size: 1, MaxOverflow: 3, OverflowLinger: time.Millisecond, Order: pool.OrderLIFO},
		{Size: 4, MaxStarting: 1, Reclaim: pool.ReclaimReuse},
	} {
		opts.ReclaimGrace = -1
		opts.MaxRestarts, opts.Backoff = -1, pool.Backoff{Max: time.Millisecond}
		t.Run(fmt.Sprintf("options %d", seed), func(t *testing.T) {
			t.Parallel()
			outlive(t, opts, uint64(seed))
		})
	}
}

func outlive(t *testing.T, opts pool.Options, seed uint64) {
	b := pooltest.NewBackend(t)
	b.NoReset = seed%2 == 0
	p := pooltest.Start(t, b.Spec(), opts)
	ctx, cancel := context.WithTimeout(context.Background(), 400*time.Millisecond)
	defer cancel()
	var clients sync.WaitGroup
	for i := range 2 * len(tempers) {
		clients.Go(func() {
			r := rand.New(rand.NewPCG(seed, uint64(i)))
			for ctx.Err() == nil {
				tempers[i%len(tempers)](context.Background(), p, r)
			}
		})
	}
	clients.Go(func() { // the one who is after them all
		r := rand.New(rand.NewPCG(seed, 99))
		for ctx.Err() == nil {
			pooltest.KillWorker(p, r.IntN(opts.Size+opts.MaxOverflow))
			switch r.IntN(10) {
			case 0:
				pooltest.KillManager(p, pooltest.AtIdle)
			case 1:
				pooltest.KillManager(p, pooltest.AtRevoke)
			case 2:
				pooltest.KillSupervisor(p, pooltest.AtLocked)
			case 3:
				pooltest.KillSupervisor(p, pooltest.AtStarted)
			case 4:
				_ = p.Resize(cancelled, 1+r.IntN(opts.Size+1))
			case 5:
				_ = p.Restart(cancelled)
			}
			pooltest.Check(t, p)
			time.Sleep(time.Duration(r.IntN(2000)) * time.Microsecond)
		}
	})
	clients.Wait()

	// They have gone, and the pool is as good as new.
	quiet, stop := context.WithTimeout(context.Background(), 10*time.Second)
	defer stop()
	require.NoError(t, p.Resize(quiet, opts.Size))
	require.Eventually(t, func() bool {
		s := p.Stats()
		return s.State == pool.StateReady && s.Leased+s.Waiting+s.Tending == 0 && s.Idle == opts.Size && len(b.Alive()) == opts.Size
	}, 10*time.Second, time.Millisecond, "every lease is accounted for and the pool is full again")
	pooltest.Check(t, p)
	for _, w := range b.Workers() {
		require.LessOrEqual(t, w.Stops(), 1)
	}
	var all []fakeLease
	for range opts.Size {
		all = append(all, take(t, quiet, p))
	}
	for _, l := range all {
		require.True(t, l.Checkin())
	}
}
