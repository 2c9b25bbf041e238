package pool_test

import (
	"context"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

const (
	checkLimit = 2 * time.Second
	startLimit = 3 * time.Second
	stopLimit  = 5 * time.Second
	step       = 500 * time.Millisecond // at which is looked
)

// call is one call of a hook: a cell of the matrix in the making.
type call struct {
	t       *testing.T
	reg     *pool.Registry
	backend *pooltest.Backend
	hook    string
	op      operation
	conduct conduct

	pool      fakes
	neighbour fakes // nothing that happens here is anything to it
	events    *seen
	other     fakeLease        // of a worker that has nothing to do with it
	unleashed [4]chan struct{} // has Run of a slot conduct itself

	armed   atomic.Bool   // the next call of the hook is the one
	entered chan struct{} // it has come
	proceed chan struct{} // it conducts itself
	release chan struct{} // closed by letGo
	letGo   func()        // it ends, if it has not
	slot    pool.Slot     // of the worker that it is about
	began   time.Time
	told    int // events before it

	came    bool       // the client has come
	replies chan reply // what it got
	lease   fakeLease  // if it got one

	sick   atomic.Bool               // starts fail
	late   atomic.Bool               // the next start takes too long
	long   atomic.Bool               // the next check ends when that of the call begins
	logged atomic.Pointer[pool.Slot] // whose crash the log handler is to hear of
	drag   atomic.Value              // the hook, by name, whose next call takes three steps
}

// reply is what a client gets, and when.
type reply struct {
	lease fakeLease
	what  string
}

func newCall(t *testing.T, hook string, o operation, conduct conduct) *call {
	c := &call{
		t: t, backend: pooltest.NewBackend(t), hook: hook, op: o, conduct: conduct,
		entered: make(chan struct{}), proceed: make(chan struct{}), release: make(chan struct{}), replies: make(chan reply, 1),
	}
	c.letGo = sync.OnceFunc(func() { close(c.release) })
	for i := range c.unleashed {
		c.unleashed[i] = make(chan struct{})
	}
	c.reg = pool.NewRegistry(pool.RegistryOptions{Logger: slog.New(ear{slog.DiscardHandler, c})})
	c.events = observe(c.reg)
	c.neighbour = start(t, c.reg, c.backend, pool.Options{Size: 1})
	take(t, context.Background(), c.neighbour)
	c.backend.Checks = hook == "check"
	return c
}

// close leaves nothing, or the bubble does not end.
func (c *call) close() {
	c.letGo()
	c.backend.Release()
	synctest.Wait()
	require.NoError(c.t, c.reg.Close())
}

// needsOther reports whether the hook does something to the lease of another worker.
func (c *call) needsOther() bool { return c.conduct == checksIn || c.conduct == retires }

// options are those of the operation, with room for the other worker.
func (c *call) options() pool.Options {
	opts := limits(c.op.opts)
	if c.needsOther() {
		opts.Size++
	}
	return opts
}

// spec is that of a worker that behaves well until it comes to the call.
func (c *call) spec() pool.Spec[*pooltest.Worker] {
	inner := c.backend.Spec()
	spec := inner
	spec.Start = func(ctx context.Context) (*pooltest.Worker, error) {
		if c.sick.Load() {
			return nil, pooltest.ErrScripted
		}
		if c.late.Swap(false) {
			time.Sleep(startLimit + step)
		}
		slot, _ := pool.SlotFrom(ctx)
		if err := c.pass("start", slot, ctx); err != nil {
			return nil, err
		}
		return inner.Start(ctx)
	}
	spec.Run = func(w *pooltest.Worker, ctx context.Context) error {
		if c.hook != "run" {
			return inner.Run(w, ctx)
		}
		select {
		case <-c.unleashed[w.Slot.Index]:
		case <-ctx.Done():
		}
		if c.armed.Load() {
			return c.pass("run", w.Slot, ctx)
		}
		return inner.Run(w, ctx)
	}
	around := func(hook string, inner func(*pooltest.Worker, context.Context) error) func(*pooltest.Worker, context.Context) error {
		if inner == nil {
			return nil
		}
		return func(w *pooltest.Worker, ctx context.Context) (err error) {
			if err := inner(w, ctx); err != nil {
				return err
			}
			if c.drag.CompareAndSwap(hook, "") {
				select {
				case <-time.After(3 * step):
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			if c.long.Swap(false) {
				<-c.entered
				return ctx.Err()
			}
			w.Use(func() { err = c.pass(hook, w.Slot, ctx) }) // no two hooks at once
			return err
		}
	}
	spec.Check, spec.Reset, spec.Stop = around("check", inner.Check), around("reset", inner.Reset), around("stop", inner.Stop)
	return spec
}

// pass is where the hook is called.
func (c *call) pass(hook string, slot pool.Slot, ctx context.Context) error {
	if hook != c.hook || !c.armed.CompareAndSwap(true, false) {
		return nil
	}
	c.slot = slot
	close(c.entered)
	select {
	case <-c.proceed:
		return c.play(ctx)
	case <-c.release: // the test has failed
		return nil
	}
}

// play conducts itself.
func (c *call) play(ctx context.Context) error {
	over := time.After(time.Second)
	switch c.conduct {
	case fails:
		return pooltest.ErrScripted
	case panics:
		panic("pooltest: as scripted")
	case exits:
		runtime.Goexit()
	case slow:
		<-over
	case hangs:
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-c.release:
		}
	case ignores:
		<-c.release
	case asks, checksIn, retires, resizes, restarts, stops:
		patience, cancel := context.WithTimeout(context.Background(), step)
		defer cancel()
		c.callBack(patience)
		<-over
	}
	return nil
}

// callBack calls the pool from its own hook.
func (c *call) callBack(ctx context.Context) {
	switch c.conduct {
	case asks:
		c.pool.Stats()
		c.reg.Inspect()
		for _, checkout := range []func(context.Context) (fakeLease, error){c.pool.TryCheckout, c.pool.Checkout} {
			if lease, err := checkout(ctx); err == nil {
				lease.Checkin()
			}
		}
	case checksIn:
		c.other.Checkin()
	case retires:
		c.other.Retire(nil)
	case resizes:
		_ = c.pool.Resize(ctx, c.options().Size+1)
	case restarts:
		_ = c.pool.Restart(ctx)
	case stops:
		_ = c.pool.Stop(ctx)
	}
}

// launch starts the pool without waiting for its workers.
func (c *call) launch() {
	opts := c.options()
	opts.AsyncStart = true
	_, err := pool.Start(c.t.Context(), c.reg, c.t.Name(), c.spec(), opts)
	require.NoError(c.t, err)
}

// open starts the pool. The next call of the hook is the one.
func (c *call) open() fakes {
	c.launch()
	settle(c.t)
	c.find()
	if c.needsOther() {
		c.other = take(c.t, context.Background(), c.pool)
	}
	c.armed.Store(true)
	return c.pool
}

// prove has the worker complete a lease, so that its end is no failure.
func (c *call) prove() {
	c.take().Checkin()
	settle(c.t, c.pool)
}

func (c *call) find() {
	p, err := pool.Lookup[*pooltest.Worker](c.reg, c.t.Name())
	require.NoError(c.t, err)
	c.pool = p
}

// take takes the worker that it will be about.
func (c *call) take() fakeLease { return take(c.t, context.Background(), c.pool) }

// idles are the slots whose workers are idle.
func (c *call) idles() (slots []int) {
	for _, s := range c.pool.Inspect().Slots {
		if s.State == pool.SlotIdle {
			slots = append(slots, s.Index)
		}
	}
	return slots
}

// idle is the slot of the worker that it will be about, while that is idle.
func (c *call) idle() int { return c.idles()[0] }

// What has the worker, or the pool, end.
func (c *call) crash()       { pooltest.KillWorker(c.pool, c.idle()) }
func (c *call) crashHere()   { pooltest.KillWorker(c.pool, c.slot.Index) }
func (c *call) stop()        { go func() { _ = c.pool.Stop(context.Background()) }() }
func (c *call) restart()     { go func() { _ = c.pool.Restart(cancelled) }() }
func (c *call) recycle()     { go func() { _ = c.pool.Recycle(context.Background()) }() }
func (c *call) pause()       { go func() { _ = c.pool.Resize(context.Background(), 0) }() }
func (c *call) killManager() { pooltest.KillManager(c.pool, pooltest.AtLocked) }

// come is the client.
func (c *call) come() {
	c.came = true
	go func() {
		lease, err := c.pool.Checkout(context.Background())
		c.replies <- reply{lease, c.answer(lease, err)}
	}()
	synctest.Wait()
}
