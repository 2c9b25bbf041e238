// Package protocol holds a model of the protocol by which a pool lends its workers,
// and explores it: every interleaving of the steps of a few clients, workers and the
// goroutines of the pool, with crashes, cancellations, revocations, deaths of the
// manager, and what callers ask for in between. There is nothing here but tests:
//
//	go test -v -run NoInterleaving ./internal/protocol       # and the numbers of states
//	go test -v -run Long -long -timeout 1h ./internal/protocol # larger scenes
//
// In every state that can be reached the invariants of CONTRIBUTING.md hold: 1 to 9, 12
// and 14. From every state every run comes to an end, unless something more befalls the
// pool: no steps go round in a circle, and where none is left all clients have returned,
// no worker is lent, and there are as many as are wanted.
//
// The model is a state machine beside the code, not the code. What it shares with that
// are the words of workers (internal/word) and the queue (internal/queue). The rest
// follows the code step by step; each step has a name, which a comment in the code has
// at the place where it is taken ("step accept"), and a test compares the names.
//
// A critical section is one step, except where it meets what is done without the lock:
// each worker that it recalls is a step of its own, between which clients claim and
// return the others. Whatever needs no lock is a step of its own: a look, a
// compare-and-swap, a wake-up. Three things are coarser than in the code. A client that
// looks for a worker without the lock sees any free one, or gives up. Loading a word and
// the record that belongs to it is one step. What the pool owes itself (a turn of the
// worker supervisor, a start, a sweep) may be done at any time after it is due, and time
// is nothing else. The first two are explored more finely in internal/word.
//
// Left out are keys and groups, Transfer and Detach, checks and age, MaxWaiting and
// shedding, traced leases, zombies, backoff and CrashLoop: what they do to the words and
// the queue is what is modelled of others.
//
// A model proves nothing that it cannot disprove: the same test finds every one of forty
// faults, each in the protocol with that fault alone.
package protocol
