package pool_test

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
)

// comesUp is what comes of a start that the pool keeps up with.
var comesUp = []cells{
	be(on(ok), "starting, leased", "the same at once", "started"),
	be(on(fails, panics, exits), "starting, leased", "the next at once", "start failed (*), started"),
	be(on(slow, asks), "starting, 1s leased", "the same after 1s", "1s started"),
	be(on(hangs), "starting, 3s leased", "the next after 3s", "3s start failed (start timeout), started"),
	be(on(ignores), "starting, 8s leased", "the next after 8s", "3s start failed (start timeout), 8s zombie (start), started"),
	be(on(checksIn, retires, resizes), "starting, 1s idle", "another at once", "1s started"),
	be(on(restarts), "starting, 1s leased", "the next after 1s", "1s stopped, started"),
	be(on(stops), "starting, 5s vacant", "stopped at once", "5s zombie (start), stopped"),
}

var startGate = hookGate{hook: "start", operations: []operation{
	{
		name: "the first start, and Start waits", alone: true, opts: pool.Options{Size: 1},
		begin: func(c *call) {
			c.armed.Store(true)
			c.came = true
			go func() {
				_, err := pool.Start(c.t.Context(), c.reg, c.t.Name(), c.spec(), c.options())
				c.replies <- reply{what: startEnd(err) + c.after()}
			}()
		},
		cells: []cells{
			be(on(ok), "starting, idle", "ok at once", "started"),
			be(on(fails, panics, exits), "starting, vacant", "* at once", "start failed (*)"),
			be(on(slow, asks, checksIn, retires, resizes, restarts), "starting, 1s idle", "ok after 1s", "1s started"),
			be(on(hangs), "starting, 3s vacant", "start timeout after 3s", "3s start failed (start timeout)"),
			be(on(ignores), "starting, 8s vacant", "start timeout and a zombie after 8s", "3s start failed (start timeout), 8s zombie (start)"),
			be(on(stops), "starting, 5s vacant", "stopped and a zombie after 5s", "5s zombie (start), stopped"),
		},
	},
	{
		name: "the first start, AsyncStart", opts: pool.Options{Size: 1},
		begin: func(c *call) { c.armed.Store(true); c.launch() },
		cells: comesUp,
	},
	{
		name: "the first client of a pool of overflow alone", opts: pool.Options{MaxOverflow: 1},
		begin: func(c *call) { c.open(); c.come() },
		cells: slices.Concat(comesUp[:5], []cells{
			be(on(retires, resizes), "starting, 1s leased", "the same after 1s", "1s started"),
			be(on(checksIn), "starting, 1s idle, 6s vacant", "another at once", "1s started, 6s stopped"),
			be(on(restarts), "starting, 1s leased", "the next after 1s", "1s stopped, started"),
			comesUp[7],
		}),
	},
	{
		name: "overflow", opts: pool.Options{Size: 1, MaxOverflow: 1},
		begin: func(c *call) { c.open(); c.take(); c.come() },
		cells: slices.Concat(comesUp[:5], []cells{
			be(on(retires, resizes), "starting, 1s leased", "the same after 1s", "1s started"),
			be(on(checksIn), "starting, 1s idle, 6s vacant", "another at once", "1s started, 6s stopped"),
			be(on(restarts), "starting, 1s vacant", "another after 500ms", "1s stopped"),
			comesUp[7],
		}),
	},
	{
		name: "a Resize up", opts: pool.Options{Size: 1},
		begin: func(c *call) {
			p := c.open()
			c.take()
			go func() { _ = p.Resize(context.Background(), p.Stats().Size+1) }()
		},
		cells: slices.Concat(comesUp[:5], []cells{
			be(on(resizes), "starting, 1s leased", "the same after 1s", "1s started"),
			be(on(checksIn, retires), "starting, 1s idle", "another at once", "1s started"),
			be(on(restarts), "starting, 1s idle", "another after 500ms", "1s stopped, started"),
			comesUp[7],
		}),
	},
	{
		name: "after a crash", opts: pool.Options{Size: 1},
		begin: func(c *call) { c.open(); c.prove(); c.crash() },
		cells: comesUp,
	},
	{
		name: "after a retirement", opts: pool.Options{Size: 1},
		begin: func(c *call) { c.open(); c.take().Retire(nil) },
		cells: comesUp,
	},
	{
		name: "a Recycle", opts: pool.Options{Size: 1},
		begin: func(c *call) { c.open(); c.recycle() },
		cells: comesUp,
	},
	{
		name: "a Restart", opts: pool.Options{Size: 1},
		begin: func(c *call) { c.open(); c.restart() },
		cells: comesUp,
	},
	{
		name: "a new epoch", opts: pool.Options{Size: 1},
		begin: func(c *call) { c.open(); c.killManager() },
		cells: comesUp,
	},
	{
		name: "a probe in CrashLoop", opts: pool.Options{Size: 1, MaxRestarts: 1},
		begin: func(c *call) {
			c.open()
			c.armed.Store(false)
			c.sick.Store(true)
			c.crash()
			for c.pool.Stats().State != pool.StateCrashLoop {
				time.Sleep(ms)
			}
			require.Equal(c.t, 0, c.pool.Stats().Starting)
			c.armed.Store(true)
			c.sick.Store(false)
		},
		cells: []cells{
			be(on(ok), "starting, idle", "unavailable at once", "started"),
			be(on(fails, panics, exits), "starting, vacant, before 500ms idle", "unavailable at once", "start failed (*), less than 500ms started"),
			be(on(slow, asks, retires, resizes), "starting, 1s idle", "unavailable at once", "1s started"),
			be(on(hangs), "starting, 3s vacant, before 3.5s idle", "unavailable at once", "3s start failed (start timeout), less than 3.5s started"),
			be(on(ignores), "starting, 8s idle", "unavailable at once", "3s start failed (start timeout), 8s zombie (start), started"),
			be(on(checksIn), "starting, 1s idle", "another at once", "1s started"),
			be(on(restarts), "starting, 1s idle", "unavailable at once", "1s stopped, started"),
			be(on(stops), "starting, 5s vacant", "unavailable at once", "5s zombie (start), stopped"),
		},
	},
	{
		name: "the first start, and Stop comes", opts: pool.Options{Size: 1},
		begin: func(c *call) { c.armed.Store(true); c.launch() },
		then:  (*call).stop,
		cells: []cells{
			be(on(ok), "starting, vacant", "stopped at once", "stopped"),
			be(on(fails, panics, exits, hangs), "starting, vacant", "stopped at once", ""),
			be(on(slow, asks, checksIn, retires, resizes, restarts), "starting, 1s vacant", "stopped at once", "1s stopped"),
			be(on(ignores), "starting, 5s vacant", "stopped at once", "5s zombie (start)"),
			comesUp[7],
		},
	},
	{
		name: "the first start, and Resize to 0", opts: pool.Options{Size: 1},
		begin: func(c *call) { c.armed.Store(true); c.launch() },
		then:  (*call).pause,
		cells: []cells{
			be(on(ok), "starting, no slot", "waits", "stopped"),
			be(on(fails, panics, exits, hangs), "starting, no slot", "waits", ""),
			be(on(slow, asks, checksIn, retires, restarts), "starting, 1s no slot", "waits", "1s stopped"),
			be(on(ignores), "starting", "waits", ""),
			be(on(resizes), "starting, 1s idle", "another at once", "1s stopped, started"),
			be(on(stops), "starting, 5s no slot", "stopped at once", "5s zombie (start), stopped"),
		},
	},
	{
		name: "the first start, and the manager dies", opts: pool.Options{Size: 1},
		begin: func(c *call) { c.armed.Store(true); c.launch() },
		then:  (*call).killManager,
		cells: []cells{
			be(on(ok), "starting, leased", "the next at once", "stopped, started"),
			be(on(fails, panics, exits, hangs), "starting, leased", "the next at once", "started"),
			be(on(slow, asks, restarts), "starting, 1s leased", "the next after 1s", "1s stopped, started"),
			be(on(ignores), "starting, 5s leased", "the next after 5s", "5s zombie (start), started"),
			be(on(checksIn, retires, resizes), "starting, 1s idle", "another at once", "1s stopped, started"),
			comesUp[7],
		},
	},
}}

// startEnd is what Start says.
func startEnd(err error) (says string) {
	says = word(err)
	if failed, ok := errors.AsType[*pool.StartError](err); ok {
		says = hookEnd(failed)
	}
	if errors.As(err, new(*pool.StopError)) {
		says += " and a zombie"
	}
	return says
}
