package pool_test

import (
	"context"
	"errors"
	"slices"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

func (w *world) endClient() bool {
	w.makeTime()
	c := w.holder()
	if c == nil {
		return false
	}
	c.cancel()
	c.gone = true
	if w.opts.ReclaimGrace < 0 {
		time.Sleep(asweep)
		w.reclaim(c, pool.EndAbandoned)
	}
	return true
}

func (w *world) reclaim(c *client, reason pool.EndReason) {
	w.over(c, reason, w.opts.Reclaim == pool.ReclaimReuse)
}

// isHasty reports whether somebody waits who will not wait long, or something ends
// if time passes.
func (w *world) isHasty() bool {
	return w.opts.MaxHold > 0 && len(w.holders()) > 0 || w.opts.MaxWait+w.opts.QueueTarget > 0 && len(w.line.places) > 0
}

// makeTime sees to it that what takes long cannot happen by the way.
func (w *world) makeTime() {
	if time.Since(w.since) > grace/4 {
		w.settle()
		w.sleepOver()
		w.settle()
		w.moment++
	}
}

func (w *world) sleep() bool {
	w.sleepOver()
	return true
}

func (w *world) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
	w.since = time.Now()
}

// sleepOver passes the time until nobody who waits has patience left, every grace
// is over, every lease overdue, and no surplus worker is idle.
func (w *world) sleepOver() {
	w.pass(asleep)
	if w.opts.MaxWait+w.opts.QueueTarget > 0 {
		for _, c := range w.line.clients() {
			w.refused(c, pool.ErrOverloaded)
		}
	}
	// Where none lingers, the worker of whoever was overdue first is the one too
	// many. Who that was is a matter of moments.
	seen, overdue := w.look(), w.holders()
	stays := func(c *client) int {
		if seen.isDown(w.postOf(c)) {
			return 0
		}
		return 1
	}
	slices.SortStableFunc(overdue, func(a, b *client) int { return stays(a) - stays(b) })
	for _, c := range overdue {
		switch {
		case c.gone:
			w.reclaim(c, pool.EndAbandoned)
		case w.opts.MaxHold > 0:
			w.reclaim(c, pool.EndOverdue)
		}
	}
	now := w.look()
	w.flow(now)
	for w.surplus() > 0 && w.leave(now, anyone) {
	}
	if w.opts.MaxHold > 0 { // those who have come by a lease meanwhile end it before it is overdue
		w.settle()
		for _, c := range w.holders() {
			require.True(w.t, c.lease.Checkin())
			w.over(c, pool.EndReturned, true)
			w.settle()
			w.moment++
		}
	}
	w.since = time.Now()
}

// growOld lets every worker grow older than it may.
func (w *world) growOld() bool {
	if w.opts.MaxLifetime <= 0 || w.renewals == 2 || w.draining || w.stalled || w.down {
		return false
	}
	w.settle()
	w.sleepOver()
	w.settle()
	w.moment++
	if w.isHasty() {
		return false
	}
	w.renewals++ // after some, workers would not be as young as is assumed here
	w.pass(lifetime)
	w.age()
	return true
}

// age makes every worker old.
func (w *world) age() {
	for i := range w.posts {
		w.posts[i].old = w.posts[i].state != pool.SlotVacant
	}
}

func (w *world) recycle() bool {
	if w.starting() > 0 {
		return false // it would matter which of the old ones comes up first
	}
	err := w.p.Recycle(cancelled) // who cannot wait has set the goal all the same
	require.True(w.t, err == nil || errors.Is(err, context.Canceled), "%v", err)
	if !w.draining {
		w.age()
	}
	return true
}

func (w *world) failStarts() bool {
	w.makeTime()
	if w.stalled || w.b.Starts() < w.failing {
		return false // of several that end at once it is chance which fail; and the next ones fail already
	}
	n := 1 + w.pick("starts", 3)
	w.b.FailNext(n)
	w.failing = w.b.Starts() + n
	return true
}

func (w *world) stall() bool {
	if w.stalled || w.down || w.b.Starts() < w.failing {
		return false
	}
	w.gate.close()
	w.stalled = true
	return true
}

func (w *world) goDown() bool {
	if w.stalled || w.down || w.opts.Backoff.Min < 0 {
		return false // starts do not work already, or would fail in a hot loop
	}
	w.b.Always(pooltest.Script{Start: pooltest.Fail})
	w.down = true
	return true
}

func (w *world) heal() bool {
	fail := max(0, w.failing-w.b.Starts())
	switch {
	case w.stalled:
		w.gate.open()
		w.stalled = false
	case w.down:
		w.makeTime()
		w.b.Always(pooltest.Script{})
		w.down = false
	default:
		return false
	}
	synctest.Wait()
	now := w.look()
	var starting []int
	for i := range w.posts {
		if w.posts[i].state == pool.SlotStarting {
			starting = append(starting, i)
		}
	}
	fails := slices.DeleteFunc(slices.Clone(starting), func(i int) bool { return !now.isDown(i) }) // those that were seen to, first
	fails = append(fails, slices.DeleteFunc(slices.Clone(starting), now.isDown)...)
	for n, i := range fails { // they are started again, if still wanted
		if n < fail {
			w.vacate(i)
		} else {
			w.rise(i)
		}
	}
	return true
}

func (w *world) resize() bool {
	size := w.pick("size", 5)
	err := w.p.Resize(cancelled, size) // who cannot wait has set the goal all the same
	require.True(w.t, err == nil || errors.Is(err, context.Canceled), "%v", err)
	w.size, w.unrest = size, true
	w.scatter()
	for i := len(w.posts) - 1; i >= 0 && w.workers() > w.limit(); i-- {
		if s := w.posts[i].state; s == pool.SlotIdle || s == pool.SlotStarting {
			w.vacate(i)
		}
	}
	return true
}

func (w *world) restart() bool {
	if w.stalled {
		return false // it would wait for the starts
	}
	w.makeTime()
	if w.pick("patient", 2) == 1 {
		w.restarts.Go(func() { _ = w.p.Restart(context.Background()) })
		w.draining = true
		return true
	}
	err := w.p.Restart(cancelled) // it may be done before that is noticed
	require.True(w.t, err == nil || errors.Is(err, context.Canceled), "%v", err)
	w.allOver(pool.EndRestarted)
	return true
}

// stop ends the pool, and sees that nothing is left of it.
func (w *world) stop() {
	t := w.t
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	stopped := make(chan error, 1)
	go func() { stopped <- w.p.Stop(ctx) }()
	synctest.Wait()
	for _, c := range w.line.clients() {
		if c.group { // it goes on waiting for the other pool
			require.False(t, c.done.Load())
			c.cancel()
			synctest.Wait()
			continue
		}
		require.ErrorIs(t, c.err, pool.ErrStopped)
	}
	patient := w.pick("patient", 2) == 1
	for _, c := range w.holders() {
		require.NoError(t, c.lease.Err())
		require.Empty(t, stopped)
		if patient {
			require.True(t, c.lease.Checkin())
			synctest.Wait()
		}
	}
	if !patient {
		cancel()
		for _, c := range w.holders() {
			w.ended(c, pool.EndStopped)
		}
	}
	require.NoError(t, <-stopped)
	w.restarts.Wait()
	synctest.Wait()
	require.Empty(t, w.alive())
	_, err := w.p.TryCheckout(context.Background())
	require.ErrorIs(t, err, pool.ErrStopped)
	_, err = w.reg.Pool(w.p.Name())
	require.ErrorIs(t, err, pool.ErrNotFound)

	require.True(t, w.other.Checkin())
	require.NoError(t, w.reg.Close())
}
