package pool

import (
	"context"
	"fmt"
	"time"
)

// life is the context of a worker, the same for Start and Run. Most workers only
// pass it on, and many do nothing with it at all, so what a context costs is
// made when somebody first asks for it. It may be asked by several goroutines at
// once, and takes no lock.
type life incarnation

// lifetime is what is made then: a context with the values of the worker, and
// what cancels it. A worker that ends before has a lifetime that is cancelled.
type lifetime struct {
	context.Context
	cancel context.CancelCauseFunc
}

// life returns the context of the worker.
func (inc *incarnation) life() context.Context { return (*life)(inc) }

// cancel ends the worker's context. A second cancel does nothing.
func (inc *incarnation) cancel(cause error) { (*life)(inc).made().cancel(cause) }

// made returns the lifetime, the same for everybody.
func (l *life) made() *lifetime {
	if made := l.lifetime.Load(); made != nil {
		return made
	}
	ctx, cancel := context.WithCancelCause(values{l})
	if mine := (&lifetime{ctx, cancel}); l.lifetime.CompareAndSwap(nil, mine) {
		return mine
	}
	return l.lifetime.Load()
}

func (l *life) Deadline() (time.Time, bool) { return time.Time{}, false }
func (l *life) Done() <-chan struct{}       { return l.made().Done() }
func (l *life) Err() error                  { return l.made().Err() }

// String is for those who print contexts: to look into it takes a lock.
func (l *life) String() string { return fmt.Sprintf("pool.life(%v)", (*incarnation)(l).id()) }

func (l *life) Value(key any) any {
	if key == (slotKey{}) {
		return (*incarnation)(l).id()
	}
	return l.made().Value(key)
}

// values are what RegistryOptions.BaseContext carries; life adds the Slot. Nobody
// cancels a worker but its pool, so no method of anybody's is called when it does.
type values struct{ *life }

func (v values) Done() <-chan struct{} { return nil }
func (v values) Err() error            { return nil }
func (v values) Value(key any) any     { return v.slot.core.registry.base.Value(key) }
