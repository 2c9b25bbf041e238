package pool_test

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

// A client waits, which may start a worker beyond the size, while the size grows,
// which starts one, too.
func TestLitmusOfResizeAndGrowth(t *testing.T) {
	litmus(t, million, grades{"1 started": usual, "2 started": rare}, func(t *testing.T) race {
		p, b := litmusPool(t, pool.Options{Size: 1, MaxOverflow: 1, OverflowLinger: -1, MaxWait: 10 * time.Second})
		lend := lender(t, p)
		var holder fakeLease
		var waiter <-chan error
		var starts int
		return race{
			prepare: func() {
				require.NoError(t, p.Resize(context.Background(), 1))
				holder, starts = lend(), b.Starts()
			},
			sides: []func(){
				func() { waiter = borrow(context.Background(), p.Checkout) },
				func() { _ = p.Resize(cancelled, 2) },
			},
			judge: func() string {
				if err := <-waiter; err != nil {
					return "the one who waits: " + err.Error()
				}
				require.NoError(t, p.WaitReady(t.Context(), 2))
				pooltest.Check(t, p) // among them that there are not too many
				holder.Checkin()
				require.NoError(t, p.Resize(t.Context(), 2))
				return cmp.Or(atRest(p, 2), fmt.Sprintf("%d started", b.Starts()-starts))
			},
		}
	})
}

// Two workers come back while the size shrinks to one.
func TestLitmusOfShrinkAndCheckins(t *testing.T) {
	litmus(t, million/4, grades{"slot 0 stays": usual, "slot 1 stays": usual}, func(t *testing.T) race {
		p, _ := litmusPool(t, pool.Options{Size: 2})
		var held [2]fakeLease
		return race{
			prepare: func() {
				require.NoError(t, p.Resize(context.Background(), 2))
				warm(t, context.Background(), p, 2)
				held[0], held[1] = take(t, context.Background(), p), take(t, context.Background(), p)
			},
			sides: []func(){
				func() { held[0].Checkin() },
				func() { held[1].Checkin() },
				func() { _ = p.Resize(cancelled, 1) },
			},
			judge: func() string {
				require.NoError(t, p.Resize(t.Context(), 1))
				last := take(t, context.Background(), p)
				last.Checkin()
				return cmp.Or(atRest(p, 1), fmt.Sprintf("slot %d stays", last.Slot().Index))
			},
		}
	})
}

func TestLitmusOfRecycleAndCheckout(t *testing.T) {
	litmus(t, million/4, grades{"the old worker is lent": usual, "the new one is lent": usual}, func(t *testing.T) race {
		p, b := litmusPool(t, pool.Options{Size: 1, MaxWait: 10 * time.Second})
		lend := lender(t, p)
		var old *pooltest.Worker
		var lent fakeLease
		var err, recycled error
		return race{
			prepare: func() {
				l := lend()
				old = l.Worker()
				l.Checkin()
			},
			sides: []func(){
				func() {
					if lent, err = p.Checkout(context.Background()); err == nil {
						work(lent)
						lent.Checkin()
					}
				},
				func() { recycled = p.Recycle(context.Background()) },
			},
			judge: func() string {
				gone := old.Context().Err() != nil
				require.NoError(t, p.WaitReady(t.Context(), 1)) // the last replacement may still be starting
				switch {
				case err != nil || recycled != nil:
					return fmt.Sprint(err, recycled)
				case !gone:
					return "the old worker is still there"
				case b.Starts() != old.ID+1:
					return fmt.Sprintf("%d starts", b.Starts()-old.ID)
				}
				how := "the new one is lent"
				if lent.Worker() == old {
					how = "the old worker is lent"
				}
				return cmp.Or(atRest(p, 1), how)
			},
		}
	})
}

// The lease of an epoch ends in it: at the latest with it, and once.
func TestLitmusOfRestartAndOtherEnds(t *testing.T) {
	for by, end := range waysToEnd {
		t.Run(string(by), func(t *testing.T) {
			litmus(t, million/4, grades{"restarted by the pool": usual, string(by) + " by its client": usual}, func(t *testing.T) race {
				p, b := passivePool(t, pool.Options{Size: 1})
				lend := lender(t, p)
				var lease fakeLease
				var epoch uint64
				var mine bool
				return race{
					prepare: func() {
						reached(p, epoch)
						lease, epoch = lend(), p.Inspect().Epoch+1
					},
					sides: []func(){
						func() { mine = end(lease) },
						func() { _ = p.Restart(cancelled) },
					},
					judge: func() string {
						reached(p, epoch)
						if starts := b.Starts() - lease.Worker().ID; starts < 1 || starts > 2 {
							return fmt.Sprintf("%d starts", starts)
						}
						return cmp.Or(atRest(p, 1), howEnded(lease, mine))
					},
				}
			})
		})
	}
}

// reached waits until the pool is ready in an epoch.
func reached(p fakes, epoch uint64) {
	for {
		if info := p.Inspect(); info.Epoch >= epoch && info.Stats.State == pool.StateReady {
			return
		}
		runtime.Gosched()
	}
}

// Whoever comes while the manager dies is served, by the epoch that ends or by the
// next one.
func TestLitmusOfDeathOfTheManagerAndCheckout(t *testing.T) {
	litmus(t, million/4, grades{"of the old epoch": usual, "of the new one": usual}, func(t *testing.T) race {
		p, _ := litmusPool(t, pool.Options{Size: 1, MaxWait: 10 * time.Second})
		lend := lender(t, p)
		var old, lease fakeLease
		var epoch uint64
		var err error
		return race{
			prepare: func() {
				reached(p, epoch)
				old, epoch = lend(), p.Inspect().Epoch+1
				old.Checkin()
			},
			sides: []func(){
				func() { hesitate(); lease, err = p.Checkout(context.Background()) },
				func() { pooltest.KillManager(p, pooltest.AtLocked) },
			},
			judge: func() string {
				if err != nil {
					return "refused: " + err.Error()
				}
				reached(p, epoch)
				returned := lease.Checkin()
				switch {
				case lease.Worker() == old.Worker() && !returned && reason(lease) == pool.EndRestarted:
					return cmp.Or(atRest(p, 1), "of the old epoch")
				case lease.Worker() != old.Worker() && returned:
					return cmp.Or(atRest(p, 1), "of the new one")
				}
				return fmt.Sprintf("of %s and not of %s, returned: %t", lease.Worker(), old.Worker(), returned)
			},
		}
	})
}

// While a dead manager is being replaced nobody ends a lease but the keeper. A
// client that is told so at that moment asks why, and there is a reason.
func TestLitmusOfDeathOfTheManagerAndCheckin(t *testing.T) {
	litmus(t, million/8, grades{"returned by its client": usual, "restarted by the pool": usual}, func(t *testing.T) race {
		p, _ := litmusPool(t, pool.Options{Size: 1, MaxUses: 1 << 30}) // lent and returned under the lock
		var lease fakeLease
		var mine bool
		var err error
		var epoch uint64
		return race{
			prepare: func() {
				reached(p, epoch)
				lease, epoch = take(t, context.Background(), p), p.Inspect().Epoch+1
			},
			sides: []func(){
				func() { pooltest.KillManager(p, pooltest.AtLocked) },
				func() {
					for range rand.IntN(200) { // each takes the lock and changes nothing: a worker with a Run stays
						lease.Detach()
					}
					mine = lease.Checkin()
					err = lease.Err()
				},
			},
			judge: func() string {
				if err == nil {
					return fmt.Sprintf("a lease lives that is over, ended by its client: %t", mine)
				}
				reached(p, epoch)
				return cmp.Or(atRest(p, 1), howEnded(lease, mine))
			},
		}
	})
}
