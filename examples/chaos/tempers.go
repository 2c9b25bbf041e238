package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"time"

	"github.com/pooltender/pool"
)

var tempers = []visits{
	{"patient", 20, (*client).checkOut},
	{"hasty", 10, (*client).checkOut},
	{"timeless", 6, (*client).checkOutForEver},
	{"cancelling", 8, (*client).changeMind},
	{"trying", 8, (*client).try},
	{"calling", 10, (*client).call},
	{"retiring", 3, (*client).retire},
	{"panicking", 3, (*client).blowUp},
	{"exiting", 3, (*client).exit},
	{"forgetful", 2, (*client).forget},
	{"transferring", 5, (*client).transfer},
	{"detaching", 2, (*client).detach},
	{"murderous", 4, (*client).murder},
	{"greedy", 3, (*client).wantMore},
	{"streaming", 3, (*client).stream},
	{"each", 2, (*client).each},
	{"group", 6, (*client).joinGroup},
}

// hold works with a leased worker, and says so to its witness. The lease is the
// caller's to end.
func (c *client) hold(ctx context.Context, l pool.Lease[*worker]) *holder {
	h := holderOf(l)
	l.Worker().take(h)
	_ = l.Worker().work(ctx, c.workTime()) // an error: its lease or its context has ended
	return h
}

func (c *client) workTime() time.Duration { return time.Duration(c.r.Int64N(int64(4 * ms))) }

// checkIn ends a lease, twice, and says how it ended.
func (c *client) checkIn(l pool.Lease[*worker], h *holder) error {
	l.Worker().release(h)
	ours := l.Checkin()
	if l.Checkin() {
		c.checker.violated("%v: a lease ended twice", l.Worker())
	}
	return c.ended(l, ours)
}

// ended counts how a lease ended that this client has ended, or could not.
func (c *client) ended(l pool.Lease[*worker], ours bool) error {
	err := l.Err()
	var end *pool.LeaseError
	if !errors.As(err, &end) {
		c.checker.violated("%v: a lease that is over says %v", l.Worker(), err)
		return nil
	}
	c.ends.add(string(end.Reason))
	if ours {
		return nil
	}
	return err
}

func (c *client) checkOut(ctx context.Context, v *visit) error {
	l, err := v.pool.Checkout(ctx)
	if err != nil {
		return err
	}
	return c.checkIn(l, c.hold(ctx, l))
}

// checkOutForEver has a context that never ends, so that nothing but the client
// bounds the lease, and waits but a moment.
func (c *client) checkOutForEver(_ context.Context, v *visit) error {
	v.allows = append(v.allows, pool.ErrOverloaded)
	v.pool = v.plain.With(pool.Terms{MaxWait: c.workTime() + 1})
	return c.checkOut(context.Background(), v)
}

func (c *client) changeMind(ctx context.Context, v *visit) error {
	ctx, cancel := context.WithCancel(ctx)
	defer time.AfterFunc(c.workTime(), cancel).Stop()
	l, err := v.pool.Checkout(ctx)
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return errMischief
	}
	if err != nil {
		return err
	}
	defer cancel()
	return c.checkIn(l, c.hold(ctx, l))
}

func (c *client) try(ctx context.Context, v *visit) error {
	v.allows = append(v.allows, pool.ErrFull)
	l, err := v.pool.TryCheckout(ctx)
	if err != nil {
		return err
	}
	return c.checkIn(l, c.hold(ctx, l))
}

// borrow is what is done within Do, Call, Map and Each.
func (c *client) borrow(ctx context.Context, w *worker) error {
	h := &holder{ended: func() bool { return ctx.Err() != nil }}
	w.take(h)
	defer w.release(h)
	return w.work(ctx, time.Duration(rand.Int64N(int64(4*ms))))
}

func (c *client) call(ctx context.Context, v *visit) error {
	_, err := pool.Call(ctx, v.pool, func(ctx context.Context, w *worker) (int, error) { return 1, c.borrow(ctx, w) })
	return err
}

func (c *client) retire(ctx context.Context, v *visit) error {
	l, err := v.pool.Checkout(ctx)
	if err != nil {
		return err
	}
	h := c.hold(ctx, l)
	l.Worker().release(h)
	if c.r.IntN(2) == 0 {
		err = errMischief
	}
	return c.ended(l, l.Retire(err))
}

// blowUp panics with a worker in its hands.
func (c *client) blowUp(ctx context.Context, v *visit) (err error) {
	defer func() {
		if value := recover(); value != nil {
			err = value.(error)
		}
	}()
	return v.pool.Do(ctx, func(ctx context.Context, w *worker) error {
		_ = c.borrow(ctx, w)
		panic(errMischief)
	})
}

// exit ends its goroutine with a worker in its hands.
func (c *client) exit(ctx context.Context, v *visit) error {
	err := errMischief
	var one sync.WaitGroup
	one.Go(func() {
		err = v.pool.Do(ctx, func(ctx context.Context, w *worker) error {
			_ = c.borrow(ctx, w)
			runtime.Goexit()
			return nil
		})
	})
	one.Wait()
	return err
}

// forget never gives back what it has. Its context ends, or nobody can say so but
// the garbage collector.
func (c *client) forget(ctx context.Context, v *visit) error {
	traced := v.house.options.TraceLeases == 1
	if traced {
		v.pool = v.plain.With(pool.Terms{MaxWait: 100 * ms}) // what bounds the wait must not bound the lease
		v.allows = append(v.allows, pool.ErrOverloaded)
		ctx = context.WithoutCancel(ctx)
	}
	l, err := v.pool.Checkout(ctx)
	if err != nil {
		return err
	}
	h := c.hold(ctx, l)
	if traced {
		l.Worker().pass(h, lost)
	}
	c.ends.add("forgotten")
	return nil
}

// transfer hands its lease on to another goroutine.
func (c *client) transfer(ctx context.Context, v *visit) error {
	l, err := v.pool.Checkout(ctx)
	if err != nil {
		return err
	}
	h := c.hold(ctx, l)
	heir, err := l.Transfer(context.WithoutCancel(ctx))
	if err != nil {
		return c.checkIn(l, h)
	}
	c.ends.add(string(pool.EndTransferred))
	next := holderOf(heir)
	l.Worker().pass(h, next)
	if l.Checkin() {
		c.checker.violated("%v: a lease ended that had been transferred", l.Worker())
	}
	var one sync.WaitGroup
	one.Go(func() { err = c.checkIn(heir, next) })
	one.Wait()
	return err
}

// detach takes a worker out of its pool, where that can be, and ends it itself.
func (c *client) detach(ctx context.Context, v *visit) error {
	l, err := v.pool.Checkout(ctx)
	if err != nil {
		return err
	}
	h := c.hold(ctx, l)
	w, ours := l.Detach()
	if !ours {
		return c.checkIn(l, h)
	}
	c.ends.add(string(pool.EndDetached))
	w.release(h)
	w.give()
	return nil
}

// murder makes its worker crash, and waits until it is told so.
func (c *client) murder(ctx context.Context, v *visit) error {
	if !v.house.kind.runs {
		return c.retire(ctx, v)
	}
	l, err := v.pool.Checkout(ctx)
	if err != nil {
		return err
	}
	h := c.hold(ctx, l)
	l.Worker().crash(oneOf(c.r, deaths))
	if l.Worker().process != nil {
		l.Worker().process.Kill()
	}
	if !eventually(func() bool { return l.Err() != nil }) {
		c.checker.violated("%v has crashed, and its lease goes on", l.Worker())
	}
	return c.checkIn(l, h)
}

// wantMore has a worker and wants another of the same pool.
func (c *client) wantMore(ctx context.Context, v *visit) error {
	l, err := v.pool.Checkout(ctx)
	if err != nil {
		return err
	}
	h := c.hold(ctx, l)
	if another, err := v.plain.TryCheckout(l.Context()); err == nil {
		_ = c.checkIn(another, c.hold(ctx, another))
	}
	return c.checkIn(l, h)
}
