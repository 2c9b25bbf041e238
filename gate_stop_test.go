package pool_test

import (
	"context"
	"time"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

// replaced is what comes of the Stop of a worker that is replaced.
var replaced = []cells{
	be(on(ok), "stopping, leased", "the next at once", "stopped, started"),
	be(on(fails, panics, exits), "stopping, leased", "the next at once", "stopped (*), started"),
	be(on(slow, asks, restarts), "stopping, 1s leased", "the next after 1s", "1s stopped, started"),
	be(on(hangs), "stopping, 4s leased", "the next after 4s", "4s stopped (stop timeout), started"),
	be(on(ignores), "stopping, 5s leased", "the next after 5s", "5s zombie (stop), started"),
	be(on(checksIn, retires, resizes), "stopping, 1s idle", "another at once", "1s stopped, started"),
	be(on(stops), "stopping, 5s vacant", "stopped at once", "5s zombie (stop), stopped"),
}

// surplus is what comes of the Stop of a worker that is not, unless somebody waits.
var surplus = []cells{
	be(on(ok), "stopping, leased", "the next at once", "stopped, started"),
	be(on(fails, panics, exits), "stopping, leased", "the next at once", "stopped (*), started"),
	be(on(slow, asks), "stopping, 1s leased", "the next after 1s", "1s stopped, started"),
	be(on(hangs), "stopping, 4s leased", "the next after 4s", "4s stopped (stop timeout), started"),
	be(on(ignores), "stopping, 5s leased", "the next after 5s", "5s zombie (stop), started"),
	be(on(checksIn, retires, resizes), "stopping, 1s vacant", "another at once", "1s stopped"),
	be(on(restarts), "stopping, 1s vacant", "another after 500ms", "1s stopped"),
	be(on(stops), "stopping, 5s vacant", "stopped at once", "5s zombie (stop), stopped"),
}

// ended is what comes of a Stop when the pool ends.
var ended = []cells{
	be(on(ok), "stopping, vacant", "stopped at once", "stopped"),
	be(on(fails, panics, exits), "stopping, vacant", "stopped at once", "stopped (*)"),
	be(on(slow, asks, checksIn, retires, resizes, restarts), "stopping, 1s vacant", "stopped at once", "1s stopped"),
	be(on(hangs), "stopping, 4s vacant", "stopped at once", "4s stopped (stop timeout)"),
	be(on(ignores), "stopping, 5s vacant", "stopped at once", "5s zombie (stop)"),
	be(on(stops), "stopping, 5s vacant", "stopped at once", "5s zombie (stop), stopped"),
}

var stopGate = hookGate{hook: "stop", operations: []operation{
	{
		name: "Retire", opts: pool.Options{Size: 1},
		begin: func(c *call) { c.open(); c.take().Retire(nil) },
		cells: replaced,
	},
	{
		name: "a crash", opts: pool.Options{Size: 1},
		begin: func(c *call) { c.open(); c.prove(); c.crash() },
		cells: replaced,
	},
	{
		name: "a Reset that fails", opts: pool.Options{Size: 1},
		begin: func(c *call) {
			c.backend.Always(pooltest.Script{Reset: pooltest.Fail})
			c.open()
			c.backend.Always(pooltest.Script{})
			c.take().Checkin()
		},
		cells: replaced,
	},
	{
		name: "a Check that fails", opts: pool.Options{Size: 1, CheckEvery: checkEvery},
		begin: func(c *call) {
			c.backend.Checks = true
			c.backend.Always(pooltest.Script{Check: pooltest.Fail})
			c.open()
			c.backend.Always(pooltest.Script{})
			c.prove()
		},
		cells: replaced,
	},
	{
		name: "overflow that nobody used for OverflowLinger", opts: pool.Options{Size: 1, MaxOverflow: 1},
		begin: func(c *call) { c.open(); c.take(); c.take().Checkin() },
		cells: surplus,
	},
	{
		name: "overflow at its checkin, OverflowLinger negative", opts: pool.Options{Size: 1, MaxOverflow: 1, OverflowLinger: -1},
		begin: func(c *call) { c.open(); c.take(); c.take().Checkin() },
		cells: surplus,
	},
	{
		name: "MaxLifetime", opts: pool.Options{Size: 1, MaxLifetime: time.Hour},
		begin: func(c *call) { c.open() },
		cells: replaced,
	},
	{
		name: "MaxUses", opts: pool.Options{Size: 1, MaxUses: 1},
		begin: func(c *call) { c.open(); c.take().Checkin() },
		cells: replaced,
	},
	{
		name: "a client that is gone", opts: pool.Options{Size: 1},
		begin: func(c *call) {
			c.open()
			ctx, cancel := context.WithCancel(context.Background())
			take(c.t, ctx, c.pool)
			cancel()
		},
		cells: replaced,
	},
	{
		name: "a lease held for too long", opts: pool.Options{Size: 1, MaxHold: checkEvery},
		begin: func(c *call) { c.open(); c.take() },
		cells: replaced,
	},
	{
		name: "a start that comes too late", opts: pool.Options{Size: 1},
		begin: func(c *call) {
			c.open()
			c.prove()
			c.armed.Store(false)
			c.late.Store(true)
			c.crash()
			settle(c.t, c.pool)
			c.armed.Store(true)
		},
		cells: []cells{
			be(on(ok), "stopping, leased", "the next at once", "stopped, started"),
			be(on(fails, panics, exits), "stopping, leased", "the next at once", "stopped (*), started"),
			be(on(slow, asks, restarts), "stopping, 1s leased", "the next after 1s", "1s stopped, started"),
			be(on(hangs), "stopping, 4s leased", "the next after 4s", "4s stopped (stop timeout), started"),
			be(on(ignores), "stopping, 4.5s leased", "the next after 4.5s", "4.5s zombie (stop), started"),
			be(on(checksIn, retires, resizes), "stopping, 1s idle", "another at once", "1s stopped, started"),
			be(on(stops), "stopping, 4.5s vacant", "stopped at once", "4.5s zombie (stop), stopped"),
		},
	},
	{
		name: "Recycle", opts: pool.Options{Size: 1},
		begin: func(c *call) { c.open(); c.recycle() },
		cells: replaced,
	},
	{
		name: "Resize to 0", opts: pool.Options{Size: 1},
		begin: func(c *call) { c.open(); c.pause() },
		cells: []cells{
			be(on(ok), "stopping, no slot", "waits", "stopped"),
			be(on(fails, panics, exits), "stopping, no slot", "waits", "stopped (*)"),
			be(on(slow, asks, checksIn, retires, restarts), "stopping, 1s no slot", "waits", "1s stopped"),
			be(on(hangs), "stopping, 4s no slot", "waits", "4s stopped (stop timeout)"),
			be(on(ignores), "stopping", "waits", ""),
			be(on(resizes), "stopping, 1s idle", "another at once", "1s stopped, started"),
			be(on(stops), "stopping, 5s no slot", "stopped at once", "5s zombie (stop), stopped"),
		},
	},
	{
		name: "Restart", opts: pool.Options{Size: 1},
		begin: func(c *call) { c.open(); c.restart() },
		cells: replaced,
	},
	{
		name: "a new epoch", opts: pool.Options{Size: 1},
		begin: func(c *call) { c.open(); c.killManager() },
		cells: replaced,
	},
	{
		name: "Stop of the pool", opts: pool.Options{Size: 1},
		begin: func(c *call) { c.open(); c.stop() },
		cells: ended,
	},
	{
		name: "Stop of the pool that loses patience with a lease", opts: pool.Options{Size: 1},
		begin: func(c *call) { c.open(); c.take(); go func() { _ = c.pool.Stop(cancelled) }() },
		cells: ended,
	},
}}
