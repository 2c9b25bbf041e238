package main

import (
	"context"
	"iter"

	"github.com/pooltender/pool"
)

// stream sends a batch, and may leave it early.
func (c *client) stream(ctx context.Context, v *visit) error {
	leave, poison := c.r.IntN(20), c.r.IntN(20)
	fn := func(ctx context.Context, w *worker, item int) (int, error) {
		if item == poison {
			panic(errMischief)
		}
		return item, c.borrow(ctx, w)
	}
	if c.r.IntN(2) == 0 {
		return pool.ForEach(ctx, v.pool, items(c.r.IntN(10)), func(ctx context.Context, w *worker, item int) error {
			_, err := fn(ctx, w, item)
			return err
		})
	}
	next := 0
	for item, err := range pool.Map(ctx, v.pool, items(c.r.IntN(10)), fn) {
		switch {
		case err != nil:
			return err
		case item != next:
			c.checker.violated("%s: the results of a batch come out of order: %d, not %d", v.house.name, item, next)
		case item == leave:
			return nil
		}
		next++
	}
	return nil
}

func items(n int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := range n {
			if !yield(i) {
				return
			}
		}
	}
}

func (c *client) each(ctx context.Context, v *visit) error { return v.pool.Each(ctx, c.borrow) }

// joinGroup takes what any of the pools has.
func (c *client) joinGroup(ctx context.Context, v *visit) error {
	v.allows = append(v.allows, pool.ErrOverloaded, pool.ErrStopped)
	switch c.r.IntN(4) {
	case 0:
		return c.group.Do(ctx, c.borrow)
	case 1:
		v.allows = append(v.allows, pool.ErrFull)
		l, err := c.group.TryCheckout(ctx)
		if err != nil {
			return err
		}
		return c.checkIn(l, c.hold(ctx, l))
	}
	l, err := c.group.Checkout(ctx)
	if err != nil {
		return err
	}
	return c.checkIn(l, c.hold(ctx, l))
}
