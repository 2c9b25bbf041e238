package pooltest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/pooltender/pool"
)

// ErrScripted is how a hook fails that is told to Fail.
var ErrScripted = errors.New("pooltest: as scripted")

// Act is how a scripted hook behaves.
type Act string

const (
	OK     Act = ""       // returns nil; Run: waits until its context is done
	Fail   Act = "fail"   // returns ErrScripted
	Panic  Act = "panic"  // panics
	Goexit Act = "goexit" // calls runtime.Goexit
	Return Act = "return" // Run: returns nil though nobody told it to; others: as OK
	Hang   Act = "hang"   // blocks until its context is done, then returns the context's error
	Ignore Act = "ignore" // blocks until Backend.Release, whatever its context says
)

// Acts are all of them, for tests that try each.
var Acts = []Act{OK, Fail, Panic, Goexit, Return, Hang, Ignore}

// Script is how one worker behaves. The zero Script behaves well.
type Script struct {
	Start, Run, Check, Reset, Stop                          Act
	StartAfter, RunAfter, CheckAfter, ResetAfter, StopAfter time.Duration // first waits so long, or until its context is done
}

// Backend is where scripted workers live, and the script they follow. Make it
// with [NewBackend].
type Backend struct {
	// Passive workers have no Run. NoReset and NoStop leave those hooks out.
	// Set them before Spec.
	Passive, NoReset, NoStop bool

	// Checks gives them a Check. Set it before Spec, too. A pool whose workers
	// have one grows suspicious of all when some crash.
	Checks bool

	t       testing.TB
	release chan struct{}
	ever    sync.Once

	mu      sync.Mutex
	always  Script
	next    []Script
	workers []*Worker
	starts  int
}

// NewBackend makes a backend whose workers behave well. When the test ends it
// lets go whatever hangs.
func NewBackend(t testing.TB) *Backend {
	b := &Backend{t: t, release: make(chan struct{})}
	t.Cleanup(b.Release)
	return b
}

// Spec returns hooks that follow the script.
func (b *Backend) Spec() pool.Spec[*Worker] {
	spec := pool.Spec[*Worker]{Start: b.start, Run: (*Worker).run, Reset: (*Worker).reset, Stop: (*Worker).stop}
	if b.Passive {
		spec.Run = nil
	}
	if b.Checks {
		spec.Check = (*Worker).check
	}
	if b.NoReset {
		spec.Reset = nil
	}
	if b.NoStop {
		spec.Stop = nil
	}
	return spec
}

// Always is the script of every worker started from now on, and for which Next
// has no other.
func (b *Backend) Always(s Script) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.always = s
}

// Next are the scripts of the workers started next, before Always counts again.
func (b *Backend) Next(scripts ...Script) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.next = append(b.next, scripts...)
}

// FailNext makes the next n starts fail.
func (b *Backend) FailNext(n int) {
	b.Next(slices.Repeat([]Script{{Start: Fail}}, n)...)
}

// Starts counts the calls of Start.
func (b *Backend) Starts() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.starts
}

// Workers returns every worker that Start has returned, in that order.
func (b *Backend) Workers() []*Worker {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.workers)
}

// Alive returns those that have neither crashed nor been told to end.
func (b *Backend) Alive() []*Worker {
	return slices.DeleteFunc(b.Workers(), func(w *Worker) bool { return w.Context().Err() != nil || w.Stops() > 0 })
}

// Release lets go every hook that ignores its context, now and from now on.
// Call it at the end of a synctest bubble, or the bubble does not end.
func (b *Backend) Release() { b.ever.Do(func() { close(b.release) }) }

func (b *Backend) start(ctx context.Context) (*Worker, error) {
	b.mu.Lock()
	b.starts++
	script := b.always
	if len(b.next) > 0 {
		script, b.next = b.next[0], b.next[1:]
	}
	number := b.starts
	b.mu.Unlock()

	if err := b.play(ctx, script.Start, script.StartAfter); err != nil {
		return nil, err
	}
	slot, _ := pool.SlotFrom(ctx)
	w := &Worker{ID: number, Slot: slot, backend: b, script: script, life: ctx, orders: make(chan func() error, 1)}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.workers = append(b.workers, w)
	return w, nil
}
