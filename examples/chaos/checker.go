package main

import (
	"fmt"
	"slices"
	"sync"
)

// checker keeps books of its own: workers say when they begin and end, clients
// when they have one and when not any more. A pool is asked for nothing but
// whether a lease has ended. What does not fit is a violation.
type checker struct {
	mu      sync.Mutex
	wrong   []string
	more    int
	started int // workers that Start has returned
	living  int
}

// mostViolations are kept; of more there is the number.
const mostViolations = 20

func (c *checker) violated(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.wrong) == mostViolations {
		c.more++
		return
	}
	c.wrong = append(c.wrong, fmt.Sprintf(format, args...))
}

// violations returns what was wrong, and how often.
func (c *checker) violations() ([]string, int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.wrong), len(c.wrong) + c.more
}

// cameUp counts a worker that has come up.
func (c *checker) cameUp() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.started++
}

// workers counts those that were started, and those that are left.
func (c *checker) workers() (started, left int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.started, c.living
}

// era is one life of a pool under its name, from a Start to its Stop.
type era struct {
	*checker
	shared bool // a lease may be revoked and its worker be lent on: its old client may be late
	uses   int  // the most leases of a worker; 0: any

	mu     sync.Mutex
	over   bool                  // the pool has stopped, and named no zombies
	living map[*witness]struct{} // until Stop and all else of the worker has returned
}

func (c *checker) newEra(shared bool, uses int) *era {
	return &era{checker: c, shared: shared, uses: uses, living: make(map[*witness]struct{})}
}

// population is the number of workers of the era that live.
func (e *era) population() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.living)
}

// stopped is told that Stop has returned, and what it says is left behind.
func (e *era) stopped(zombies int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.over = zombies == 0
	if len(e.living) <= zombies {
		return
	}
	for w := range e.living {
		e.violated("%v lives, though its pool has stopped and named %d zombies", w, zombies)
	}
}

func (e *era) begin(w *witness) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.living[w] = struct{}{}
	if e.over {
		e.violated("%v begins though its pool has stopped", w)
	}
	e.checker.mu.Lock()
	defer e.checker.mu.Unlock()
	e.checker.living++
}

func (e *era) end(w *witness) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.living, w)
	e.checker.mu.Lock()
	defer e.checker.mu.Unlock()
	e.checker.living--
}
