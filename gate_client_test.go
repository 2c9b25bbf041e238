package pool_test

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

// patience is that of a client whose function is called.
const patience = 2 * time.Second

// calls is the client: what it gets is what the call returns or raises.
func (c *call) calls(f func(ctx context.Context) error) {
	c.came = true
	go func() {
		says := "goexit"
		defer func() {
			if recover() != nil {
				says = "panic"
			}
			c.replies <- reply{what: says + c.after()}
		}()
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		says = returned(f(ctx))
	}()
}

// returned says what a call returned.
func returned(err error) (says string) {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, pooltest.ErrScripted):
		says = "fail"
	case errors.Is(err, context.DeadlineExceeded):
		says = "timeout"
	default:
		says = word(err)
	}
	if raised, ok := errors.AsType[*pool.PanicError](err); ok {
		says = "error of a panic"
		if raised.Exit {
			says = "error of a goexit"
		}
	}
	if end, ok := errors.AsType[*pool.LeaseError](err); ok {
		says += ", lease " + string(end.Reason)
	}
	return says
}

// fn is the function of the client.
func (c *call) fn(ctx context.Context, w *pooltest.Worker) error {
	return c.pass("function", w.Slot, ctx)
}

// called is what comes of a function that Do calls.
var called = []cells{
	be(on(ok), "leased, idle", "ok at once", "lease returned"),
	be(on(fails), "leased, idle", "fail at once", "lease returned"),
	be(on(panics), "leased, idle", "panic at once", "lease retired, stopped, started"),
	be(on(exits), "leased, idle", "goexit at once", "lease retired, stopped, started"),
	be(on(slow, asks, checksIn, retires, resizes), "leased, 1s idle", "ok after 1s", "1s lease returned"),
	be(on(hangs), "leased, 2s idle", "timeout after 2s", "2s lease returned"),
	be(on(ignores), "leased, before 3.5s idle", "waits", "3.05s lease abandoned, stopped, started"),
	be(on(restarts), "leased, 500ms idle", "ok after 1s", "500ms lease restarted, stopped, started"),
	be(on(stops), "leased, 500ms vacant", "ok after 1s", "500ms lease stopped, stopped"),
}

// mapped is what comes of a function that is called for an item.
var mapped = []cells{
	be(on(ok), "leased, idle", "ok at once", "lease returned"),
	be(on(fails), "leased, idle", "fail at once", "lease returned"),
	be(on(panics), "leased, idle", "error of a panic at once", "lease retired, stopped, started"),
	be(on(exits), "leased, idle", "error of a goexit at once", "lease retired, stopped, started"),
	be(on(slow, asks, checksIn, retires, resizes), "leased, 1s idle", "ok after 1s", "1s lease returned"),
	be(on(hangs), "leased, 2s idle", "timeout after 2s", "2s lease returned"),
	be(on(ignores), "leased, before 3.5s idle", "waits", "3.05s lease abandoned, stopped, started"),
	be(on(restarts), "leased, 500ms idle", "ok after 1s", "500ms lease restarted, stopped, started"),
	be(on(stops), "leased, 500ms vacant", "ok after 1s", "500ms lease stopped, stopped"),
}

var clientGate = hookGate{hook: "function", operations: []operation{
	{
		name: "of Do", alone: true, opts: pool.Options{Size: 1},
		begin: func(c *call) {
			p := c.open()
			c.calls(func(ctx context.Context) error { return p.Do(ctx, c.fn) })
		},
		cells: called,
	},
	{
		name: "of Call", alone: true, opts: pool.Options{Size: 1},
		begin: func(c *call) {
			p := c.open()
			c.calls(func(ctx context.Context) error {
				_, err := pool.Call(ctx, p, func(ctx context.Context, w *pooltest.Worker) (int, error) { return 1, c.fn(ctx, w) })
				return err
			})
		},
		cells: called,
	},
	{
		name: "of Do of a group", alone: true, opts: pool.Options{Size: 1},
		begin: func(c *call) {
			group := pool.NewGroup(c.open())
			c.calls(func(ctx context.Context) error { return group.Do(ctx, c.fn) })
		},
		cells: called,
	},
	{
		name: "of Each", alone: true, opts: pool.Options{Size: 1},
		begin: func(c *call) {
			p := c.open()
			c.calls(func(ctx context.Context) error { return p.Each(ctx, c.fn) })
		},
		cells: called,
	},
	{
		name: "of Map", alone: true, opts: pool.Options{Size: 1},
		begin: func(c *call) {
			p := c.open()
			c.calls(func(ctx context.Context) error {
				double := func(ctx context.Context, w *pooltest.Worker, n int) (int, error) { return 2 * n, c.fn(ctx, w) }
				for _, err := range pool.Map(ctx, p, slices.Values([]int{1}), double) {
					if err != nil {
						return err
					}
				}
				return nil
			})
		},
		cells: mapped,
	},
	{
		name: "of ForEach", alone: true, opts: pool.Options{Size: 1},
		begin: func(c *call) {
			p := c.open()
			c.calls(func(ctx context.Context) error {
				return pool.ForEach(ctx, p, slices.Values([]int{1}),
					func(ctx context.Context, w *pooltest.Worker, _ int) error { return c.fn(ctx, w) })
			})
		},
		cells: mapped,
	},
	{
		name: "the sequence of ForEach", alone: true, opts: pool.Options{Size: 1},
		begin: func(c *call) {
			p := c.open()
			slot := pool.Slot{Pool: p.Name(), Index: c.idle()}
			c.calls(func(ctx context.Context) error {
				sequence := func(func(int) bool) { _ = c.pass("function", slot, ctx) }
				return pool.ForEach(ctx, p, sequence, func(context.Context, *pooltest.Worker, int) error { return nil })
			})
		},
		cells: []cells{
			be(on(ok), "idle", "ok at once", ""),
			cannot(on(fails), "a sequence returns nothing"),
			be(on(panics), "idle", "panic at once", ""),
			be(on(exits), "idle", "goexit at once", ""),
			be(on(slow, checksIn, retires, resizes), "idle", "ok after 1s", ""),
			be(on(hangs), "idle", "timeout after 2s", ""),
			be(on(ignores), "idle", "waits", ""),
			be(on(asks), "idle", "ok after 1s", "lease returned, lease returned"),
			be(on(restarts), "idle", "ok after 1s", "stopped, started"),
			be(on(stops), "idle, vacant", "ok after 1s", "stopped"),
		},
	},
}}
