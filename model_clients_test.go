package pool_test

import (
	"context"
	"fmt"
	"slices"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

// holder picks one of those who hold a worker; nil: nobody does.
func (w *world) holder() *client {
	all := w.holders()
	if len(all) == 0 {
		return nil
	}
	return choose(w, "holder", all...)
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
	require.Error(w.t, c.lease.Context().Err())
	w.past = append(w.past, c.lease)
	c.cancel() // of an ended lease, which means nothing any more
}

// refused is who waits no longer, and why.
func (w *world) refused(c *client, reason error) {
	require.True(w.t, c.done.Load())
	require.ErrorIs(w.t, c.err, reason)
	w.line.remove(c)
	w.shed++
}

func (w *world) checkout() bool {
	if len(w.holders())+len(w.line.places) >= mostClients {
		return false
	}
	c := w.newClient(w.drawTerms())
	c.group = w.opts.MaxWait+w.opts.QueueTarget == 0 && w.opts.MaxWaiting == 0 && w.pick("through a group", 4) == 1
	w.come(c)
	return true
}

// come has a client wait its turn.
func (w *world) come(c *client) {
	from := w.p.With(c.terms).Checkout
	if c.group {
		from = pool.NewGroup(w.others, w.p.With(c.terms)).Checkout
	}
	go func() {
		if c.lease, c.err = from(c.ctx); c.err == nil {
			c.lease.Worker().Use(func() {})
		}
		c.done.Store(true)
	}()
	synctest.Wait()
	slot := w.placed(c)
	if served := c.done.Load() && c.err == nil; !served && !w.admits(slot) {
		last := w.line.displaced(c)
		if last == nil {
			require.ErrorIs(w.t, c.err, pool.ErrOverloaded)
			w.shed++
			return
		}
		w.refused(last, pool.ErrOverloaded)
	}
	w.line.stand(c, slot)
}

// placed is the slot that has the key of a client who has come. Of one who was
// refused it is not known which, only that one has.
func (w *world) placed(c *client) int {
	up, now := w.up(), w.look()
	if c.terms.Key == "" || len(up) == 0 {
		return anySlot
	}
	slot, placed := now.lines[c]
	if !placed {
		slot, placed = now.served[c]
	}
	if !placed {
		return up[0]
	}
	require.True(w.t, w.homes.settled(fmt.Sprintf("%s of %d", c.terms.Key, w.size), slot, up), "key %q has slot %d of %v: %s", c.terms.Key, slot, up, w.journal)
	return slot
}

func (w *world) try() bool {
	c := w.newClient(w.drawTerms())
	p := w.p.With(c.terms)
	c.lease, c.err = p.TryCheckout(c.ctx)
	if w.b.Checks && c.err != nil && w.idle() > 0 { // the worker had to be checked first
		synctest.Wait()
		c.lease, c.err = p.TryCheckout(c.ctx)
	}
	unchecked := w.b.Checks && w.line.waiting(anySlot) > 0 // no check begins for it while others wait for any worker
	if w.idle() == 0 || c.err != nil && (c.terms.Key != "" || unchecked) {
		require.ErrorIs(w.t, c.err, pool.ErrFull)
		return true
	}
	require.NoError(w.t, c.err)
	c.done.Store(true)
	c.lease.Worker().Use(func() {})
	w.line.stand(c, w.placed(c))
	return true
}

func (w *world) late() bool {
	_, err := w.p.Checkout(cancelled)
	require.ErrorIs(w.t, err, context.Canceled)
	_, err = w.p.TryCheckout(cancelled)
	require.ErrorIs(w.t, err, context.Canceled)
	return true
}

func (w *world) checkin() bool {
	c := w.holder()
	if c == nil {
		return false
	}
	if w.pick("to the pool", 2) == 1 {
		require.True(w.t, w.p.Checkin(c.lease))
	} else {
		require.True(w.t, c.lease.Checkin())
	}
	w.over(c, pool.EndReturned, true)
	return true
}

// checkinAll is all clients at once. Of several old workers that come back so it
// depends on moments which ones the pool can spare.
func (w *world) checkinAll() bool {
	all := w.holders()
	if slices.ContainsFunc(w.posts, func(p post) bool { return p.old }) {
		return false
	}
	for _, c := range all {
		require.True(w.t, c.lease.Checkin())
	}
	for _, c := range all {
		w.over(c, pool.EndReturned, true)
	}
	return len(all) > 0
}

func (w *world) stale() bool {
	if len(w.past) == 0 {
		return false
	}
	l := choose(w, "stale", w.past...)
	require.False(w.t, l.Checkin())
	require.False(w.t, w.p.Checkin(l))
	require.False(w.t, l.Retire(pooltest.ErrScripted))
	_, ok := l.Detach()
	require.False(w.t, ok)
	_, err := l.Transfer(context.Background())
	require.Error(w.t, err)
	require.Error(w.t, l.Context().Err())
	return true
}

func (w *world) foreign() bool {
	require.False(w.t, w.p.Checkin(w.other))
	require.False(w.t, w.p.Checkin(fakeLease{}))
	for _, c := range w.holders() {
		require.False(w.t, w.others.Checkin(c.lease))
	}
	again, err := pool.Lookup[*pooltest.Worker](w.reg, w.p.Name())
	require.NoError(w.t, err)
	require.Equal(w.t, w.p.Name(), again.Name())
	_, err = pool.Start(context.Background(), w.reg, w.p.Name(), w.b.Spec(), w.opts)
	require.ErrorIs(w.t, err, pool.ErrExists)
	_, err = pool.Lookup[int](w.reg, w.p.Name())
	require.ErrorIs(w.t, err, pool.ErrWrongType)
	return true
}

func (w *world) retire() bool {
	c := w.holder()
	if c == nil {
		return false
	}
	require.True(w.t, c.lease.Retire(choose(w, "because", nil, pooltest.ErrScripted)))
	w.over(c, pool.EndRetired, false)
	return true
}

func (w *world) detach() bool {
	c := w.holder()
	if c == nil {
		return false
	}
	worker, ok := c.lease.Detach()
	require.Equal(w.t, w.b.Passive, ok)
	if !ok {
		return true // a worker with a Run cannot be had
	}
	require.NoError(w.t, worker.Context().Err())
	w.detached = append(w.detached, worker)
	w.over(c, pool.EndDetached, false)
	return true
}

func (w *world) transfer() bool {
	c := w.holder()
	if c == nil {
		return false
	}
	_, err := c.lease.Transfer(cancelled)
	require.ErrorIs(w.t, err, context.Canceled)
	heir := w.newClient(c.terms)
	heir.name = c.name // the pool knows it by that of the first
	heir.done.Store(true)
	heir.lease, err = c.lease.Transfer(heir.ctx)
	require.NoError(w.t, err)
	require.Same(w.t, c.lease.Worker(), heir.lease.Worker())
	w.ended(c, pool.EndTransferred)
	w.posts[w.postOf(c)].holder = heir
	return true
}
