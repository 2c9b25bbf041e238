package pool_test

import (
	"context"
	"errors"
	"slices"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

func (w *world) endClient(t *rapid.T) {
	c := w.holder(t)
	w.makeTime()
	if !slices.Contains(w.holders, c) {
		return // it was gone already, and now the pool has noticed
	}
	c.cancel()
	c.gone = true
	if w.opts.ReclaimGrace < 0 {
		time.Sleep(asweep)
		w.reclaim(c)
	}
}

func (w *world) reclaim(c *client) {
	w.over(c, pool.EndAbandoned, w.opts.Reclaim == pool.ReclaimReuse)
}

// makeTime sees to it that what takes long cannot happen by the way.
func (w *world) makeTime() {
	if time.Since(w.since) > grace/4 {
		w.sleepOver()
		w.compare()
	}
}

func (w *world) sleep(*rapid.T) { w.sleepOver() }

// sleepOver passes the time until every grace is over and no surplus worker is
// idle.
func (w *world) sleepOver() {
	time.Sleep(asleep)
	for _, c := range w.holders {
		if c.gone {
			w.reclaim(c)
		}
	}
	w.idle -= min(w.idle, w.surplus())
	w.flow()
	w.since = time.Now()
}

func (w *world) failStarts(t *rapid.T) {
	w.makeTime()
	if w.b.Starts() < w.failing {
		t.Skip("the next starts fail already")
	}
	n := rapid.IntRange(1, 3).Draw(t, "starts")
	w.b.FailNext(n)
	w.failing = w.b.Starts() + n
}

func (w *world) stall(t *rapid.T) {
	if w.stalled || w.down {
		t.Skip("starts do not work already")
	}
	w.gate.close()
	w.stalled = true
}

func (w *world) goDown(t *rapid.T) {
	if w.stalled || w.down || w.opts.Backoff.Min < 0 {
		t.Skip("starts do not work already, or would fail in a hot loop")
	}
	w.b.Always(pooltest.Script{Start: pooltest.Fail})
	w.down = true
}

func (w *world) heal(t *rapid.T) {
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
		t.Skip("starts work")
	}
	n := w.starting
	w.starting = 0
	w.up(max(0, n-fail)) // the others are started again, if still wanted
}

func (w *world) resize(t *rapid.T) {
	size := rapid.IntRange(0, 4).Draw(t, "size")
	err := w.p.Resize(cancelled, size) // who cannot wait has set the goal all the same
	require.True(t, err == nil || errors.Is(err, context.Canceled), "%v", err)
	w.size = size
	// Of the workers that go, those still starting are as good as those idle.
	if n := min(w.workers()-w.limit(), w.idle+w.starting); n > 0 {
		synctest.Wait()
		left := w.p.Stats().Starting
		require.LessOrEqual(t, left, w.starting)
		w.idle, w.starting = w.idle+w.starting-n-left, left
		require.GreaterOrEqual(t, w.idle, 0)
	}
	w.flow()
}

// killHalf kills the manager or the worker supervisor, with the lock or without.
func (w *world) killHalf(t *rapid.T) {
	w.makeTime()
	kill := pooltest.KillManager
	if rapid.Bool().Draw(t, "supervisor") {
		kill = pooltest.KillSupervisor
	}
	kill(w.p, rapid.SampledFrom([]pooltest.Point{pooltest.AtIdle, pooltest.AtLocked}).Draw(t, "at"))
	w.allOver(pool.EndRestarted)
}

// killHalfAtWork kills one of them in the middle of a change.
func (w *world) killHalfAtWork(t *rapid.T) {
	w.makeTime()
	switch at := rapid.SampledFrom([]pooltest.Point{
		pooltest.AtRevoke, pooltest.AtRetire, pooltest.AtStart, pooltest.AtStarted,
	}).Draw(t, "at"); at {
	case pooltest.AtRevoke:
		w.nobodyGone(t)
		c := w.holder(t)
		pooltest.KillManager(w.p, at)
		c.cancel()
		time.Sleep(asleep)
		w.since = time.Now()
		w.ended(c, pool.EndAbandoned)
		w.holders = without(w.holders, c)
	case pooltest.AtRetire:
		if w.idle == 0 || w.surplus() == 0 {
			t.Skip("no surplus worker is idle")
		}
		w.nobodyGone(t)
		pooltest.KillManager(w.p, at)
		time.Sleep(asleep)
		w.since = time.Now()
	default:
		if w.idle == 0 || w.surplus() > 0 || w.draining || w.down || w.stalled {
			t.Skip("no death would make the supervisor start a worker")
		}
		if at == pooltest.AtStarted {
			if w.b.Starts() < w.failing {
				t.Skip("whether one comes up is not known")
			}
			w.born++ // it comes up, and goes with the others
		}
		pooltest.KillSupervisor(w.p, at)
		w.kill(t, w.idler())
		w.idle--
		time.Sleep(backoff)
	}
	w.allOver(pool.EndRestarted)
}

// nobodyGone skips where a client that is gone would be reclaimed first.
func (w *world) nobodyGone(t *rapid.T) {
	if slices.ContainsFunc(w.holders, func(c *client) bool { return c.gone }) {
		t.Skip("a client is gone")
	}
}

func (w *world) restart(t *rapid.T) {
	if w.stalled {
		t.Skip("it would wait for the starts")
	}
	w.makeTime()
	if rapid.Bool().Draw(t, "patient") {
		w.restarts.Go(func() { _ = w.p.Restart(context.Background()) })
		w.draining = true
		w.flow()
		return
	}
	err := w.p.Restart(cancelled) // it may be done before that is noticed
	require.True(t, err == nil || errors.Is(err, context.Canceled), "%v", err)
	w.allOver(pool.EndRestarted)
}

// stop ends the pool, and sees that nothing is left of it.
func (w *world) stop() {
	t := w.t
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	stopped := make(chan error, 1)
	go func() { stopped <- w.p.Stop(ctx) }()
	synctest.Wait()
	for _, c := range w.queue {
		require.ErrorIs(t, c.err, pool.ErrStopped)
	}
	patient := rapid.Bool().Draw(t, "patient")
	for _, c := range w.holders {
		require.NoError(t, c.lease.Err())
		require.Empty(t, stopped)
		if patient {
			require.True(t, c.lease.Checkin())
			synctest.Wait()
		}
	}
	if !patient {
		cancel()
		for _, c := range w.holders {
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
