package main

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
)

// holding is a client whose lease goes on.
func holding() *holder { return &holder{ended: func() bool { return false }} }

// Each of these is what a broken pool would make workers and clients say. Some
// wait for what never comes, in virtual time.
func TestTheCheckerNoticesWhatABrokenPoolDoes(t *testing.T) {
	for name, story := range map[string]struct {
		tell func(w *witness)
		want string
	}{
		"two holders":                   {func(w *witness) { w.take(holding()); w.take(holding()) }, "two holders"},
		"a holder who is lost, another": {func(w *witness) { w.take(lost); w.take(holding()) }, "two holders"},
		"a lease after Stop":            {func(w *witness) { w.stop()(); w.take(holding()) }, "leased though it has been stopped"},
		"a lease of a worker given away": {func(w *witness) {
			w.give()
			w.take(holding())
		}, "leased though it has been stopped or given away"},
		"a lease too many": {func(w *witness) {
			for range 3 {
				h := holding()
				w.take(h)
				w.release(h)
			}
		}, "has lease 3 of 2"},
		"somebody else's end of a lease": {func(w *witness) { w.take(holding()); w.release(holding()) }, "held by somebody else"},
		"Stop under a live lease":        {func(w *witness) { w.take(holding()); w.stop()() }, "Stop under a live lease"},
		"two Stops":                      {func(w *witness) { w.stop()(); w.stop()() }, "stopped twice"},
		"Stop after Detach":              {func(w *witness) { w.give(); w.stop()() }, "stopped twice, or after it was given away"},
		"Detach after Stop":              {func(w *witness) { w.stop()(); w.give() }, "stopped, and given away"},
		"Stop beside Reset":              {func(w *witness) { w.enter("reset"); w.stop()() }, "Stop beside reset"},
		"Check beside Reset":             {func(w *witness) { w.enter("reset"); w.enter("check")() }, "check beside another hook"},
		"Reset after Stop":               {func(w *witness) { w.stop()(); w.enter("reset")() }, "reset after the worker's end"},
		"Reset under a lease":            {func(w *witness) { w.take(holding()); w.enter("reset")() }, "reset while a client has the worker"},
		"a worker outlives its pool":     {func(w *witness) { w.run(); w.stop()(); w.era.stopped(0) }, "lives, though its pool has stopped"},
		"Run after the pool's Stop":      {func(w *witness) { w.stop()(); w.era.stopped(0); w.run() }, "begins though its pool has stopped"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, w := new(checker), new(witness)
				w.begin(c.newEra(false, 2), pool.Slot{})
				story.tell(w)
				wrong, n := c.violations()
				require.Positive(t, n)
				require.Contains(t, wrong[0], story.want)
			})
		})
	}
}

func TestTheCheckerHasNothingAgainstAnOrderlyLife(t *testing.T) {
	c, w := new(checker), new(witness)
	e := c.newEra(false, 2)
	w.begin(e, pool.Slot{})
	left := w.run()
	first, heir := holding(), holding()
	w.take(first)
	w.pass(first, heir)
	w.release(heir)
	w.enter("reset")()
	over := false
	revoked := &holder{ended: func() bool { return over }}
	w.take(revoked)
	over = true
	w.stop()()
	e.stopped(1) // Run has not returned
	left()
	e.stopped(0)
	require.Zero(t, e.population())
	started, alive := c.workers()
	require.Equal(t, [2]int{1, 0}, [2]int{started, alive})
	_, n := c.violations()
	require.Zero(t, n)
}

func TestAClientWhoseLeaseWasRevokedMayBeLateWhereWorkersAreLentOn(t *testing.T) {
	c, w := new(checker), new(witness)
	w.begin(c.newEra(true, 0), pool.Slot{})
	late := &holder{ended: func() bool { return true }}
	w.take(late)
	w.enter("reset")()
	next := holding()
	w.take(next)
	w.release(late)
	w.release(next)
	_, n := c.violations()
	require.Zero(t, n)
}

func TestAClientThatComesTooLateTakesAWorkerFromNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, w := new(checker), new(witness)
		w.begin(c.newEra(true, 0), pool.Slot{})
		late, other := &holder{ended: func() bool { return true }}, holding()
		w.take(other)
		w.take(late)
		require.Same(t, other, w.holder.Load())
		w.release(other)
		w.take(other)
		w.holder.Store(late) // as it is for a moment
		w.release(other)
		_, n := c.violations()
		require.Zero(t, n)

		w.take(other)
		w.take(holding())
		w.release(other)
		_, n = c.violations()
		require.Equal(t, 2, n, "both have a lease that goes on")
	})
}

func TestOfManyViolationsTheFirstAreKept(t *testing.T) {
	c := new(checker)
	for i := range mostViolations + 5 {
		c.violated("%d", i)
	}
	wrong, n := c.violations()
	require.Len(t, wrong, mostViolations)
	require.Equal(t, "0", wrong[0])
	require.Equal(t, mostViolations+5, n)
	r := &report{storm: &storm{checker: c}}
	require.Contains(t, r.problems(), "and 5 more")
}
