//go:build interleave

package schedule

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing/synctest"
	"time"

	"github.com/pooltender/pool/internal/hatch"
)

// Run is one run of a program along one schedule.
type Run struct {
	// Check, if set, is asked after every step at which no lock is held, and says
	// what is wrong.
	Check func() error

	choices *choices
	traced  bool
	trace   []string
	steps   int

	mu      sync.Mutex
	pending int  // goroutines of Go and Ahead that have not returned
	free    bool // nobody is held at a step, but for those that Go has just made
	threads map[uint64]*thread
	order   []*thread
	arrived []*thread // since the last look
	held    map[any]*thread
	arrival chan struct{} // of capacity 1
}

// Patience is the virtual time after which a program whose goroutines all wait
// is stuck.
const Patience = time.Minute

// moment is the longest time that passes while somebody could go on. In a longer
// one everything may happen for which there is a deadline.
const moment = time.Second

// ErrStuck is the failure of a program whose goroutines all wait for ever.
var ErrStuck = errors.New("schedule: everybody waits, and nothing happens")

// errNothing ends a run in which time has passed for nothing: it is like one in
// which it has not.
var errNothing = errors.New("schedule: nothing happens")

func newRun(c *choices, traced bool) *Run {
	return &Run{
		choices: c, traced: traced, free: true,
		threads: make(map[uint64]*thread), held: make(map[any]*thread),
		arrival: make(chan struct{}, 1),
	}
}

// Go adds a goroutine to the program. It begins when the scheduler lets it.
func (r *Run) Go(name string, fn func()) {
	r.spawn(name, func() {
		r.hold(hatch.Begin, nil)
		fn()
	})
}

// Ahead adds a goroutine that goes as far as it comes before anything is
// scheduled.
func (r *Run) Ahead(name string, fn func()) {
	r.spawn(name, fn)
	synctest.Wait()
}

func (r *Run) spawn(name string, fn func()) {
	r.mu.Lock()
	r.pending++
	r.mu.Unlock()
	known := make(chan struct{})
	go func() {
		defer func() {
			r.mu.Lock()
			r.pending--
			r.mu.Unlock()
		}()
		r.mu.Lock()
		r.enlist(&thread{goid: goid(), name: name, resume: make(chan struct{})})
		r.mu.Unlock()
		close(known)
		fn()
	}()
	<-known
}

// enlist gives a thread its place in the order. r.mu is held.
func (r *Run) enlist(t *thread) {
	r.threads[t.goid] = t
	r.order = append(r.order, t)
}

// at is hatch.At for this run.
func (r *Run) at(step hatch.Step, lock any) {
	r.mu.Lock()
	if step == hatch.Unlock {
		delete(r.held, lock)
	}
	pass := r.free || step == hatch.Unlock
	r.mu.Unlock()
	if !pass {
		r.hold(step, lock)
	}
}

// hold holds a goroutine before a step.
func (r *Run) hold(step hatch.Step, lock any) {
	id := goid()
	r.mu.Lock()
	t := r.threads[id]
	if t == nil {
		t = &thread{goid: id, resume: make(chan struct{})}
	}
	t.step, t.lock = step, lock
	if r.traced {
		t.at = caller()
	}
	r.arrived = append(r.arrived, t)
	r.mu.Unlock()
	select {
	case r.arrival <- struct{}{}:
	default:
	}
	<-t.resume
}

// schedule takes the program to its end, one step at a time, and then lets
// everybody go.
func (r *Run) schedule() error {
	synctest.Wait()
	r.setFree(false)
	var last *thread
	var paused []*thread
	defer func() { r.release(paused) }()
	for {
		synctest.Wait()
		paused = append(paused, r.look()...)
		if err := r.check(); err != nil {
			return err
		}
		enabled := r.enabled(paused, last)
		switch {
		case len(enabled) == 0 && r.finished():
			return nil
		case len(enabled) == 0:
			if !r.pass(Patience) {
				return ErrStuck
			}
			continue
		}
		chosen := 0
		if !r.finished() { // what comes after the calls has one order, like what comes before
			chosen = r.choices.next(enabled)
		}
		if chosen == len(enabled) {
			if !r.pass(moment) {
				return errNothing
			}
			continue
		}
		r.steps++
		last = enabled[chosen]
		paused = slices.DeleteFunc(paused, func(t *thread) bool { return t == last })
		r.let(last)
	}
}

func (r *Run) finished() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.pending == 0
}

func (r *Run) setFree(free bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.free = free
}

// check asks Check while everybody else stands still.
func (r *Run) check() error {
	if r.Check == nil || len(r.held) > 0 {
		return nil
	}
	r.setFree(true)
	defer r.setFree(false)
	return r.Check()
}

// release lets everybody go, unscheduled.
func (r *Run) release(paused []*thread) {
	synctest.Wait()
	paused = append(paused, r.look()...)
	r.setFree(true)
	for _, t := range paused {
		close(t.resume)
	}
}

// look takes notice of those who have come. Those seen for the first time are
// numbered in the order in which they were made.
func (r *Run) look() []*thread {
	r.mu.Lock()
	defer r.mu.Unlock()
	came := r.arrived
	r.arrived = nil
	slices.SortFunc(came, func(a, b *thread) int { return cmp.Compare(a.goid, b.goid) })
	for _, t := range came {
		if r.threads[t.goid] == nil {
			t.name = fmt.Sprintf("pool %d", len(r.order))
			r.enlist(t)
		}
	}
	return came
}

// enabled returns those who can make their step: the one that made the last
// first, and after it the others in order.
func (r *Run) enabled(paused []*thread, last *thread) []*thread {
	var found []*thread
	from := max(0, slices.Index(r.order, last))
	for i := range r.order {
		t := r.order[(from+i)%len(r.order)]
		if slices.Contains(paused, t) && (t.step != hatch.Lock || r.held[t.lock] == nil) {
			found = append(found, t)
		}
	}
	return found
}

// let lets a thread make its step.
func (r *Run) let(t *thread) {
	if r.traced {
		r.trace = append(r.trace, t.String())
	}
	if t.step == hatch.Lock {
		r.held[t.lock] = t
	}
	t.resume <- struct{}{}
}

// pass lets time pass until somebody comes by, and reports whether anybody did.
func (r *Run) pass(atMost time.Duration) bool {
	select {
	case <-r.arrival: // of those who have been seen
	default:
	}
	before := time.Now()
	timer := time.NewTimer(atMost)
	defer timer.Stop()
	select {
	case <-r.arrival:
	case <-timer.C:
		return false
	}
	if r.traced {
		r.trace = append(r.trace, fmt.Sprintf("%v pass", time.Since(before)))
	}
	return true
}
