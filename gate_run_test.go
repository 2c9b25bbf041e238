package pool_test

import (
	"testing/synctest"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

// told is what comes of a worker that is told to end, and how it takes that.
var told = []cells{
	be(on(ok, fails, panics, exits, hangs), "stopping, leased", "the next at once", "stopped, started"),
	be(on(slow, asks, restarts), "stopping, 1s leased", "the next after 1s", "1s stopped, started"),
	be(on(ignores), "stopping, 5s leased", "the next after 5s", "5s zombie (run), started"),
	be(on(checksIn, retires, resizes), "stopping, 1s idle", "another at once", "1s stopped, started"),
	be(on(stops), "stopping, 5s vacant", "stopped at once", "5s zombie (run), stopped"),
}

var runGate = hookGate{hook: "run", operations: []operation{
	{
		name: "idle", alone: true, opts: pool.Options{Size: 1},
		begin: func(c *call) { c.open(); c.prove(); close(c.unleashed[c.idle()]) },
		cells: []cells{
			be(on(ok), "idle", "", "crashed (run return), stopped, started"),
			be(on(fails, panics, exits), "idle", "", "crashed (*), stopped, started"),
			be(on(slow, checksIn, retires, resizes), "idle", "", "1s crashed (run return), stopped, started"),
			be(on(hangs, ignores), "idle", "", ""),
			be(on(asks), "idle", "", "lease returned, lease returned, 1s crashed (run return), stopped, started"),
			be(on(restarts), "idle, stopping, 1s idle", "", "1s stopped, started"),
			be(on(stops), "idle, stopping, 5s vacant", "", "5s zombie (run), stopped"),
		},
	},
	{
		name: "leased", opts: pool.Options{Size: 1},
		begin: func(c *call) { c.open(); c.prove(); close(c.unleashed[c.take().Slot().Index]) },
		cells: []cells{
			be(on(ok), "leased", "the next at once", "crashed (run return), lease crashed, stopped, started"),
			be(on(fails, panics, exits), "leased", "the next at once", "crashed (*), lease crashed, stopped, started"),
			be(on(slow, asks), "leased", "the next after 1s", "1s crashed (run return), lease crashed, stopped, started"),
			be(on(hangs, ignores), "leased", "waits", ""),
			be(on(checksIn, retires, resizes), "leased, 1s idle", "another at once", "1s crashed (run return), lease crashed, stopped, started"),
			be(on(restarts), "leased, 500ms stopping, 1s leased", "the next after 1s", "500ms lease restarted, 1s stopped, started"),
			be(on(stops), "leased, 500ms stopping, 5.5s vacant", "stopped at once", "500ms lease stopped, 5.5s zombie (run), stopped"),
		},
	},
	{
		name: "leased, and Stop waits", opts: pool.Options{Size: 1},
		begin: func(c *call) { c.open(); c.prove(); close(c.unleashed[c.take().Slot().Index]) }, then: (*call).stop,
		cells: []cells{
			be(on(ok), "leased, vacant", "stopped at once", "crashed (run return), lease crashed, stopped"),
			be(on(fails, panics, exits), "leased, vacant", "stopped at once", "crashed (*), lease crashed, stopped"),
			be(on(slow, asks, checksIn, retires, resizes, restarts), "leased, 1s vacant", "stopped at once",
				"1s crashed (run return), lease crashed, stopped"),
			be(on(hangs, ignores), "leased", "stopped at once", ""),
			be(on(stops), "leased, 500ms stopping, 5.5s vacant", "stopped at once", "500ms lease stopped, 5.5s zombie (run), stopped"),
		},
	},
	{
		name: "while Reset runs", opts: pool.Options{Size: 1},
		begin: func(c *call) {
			c.open()
			lease := c.take()
			c.drag.Store("reset")
			lease.Checkin()
			synctest.Wait()
			close(c.unleashed[lease.Slot().Index])
		},
		cells: []cells{
			be(on(ok), "tending, leased", "the next at once", "crashed (run return), stopped, started"),
			be(on(fails, panics, exits), "tending, leased", "the next at once", "crashed (*), stopped, started"),
			be(on(slow, asks), "tending, 1s leased", "the next after 1s", "1s crashed (run return), stopped, started"),
			be(on(hangs, ignores), "tending, 1.5s leased", "the same after 1.5s", ""),
			be(on(checksIn, retires, resizes), "tending, 1s idle", "another at once", "1s crashed (run return), stopped, started"),
			be(on(restarts), "tending, stopping, 1s leased", "the next after 1s", "1s stopped, started"),
			be(on(stops), "tending, stopping, 5s vacant", "stopped at once", "5s zombie (run), stopped"),
		},
	},
	{
		name: "while Check runs", alone: true, opts: pool.Options{Size: 1, CheckEvery: checkEvery},
		begin: func(c *call) {
			c.backend.Checks = true
			c.open()
			c.prove()
			c.drag.Store("check")
			slot := c.idle()
			sleepUntil(c.began.Add(checkEvery))
			close(c.unleashed[slot])
		},
		cells: []cells{
			be(on(ok), "tending, idle", "", "crashed (run return), stopped, started"),
			be(on(fails, panics, exits), "tending, idle", "", "crashed (*), stopped, started"),
			be(on(slow, checksIn, retires, resizes), "tending, 1s idle", "", "1s crashed (run return), stopped, started"),
			be(on(hangs, ignores), "tending, 1.5s idle", "", ""),
			be(on(asks), "tending, idle", "", "lease returned, 1s crashed (run return), stopped, started"),
			be(on(restarts), "tending, stopping, 1s idle", "", "1s stopped, started"),
			be(on(stops), "tending, stopping, 5s vacant", "", "5s zombie (run), stopped"),
		},
	},
	{
		name: "while Stop runs", opts: pool.Options{Size: 1},
		begin: func(c *call) {
			c.open()
			lease := c.take()
			c.drag.Store("stop")
			lease.Retire(nil)
			synctest.Wait()
			close(c.unleashed[lease.Slot().Index])
		},
		cells: []cells{
			be(on(ok, fails, panics, exits, slow, hangs, asks, restarts), "stopping, 1.5s leased", "the next after 1.5s", "1.5s stopped, started"),
			be(on(ignores), "stopping, 5s leased", "the next after 5s", "5s zombie (run), started"),
			be(on(checksIn, retires, resizes), "stopping, 1.5s idle", "another at once", "1.5s stopped, started"),
			be(on(stops), "stopping, 5s vacant", "stopped at once", "5s zombie (run), stopped"),
		},
	},
	{
		name: "told by Retire", opts: pool.Options{Size: 1},
		begin: func(c *call) { c.open(); c.take().Retire(nil) },
		cells: told,
	},
	{
		name: "told by a Reset that fails", opts: pool.Options{Size: 1},
		begin: func(c *call) {
			c.backend.Always(pooltest.Script{Reset: pooltest.Fail})
			c.open()
			c.backend.Always(pooltest.Script{})
			c.take().Checkin()
		},
		cells: told,
	},
	{
		name: "told by Recycle", opts: pool.Options{Size: 1},
		begin: func(c *call) { c.open(); c.recycle() },
		cells: told,
	},
	{
		name: "told by Resize to 0", opts: pool.Options{Size: 1},
		begin: func(c *call) { c.open(); c.pause() },
		cells: []cells{
			be(on(ok, fails, panics, exits, hangs), "stopping, no slot", "waits", "stopped"),
			be(on(slow, asks, checksIn, retires, restarts), "stopping, 1s no slot", "waits", "1s stopped"),
			be(on(ignores), "stopping", "waits", ""),
			be(on(resizes), "stopping, 1s idle", "another at once", "1s stopped, started"),
			be(on(stops), "stopping, 5s no slot", "stopped at once", "5s zombie (run), stopped"),
		},
	},
	{
		name: "told by Restart", opts: pool.Options{Size: 1},
		begin: func(c *call) { c.open(); c.restart() },
		cells: told,
	},
	{
		name: "told by a new epoch", opts: pool.Options{Size: 1},
		begin: func(c *call) { c.open(); c.killManager() },
		cells: told,
	},
	{
		name: "told by Stop", opts: pool.Options{Size: 1},
		begin: func(c *call) { c.open(); c.stop() },
		cells: []cells{
			be(on(ok, fails, panics, exits, hangs), "stopping, vacant", "stopped at once", "stopped"),
			be(on(slow, asks, checksIn, retires, resizes, restarts), "stopping, 1s vacant", "stopped at once", "1s stopped"),
			be(on(ignores), "stopping, 5s vacant", "stopped at once", "5s zombie (run)"),
			be(on(stops), "stopping, 5s vacant", "stopped at once", "5s zombie (run), stopped"),
		},
	},
}}
