package pool_test

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

func TestLitmusOfRetireAndCrash(t *testing.T) {
	o := newOutcomes(t)
	defer o.tell()
	p, b := litmusPool(t, pool.Options{Size: 1})
	for _, ctx := range warmed(t, p, rounds(2000)) {
		l, before := take(t, ctx, p), b.Starts()
		var retired bool
		meet(func() { retired = l.Retire(nil) }, func() { pooltest.KillWorker(p, l.Slot().Index) })
		require.NoError(t, p.WaitReady(t.Context(), 1))
		switch end := reason(l); {
		case retired && end == pool.EndRetired:
			o.saw("retired")
		case !retired && end == pool.EndCrashed:
			o.saw("crashed")
		default:
			o.forbidden("an end with two reasons", retired, end)
		}
		// The replacement of the retired worker may have come before the crash, and been hit.
		if n := b.Starts() - before; n != 1 && (!retired || n != 2) {
			o.forbidden("replacements", n)
		}
	}
	pooltest.Check(t, p)
}

// A lease may be shared, and all its methods called at once.
//
// commons-pool POOL-248, 419: two ends at once were counted twice.
func TestLitmusOfTwoEndsOfOneLease(t *testing.T) {
	for name, other := range map[string]func(l pool.Lease[*pooltest.Worker]) bool{
		"checkin": func(l pool.Lease[*pooltest.Worker]) bool { return l.Checkin() },
		"retire":  func(l pool.Lease[*pooltest.Worker]) bool { return l.Retire(nil) },
		"transfer": func(l pool.Lease[*pooltest.Worker]) bool {
			next, err := l.Transfer(context.Background())
			return err == nil && next.Checkin()
		},
		"context, checkin": func(l pool.Lease[*pooltest.Worker]) bool {
			ctx := l.Context()
			ended := l.Checkin()
			return assert.Error(&testing.T{}, ctx.Err()) && ended
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOutcomes(t)
			defer o.tell()
			p, _ := litmusPool(t, pool.Options{Size: 1})
			contexts := clients(t)
			for i := range rounds(2000) {
				ctx := contexts[i%2]
				warm(t, ctx, p, 1)
				l := take(t, ctx, p)
				var mine, others, newcomers bool
				meet(func() { others = other(l) }, func() {
					if mine = l.Checkin(); !mine {
						return
					}
					if next, err := p.TryCheckout(ctx); err == nil {
						newcomers = !next.Checkin()
					}
				})
				switch {
				case newcomers:
					o.forbidden("the lease of the next client is ended")
				case mine && others:
					o.forbidden("a lease ends twice")
				case mine:
					o.saw("checkin")
				case others:
					o.saw(name)
				default:
					o.forbidden("nobody has ended the lease", l.Err())
				}
			}
			pooltest.Check(t, p)
		})
	}
}

// Here the two meet closer than in the others: one of them is always there.
func TestLitmusOfTransferAndCheckin(t *testing.T) {
	o := newOutcomes(t)
	defer o.tell()
	p, _ := litmusPool(t, pool.Options{Size: 1})
	ctx := context.Background()
	var lease pool.Lease[*pooltest.Worker]
	var returned bool
	var next pool.Lease[*pooltest.Worker]
	var err error
	closely(rounds(50000), func() {
		warm(t, ctx, p, 1)
		lease = take(t, ctx, p)
	}, func() { next, err = lease.Transfer(ctx) }, func() { returned = lease.Checkin() }, func() {
		switch {
		case returned && err == nil:
			o.forbidden("a lease ends twice")
		case returned:
			o.saw("returned")
		case err == nil && next.Checkin():
			o.saw("transferred")
		default:
			o.forbidden("nobody has ended the lease", err)
		}
	})
	pooltest.Check(t, p)
}

// A worker comes back while a client, who has found none, is about to wait.
//
// djc/bb8#122, vitessio/vitess#17662: both were there, and neither knew.
func TestLitmusOfCheckinAndQueueing(t *testing.T) {
	o := newOutcomes(t)
	defer o.tell()
	p, _ := litmusPool(t, pool.Options{Size: 1})
	patient := p.With(pool.Terms{MaxWait: time.Second})
	ctx := context.Background()
	var lease, next pool.Lease[*pooltest.Worker]
	var err error
	closely(rounds(30000), func() {
		warm(t, ctx, p, 1)
		lease = take(t, ctx, p)
	}, func() { next, err = patient.Checkout(ctx) }, func() { lease.Checkin() }, func() {
		if err != nil {
			o.forbidden("the worker came back, and nobody told the one who waits", err)
			return
		}
		o.saw("served")
		work(next)
		next.Checkin()
	})
	pooltest.Check(t, p)
}

func TestLitmusOfALeasesContextAndItsCheckin(t *testing.T) {
	o := newOutcomes(t)
	defer o.tell()
	p, _ := litmusPool(t, pool.Options{Size: 1})
	for _, ctx := range warmed(t, p, rounds(2000)) {
		l := take(t, ctx, p)
		var made context.Context
		meet(func() { made = l.Context() }, func() { l.Checkin() })
		if made.Err() == nil {
			o.forbidden("the context outlives the lease")
		}
		next := take(t, ctx, p)
		if next.Context().Err() != nil {
			o.forbidden("the context of the last client is the next one's")
		}
		next.Checkin()
		o.saw("ended with its lease")
	}
	pooltest.Check(t, p)
}

// sweep is how often the manager looks when nobody waits and there are leases.
const sweep = 10 * time.Millisecond

// around waits for about as long as the manager takes to notice something, in
// real time: its sweeps are what the clients are to race with.
func around() { time.Sleep(rand.N(3 * sweep / 2)) }

func TestLitmusOfRevocationAndCheckin(t *testing.T) {
	for _, reclaim := range []pool.Reclaim{pool.ReclaimReplace, pool.ReclaimReuse} {
		t.Run(string(reclaim), func(t *testing.T) {
			o := newOutcomes(t)
			defer o.tell()
			const workers = 64
			p, _ := litmusPool(t, pool.Options{Size: workers, ReclaimGrace: -1, Reclaim: reclaim})
			for range rounds(20) {
				ctx, cancel := context.WithCancel(context.Background())
				warm(t, ctx, p, workers)
				var sides []func()
				for range workers {
					l := take(t, ctx, p)
					sides = append(sides, func() {
						around()
						returned := l.Checkin()
						switch end := reason(l); {
						case returned && end == pool.EndReturned:
							o.saw("returned in time")
						case !returned && end == pool.EndAbandoned:
							o.saw("revoked")
						default:
							o.forbidden("an end with two reasons", returned, end)
						}
						if l.Checkin() {
							o.forbidden("a lease ends twice")
						}
					})
				}
				cancel()
				all(sides)
				require.NoError(t, p.WaitReady(t.Context(), workers))
				pooltest.Check(t, p)
			}
		})
	}
}

func TestLitmusOfTransferAndCancellation(t *testing.T) {
	o := newOutcomes(t)
	defer o.tell()
	const workers = 64
	p, _ := litmusPool(t, pool.Options{Size: workers, ReclaimGrace: -1})
	heir, cancelHeir := context.WithCancel(context.Background())
	defer cancelHeir()
	for range rounds(20) {
		ctx, cancel := context.WithCancel(context.Background())
		warm(t, ctx, p, workers)
		var sides []func()
		for range workers {
			l := take(t, ctx, p)
			sides = append(sides, func() {
				around()
				next, err := l.Transfer(heir)
				switch end := reason(l); {
				case err == nil && end == pool.EndTransferred:
					o.saw("transferred")
				case err != nil && end == pool.EndAbandoned:
					o.saw("revoked")
					return
				default:
					o.forbidden("an end with two reasons", err, end)
				}
				time.Sleep(2 * sweep)
				if next.Err() != nil {
					o.forbidden("the first client's end is the second one's", next.Err())
				}
				work(next)
				next.Checkin()
			})
		}
		cancel()
		all(sides)
		require.NoError(t, p.WaitReady(t.Context(), workers))
		pooltest.Check(t, p)
	}
}
