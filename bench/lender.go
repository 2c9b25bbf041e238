package main

import "context"

// A lender is an open pool of workers. Each method is a loop of direct calls,
// so that every peer pays the same for being measured. All may be called by
// several goroutines at once, but close. They panic where no worker is to be
// had, for nothing measured after that would mean anything.
type lender interface {
	// pairs takes a worker, uses it and gives it back, n times.
	pairs(ctx context.Context, n int)

	// fresh is pairs with a cancellable context made, passed and cancelled each
	// time.
	fresh(n int)

	// nests is pairs with nested workers out at once; n is a multiple of it.
	nests(ctx context.Context, n int)

	// visits takes a worker, calls holds with it and gives it back, for as long
	// as asks reports true.
	visits(ctx context.Context, asks func() bool, holds func(*worker))

	// close ends the lender. All workers are back.
	close()
}

// A peer is one way to lend workers.
type peer struct {
	name   string
	module string // where its version is found; empty: the standard library
	lacks  string // of what this library does; not all of it is a fault
	open   func(workers int) lender
}

// ours is the name of this library among the peers, floor that of the one
// against which all others are measured.
const (
	ours  = "pool"
	floor = "channel"
)

var peers = []peer{
	{floor, "", "context, leases, supervision", openChannel},
	{"channel + select", "", "leases, supervision", openSelect},
	{"mutex + slice", "", "context, order of arrival, leases, supervision", openMutex},
	{"puddle", "github.com/jackc/puddle/v2", "end of a lease with its context, supervision", openPuddle},
	{"database/sql", "", "fair order of arrival, end of a lease with its context, supervision", openSQL},
	{"go-commons-pool", "github.com/jolestar/go-commons-pool/v2", "order of arrival, end of a lease with its context, supervision", openCommons},
	{ours, "github.com/pooltender/pool", "", openPool},
}

// A party is one open lender of each peer.
type party []struct {
	peer
	lender
}

// invite opens a lender of every peer.
func invite(workers int) party {
	all := make(party, len(peers))
	for i, p := range peers {
		all[i].peer, all[i].lender = p, p.open(workers)
	}
	return all
}

// close ends them all.
func (p party) close() {
	for _, guest := range p {
		guest.lender.close()
	}
}

// entrants are the members of the party at the job that run makes of a lender.
func (p party) entrants(run func(lender) func(n int, w *watch) int) []entrant {
	var all []entrant
	for _, guest := range p {
		all = append(all, entrant{name: guest.name, run: run(guest.lender)})
	}
	return all
}

// must is for what cannot fail in a measurement that means anything.
func must(err error) {
	if err != nil {
		panic(err)
	}
}
