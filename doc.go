// Package pool lends costly, stateful, mortal workers to one client at a time,
// and keeps them alive: supervised worker pools, after the supervision trees of
// Erlang/OTP and its pools (poolboy, PoolToy), for Go.
//
// A worker is anything with state that is costly to start and can die: a
// goroutine with a mailbox, an OS process, a database connection, a browser, a
// session to a device, a loaded model. A [Registry] holds pools by name; each
// [Pool] has a manager that watches the leases, a worker supervisor that
// restarts workers that crash, and a keeper that replaces both if one of them
// dies. The trouble of one pool never reaches another.
//
//	reg := pool.NewRegistry()
//	defer reg.Close()
//
//	doublers, err := pool.Start(ctx, reg, "doublers",
//	    pool.Spec[*Doubler]{Start: NewDoubler, Run: (*Doubler).Run},
//	    pool.Options{Size: 3, MaxOverflow: 2})
//
// # Using a worker
//
// The usual way is [Call], or [Pool.Do] where there is no result: a worker is
// lent to a function and taken back, whatever becomes of it.
//
//	n, err := pool.Call(ctx, doublers, func(ctx context.Context, d *Doubler) (int, error) {
//	    return d.Compute(ctx, 21)
//	})
//
// The other way is a lease that the client ends itself:
//
//	lease, err := doublers.Checkout(ctx)
//	if err != nil {
//	    return err
//	}
//	defer lease.Checkin()
//	n, err := lease.Worker().Compute(lease.Context(), 21) // ends when the worker dies, too
//
// The context given to Do, Call and Checkout bounds the wait and the lease. A
// context that ends says that the client should stop, not that it is dead: it
// has [Options].ReclaimGrace to check in properly; then it is presumed gone and
// its worker is taken away. [Terms].MaxWait bounds only the wait.
//
// For a batch there are [Map] and [ForEach]: an iterator in, results out. [Pool.Each]
// visits every worker, a [Group] lends from several pools, and [Terms] say who is
// served first ([Priority]) and who wants the same worker again (Key).
//
// # What dies, and what happens then
//
// A worker crashes when its Run returns, with an error or without, panics, or
// calls [runtime.Goexit] before it was told to stop. Its lease ends at once, with
// a [*LeaseError] that wraps a [*CrashError]; its client comes to no harm; it is
// replaced exactly once. Workers that die before they have proven themselves are
// started ever more slowly; a pool in which nothing works goes into
// [StateCrashLoop], tells its clients so with [ErrUnavailable], and probes until
// something works again. If the pool's own goroutines die, all of
// it restarts under the same name: the handle stays good, clients that wait keep
// their places, old leases are stale and change nothing.
//
// # Cost
//
// Checkout and Checkin of an idle worker are one compare-and-swap each: no lock,
// no allocation, no clock, no goroutine switch. They take a lock, for a short
// critical section each, while somebody waits or listens to events, while there
// are more workers than Size, with a Reset, MaxUses, CheckEvery, TraceLeases or a
// key, and in any order but [OrderRecent]. A Reset hook costs a goroutine for
// each, a subscriber to events two clock readings. The manager watches the
// contexts of clients by looking at them from time to time, only while something
// is leased. A worker costs 250 bytes; without Run it costs no goroutine, with
// Run one.
//
// Go cannot kill a goroutine. A worker or hook that does not end when it is told
// to is detached from its slot, counted, and named in errors: a zombie. A panic
// in a goroutine that a worker started itself ends the process, as everywhere.
package pool
