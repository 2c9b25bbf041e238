package pool_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

// act is what a client did, and what came of it.
type act struct {
	kind   string
	client int
	worker int // 0: none was had
	lease  int // each that a history knows has a number of its own
	next   int // the lease that goes on, or the size that is to be
	ended  bool
}

const (
	actTake     = "take"     // Checkout, which waits
	actTry      = "try"      // TryCheckout, which does not
	actGive     = "give"     // Checkin
	actRetire   = "retire"   // Retire
	actTransfer = "transfer" // Transfer
	actLose     = "lose"     // the lease ended while the client had it
	actResize   = "resize"   // Resize
	actRestart  = "restart"  // Restart, of a pool that had this worker

	// A client that gives up may have had a worker while it did.
	actReserve = "reserve"
	actRestore = "restore"
)

// history is what several clients did, and when.
type history struct {
	began  time.Time
	mu     sync.Mutex
	acts   []porcupine.Operation
	leases int
}

func newHistory() *history { return &history{began: time.Now()} }

func (h *history) now() int64 { return int64(time.Since(h.began)) }

func (h *history) note(from int64, acts ...act) {
	until := h.now()
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, a := range acts {
		h.acts = append(h.acts, porcupine.Operation{ClientId: a.client, Input: a, Call: from, Output: a, Return: until})
	}
}

func (h *history) newLease() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.leases++
	return h.leases
}

// chronicle is one client of a pool whose history is written.
type chronicle struct {
	*history
	t      *testing.T
	pool   fakes
	client int
	r      *rand.Rand
}

func (h *history) client(t *testing.T, p fakes, client int) *chronicle {
	return &chronicle{h, t, p, client, rand.New(rand.NewPCG(uint64(client), rand.Uint64()))}
}

// borrow has a worker, or wants one, so many times. A deadly client retires some,
// and has some crash, lent or idle.
func (c *chronicle) borrow(times int, deadly bool) {
	for range times {
		lease, number, had := c.checkout()
		if number == 0 {
			continue
		}
		work(lease)
		for range c.r.IntN(3) {
			runtime.Gosched()
		}
		if deadly && c.r.IntN(4) == 0 {
			pooltest.KillWorker(c.pool, c.r.IntN(2))
		}
		if c.r.IntN(4) == 0 {
			if lease, number = c.transfer(lease, number, had); number == 0 {
				continue
			}
		}
		c.end(lease, number, had, deadly && c.r.IntN(8) == 0)
	}
}

// checkout returns a lease and its number, or 0, and when that began.
func (c *chronicle) checkout() (lease fakeLease, number int, from int64) {
	ctx, kind, lend := context.Background(), actTake, c.pool.Checkout
	switch c.r.IntN(6) {
	case 0, 1:
		kind, lend = actTry, c.pool.TryCheckout
	case 2:
		hasty, cancel := context.WithTimeout(ctx, time.Duration(c.r.IntN(50))*time.Microsecond)
		defer cancel()
		ctx = hasty
	case 3:
		hasty, cancel := context.WithCancel(ctx)
		defer cancel()
		go func() { runtime.Gosched(); cancel() }()
		ctx = hasty
	}
	from = c.now()
	lease, err := lend(ctx)
	switch {
	case err == nil:
		number = c.newLease()
		c.note(from, act{kind: kind, client: c.client, worker: lease.Worker().ID, lease: number})
	case errors.Is(err, pool.ErrFull):
		assert.Equal(c.t, actTry, kind)
		c.note(from, act{kind: kind, client: c.client})
	default:
		_, bounded := ctx.Deadline() // before which nobody may be able to serve
		assert.True(c.t, ctx.Err() != nil && errors.Is(err, ctx.Err()) || bounded && errors.Is(err, pool.ErrUnavailable), "%v", err)
		c.note(from, act{kind: actReserve, client: c.client}, act{kind: actRestore, client: c.client})
	}
	return lease, number, from
}

// transfer hands the lease on to the client itself, and looks whether that is its
// end.
func (c *chronicle) transfer(lease fakeLease, number int, had int64) (next fakeLease, nextNumber int) {
	from := c.now()
	next, err := lease.Transfer(context.Background())
	if err != nil {
		c.note(had, act{kind: actLose, client: c.client, worker: lease.Worker().ID, lease: number})
		return next, 0
	}
	nextNumber = c.newLease()
	c.note(from, act{kind: actTransfer, client: c.client, worker: lease.Worker().ID, lease: number, next: nextNumber})
	c.again(lease, number)
	return next, nextNumber
}

func (c *chronicle) end(lease fakeLease, number int, had int64, retire bool) {
	a := act{kind: actGive, client: c.client, worker: lease.Worker().ID, lease: number, ended: true}
	from, end := c.now(), lease.Checkin
	if retire {
		a.kind, end = actRetire, func() bool { return lease.Retire(nil) }
	}
	if !end() {
		a.kind, from = actLose, had
	}
	c.note(from, a)
	c.again(lease, number)
}

// again returns a worker whose lease has ended.
func (c *chronicle) again(lease fakeLease, number int) {
	from := c.now()
	c.note(from, act{kind: actGive, client: c.client, worker: lease.Worker().ID, lease: number, ended: lease.Checkin()})
}

// resize changes the size by one, so many times.
func (c *chronicle) resize(size, times int) {
	for range times {
		if size++; size > 3 || size > 2 && c.r.IntN(2) == 0 {
			size -= 2
		}
		from := c.now()
		assert.NoError(c.t, c.pool.Resize(context.Background(), size))
		c.note(from, act{kind: actResize, client: c.client, next: size})
	}
}

// restart begins new epochs: none of the workers that were there is lent then.
func (c *chronicle) restart(b *pooltest.Backend, times int) {
	for range times {
		hesitate()
		if c.r.IntN(3) == 0 {
			epoch := c.pool.Inspect().Epoch + 1
			pooltest.KillManager(c.pool, pooltest.AtLocked)
			reached(c.pool, epoch)
			continue
		}
		from := c.now()
		var acts []act
		for _, w := range b.Alive() {
			acts = append(acts, act{kind: actRestart, client: c.client, worker: w.ID})
		}
		assert.NoError(c.t, c.pool.Restart(context.Background()))
		c.note(from, acts...)
	}
}

// rest has every worker of a pool that nobody uses any more.
func (c *chronicle) rest(workers int) {
	require.NoError(c.t, c.pool.WaitReady(context.Background(), workers))
	require.Empty(c.t, atRest(c.pool, workers))
	var leases []fakeLease
	for range workers {
		from := c.now()
		lease, err := c.pool.TryCheckout(context.Background())
		require.NoError(c.t, err)
		c.note(from, act{kind: actTry, client: c.client, worker: lease.Worker().ID, lease: c.newLease()})
		leases = append(leases, lease)
	}
	for _, lease := range leases {
		lease.Checkin()
	}
}

// check fails the test unless the history could have come about one act after
// another.
func (h *history) check(t *testing.T, model porcupine.Model) {
	t.Helper()
	result, info := porcupine.CheckOperationsVerbose(model, h.acts, 20*time.Second)
	if result == porcupine.Ok {
		return
	}
	file := t.ArtifactDir() + "/history.html"
	require.NoError(t, porcupine.VisualizePath(model, info, file))
	require.Failf(t, "the history is "+string(result), "it is drawn in %s, and there are %d acts", file, len(h.acts))
}

func TestTheHistoryOfAPoolIsThatOfOneLentStepByStep(t *testing.T) {
	t.Parallel()
	for _, order := range []pool.Order{pool.OrderRecent, pool.OrderLIFO, pool.OrderFIFO} {
		for name, resizes := range map[string]int{"": 0, ", resized": 4} {
			t.Run(string(order)+name, func(t *testing.T) {
				t.Parallel()
				acts, n := 0, rounds(20)
				for range n {
					b := pooltest.NewBackend(t)
					b.NoReset, b.Passive = true, true
					p := pooltest.Start(t, b.Spec(), pool.Options{Size: 2, Order: order, ReclaimGrace: time.Hour})
					h := newHistory()
					var clients sync.WaitGroup
					for id := range 3 {
						clients.Go(func() { h.client(t, p, id).borrow(12, false) })
					}
					if resizes > 0 {
						clients.Go(func() { h.client(t, p, 3).resize(2, resizes) })
					}
					clients.Wait()
					h.client(t, p, 4).rest(p.Stats().Size)
					h.check(t, aPool(2))
					acts += len(h.acts)
				}
				t.Logf("%d histories of %d acts in all", n, acts)
			})
		}
	}
}

func TestTheHistoryOfEveryWorkerIsOneOfLeasesAndOneEnd(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string]pool.Options{
		"resident": {},
		"locked":   {Order: pool.OrderFIFO},
		"reset":    {Order: pool.OrderLIFO},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			opts.Size, opts.ReclaimGrace = 2, time.Hour
			acts, n := 0, rounds(15)
			for range n {
				b := pooltest.NewBackend(t)
				b.NoReset = name != "reset"
				p := pooltest.Start(t, b.Spec(), litmusOptions(opts))
				h := newHistory()
				var clients sync.WaitGroup
				for id := range 4 {
					clients.Go(func() { h.client(t, p, id).borrow(30, true) })
				}
				clients.Go(func() { h.client(t, p, 4).restart(b, 3) })
				clients.Wait()
				h.client(t, p, 5).rest(2)
				h.check(t, aWorker)
				acts += len(h.acts)
			}
			t.Logf("%d histories of %d acts in all", n, acts)
		})
	}
}
