package pool_test

import (
	"context"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

const checkEvery = time.Minute

// checked is a pool of one worker that is checked in the background.
func checked(c *call) { c.open(); c.prove() }

// vetted is what comes of a Check that a client waits for. Another worker is idle or starting.
var vetted = []cells{
	be(on(ok), "tending, leased", "the same at once", ""),
	be(on(fails, panics, exits), "tending, leased", "the next at once", "crashed (*), stopped, started"),
	be(on(slow, asks), "tending, 1s leased", "the same after 1s", ""),
	be(on(hangs), "tending, 2s leased", "the next after 2s", "2s crashed (check timeout), stopped, started"),
	be(on(ignores), "tending, 2s stopping, 7s leased", "the next after 7s", "2s crashed (check timeout), 7s zombie (check), started"),
	be(on(checksIn, retires, resizes), "tending, 1s idle", "another at once", ""),
	be(on(restarts), "tending, stopping, 1s idle", "another after 500ms", "1s stopped, started"),
	be(on(stops), "tending, stopping, 5s vacant", "stopped at once", "5s zombie (check), stopped"),
}

// checkedInVain is what comes of a Check when an end of all workers comes.
var checkedInVain = []cells{
	be(on(ok, fails, panics, exits, hangs), "stopping, idle", "", "stopped, started"),
	be(on(slow, asks, checksIn, retires, resizes, restarts), "stopping, 1s idle", "", "1s stopped, started"),
	be(on(ignores), "stopping, 5s idle", "", "5s zombie (check), started"),
	be(on(stops), "stopping, 5s vacant", "", "5s zombie (check), stopped"),
}

var checkGate = hookGate{hook: "check", operations: []operation{
	{
		name: "in the background", alone: true, opts: pool.Options{Size: 1, CheckEvery: checkEvery}, begin: checked,
		cells: []cells{
			be(on(ok), "tending, idle", "", ""),
			be(on(fails, panics, exits), "tending, idle", "", "crashed (*), stopped, started"),
			be(on(slow, asks, checksIn, retires, resizes), "tending, 1s idle", "", ""),
			be(on(hangs), "tending, 2s idle", "", "2s crashed (check timeout), stopped, started"),
			be(on(ignores), "tending, 2s stopping, 7s idle", "", "2s crashed (check timeout), 7s zombie (check), started"),
			be(on(restarts), "tending, stopping, 1s idle", "", "1s stopped, started"),
			be(on(stops), "tending, stopping, 5s vacant", "", "5s zombie (check), stopped"),
		},
	},
	{
		name: "in the background, and a client comes", opts: pool.Options{Size: 1, CheckEvery: checkEvery}, begin: checked,
		cells: []cells{
			be(on(ok, hangs), "tending, leased", "the same at once", ""),
			be(on(fails, panics, exits), "tending, leased", "the next at once", "crashed (*), stopped, started"),
			be(on(slow, asks), "tending, 1s leased", "the same after 1s", ""),
			be(on(ignores), "tending, 2s stopping, 7s leased", "the next after 7s", "2s crashed (check timeout), 7s zombie (check), started"),
			be(on(checksIn, retires, resizes), "tending, 1s idle", "another at once", ""),
			be(on(restarts), "tending, stopping, 1s leased", "the next after 1s", "1s stopped, started"),
			be(on(stops), "tending, stopping, 5s vacant", "stopped at once", "5s zombie (check), stopped"),
		},
	},
	{
		name: "before a worker long due is lent", opts: pool.Options{Size: 2, CheckEvery: checkEvery},
		begin: func(c *call) {
			c.long.Store(true)
			c.open()
			sleepUntil(c.began.Add(checkEvery)) // one is checked, and there is no time for the other
			synctest.Wait()
			go func() { _, _ = c.pool.Checkout(context.Background()) }() // the check is called off for this one
			synctest.Wait()
			c.come()
		},
		cells: vetted,
	},
	{
		name: "before a suspect is lent", opts: pool.Options{Size: 3},
		begin: func(c *call) {
			c.open()
			c.backend.Always(pooltest.Script{StartAfter: ms}) // both are dead before either is replaced
			for _, slot := range c.idles()[:2] {
				pooltest.KillWorker(c.pool, slot)
			}
			time.Sleep(ms)
			settle(c.t, c.pool)
			c.backend.Always(pooltest.Script{})
			for range 2 { // those that have replaced them are above suspicion
				_, err := c.pool.TryCheckout(context.Background())
				require.NoError(c.t, err)
			}
			c.come()
		},
		cells: vetted,
	},
	{
		name: "and the worker crashes", alone: true, opts: pool.Options{Size: 1, CheckEvery: checkEvery},
		begin: checked, then: (*call).crashHere,
		cells: []cells{
			be(on(ok, fails, panics, exits, hangs), "stopping, idle", "", "crashed (run pooltest: killed), stopped, started"),
			be(on(slow, asks, checksIn, retires, resizes, restarts), "stopping, 1s idle", "", "crashed (run pooltest: killed), 1s stopped, started"),
			be(on(ignores), "stopping, 5s idle", "", "crashed (run pooltest: killed), 5s zombie (check), started"),
			be(on(stops), "stopping, 5s vacant", "", "crashed (run pooltest: killed), 5s zombie (check), stopped"),
		},
	},
	{
		name: "and Recycle", alone: true, opts: pool.Options{Size: 1, CheckEvery: checkEvery},
		begin: checked, then: (*call).recycle,
		cells: []cells{
			be(on(ok), "tending, idle", "", "stopped, started"),
			be(on(fails, panics, exits), "tending, idle", "", "crashed (*), stopped, started"),
			be(on(slow, asks, checksIn, retires, resizes), "tending, 1s idle", "", "1s stopped, started"),
			be(on(hangs), "tending, 2s idle", "", "2s crashed (check timeout), stopped, started"),
			be(on(ignores), "tending, 2s stopping, 7s idle", "", "2s crashed (check timeout), 7s zombie (check), started"),
			be(on(restarts), "tending, stopping, 1s idle", "", "1s stopped, started"),
			be(on(stops), "tending, stopping, 5s vacant", "", "5s zombie (check), stopped"),
		},
	},
	{
		name: "and Restart", alone: true, opts: pool.Options{Size: 1, CheckEvery: checkEvery},
		begin: checked, then: (*call).restart,
		cells: checkedInVain,
	},
	{
		name: "and the manager dies", alone: true, opts: pool.Options{Size: 1, CheckEvery: checkEvery},
		begin: checked, then: (*call).killManager,
		cells: checkedInVain,
	},
	{
		name: "and Stop", alone: true, opts: pool.Options{Size: 1, CheckEvery: checkEvery},
		begin: checked, then: (*call).stop,
		cells: []cells{
			be(on(ok, fails, panics, exits, hangs), "stopping, vacant", "", "stopped"),
			be(on(slow, asks, checksIn, retires, resizes, restarts), "stopping, 1s vacant", "", "1s stopped"),
			be(on(ignores), "stopping, 5s vacant", "", "5s zombie (check)"),
			be(on(stops), "stopping, 5s vacant", "", "5s zombie (check), stopped"),
		},
	},
}}
