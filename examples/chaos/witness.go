package main

import (
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/pooltender/pool"
)

// witness follows one worker, from the return of its Start to the end of all its
// hooks.
type witness struct {
	era    *era
	slot   pool.Slot
	holder atomic.Pointer[holder]
	hook   atomic.Pointer[string] // that runs now, Run apart
	over   atomic.Bool            // Stop has been called, or a client has it for good
	open   atomic.Int64           // hooks that run, and 1 until it is over
	uses   atomic.Int64
	note   int // whoever has the worker writes it, unguarded: the race detector watches
}

// holder is a client that has a worker. ended reports whether its lease has.
type holder struct{ ended func() bool }

// lost is a client that has dropped its lease, for the garbage collector to find.
var lost = &holder{ended: func() bool { return true }}

func holderOf[W any](lease pool.Lease[W]) *holder {
	return &holder{ended: func() bool { return lease.Err() != nil }}
}

func (w *witness) begin(e *era, slot pool.Slot) {
	w.era, w.slot = e, slot
	w.open.Store(1)
	e.cameUp()
	e.begin(w)
}

func (w *witness) String() string {
	return fmt.Sprintf("worker %d of slot %d of %s", w.slot.Incarnation, w.slot.Index, w.slot.Pool)
}

// take is said by a client that has the worker from now on.
func (w *witness) take(h *holder) {
	before := w.holder.Swap(h)
	switch {
	case before == nil:
	case !w.forgiven(before, h):
		w.era.violated("%v has two holders", w)
	case h.ended():
		w.holder.CompareAndSwap(h, before) // this one has come too late
	}
	if w.over.Load() && !eventually(h.ended) {
		w.era.violated("%v is leased though it has been stopped or given away", w)
	}
	if n := w.uses.Add(1); w.era.uses > 0 && n > int64(w.era.uses) {
		w.era.violated("%v has lease %d of %d", w, n, w.era.uses)
	}
	w.use()
}

// use writes what only the one holder may write.
func (w *witness) use() {
	if !w.era.shared {
		w.note++
	}
}

// release is said before the lease ends.
func (w *witness) release(h *holder) { w.pass(h, nil) }

// pass is said when another lease takes the place of one that a client had.
func (w *witness) pass(from, to *holder) {
	if w.holder.CompareAndSwap(from, to) {
		return
	}
	last, other := to, w.holder.Load()
	if last == nil {
		last = from
	}
	if !w.forgiven(last, other) {
		w.era.violated("%v was held by somebody else as well", w)
	}
}

// forgiven reports whether clients may be found to hold the same worker: all but
// one have not noticed yet that their lease was revoked.
func (w *witness) forgiven(these ...*holder) bool {
	return w.era.shared && eventually(func() bool {
		return slices.ContainsFunc(these, func(h *holder) bool { return h == nil || h.ended() })
	})
}

// give is said by a client that has taken the worker out of its pool.
func (w *witness) give() {
	if w.over.Swap(true) {
		w.era.violated("%v was stopped, and given away", w)
		return
	}
	w.close()
}

// enter is said by hooks but Run and Stop when they begin, and leave when they end.
func (w *witness) enter(hook string) (leave func()) {
	w.open.Add(1)
	if !w.hook.CompareAndSwap(nil, &hook) {
		w.era.violated("%v: %s beside another hook", w, hook)
	}
	if w.over.Load() {
		w.era.violated("%v: %s after the worker's end", w, hook)
	}
	if h := w.holder.Load(); h != nil && !w.forgiven(h) {
		w.era.violated("%v: %s while a client has the worker", w, hook)
	}
	w.use()
	return func() {
		w.hook.CompareAndSwap(&hook, nil)
		w.close()
	}
}

// run is said by Run when it begins. That may be after Stop, for each has its own
// goroutine, but not after the pool's Stop.
func (w *witness) run() (leave func()) {
	if w.open.Add(1) == 1 {
		w.era.begin(w)
	}
	return w.close
}

// stop is said by Stop when it begins.
func (w *witness) stop() (leave func()) {
	w.open.Add(1)
	if w.over.Swap(true) {
		w.era.violated("%v was stopped twice, or after it was given away", w)
		return w.close
	}
	if hook := w.hook.Load(); hook != nil {
		w.era.violated("%v: Stop beside %s", w, *hook)
	}
	if h := w.holder.Load(); h != nil && !eventually(h.ended) {
		w.era.violated("%v: Stop under a live lease", w)
	}
	return func() {
		w.close() // what was open since Start
		w.close()
	}
}

func (w *witness) close() {
	if w.open.Add(-1) == 0 {
		w.era.end(w)
	}
}

// eventually waits for what should be so already, but for a context of a client,
// which is told of the end of its lease a moment after it.
func eventually(cond func() bool) bool {
	for until := time.Now().Add(5 * time.Second); !cond(); time.Sleep(time.Millisecond) {
		if time.Now().After(until) {
			return false
		}
	}
	return true
}
