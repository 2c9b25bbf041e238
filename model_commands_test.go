package pool_test

import (
	"context"
	"fmt"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

var cancelled = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

const mostClients = 8

func (w *world) newClient() *client {
	c := &client{name: fmt.Sprintf("client %d", len(w.clients)+1)}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	w.clients = append(w.clients, c)
	return c
}

func (w *world) holder(t *rapid.T) *client {
	if len(w.holders) == 0 {
		t.Skip("nobody holds a worker")
	}
	return rapid.SampledFrom(w.holders).Draw(t, "holder")
}

// over ends the lease of a client, for the given reason.
func (w *world) over(c *client, reason pool.EndReason, stays bool) {
	w.ended(c, reason)
	w.end(c, stays)
}

func (w *world) ended(c *client, reason pool.EndReason) {
	synctest.Wait()
	var end *pool.LeaseError
	require.ErrorAs(w.t, c.lease.Err(), &end)
	require.Equal(w.t, reason, end.Reason)
	w.past = append(w.past, c.lease)
	c.cancel() // of an ended lease, which means nothing any more
}

// allOver is what becomes of the leases at a change of epoch.
func (w *world) allOver(reason pool.EndReason) {
	for _, c := range w.holders {
		w.ended(c, reason)
	}
	w.die()
}

func (w *world) checkout(t *rapid.T) {
	for range rapid.IntRange(1, 3).Draw(t, "clients") {
		if len(w.holders)+len(w.queue) >= mostClients {
			return
		}
		c := w.newClient()
		go func() {
			if c.lease, c.err = w.p.With(pool.Terms{Owner: c.name}).Checkout(c.ctx); c.err == nil {
				c.lease.Worker().Use(func() {})
			}
			c.done.Store(true)
		}()
		synctest.Wait() // so that they come in order
		w.queue = append(w.queue, c)
		w.flow()
	}
}

func (w *world) try(t *rapid.T) {
	c := w.newClient()
	c.lease, c.err = w.p.TryCheckout(c.ctx)
	if w.idle == 0 {
		require.ErrorIs(t, c.err, pool.ErrFull)
		return
	}
	if w.b.Checks && c.err != nil { // the worker had to be checked first
		synctest.Wait()
		c.lease, c.err = w.p.TryCheckout(c.ctx)
	}
	require.NoError(t, c.err)
	c.done.Store(true)
	c.lease.Worker().Use(func() {})
	w.queue = append(w.queue, c)
	w.flow()
}

func (w *world) late(t *rapid.T) {
	_, err := w.p.Checkout(cancelled)
	require.ErrorIs(t, err, context.Canceled)
	_, err = w.p.TryCheckout(cancelled)
	require.ErrorIs(t, err, context.Canceled)
}

func (w *world) checkin(t *rapid.T) {
	c := w.holder(t)
	if rapid.Bool().Draw(t, "to the pool") {
		require.True(t, w.p.Checkin(c.lease))
	} else {
		require.True(t, c.lease.Checkin())
	}
	w.over(c, pool.EndReturned, true)
}

// checkinAll is all clients at once.
func (w *world) checkinAll(t *rapid.T) {
	if len(w.holders) == 0 {
		t.Skip("nobody holds a worker")
	}
	all := w.holders
	for _, c := range all {
		require.True(t, c.lease.Checkin())
	}
	for _, c := range all {
		w.over(c, pool.EndReturned, true)
	}
}

func (w *world) stale(t *rapid.T) {
	if len(w.past) == 0 {
		t.Skip("no lease has ended")
	}
	l := rapid.SampledFrom(w.past).Draw(t, "stale")
	require.False(t, l.Checkin())
	require.False(t, w.p.Checkin(l))
	require.False(t, l.Retire(pooltest.ErrScripted))
	_, ok := l.Detach()
	require.False(t, ok)
	_, err := l.Transfer(context.Background())
	require.Error(t, err)
	require.Error(t, l.Context().Err())
}

func (w *world) foreign(t *rapid.T) {
	require.False(t, w.p.Checkin(w.other))
	require.False(t, w.p.Checkin(fakeLease{}))
	if len(w.holders) > 0 {
		require.False(t, w.others.Checkin(w.holders[0].lease))
	}
}

func (w *world) retire(t *rapid.T) {
	c := w.holder(t)
	require.True(t, c.lease.Retire(rapid.SampledFrom([]error{nil, pooltest.ErrScripted}).Draw(t, "because")))
	w.over(c, pool.EndRetired, false)
}

func (w *world) detach(t *rapid.T) {
	c := w.holder(t)
	worker, ok := c.lease.Detach()
	require.Equal(t, w.b.Passive, ok)
	if !ok {
		return // a worker with a Run cannot be had
	}
	require.NoError(t, worker.Context().Err())
	w.detached = append(w.detached, worker)
	w.over(c, pool.EndDetached, false)
}

func (w *world) transfer(t *rapid.T) {
	c := w.holder(t)
	_, err := c.lease.Transfer(cancelled)
	require.ErrorIs(t, err, context.Canceled)
	heir := w.newClient()
	heir.done.Store(true)
	heir.lease, err = c.lease.Transfer(heir.ctx)
	require.NoError(t, err)
	require.Same(t, c.lease.Worker(), heir.lease.Worker())
	w.ended(c, pool.EndTransferred)
	w.holders = append(without(w.holders, c), heir)
}

// kill makes a worker crash, in one of the ways there are.
func (w *world) kill(t *rapid.T, worker *pooltest.Worker) {
	way := "from outside"
	if !w.b.Passive {
		way = rapid.SampledFrom([]string{way, "error", "panic", "goexit", "return"}).Draw(t, "kill by")
	}
	switch way {
	case "from outside":
		require.True(t, pooltest.KillWorker(w.p, worker.Slot.Index))
	case "error":
		worker.Crash(pooltest.ErrScripted)
	case "panic":
		worker.Panic("as told")
	case "goexit":
		worker.Goexit()
	case "return":
		worker.Crash(nil)
	}
}

func (w *world) killLeased(t *rapid.T) {
	c := w.holder(t)
	w.kill(t, c.lease.Worker())
	w.over(c, pool.EndCrashed, false)
	var crash *pool.CrashError
	require.ErrorAs(t, c.lease.Err(), &crash)
}

// idler is a worker that is idle, where there is one.
func (w *world) idler() *pooltest.Worker {
	slots := w.p.Inspect().Slots
	for _, worker := range w.alive() {
		if slots[worker.Slot.Index].State == pool.SlotIdle {
			return worker
		}
	}
	return nil
}

func (w *world) killIdle(t *rapid.T) {
	if w.idle == 0 {
		t.Skip("none is idle")
	}
	w.kill(t, w.idler())
	w.idle--
	w.flow()
}

func (w *world) cancelWaiter(t *rapid.T) {
	if len(w.queue) == 0 {
		t.Skip("nobody waits")
	}
	c := rapid.SampledFrom(w.queue).Draw(t, "waiter")
	c.cancel()
	synctest.Wait()
	require.ErrorIs(t, c.err, context.Canceled)
	w.queue = without(w.queue, c)
	w.flow()
}

// cancelAtHandover cancels a waiter at the very moment it is served. Either may
// win; the worker is not lost.
func (w *world) cancelAtHandover(t *rapid.T) {
	if len(w.queue) == 0 || w.draining {
		t.Skip("nobody is served")
	}
	c, next := w.holder(t), w.queue[0]
	if w.workers() > w.limit() {
		t.Skip("it would not come back")
	}
	require.True(t, c.lease.Checkin())
	next.cancel()
	synctest.Wait()
	require.True(t, next.done.Load())
	if next.err != nil {
		require.ErrorIs(t, next.err, context.Canceled)
		w.queue = w.queue[1:]
		w.over(c, pool.EndReturned, true)
		return
	}
	w.over(c, pool.EndReturned, true)
	require.True(t, next.lease.Checkin())
	w.over(next, pool.EndReturned, true)
}

// killAtHandover kills a worker at the very moment it is handed over. Whether
// the waiter got it or not, it has lost nothing by it.
func (w *world) killAtHandover(t *rapid.T) {
	if len(w.queue) == 0 || w.draining {
		t.Skip("nobody is served")
	}
	c, next := w.holder(t), w.queue[0]
	if w.workers() > w.limit() {
		t.Skip("it would not come back")
	}
	require.True(t, c.lease.Checkin())
	require.True(t, pooltest.KillWorker(w.p, c.lease.Slot().Index))
	synctest.Wait()
	if next.done.Load() && next.lease.Err() != nil {
		w.queue = w.queue[1:]
		w.ended(next, pool.EndCrashed)
	}
	w.over(c, pool.EndReturned, false)
}
