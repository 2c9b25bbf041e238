package pool_test

import (
	"context"
	"log/slog"
	"slices"

	"github.com/pooltender/pool"
)

// ear is the log handler of every cell.
type ear struct {
	slog.Handler
	call *call
}

func (e ear) Enabled(context.Context, slog.Level) bool { return true }

func (e ear) Handle(ctx context.Context, r slog.Record) error {
	if crashed := e.call.logged.Load(); crashed != nil && r.Level >= slog.LevelWarn {
		return e.call.pass("listener", *crashed, ctx)
	}
	return nil
}

// overheard is what comes of a listener: nothing, but for what it does to the
// pool itself.
var overheard = []cells{
	be(on(ok, panics, exits, slow, ignores, asks, checksIn, retires, resizes), "leased", "the next at once", ""),
	be(on(restarts), "leased, 500ms idle", "the next at once", "500ms lease restarted, stopped, started"),
	be(on(stops), "leased, 500ms vacant", "the next at once", "500ms lease stopped, stopped"),
	cannot(on(hangs), "its context, if it has one, never ends"),
}

var listenerGate = hookGate{hook: "listener", operations: []operation{
	{
		name: "of Subscribe, told of a crash", opts: pool.Options{Size: 1},
		begin: func(c *call) {
			c.open()
			c.prove()
			c.reg.Subscribe(func(e pool.Event) {
				if e.Kind == pool.EventWorkerCrashed {
					_ = c.pass("listener", e.Slot, context.Background())
				}
			})
			c.crash()
		},
		cells: slices.Concat(overheard, []cells{cannot(on(fails), "it returns nothing")}),
	},
	{
		name: "of the log, told of a crash", opts: pool.Options{Size: 1},
		begin: func(c *call) {
			c.open()
			c.prove()
			c.logged.Store(&pool.Slot{Pool: c.t.Name(), Index: c.idle(), Incarnation: 1})
			c.crash()
		},
		cells: slices.Concat(overheard, []cells{be(on(fails), "leased", "the next at once", "")}),
	},
}}
