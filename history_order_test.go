package pool_test

import (
	"cmp"
	"context"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/internal/queue"
	"github.com/pooltender/pool/pooltest"
)

// arrival is one client of a pool of one worker.
type arrival struct {
	place    int // in the order in which they come
	priority pool.Priority
	queued   int64 // when it was known to wait; 0: it had its answer before
	served   int64 // 0: it has given up
	worker   int   // that served it
}

// arrivals has clients come to a pool one after another, each when the one before
// is known to wait or has its answer, so that the order of their tickets is known.
// Some give up. They are served half as fast as they come. The clock ticks when a
// client is known to wait and when one is served.
func arrivals(t *testing.T, p fakes, n int, classes int, trouble func(r *rand.Rand)) []*arrival {
	r := rand.New(rand.NewPCG(rand.Uint64(), 0))
	clients := make([]*arrival, n)
	var clock, come, served atomic.Int64
	var present sync.WaitGroup
	for i := range clients {
		a := &arrival{place: i, priority: pool.PriorityLow + pool.Priority(r.IntN(classes))}
		clients[i] = a
		ctx, cancel := context.WithCancel(context.Background())
		before, answered := p.Stats().Waited, make(chan struct{})
		present.Go(func() {
			defer cancel()
			lease, err := p.With(pool.Terms{Priority: a.priority}).Checkout(ctx)
			if err != nil {
				close(answered)
				assert.ErrorIs(t, err, context.Canceled)
				return
			}
			a.served, a.worker = clock.Add(1), lease.Worker().ID
			close(answered)
			for turn := min(int64(n), 2*served.Add(1)); come.Load() < turn; {
				runtime.Gosched()
			}
			work(lease)
			lease.Checkin()
		})
		for p.Stats().Waited == before && !over(answered) {
			runtime.Gosched()
		}
		if !over(answered) {
			a.queued = clock.Add(1)
		}
		if r.IntN(8) == 0 {
			cancel()
		}
		trouble(r)
		come.Add(1)
	}
	present.Wait()
	return slices.DeleteFunc(clients, func(a *arrival) bool { return a.served == 0 })
}

func over(answered <-chan struct{}) bool {
	select {
	case <-answered:
		return true
	default:
		return false
	}
}

// inTheirOrder fails the test unless the clients of each priority were served as
// they had come. The leases of one worker come one after another, and so do the
// workers of the one slot.
func inTheirOrder(t *testing.T, served []*arrival) {
	t.Helper()
	slices.SortFunc(served, func(a, b *arrival) int {
		return cmp.Or(cmp.Compare(a.worker, b.worker), cmp.Compare(a.served, b.served))
	})
	last := map[pool.Priority]*arrival{}
	for _, a := range served {
		if before := last[a.priority]; before != nil {
			require.Less(t, before.place, a.place, "of priority %s", a.priority)
		}
		last[a.priority] = a
	}
}

func TestClientsAreServedInTheOrderInWhichTheyWereSeenToCome(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string]pool.Options{
		"resident": {},
		"locked":   {Order: pool.OrderFIFO},
		"reset":    {Order: pool.OrderLIFO},
	} {
		for _, deadly := range []bool{false, true} {
			if deadly {
				name += ", deadly"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				runs, clients, passes := rounds(3), 0, 0
				for range runs {
					b := pooltest.NewBackend(t)
					b.NoReset = opts.Order != pool.OrderLIFO
					opts := litmusOptions(opts)
					opts.Size = 1
					p := pooltest.Start(t, b.Spec(), opts)
					served := arrivals(t, p, 200, queue.Classes, func(r *rand.Rand) {
						if deadly && r.IntN(4) == 0 {
							pooltest.KillWorker(p, 0)
						}
						if deadly && r.IntN(100) == 0 {
							_ = p.Restart(cancelled)
						}
					})
					inTheirOrder(t, served)
					if clients += len(served); !deadly {
						passes = max(passes, mostPasses(served))
					}
				}
				t.Logf("%d runs, %d clients served, passed over %d times in a row at most", runs, clients, passes)
				if passes > queue.Passes+1 { // one may have been served before this was seen to wait
					require.Fail(t, "passed over too often", "%d times", passes)
				}
			})
		}
	}
}

// mostPasses is how often the head of a class was passed over for higher classes,
// at most, of clients in the order in which they were served.
func mostPasses(served []*arrival) (most int) {
	for i, a := range served {
		passes := 0
		for _, other := range slices.Backward(served[:i]) {
			if other.priority == a.priority || other.served < a.queued || a.queued == 0 {
				break // it was not at the head then, or not there
			}
			if other.priority > a.priority {
				passes++
			}
		}
		most = max(most, passes)
	}
	return most
}
