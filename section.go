package pool

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/pooltender/pool/internal/hatch"
)

// change runs fn as one critical section. If fn panics the lock is released all
// the same and the state is poisoned; once it is, change does nothing and
// reports false.
func (c *core) change(fn func()) bool {
	c.lock()
	defer c.unlock()
	if c.poisoned {
		return false
	}
	c.midway = true
	fn()
	c.midway = false
	return true
}

// must is change for what cannot be left out: it waits until a poisoned state
// is healed, which the keeper does at once.
func (c *core) must(fn func()) {
	for !c.change(fn) {
		var healed <-chan struct{}
		c.view(func() { healed = c.healed })
		if healed != nil {
			<-healed
		}
	}
}

// repair is change for the keeper: it works on a poisoned state and leaves a
// sound one.
func (c *core) repair(fn func()) {
	c.lock()
	defer c.unlock()
	c.midway = true
	fn()
	c.midway = false
	c.poisoned = false
	if c.healed != nil {
		close(c.healed)
		c.healed = nil
	}
	c.open = c.state.serves()
}

// view reads the state, poisoned or not.
func (c *core) view(fn func()) {
	c.lock()
	defer c.release()
	fn()
}

// exactly is must for what is counted: nobody is resident meanwhile.
func (c *core) exactly(fn func()) {
	c.must(func() {
		c.settle()
		fn()
	})
}

// lock takes the lock. Critical sections are short, and whoever finds the lock
// taken had better look again a few times than park: sync.Mutex looks again only
// where the processor has nothing else to run, which is not so in a crowd.
func (c *core) lock() {
	hatch.At(hatch.Lock, c)
	for range lockLooks {
		if c.mu.TryLock() {
			return
		}
	}
	c.mu.Lock()
}

const lockLooks = 100

func (c *core) release() {
	c.mu.Unlock()
	hatch.At(hatch.Unlock, c)
}

// unlock is deferred by every critical section. One that did not reach its last
// line has panicked; the panic goes on up, with the lock free.
func (c *core) unlock() {
	w, stirred := c.woken, c.stirred
	c.woken, c.stirred, c.clock = nil, false, time.Time{}
	if c.midway {
		p := recover()
		c.midway = false
		c.poison(fmt.Errorf("%w: %w", errPoisoned, panicError(p)))
		defer panic(p)
	}
	c.release()
	if w != nil || stirred {
		hatch.At(hatch.Wake, c)
	}
	if w != nil {
		poke(w.wake) // step poke
	}
	if stirred {
		poke(c.supervisor)
	}
}

// now is the time of a critical section, read once, and only if somebody asks.
func (c *core) now() time.Time {
	if c.clock.IsZero() {
		c.clock = time.Now()
	}
	return c.clock
}

var errPoisoned = errors.New("pool: a change was left half done")

// panicError is a panic of this package as an error, with the stack, unless it
// was injected.
func panicError(p any) error {
	if err, injected := p.(hatch.Killed); injected {
		return err
	}
	return fmt.Errorf("panic: %v\n%s", p, debug.Stack())
}

func (c *core) poison(cause error) {
	if c.poisoned || c.state == StateStopped { // of a stopped pool nobody rebuilds anything
		return
	}
	c.poisoned, c.open, c.poisonedBy = true, false, cause
	c.healed = make(chan struct{})
	poke(c.keeper)
}

// await returns when cond reports true, with its error, or when ctx is done.
// cond is asked under the lock after every change of a slot or of the pool's
// state; a poisoned state answers nothing.
func (c *core) await(ctx context.Context, cond func() (bool, error)) error {
	for {
		var met bool
		var err error
		var changed <-chan struct{}
		c.must(func() {
			if met, err = cond(); !met {
				if c.changed == nil {
					c.changed = make(chan struct{})
				}
				changed = c.changed
			}
		})
		if met {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
