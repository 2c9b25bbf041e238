package main

// twins are the bugs that the suite has to catch.
var twins = []twin{
	{
		name:  "a cancelled waiter swallows a worker",
		story: "a client that gives up at the very moment it is served keeps the worker for ever",
		kinds: []kind{litmus, storms},
		edits: []swap{{"offer.go", `		if !c.remove(w) && w.take() && w.err == nil && w.inc.word.Load().Same(w.word) {
			c.giveBack(w.inc.slot)
		}`, `		c.remove(w)`}},
	},
	{
		name:  "a stale checkin is accepted",
		story: "whoever had the worker last can end the lease of the one who has it now",
		kinds: []kind{storms, histories},
		edits: []swap{{"checkin.go", `return l.inc.word.Load().Same(l.word)`, `return l.inc.slot.loan != nil`}},
	},
	{
		name:  "a lease comes again",
		story: "a checkin without the lock does not move the generation, so an old lease is the next one",
		kinds: []kind{litmus, storms},
		edits: []swap{{"internal/word/word.go", `return w&^(leased|bound) + next`, `return w &^ (leased | bound)`}},
	},
	{
		name:  "the gate is closed after a look through it",
		story: "a worker that comes back after a client has looked for it, and before it stands in the queue, is idle beside it",
		kinds: []kind{litmus},
		edits: []swap{{"resident.go", `	c.settle()
	return c.takeNext()`, `	for range 1000 { // wide enough to fall into
		runtime.Gosched()
	}
	return nil`}},
	},
	{
		name:  "two claims succeed",
		story: "a client lends itself a worker that another has taken since it looked",
		kinds: []kind{orders},
		edits: []swap{{"claim.go", `				if inc.word.CompareAndSwap(w, w.Claim()) { // step claim
					return lease{inc, w.Claim(), ctx}
				}`, `				inc.word.Store(w.Claim())
				return lease{inc, w.Claim(), ctx}`}},
	},
	{
		name:  "a recall looks away",
		story: "a worker is taken off its stripe as it stood a moment ago, and lent to a second client",
		kinds: []kind{orders},
		edits: []swap{{"resident.go", `		if inc.word.CompareAndSwap(w, w.Recall()) {
			break
		}`, `		inc.word.Store(w.Recall())
		break`}},
	},
	{
		name:  "an offer is taken back that was accepted",
		story: "a client goes off with a worker that has crashed, and waits for another in its place",
		kinds: []kind{orders, litmus},
		edits: []swap{{"offer.go", `	if !w.offer.CompareAndSwap(s.loan.offer, 0) {
		return false
	}`, `	w.offer.Store(0)`}},
	},
	{
		name:  "newcomers first",
		story: "a worker that comes back is there for whoever comes next, although somebody waits",
		kinds: []kind{answers, model},
		edits: []swap{{"resident.go", `	return c.free && c.open && c.state != StateCrashLoop && c.waiting() == 0 && c.surplus() == 0 &&
		!c.events.watched() && !(c.parked && c.holds())`, `	return c.free && c.open && c.state != StateCrashLoop && c.surplus() == 0 &&
		!c.events.watched() && !(c.parked && c.holds())`}},
	},
	{
		name:  "a wake-up is lost",
		story: "of several clients that are served at once only the last is woken",
		kinds: []kind{storms, scenarios, answers},
		edits: []swap{{"offer.go", `	if c.woken != nil {
		poke(c.woken.wake)
	}`, ``}},
	},
	{
		name:  "to the tail",
		story: "a client whose worker crashes before it could take it stands behind all who came later",
		kinds: []kind{orders, turns},
		edits: []swap{{"offer.go", `	c.standAgain(w)
	c.serve()`, `	c.stand(w)
	c.serve()`}},
	},
	{
		name:  "a death counts twice",
		story: "a worker that was told to end, and ends, has crashed as well",
		kinds: []kind{litmus, storms, answers},
		edits: []swap{{"worker.go", `	if !inc.over {
		c.crash(inc, o.of(inc, hookRun))
	}`, `	c.crash(inc, o.of(inc, hookRun))`}},
	},
	{
		name:  "a crash is told to nobody",
		story: "the client of a worker that crashed finds its lease returned",
		kinds: []kind{scenarios, answers, litmus},
		edits: []swap{{"worker.go", `		c.revoke(s, EndCrashed, err)`, `		c.revoke(s, EndReturned, nil)`}},
	},
	{
		name:  "a revoked worker is lent on",
		story: "the worker of a client that is gone goes to the next, while the first may still use it",
		kinds: []kind{scenarios, model, storms},
		edits: []swap{{"manager.go", `	c.dismiss(inc, restart.Orderly, nil) // the client may still be touching it, without its lease too`, `	c.comeBack(s, true)`}},
	},
	{
		name:  "Stop forgets a waiter",
		story: "who waits for the worker of a key is never told that there will be none",
		kinds: []kind{storms, answers},
		edits: []swap{{"serve.go", `	for w := range c.all {
		if c.remove(w) {
			c.refuse(w, reason)
		}
	}`, `	for n := range c.queue.All() {
		if c.remove(n.Value) {
			c.refuse(n.Value, reason)
		}
	}`}},
	},
	{
		name:  "leases outlive their epoch",
		story: "a lease of before a restart goes on after it",
		kinds: []kind{answers, model},
		edits: []swap{{"epoch.go", `			if s.loan != nil {
				c.revoke(s, EndRestarted, cause)
			}
			s.inc.unmark()
			s.inc.nextWord() // no lease of an older epoch wins again (invariant 5)`, `			s.loan = nil
			s.inc.unmark()`}},
	},
	{
		name:  "a panic leaves the lock",
		story: "a critical section that panics keeps the lock, and every call hangs",
		kinds: []kind{model, scenarios},
		edits: []swap{{"section.go", `		defer panic(p)`, `		panic(p)`}},
	},
	{
		name:  "a start that hangs keeps its permit",
		story: "a start that took too long counts for ever as one in flight",
		kinds: []kind{answers, model},
		edits: []swap{{"worker.go", `	if inc.owed {
		inc.owed = false
		c.permits--
		c.stirred = true
	}`, `	if inc.owed && !inc.over {
		inc.owed = false
		c.permits--
		c.stirred = true
	}`}},
	},
	{
		name:  "a Resize is not noticed",
		story: "a worker that comes back stays, although the pool has shrunk since",
		kinds: []kind{answers, model},
		edits: []swap{{"checkin.go", `		return false // a Resize down; the waiters wait for one within the limit`, ``}},
	},
}
