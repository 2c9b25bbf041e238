package protocol_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// fault is one way to break the protocol.
type fault uint8

const (
	none fault = iota
	swallow
	staleEnd
	staleSwap
	unsettledQueue
	unsettledReturn
	unsettledResize
	blindRecall
	keptOffer
	backToTail
	twoReplacements
	earlyWake
	keptWaiters
	spared
	oldLeases
	noNotice
	quietReturn
	unseenCrash
	lastFirst
	noAging
	blindAccept
	blindTakeBack
	carelessMend
	blindBind
	residentBinding
	residentBeside
	oneGlance
	deafManager
	blindPark
	forgottenGrowth
	noReplacement
	deafKeeper
	greedyGrowth
	stopLost
	hastyFull
	sleepyRefusal
	noLinger
	lateAdoption
	lostStart
	loyalty
	polling
)

// mutants are the protocol with one fault each, and what that breaks.
var mutants = []struct {
	fault  fault
	name   string
	scene  string // where it shows
	breaks string
}{
	{swallow, "a client that leaves keeps what it was offered", "a client is gone", "invariant 6: a worker is lent to nobody"},
	{staleEnd, "an end that does not ask whether the lease is live", "stale checkins", "invariant 5: a stale lease ends another"},
	{staleSwap, "a checkin that swaps any lease", "stale checkins", "invariant 5: a stale lease ends another"},
	{unsettledQueue, "a waiter that recalls nobody", "stale checkins", "invariant 9: a worker is resident that the pool must not lend without the lock"},
	{unsettledReturn, "a waiter that is put back and recalls nobody", "stale checkins", "invariant 9: a worker is resident that the pool must not lend without the lock"},
	{unsettledResize, "a resize that recalls nobody", "Resize", "invariant 9: a worker is resident that the pool must not lend without the lock"},
	{blindRecall, "a recall that does not see the lease", "stale checkins", "invariant 14: a lease is nobody's, or a client's alone"},
	{keptOffer, "an offer that stands though its worker has crashed", "stale checkins", "invariant 14: a client is given a lease that has ended"},
	{backToTail, "a waiter that is put back to the end", "a client is gone", "invariant 9: a waiter is served before one who came first"},
	{twoReplacements, "a crash that replaces its worker, beside the supervisor", "stale checkins", "invariant 3: a worker is started that there is no room for"},
	{earlyWake, "a waiter that is woken before the offer stands", "stale checkins", "invariant 6: a worker is lent for ever"},
	{keptWaiters, "a stop that leaves the waiters where they are", "Stop", "invariant 8: a client waits for ever"},
	{spared, "an epoch that leaves residents to their clients", "Restart", "invariant 14: a worker is leased and not lent, or lent and not leased"},
	{oldLeases, "an epoch that leaves leases to their clients", "Restart", "invariant 14: a worker is leased and not lent, or lent and not leased"},
	{noNotice, "a surplus worker that stays when it comes back", "Resize", "invariant 3: a worker stays that came back after a Resize down"},
	{quietReturn, "a worker that comes back and serves nobody", "stale checkins", "invariant 8: a waiter sleeps beside an idle worker"},
	{unseenCrash, "a crash that does not recall its worker", "stale checkins", "invariant 2: a worker and its word differ in where it is"},
	{lastFirst, "the last waiter is served first", "stale checkins", "invariant 9: a waiter is served before one who came first"},
	{noAging, "a lower priority is passed over for ever", "priorities", "invariant 9: a waiter is passed over too often"},
	{blindAccept, "a waiter that accepts what was taken back", "stale checkins", "invariant 14: a client is given a lease that has ended"},
	{blindTakeBack, "an offer that is taken back though it was accepted", "stale checkins", "invariant 6: a client has its place in the queue and does not wait"},
	{carelessMend, "a late client that does not ask whether its lease is over", "a client is gone", "invariant 14: a client is given a lease that has ended"},
	{blindBind, "a bind that does not swap but stores", "a client is gone", "invariant 14: a client is given a lease that has ended"},
	{residentBinding, "residence though a client is about to bind", "a lease must not last", "the manager does not find the context of a lease"},
	{residentBeside, "residence though somebody waits", "stale checkins", "invariant 9: a worker is resident that the pool must not lend without the lock"},
	{oneGlance, "a sweep that does not look twice", "a client is gone", "a lease is revoked whose client is there"},
	{deafManager, "a lease to be watched that does not wake the manager", "a client is gone", "the manager is parked though a lease has to be watched"},
	{blindPark, "a manager that parks without a last look", "a client is gone", "the manager is parked though a lease has to be watched"},
	{forgottenGrowth, "a waiter for whom nobody is asked to start a worker", "overflow is needed", "invariant 6: a worker is lent for ever"},
	{noReplacement, "a slot that empties and tells nobody", "stale checkins", "invariant 4: a worker that is wanted is never replaced"},
	{deafKeeper, "a keeper that is not told of the last worker", "Stop", "invariant 12: Stop does not come to an end"},
	{greedyGrowth, "growth that does not count the workers that are ending", "Resize", "invariant 3: a worker is started that there is no room for"},
	{stopLost, "an epoch that begins though the pool is to stop", "Stop", "invariant 12: a Stop is lost"},
	{hastyFull, "a TryCheckout that does not look with everybody recalled", "TryCheckout and Retire", "TryCheckout says ErrFull beside an idle worker"},
	{sleepyRefusal, "a refusal that wakes nobody", "Stop", "invariant 8: a client waits for ever"},
	{noLinger, "a surplus worker that nobody looks at again", "overflow", "invariant 4: a surplus worker stays for ever"},
	{lateAdoption, "a worker that came too late and is adopted", "Resize", "invariant 3: a worker stays that came back after a Resize down"},
	{loyalty, "a client that waits for a worker that is over", "a client wants one worker", "a client is lent another worker than it asked for"},
	{polling, "a waiter that looks without being woken", "stale checkins", "there is a run without end"},
	{lostStart, "a start that never began and is waited for", "a death of the manager", "invariant 2: a slot stays as it is for ever"},
}

func TestEveryFaultOfTheProtocolIsFound(t *testing.T) {
	if underRace {
		t.Skip("some take more than is explored then")
	}
	for _, m := range mutants {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			c := sceneOf(m.scene)
			c.broken = m.fault
			e := explore(c)
			t.Logf("%d states to: %s", len(e.ways), e.found)
			require.Contains(t, e.found, m.breaks)
		})
	}
}
