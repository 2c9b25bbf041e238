package pool_test

import (
	"context"
	"errors"
	"iter"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

// send sends a client, of a temper of its own.
func (s *storm) send() {
	r := rand.New(rand.NewPCG(s.r.Uint64(), 2))
	i := r.IntN(len(s.pools))
	terms := pool.Terms{Priority: pool.Priority(r.IntN(4) - 1), Owner: oneOf(r, "", "somebody")}
	if r.IntN(3) == 0 {
		terms.Key = strconv.Itoa(r.IntN(4))
	}
	if r.IntN(4) == 0 {
		terms.MaxWait = time.Duration(oneOf(r, -1, 1, 20)) * s.unit
	}
	plain := s.pools[i]
	if r.IntN(2) == 0 {
		plain = plain.With(terms)
	}
	c := &visitor{storm: s, r: r, p: plain, opts: s.opts[i]}
	ctx, cancel := s.patience(r)
	s.clients.Go(func() {
		defer cancel()
		for range 1 + r.IntN(3) {
			s.judge(ctx, c.visit(ctx), c.tolerates...)
		}
	})
}

// ask is somebody who wants the pool to be different, and may not wait for it.
func (s *storm) ask(what func(context.Context) error) {
	ctx, cancel := s.patience(s.r)
	s.clients.Go(func() {
		defer cancel()
		s.judge(ctx, what(ctx), pool.ErrUnavailable)
	})
}

// patience is the context of a client: one without an end, one that ends, one
// that somebody cancels, one that has ended.
func (s *storm) patience(r *rand.Rand) (context.Context, context.CancelFunc) {
	switch r.IntN(5) {
	case 0:
		return context.WithTimeout(context.Background(), time.Duration(r.IntN(int(40*s.unit))))
	case 1:
		ctx, cancel := context.WithCancel(context.Background())
		time.AfterFunc(time.Duration(r.IntN(int(40*s.unit))), cancel)
		return ctx, cancel
	case 2:
		if r.IntN(4) == 0 {
			return cancelled, func() {}
		}
	}
	return context.WithCancel(context.Background())
}

// judge reports an error that nobody was told to expect.
func (s *storm) judge(ctx context.Context, err error, tolerated ...error) {
	var lost *pool.LeaseError
	switch {
	case err == nil, errors.As(err, &lost), errors.Is(err, pooltest.ErrScripted):
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		assert.Error(s.t, ctx.Err(), "%v", err)
	case errors.Is(err, pool.ErrStopped):
		assert.True(s.t, s.stopped.Load(), "%v", err)
	default:
		assert.True(s.t, slices.ContainsFunc(tolerated, func(e error) bool { return errors.Is(err, e) }), "%v", err)
	}
}

// visitor is a client of one pool.
type visitor struct {
	*storm
	r         *rand.Rand
	p         fakes
	opts      pool.Options
	tolerates []error
}

func (c *visitor) visit(ctx context.Context) error {
	c.tolerates = []error{pool.ErrOverloaded, pool.ErrUnavailable}
	switch c.r.IntN(12) {
	case 0:
		c.tolerates = append(c.tolerates, pool.ErrFull)
		l, err := c.p.TryCheckout(ctx)
		return c.end(ctx, l, err)
	case 1:
		return c.p.Do(ctx, c.fn)
	case 2:
		_, err := pool.Call(ctx, c.p, func(ctx context.Context, w *pooltest.Worker) (int, error) { return 0, c.fn(ctx, w) })
		return err
	case 3:
		return c.p.Each(ctx, c.fn)
	case 4, 5:
		l, err := c.group.Checkout(ctx)
		return c.end(ctx, l, err)
	case 6:
		return pool.ForEach(ctx, c.p, c.items(), func(ctx context.Context, w *pooltest.Worker, _ int) error { return c.fn(ctx, w) })
	case 7:
		for _, err := range pool.Map(ctx, c.p, c.items(), c.call) {
			if err != nil || c.r.IntN(8) == 0 {
				return err
			}
		}
		return nil
	case 8:
		defer func() { _ = recover() }()
		return c.p.Do(ctx, func(_ context.Context, w *pooltest.Worker) error { c.work(w, 0); panic("careless") })
	}
	l, err := c.p.Checkout(ctx)
	return c.end(ctx, l, err)
}

func (c *visitor) items() iter.Seq[int] {
	n := rand.IntN(8)
	return func(yield func(int) bool) {
		for i := range n {
			if !yield(i) {
				return
			}
		}
	}
}

func (c *visitor) call(ctx context.Context, w *pooltest.Worker, item int) (int, error) {
	return item, c.fn(ctx, w)
}

// fn works with a worker, for a while.
func (c *visitor) fn(_ context.Context, w *pooltest.Worker) error {
	c.work(w, time.Duration(rand.IntN(int(15*c.unit))))
	switch rand.IntN(10) {
	case 0:
		return pool.Retire(pooltest.ErrScripted)
	case 1:
		return pooltest.ErrScripted
	case 2:
		w.Crash(pooltest.ErrScripted)
	}
	return nil
}

// work counts the lease, and works. Where revoked workers are lent on, a client
// that is late is nobody's fault.
func (c *visitor) work(w *pooltest.Worker, d time.Duration) {
	c.mu.Lock()
	c.uses[w]++
	n := c.uses[w]
	c.leases[w.Slot.Pool]++
	c.mu.Unlock()
	if most := c.mostUses(w); most > 0 {
		assert.LessOrEqual(c.t, n, most, "leases of %v", w)
	}
	if slices.ContainsFunc(c.storm.opts, func(o pool.Options) bool { return o.Reclaim == pool.ReclaimReuse }) {
		time.Sleep(d)
		return
	}
	w.Use(func() { time.Sleep(d); w.Note++ })
}

func (s *storm) mostUses(w *pooltest.Worker) int {
	for i, p := range s.pools {
		if p.Name() == w.Slot.Pool {
			return s.opts[i].MaxUses
		}
	}
	return 0
}

// end ends a lease in one of the ways there are, if there is one.
func (c *visitor) end(ctx context.Context, l fakeLease, err error) error {
	if err != nil {
		return err
	}
	w := l.Worker()
	c.work(w, time.Duration(c.r.IntN(int(15*c.unit))))
	switch c.r.IntN(12) {
	case 0:
		l.Retire(nil)
	case 1:
		l.Retire(pooltest.ErrScripted)
	case 2:
		if _, ours := l.Detach(); !ours {
			l.Checkin()
		}
	case 3, 4:
		heir, err := l.Transfer(context.Background())
		if err == nil {
			assert.False(c.t, l.Checkin())
			heir.Checkin()
		}
	case 5:
		w.Crash(pooltest.ErrScripted)
		l.Checkin()
	case 6:
		if c.opts.TraceLeases == 1 && w.Slot.Pool == c.p.Name() {
			return nil // lost
		}
		l.Checkin()
	case 7: // holds one and wants another
		if another, err := c.p.TryCheckout(l.Context()); err == nil {
			c.work(another.Worker(), 0)
			another.Checkin()
		}
		l.Checkin()
	default:
		l.Checkin()
		assert.False(c.t, l.Checkin())
	}
	return nil
}

// visitTwice visits the worker of a key: unless workers come or go it stays the
// same. Keys have the slots below Size, which may be vacant while others are up.
func (s *storm) visitTwice(p fakes, key string) {
	client := p.With(pool.Terms{Key: key, MaxWait: -1})
	var slots [2]pool.Slot
	before := incarnations(p)
	for i := range slots {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		lease, err := client.Checkout(ctx)
		if err != nil { // its worker hangs in a hook, and QueueTarget is on
			assert.ErrorIs(s.t, err, pool.ErrOverloaded)
			return
		}
		slots[i] = lease.Slot()
		s.leases[p.Name()]++
		lease.Checkin()
	}
	if slices.Equal(before, incarnations(p)) && max(slots[0].Index, slots[1].Index) < p.Stats().Size {
		assert.Equal(s.t, slots[0], slots[1], "the worker of key %s", key)
	}
}

// incarnations are the workers that are up, by slot.
func incarnations(p fakes) (up []uint64) {
	for _, slot := range p.Inspect().Slots {
		if slot.State != pool.SlotIdle && slot.State != pool.SlotLeased && slot.State != pool.SlotTending {
			slot.Incarnation = 0
		}
		up = append(up, slot.Incarnation)
	}
	return up
}

// script is how the next workers misbehave, if they do. Those that do take some
// time to start, or they would be replaced without any passing.
func (s *storm) script() pooltest.Script {
	script := pooltest.Script{StartAfter: s.some(1, 3, 30)}
	acts := []pooltest.Act{pooltest.Fail, pooltest.Panic, pooltest.Goexit, pooltest.Return, pooltest.Hang, pooltest.Ignore, pooltest.OK}
	act := oneOf(s.r, acts...)
	switch s.r.IntN(6) {
	case 0:
		script.Start = act
	case 1:
		script.Run, script.RunAfter = act, s.some(1, 10, 500)
	case 2, 3:
		script.Check = act
	case 4:
		script.Reset = act
	case 5:
		script.Stop = act
	}
	script.CheckAfter, script.ResetAfter, script.StopAfter = s.some(0, 1, 10), s.some(0, 0, 3), s.some(0, 0, 3)
	return script
}
