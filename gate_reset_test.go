package pool_test

import (
	"context"

	"github.com/pooltender/pool"
)

// cleaned is what comes of a Reset for whoever waits.
var cleaned = []cells{
	be(on(ok), "tending, leased", "the same at once", ""),
	be(on(fails, panics, exits), "tending, leased", "the next at once", "crashed (*), stopped, started"),
	be(on(slow, asks), "tending, 1s leased", "the same after 1s", ""),
	be(on(hangs), "tending, 2s leased", "the next after 2s", "2s crashed (reset timeout), stopped, started"),
	be(on(ignores), "tending, 2s stopping, 7s leased", "the next after 7s", "2s crashed (reset timeout), 7s zombie (reset), started"),
	be(on(checksIn, retires, resizes), "tending, 1s idle", "another at once", ""),
	be(on(restarts), "tending, stopping, 1s leased", "the next after 1s", "1s stopped, started"),
	be(on(stops), "tending, stopping, 5s vacant", "stopped at once", "5s zombie (reset), stopped"),
}

// cleanedInVain is what comes of a Reset when an end of all workers comes.
var cleanedInVain = []cells{
	be(on(ok, fails, panics, exits, hangs), "stopping, leased", "the next at once", "stopped, started"),
	be(on(slow, asks, restarts), "stopping, 1s leased", "the next after 1s", "1s stopped, started"),
	be(on(ignores), "stopping, 5s leased", "the next after 5s", "5s zombie (reset), started"),
	be(on(checksIn, retires, resizes), "stopping, 1s idle", "another at once", "1s stopped, started"),
	be(on(stops), "stopping, 5s vacant", "stopped at once", "5s zombie (reset), stopped"),
}

var resetGate = hookGate{hook: "reset", operations: []operation{
	{
		name: "a checkin", opts: pool.Options{Size: 1},
		begin: func(c *call) { c.open(); c.take().Checkin() },
		cells: cleaned,
	},
	{
		name: "a checkin, nobody waits", alone: true, opts: pool.Options{Size: 1},
		begin: func(c *call) { c.open(); c.take().Checkin() },
		cells: []cells{
			be(on(ok), "tending, idle", "", ""),
			be(on(fails, panics, exits), "tending, idle", "", "crashed (*), stopped, started"),
			be(on(slow, asks, checksIn, retires, resizes), "tending, 1s idle", "", ""),
			be(on(hangs), "tending, 2s idle", "", "2s crashed (reset timeout), stopped, started"),
			be(on(ignores), "tending, 2s stopping, 7s idle", "", "2s crashed (reset timeout), 7s zombie (reset), started"),
			be(on(restarts), "tending, stopping, 1s idle", "", "1s stopped, started"),
			be(on(stops), "tending, stopping, 5s vacant", "", "5s zombie (reset), stopped"),
		},
	},
	{
		name: "a client that is gone, ReclaimReuse", opts: pool.Options{Size: 1, Reclaim: pool.ReclaimReuse},
		begin: func(c *call) {
			c.open()
			ctx, cancel := context.WithCancel(context.Background())
			take(c.t, ctx, c.pool)
			cancel()
		},
		cells: cleaned,
	},
	{
		name: "a lease held for too long, ReclaimReuse", opts: pool.Options{Size: 1, Reclaim: pool.ReclaimReuse, MaxHold: checkEvery},
		begin: func(c *call) { c.open(); c.take() },
		cells: cleaned,
	},
	{
		name: "a checkin, and the worker crashes", opts: pool.Options{Size: 1},
		begin: func(c *call) { c.open(); c.take().Checkin() }, then: (*call).crashHere,
		cells: []cells{
			be(on(ok, fails, panics, exits, hangs), "stopping, leased", "the next at once", "crashed (run pooltest: killed), stopped, started"),
			be(on(slow, asks, restarts), "stopping, 1s leased", "the next after 1s", "crashed (run pooltest: killed), 1s stopped, started"),
			be(on(ignores), "stopping, 5s leased", "the next after 5s", "crashed (run pooltest: killed), 5s zombie (reset), started"),
			be(on(checksIn, retires, resizes), "stopping, 1s idle", "another at once", "crashed (run pooltest: killed), 1s stopped, started"),
			be(on(stops), "stopping, 5s vacant", "stopped at once", "crashed (run pooltest: killed), 5s zombie (reset), stopped"),
		},
	},
	{
		name: "a checkin, and Recycle", opts: pool.Options{Size: 1},
		begin: func(c *call) { c.open(); c.take().Checkin() }, then: (*call).recycle,
		cells: []cells{
			be(on(ok), "tending, leased", "the next at once", "stopped, started"),
			be(on(fails, panics, exits), "tending, leased", "the next at once", "crashed (*), stopped, started"),
			be(on(slow, asks), "tending, 1s leased", "the next after 1s", "1s stopped, started"),
			be(on(hangs), "tending, 2s leased", "the next after 2s", "2s crashed (reset timeout), stopped, started"),
			be(on(ignores), "tending, 2s stopping, 7s leased", "the next after 7s", "2s crashed (reset timeout), 7s zombie (reset), started"),
			be(on(checksIn, retires, resizes), "tending, 1s idle", "another at once", "1s stopped, started"),
			be(on(restarts), "tending, stopping, 1s leased", "the next after 1s", "1s stopped, started"),
			be(on(stops), "tending, stopping, 5s vacant", "stopped at once", "5s zombie (reset), stopped"),
		},
	},
	{
		name: "a checkin, and Resize to 0", opts: pool.Options{Size: 1},
		begin: func(c *call) { c.open(); c.take().Checkin() }, then: (*call).pause,
		cells: []cells{
			be(on(ok), "tending, no slot", "waits", "stopped"),
			be(on(fails, panics, exits), "tending, no slot", "waits", "crashed (*), stopped"),
			be(on(slow, asks, checksIn, retires), "tending, 1s no slot", "waits", "1s stopped"),
			be(on(hangs), "tending, 2s no slot", "waits", "2s crashed (reset timeout), stopped"),
			be(on(ignores), "tending, 2s stopping", "waits", "2s crashed (reset timeout)"),
			be(on(resizes), "tending, 1s idle", "another at once", ""),
			be(on(restarts), "tending, stopping, 1s no slot", "waits", "1s stopped"),
			be(on(stops), "tending, stopping, 5s no slot", "stopped at once", "5s zombie (reset), stopped"),
		},
	},
	{
		name: "a checkin, and Restart", opts: pool.Options{Size: 1},
		begin: func(c *call) { c.open(); c.take().Checkin() }, then: (*call).restart,
		cells: cleanedInVain,
	},
	{
		name: "a checkin, and the manager dies", opts: pool.Options{Size: 1},
		begin: func(c *call) { c.open(); c.take().Checkin() }, then: (*call).killManager,
		cells: cleanedInVain,
	},
	{
		name: "a checkin, and Stop", opts: pool.Options{Size: 1},
		begin: func(c *call) { c.open(); c.take().Checkin() }, then: (*call).stop,
		cells: []cells{
			be(on(ok, fails, panics, exits, hangs), "stopping, vacant", "stopped at once", "stopped"),
			be(on(slow, asks, checksIn, retires, resizes, restarts), "stopping, 1s vacant", "stopped at once", "1s stopped"),
			be(on(ignores), "stopping, 5s vacant", "stopped at once", "5s zombie (reset)"),
			be(on(stops), "stopping, 5s vacant", "stopped at once", "5s zombie (reset), stopped"),
		},
	},
}}
