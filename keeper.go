package pool

import (
	"context"
	"errors"
	"fmt"
	"runtime/pprof"
	"time"

	"github.com/pooltender/pool/internal/hatch"
)

// keeperBackoff is how long the top-level supervisor waits before it starts a
// keeper again that has died.
const keeperBackoff = 100 * time.Millisecond

// keepAlive is the top-level supervisor's part in one pool: it runs the keeper
// until the pool has stopped, whatever happens to it. Every pool has its own,
// so none waits for another (invariant 13).
func (c *core) keepAlive() {
	// All goroutines of the pool carry its name; they inherit it from here.
	pprof.SetGoroutineLabels(pprof.WithLabels(context.Background(), pprof.Labels("pool", c.name, "instance", c.instance)))
	k := &keeping{core: c}
	for {
		if k.guarded() {
			return
		}
		time.Sleep(keeperBackoff)
	}
}

// keeping is the state of a keeper that is not the pool's: the halves it runs.
type keeping struct {
	*core
	cancel context.CancelFunc
	halves chan error // each half sends how it ended
	alive  int
	cause  error // why the last epoch ended; set if one has to be cleared away
}

// guarded runs the keeper and reports whether the pool has stopped. A panic is
// a bug of this package; it is treated as the death of the epoch.
func (k *keeping) guarded() (stopped bool) {
	defer func() {
		if p := recover(); p != nil {
			k.cause = fmt.Errorf("pool: keeper of %q died: %w", k.name, panicError(p))
		}
	}()
	k.endHalves()
	k.keep()
	return true
}

// keep runs one epoch after another until the pool has stopped.
func (k *keeping) keep() {
	for {
		if k.cause == nil {
			k.cause = k.runEpoch()
		}
		k.endHalves()
		k.repair(func() { k.clear(k.now(), k.cause) })
		k.cause = nil
		if k.rest() {
			break
		}
	}
	k.registry.forget(k.core)
	k.repair(func() {
		k.stopErr = k.stopReport()
		k.become(StateStopped)
	})
	close(k.core.stopped)
}

// runEpoch runs the two halves as one unit. It returns why the epoch has to
// end: a half has died, or the pool is drained.
func (k *keeping) runEpoch() error {
	ctx, cancel := context.WithCancel(context.Background())
	k.cancel = cancel
	k.halves = make(chan error, 2)
	k.alive = 2
	go k.half(ctx, hatch.Manager, k.manage)
	go k.half(ctx, hatch.Supervisor, k.superviseWorkers)
	for {
		<-k.core.keeper
		select {
		case err := <-k.halves:
			k.alive--
			return err
		default:
		}
		if over, err := k.epochIsOver(); over {
			return err
		}
	}
}

// half runs one half. Its end is reported by a panic's value, or as a surprise.
func (k *keeping) half(ctx context.Context, name hatch.Half, run func(context.Context)) {
	halves := k.halves
	var err error
	defer func() {
		p := recover()
		switch {
		case p == nil && ctx.Err() == nil:
			err = fmt.Errorf("pool: %s of %q ended", name, k.name)
		case p != nil:
			err = fmt.Errorf("pool: %s of %q died: %w", name, k.name, panicError(p))
		}
		halves <- err
		poke(k.core.keeper)
	}()
	run(ctx)
}

// endHalves ends what is left of an epoch. The halves block on nothing but
// their wake-ups, so it does not last. If one of them has left a change half
// done, how it died says more than that it did.
func (k *keeping) endHalves() {
	if k.cancel != nil {
		hatch.At(hatch.End, k.core)
		k.cancel()
		poke(k.manager)
		poke(k.supervisor)
	}
	for ; k.alive > 0; k.alive-- {
		if err := <-k.halves; err != nil && errors.Is(k.cause, errPoisoned) {
			k.cause = err
		}
	}
}

// epochIsOver reports whether the epoch has to end without the death of a half.
func (k *keeping) epochIsOver() (over bool, err error) {
	k.view(func() { // step over
		switch {
		case k.poisoned:
			over, err = true, k.poisonedBy
		case k.state == StateRestarting:
			over = k.forced || k.counts[leased] == 0
		case k.state == StateDraining:
			over = k.isEmpty()
		}
	})
	return over, err
}

// isEmpty reports whether no slot has a worker any more.
func (c *core) isEmpty() bool {
	return c.counts[vacant]+c.counts[backingOff] == len(c.slots)
}

// rest is the time between two epochs, and after the last: the keeper sees to
// it that what was told to end does. It reports whether the pool has stopped;
// if not, it is time for the next epoch.
func (k *keeping) rest() (stopped bool) {
	timer := newAlarm()
	defer timer.Stop()
	for {
		ready := false
		sound := k.change(func() {
			now := k.now()
			next := k.supervise(now)
			switch k.state {
			case StateDraining: // Stop wins: the new epoch never begins
				stopped = k.isEmpty() // step stop
			case StateRestarting:
				// Decided and done in one critical section, or a Stop in between is lost.
				if ready = !now.Before(k.restartAt); ready {
					k.begin() // step begin
				}
				next = earliest(next, k.restartAt)
			}
			timer.set(next)
		})
		switch {
		case !sound:
			k.repair(func() { k.clear(k.now(), k.poisonedBy) })
			continue
		case stopped || ready:
			return stopped
		}
		select {
		case <-k.core.keeper:
		case <-k.supervisor:
		case <-timer.C:
		}
	}
}
