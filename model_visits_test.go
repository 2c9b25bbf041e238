package pool_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

// visit is a lease of a worker that ends in the same command.
func (w *world) visit(i int, stays bool) {
	require.Equal(w.t, pool.SlotIdle, w.posts[i].state, "slot %d", i)
	require.True(w.t, w.isFirst(i), "slot %d", i)
	visitor := new(client)
	w.lend(i, visitor)
	w.end(visitor, stays)
}

// visitAll is Each: it visits those that are idle, and waits for the others until
// it is called off.
func (w *world) visitAll() bool {
	if w.stalled {
		return false // it may have to wait for a start
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var visited []int
	ended := make(chan error, 1)
	go func() {
		ended <- w.p.Each(ctx, func(_ context.Context, worker *pooltest.Worker) error {
			worker.Use(func() { visited = append(visited, worker.Slot.Index) })
			return nil
		})
	}()
	synctest.Wait()
	if w.draining {
		require.ErrorIs(w.t, <-ended, pool.ErrUnavailable)
		w.shed++
		return true
	}
	busy := w.count(pool.SlotLeased) > 0
	require.Equal(w.t, busy, len(ended) == 0, "it waits for those that are leased")
	cancel()
	if err := <-ended; busy {
		require.ErrorIs(w.t, err, context.Canceled)
	} else {
		require.NoError(w.t, err)
	}
	for i := range w.posts {
		if w.posts[i].state != pool.SlotIdle {
			continue
		}
		if !busy || !w.b.Checks { // else it may have come to one that waits for its check after one that is leased
			require.Contains(w.t, visited, i)
		}
		w.posts[i].rested = w.moment // whose turn it was does not matter
	}
	for _, i := range visited {
		w.visit(i, true)
	}
	require.Len(w.t, slices.Compact(slices.Sorted(slices.Values(visited))), len(visited))
	return true
}

// call is Do, with a function that ends in one of the ways there are.
func (w *world) call() bool {
	if w.idle() == 0 {
		return false
	}
	how := choose(w, "it ends by", "nil", "error", "retire", "panic", "goexit")
	var slot int
	var err error
	var ended sync.WaitGroup
	ended.Go(func() {
		defer func() { _ = recover() }()
		err = w.p.Do(context.Background(), func(_ context.Context, worker *pooltest.Worker) error {
			slot = worker.Slot.Index
			worker.Use(func() {})
			switch how {
			case "error":
				return pooltest.ErrScripted
			case "retire":
				return pool.Retire(pooltest.ErrScripted)
			case "panic":
				panic("as told")
			case "goexit":
				runtime.Goexit()
			}
			return nil
		})
	})
	ended.Wait()
	require.Equal(w.t, how == "error" || how == "retire", errors.Is(err, pooltest.ErrScripted))
	w.visit(slot, how == "nil" || how == "error")
	return true
}

// errands are visits without a look at the pool between them, which would take the
// workers back that are lent without the lock.
func (w *world) errands() bool {
	if !w.b.NoReset || w.b.Checks || w.opts.MaxUses > 0 || w.surplus() > 0 || w.idle() == 0 || w.draining {
		return false
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	p := w.p.With(pool.Terms{Owner: "somebody on errands"})
	for range 1 + w.pick("visits", 8) {
		var slot int
		use := func(_ context.Context, worker *pooltest.Worker) (int, error) {
			worker.Use(func() { slot = worker.Slot.Index })
			return slot, nil
		}
		switch w.pick("way", 4) {
		case 0:
			_, err := pool.Call(context.Background(), w.p, use)
			require.NoError(w.t, err)
		case 1:
			_, err := pool.Call(ctx, p, use)
			require.NoError(w.t, err)
		case 2:
			l, err := w.p.TryCheckout(context.Background())
			require.NoError(w.t, err)
			_, _ = use(ctx, l.Worker())
			require.True(w.t, l.Checkin())
			require.False(w.t, l.Checkin())
		default:
			l, err := p.Checkout(ctx)
			require.NoError(w.t, err)
			heir, err := l.Transfer(context.Background())
			require.NoError(w.t, err)
			require.False(w.t, l.Checkin())
			_, _ = use(ctx, heir.Worker())
			require.True(w.t, heir.Checkin())
		}
		w.visit(slot, true)
		w.moment++
	}
	if w.pick("keep the last", 2) == 1 {
		return w.keep()
	}
	return true
}

// keep is a lease that nobody has looked at yet.
func (w *world) keep() bool {
	c := w.newClient(pool.Terms{})
	c.lease, c.err = w.p.With(c.terms).Checkout(c.ctx)
	require.NoError(w.t, c.err)
	c.lease.Worker().Use(func() {})
	c.done.Store(true)
	w.line.stand(c, anySlot)
	return true
}

// relay is a worker that goes from hand to hand, to those more important than
// somebody who may be waiting.
func (w *world) relay() bool {
	if len(w.holders())+len(w.line.places) >= mostClients || len(w.holders()) == 0 {
		return false
	}
	for range 1 + w.pick("hands", 20) {
		all := w.holders()
		if len(all) == 0 {
			break
		}
		w.come(w.newClient(pool.Terms{Priority: pool.PriorityHigh}))
		w.settle()
		w.moment++
		if all = w.holders(); len(all) == 0 {
			break
		}
		require.True(w.t, all[0].lease.Checkin())
		w.over(all[0], pool.EndReturned, true)
		w.settle()
		w.moment++
	}
	return true
}

// batch is Map, by a client that has the pool to itself.
func (w *world) batch() bool {
	idle := w.idle()
	if idle == 0 || idle < w.limit() || w.opts.MaxUses > 0 || w.b.Checks || w.opts.MaxWaiting > 0 || w.draining {
		return false
	}
	items := make([]int, w.pick("items", 12))
	for i := range items {
		items[i] = i
	}
	var mu sync.Mutex
	uses := make([]int, mostSlots)
	var results []int
	for n, err := range pool.Map(context.Background(), w.p, slices.Values(items), func(_ context.Context, worker *pooltest.Worker, item int) (int, error) {
		worker.Use(func() {
			mu.Lock()
			defer mu.Unlock()
			uses[worker.Slot.Index]++
		})
		return item, nil
	}) {
		require.NoError(w.t, err)
		results = append(results, n)
	}
	require.ElementsMatch(w.t, items, results)
	require.True(w.t, slices.IsSorted(results))
	for i, n := range uses {
		for range n {
			w.posts[i].rested = w.moment
			w.visit(i, true)
		}
	}
	return true
}

// lose has a client drop its lease, which is traced: the garbage collector finds it.
func (w *world) lose() bool {
	impatient := w.opts.MaxWait+w.opts.QueueTarget+max(0, w.opts.MaxHold) > 0
	if w.opts.TraceLeases != 1 || impatient {
		return false
	}
	c := w.holder()
	if c == nil {
		return false
	}
	worker := c.lease.Worker()
	c.lease, c.err = fakeLease{}, errLost
	for try := 0; worker.Context().Err() == nil && try < 100; try++ {
		runtime.GC()
		time.Sleep(asweep)
	}
	w.end(c, false)
	w.sleepOver()
	return true
}

var errLost = errors.New("the client has lost its lease")
