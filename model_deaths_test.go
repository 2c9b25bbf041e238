package pool_test

import (
	"context"
	"slices"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

// kill makes a worker crash, in one of the ways there are.
func (w *world) kill(worker *pooltest.Worker) {
	w.crashes++
	way := "from outside"
	if !w.b.Passive {
		way = choose(w, "kill by", way, "error", "panic", "goexit", "return")
	}
	switch way {
	case "from outside":
		require.True(w.t, pooltest.KillWorker(w.p, worker.Slot.Index))
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

func (w *world) killLeased() bool {
	c := w.holder()
	if c == nil {
		return false
	}
	w.kill(c.lease.Worker())
	w.over(c, pool.EndCrashed, false)
	var crash *pool.CrashError
	require.ErrorAs(w.t, c.lease.Err(), &crash)
	return true
}

// idler is a worker that is idle; nil: none is.
func (w *world) idler() *pooltest.Worker {
	for _, worker := range w.alive() {
		if w.posts[worker.Slot.Index].state == pool.SlotIdle {
			return worker
		}
	}
	return nil
}

func (w *world) killIdle() bool {
	worker := w.idler()
	if worker == nil {
		return false
	}
	w.kill(worker)
	w.vacate(worker.Slot.Index)
	return true
}

func (w *world) cancelWaiter() bool {
	all := w.line.clients()
	if len(all) == 0 {
		return false
	}
	c := choose(w, "waiter", all...)
	c.cancel()
	synctest.Wait()
	require.ErrorIs(w.t, c.err, context.Canceled)
	w.line.remove(c)
	return true
}

// atHandover picks a holder whose worker somebody waits for and is handed over, at
// once and not after a Reset.
func (w *world) atHandover() (c, next *client) {
	if c = w.holder(); c == nil || w.draining || !w.b.NoReset {
		return nil, nil
	}
	i := w.postOf(c)
	next = w.line.next(i)
	if next == nil || w.spent(i) || w.posts[i].old || w.workers() > w.limit() {
		return nil, nil // it would not come back
	}
	return c, next
}

// cancelAtHandover cancels a waiter at the very moment it is served. Either may
// win; the worker is not lost.
func (w *world) cancelAtHandover() bool {
	c, next := w.atHandover()
	if next == nil || next.group {
		return false
	}
	i := w.postOf(c)
	require.True(w.t, c.lease.Checkin())
	next.cancel()
	synctest.Wait()
	require.True(w.t, next.done.Load())
	w.over(c, pool.EndReturned, true)
	if next.err != nil {
		require.ErrorIs(w.t, next.err, context.Canceled)
		w.line.serve(next, i)
		return true
	}
	w.serve(i, next)
	require.True(w.t, next.lease.Checkin())
	w.over(next, pool.EndReturned, true)
	return true
}

// killAtHandover kills a worker at the very moment it is handed over. Whether the
// waiter got it or not, it has lost nothing by it.
func (w *world) killAtHandover() bool {
	c, next := w.atHandover()
	if next == nil {
		return false
	}
	i := w.postOf(c)
	worker := c.lease.Worker()
	require.True(w.t, c.lease.Checkin())
	require.True(w.t, pooltest.KillWorker(w.p, i))
	w.crashes++
	w.over(c, pool.EndReturned, true)
	if next.done.Load() && next.err == nil && next.lease.Worker() == worker {
		w.serve(i, next)
		w.over(next, pool.EndCrashed, false)
		return true
	}
	w.line.pass(next, i)
	w.vacate(i)
	return true
}

// allOver is what becomes of the leases at a change of epoch.
func (w *world) allOver(reason pool.EndReason) {
	for _, c := range w.holders() {
		w.ended(c, reason)
	}
	w.die()
}

// killHalf kills the manager or the worker supervisor, with the lock or without.
func (w *world) killHalf() bool {
	w.makeTime()
	kill := choose(w, "half", pooltest.KillManager, pooltest.KillSupervisor)
	kill(w.p, choose(w, "at", pooltest.AtIdle, pooltest.AtLocked))
	w.allOver(pool.EndRestarted)
	return true
}

// killHalfAtWork kills one of them in the middle of a change.
func (w *world) killHalfAtWork() bool {
	w.makeTime()
	switch at := choose(w, "at", pooltest.AtRevoke, pooltest.AtRetire, pooltest.AtStart, pooltest.AtStarted); at {
	case pooltest.AtRevoke:
		c := w.holder()
		if c == nil || w.someoneGone() || w.isHasty() {
			return false // somebody else would be revoked first, or refused by the way
		}
		pooltest.KillManager(w.p, at)
		c.cancel()
		w.pass(asleep)
		w.ended(c, pool.EndAbandoned)
		w.posts[w.postOf(c)].holder = nil
	case pooltest.AtRetire:
		if w.idle() == 0 || w.surplus() == 0 || w.someoneGone() || w.isHasty() {
			return false
		}
		pooltest.KillManager(w.p, at)
		w.pass(asleep)
	default:
		worker := w.idler()
		if worker == nil || !w.isInPlace() || w.draining || w.down || w.stalled || w.renewing() {
			return false // no death would make the supervisor start a worker
		}
		if at == pooltest.AtStarted {
			if w.b.Starts() < w.failing {
				return false // whether one comes up is not known
			}
			w.born++ // it comes up, and goes with the others
		}
		pooltest.KillSupervisor(w.p, at)
		w.kill(worker)
		w.vacate(worker.Slot.Index)
		time.Sleep(backoff)
	}
	w.allOver(pool.EndRestarted)
	return true
}

// killReport has a worker's goroutine fail in the pool's own code, when the next
// hook ends: that of a worker that is killed, or the Start of the next.
func (w *world) killReport() bool {
	w.makeTime()
	worker := w.idler()
	if worker == nil || w.draining || w.down || w.stalled || w.b.Starts() < w.failing || !w.isInPlace() || w.renewing() {
		return false
	}
	if w.b.Passive && w.b.NoStop {
		w.born++
	}
	pooltest.KillReport(w.p)
	require.True(w.t, pooltest.KillWorker(w.p, worker.Slot.Index))
	w.crashes++
	w.vacate(worker.Slot.Index)
	time.Sleep(backoff)
	w.allOver(pool.EndRestarted)
	return true
}

// isInPlace reports whether the slots below Size have workers and no others, so that
// a worker that dies is replaced where it was.
func (w *world) isInPlace() bool { return w.workers() == w.size && len(w.up()) == w.size }

func (w *world) someoneGone() bool {
	return slices.ContainsFunc(w.holders(), func(c *client) bool { return c.gone })
}

// renewing reports whether old workers are left that go as soon as they can.
func (w *world) renewing() bool {
	return slices.ContainsFunc(w.posts, func(p post) bool { return p.old && p.state == pool.SlotIdle })
}
