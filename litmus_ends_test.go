package pool_test

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

// waysToEnd are how a client ends its lease. Each reports whether it has.
var waysToEnd = map[pool.EndReason]func(fakeLease) bool{
	pool.EndReturned: fakeLease.Checkin,
	pool.EndRetired:  func(l fakeLease) bool { return l.Retire(nil) },
	pool.EndDetached: func(l fakeLease) bool { _, ours := l.Detach(); return ours },
	pool.EndTransferred: func(l fakeLease) bool {
		next, err := l.Transfer(context.Background())
		if err == nil {
			next.Checkin()
		}
		return err == nil
	},
}

// passivePool is litmusPool with workers that can be detached.
func passivePool(t *testing.T, opts pool.Options) (fakes, *pooltest.Backend) {
	b := litmusBackend(t)
	b.Passive = true
	return pooltest.StartIn(t, litmusRegistry(t), b.Spec(), litmusOptions(opts)), b
}

// A crash costs one start, and so does an end with which the worker leaves the
// pool. If it has left before the crash, its replacement may be hit.
func TestLitmusOfCrashAndOtherEnds(t *testing.T) {
	test := func(name string, uses int, by pool.EndReason, leaves bool) {
		end := waysToEnd[by]
		t.Run(name, func(t *testing.T) {
			litmus(t, million/5, grades{"crashed by the pool": usual, string(by) + " by its client": usual}, func(t *testing.T) race {
				p, b := passivePool(t, pool.Options{Size: 1, MaxUses: uses})
				contexts, n := clients(t), 0
				var lease fakeLease
				var mine, found bool
				return race{
					prepare: func() {
						n++
						if uses == 0 {
							warm(t, contexts[n%2], p, 1)
						}
						lease = take(t, contexts[n%2], p)
					},
					sides: []func(){
						func() { mine = end(lease) },
						func() { found = pooltest.KillWorker(p, 0) },
					},
					judge: func() string {
						require.NoError(t, p.WaitReady(t.Context(), 1))
						starts := b.Starts() - lease.Worker().ID
						if mine && leaves {
							starts--
						}
						if found {
							starts--
						}
						if starts != 0 {
							return fmt.Sprintf("%d starts more than ends", starts)
						}
						return cmp.Or(atRest(p, 1), howEnded(lease, mine))
					},
				}
			})
		})
	}
	test("checkin", 0, pool.EndReturned, false)
	test("checkin of the last use", 1, pool.EndReturned, true)
	test("transfer", 0, pool.EndTransferred, false)
	test("retire", 0, pool.EndRetired, true)
	test("detach", 0, pool.EndDetached, true)
}

// A lease may be shared, and all its methods called at once. One of two ends it,
// and neither touches the lease of the client who comes next.
//
// commons-pool POOL-248, 419: two ends at once were counted twice.
func TestLitmusOfTwoEndsOfOneLease(t *testing.T) {
	ways := maps.Clone(waysToEnd)
	ways["context"] = func(l fakeLease) bool {
		ctx := l.Context()
		return l.Checkin() && ctx.Err() != nil
	}
	for by, end := range ways {
		t.Run(string(by), func(t *testing.T) {
			litmus(t, million/5, grades{"by Checkin": usual, "by the other": usual}, func(t *testing.T) race {
				p, _ := passivePool(t, pool.Options{Size: 1})
				lend := lender(t, p)
				var lease fakeLease
				var mine, other, robbed bool
				return race{
					prepare: func() { lease, robbed = lend(), false },
					sides: []func(){
						func() {
							if mine = lease.Checkin(); !mine {
								return
							}
							if next, err := p.TryCheckout(context.Background()); err == nil {
								robbed = !next.Checkin()
							}
						},
						func() { other = end(lease) },
					},
					judge: func() string {
						require.NoError(t, p.WaitReady(t.Context(), 1))
						switch {
						case robbed:
							return "the lease of the next client is ended"
						case mine && other:
							return "by both"
						case mine:
							return cmp.Or(atRest(p, 1), "by Checkin")
						case other:
							return cmp.Or(atRest(p, 1), "by the other")
						}
						return "by nobody"
					},
				}
			})
		})
	}
}

func TestLitmusOfALeasesContextAndItsCheckin(t *testing.T) {
	litmus(t, million, grades{"ended with its lease": usual}, func(t *testing.T) race {
		p, _ := litmusPool(t, pool.Options{Size: 1})
		lend := lender(t, p)
		var lease fakeLease
		var made context.Context
		return race{
			prepare: func() { lease = lend() },
			sides:   []func(){func() { made = lease.Context() }, func() { lease.Checkin() }},
			judge: func() string {
				next := take(t, context.Background(), p)
				defer next.Checkin()
				switch {
				case made.Err() == nil:
					return "outlives the lease"
				case next.Context().Err() != nil:
					return "the last client's is the next one's"
				}
				return "ended with its lease"
			},
		}
	})
}

// A client is gone, another comes to wait, and so the manager looks who is gone. The
// first comes back at that moment.
func TestLitmusOfRevocationAndOtherEnds(t *testing.T) {
	for _, reclaim := range []pool.Reclaim{pool.ReclaimReplace, pool.ReclaimReuse} {
		for by, end := range waysToEnd {
			t.Run(string(by)+", "+string(reclaim), func(t *testing.T) {
				litmus(t, million/8, grades{"abandoned by the pool": usual, string(by) + " by its client": usual}, func(t *testing.T) race {
					p, _ := passivePool(t, pool.Options{Size: 1, ReclaimGrace: -1, Reclaim: reclaim, MaxWait: 10 * time.Second})
					var lease fakeLease
					var cancel context.CancelFunc
					var mine bool
					var next error
					return race{
						prepare: func() {
							var ctx context.Context
							ctx, cancel = context.WithCancel(context.Background())
							warm(t, ctx, p, 1)
							lease = take(t, ctx, p)
						},
						sides: []func(){
							func() { cancel(); next = <-borrow(context.Background(), p.Checkout) },
							func() { hesitate(); mine = end(lease) },
						},
						judge: func() string {
							if next != nil {
								return "the next client: " + next.Error()
							}
							require.NoError(t, p.WaitReady(t.Context(), 1))
							return cmp.Or(atRest(p, 1), howEnded(lease, mine))
						},
					}
				})
			})
		}
	}
}

// What becomes of the first client is no matter of the one it hands its lease to.
func TestLitmusOfTransferAndCancellation(t *testing.T) {
	litmus(t, million, grades{"revoked": usual, "transferred": usual}, func(t *testing.T) race {
		p, _ := litmusPool(t, pool.Options{Size: 1, ReclaimGrace: -1})
		heir, cancelHeir := context.WithCancel(context.Background())
		t.Cleanup(cancelHeir)
		var lease, next fakeLease
		var waiter <-chan error
		var cancel context.CancelFunc
		var err error
		return race{
			prepare: func() {
				var ctx context.Context
				ctx, cancel = context.WithCancel(context.Background())
				warm(t, ctx, p, 1)
				lease = take(t, ctx, p)
			},
			sides: []func(){
				func() { cancel(); waiter = borrow(context.Background(), p.Checkout) },
				func() { hesitate(); next, err = lease.Transfer(heir) },
			},
			judge: func() string {
				how := "revoked"
				if err == nil {
					if how = "transferred"; next.Err() != nil {
						return "the first client's end is the second one's: " + next.Err().Error()
					}
					work(next)
					next.Checkin()
				}
				if end := howEnded(lease, err == nil); end != "transferred by its client" && end != "abandoned by the pool" {
					return end
				}
				if err := <-waiter; err != nil {
					return "the next client: " + err.Error()
				}
				require.NoError(t, p.WaitReady(t.Context(), 1))
				return cmp.Or(atRest(p, 1), how)
			},
		}
	})
}
