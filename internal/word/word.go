// Package word is the state of a worker in one machine word, and the steps from
// one word to the next. Whoever takes a step swaps the word for the next one
// atomically; the steps themselves are pure.
//
// A worker is either under its pool's lock, or resident. Under the lock the
// word is the generation alone, and whoever holds the lock stores the next. A
// resident worker is lent and returned by one compare-and-swap each, without
// the lock; under the lock it is recalled by one.
//
//	under the lock ──Reside──► idle ──Claim, ClaimBound────────► leased
//	       ▲                    │ ▲ └─ClaimBinding─► binding ─Bind─┤
//	       │                    │ └───────────Release──────────────┤
//	       └──────Recall────────┴──────────────Recall──────────────┘
//
// Reside, every claim and every return move the generation, and nothing moves
// it back, so no word of a worker ever comes again: a compare-and-swap from a
// word succeeds only if nothing at all has happened since it was read.
package word

import "sync/atomic"

// Word is the generation of a worker and, while it is resident, how it stands.
// The zero Word is under the lock.
type Word uint64

const (
	resident Word = 1 << iota
	leased        // a client has it
	binding       // the client has yet to say which context bounds the lease
	bound         // what the worker's record says of the client is this lease's
	swept         // the contexts of clients are being looked at
	flags    = 1<<8 - 1
	next     = 1 << 8 // the generation has the upper 56 bits
)

// Generation is the identity of a lease among those of one worker: it moves
// with the beginning and with the end of each.
func (w Word) Generation() uint64 { return uint64(w >> 8) }

// Same reports whether two words are of one generation.
func (w Word) Same(v Word) bool { return w&^flags == v&^flags }

// Next is the step made under the lock: the next generation.
func (w Word) Next() Word { return w&^flags + next }

// Resident reports whether the worker can be lent and returned without the lock.
func (w Word) Resident() bool { return w&resident != 0 }

// Leased reports whether a resident worker is with a client.
func (w Word) Leased() bool { return w&leased != 0 }

// Bound reports whether the record says which client has the worker.
func (w Word) Bound() bool { return w&bound != 0 }

// Binding reports whether the client is about to write that record.
func (w Word) Binding() bool { return w&binding != 0 }

// Free reports whether a claim is possible.
func (w Word) Free() bool { return w&(resident|leased) == resident }

// Swept reports whether the contexts of clients are being looked at: if not, a
// client that has one must not claim the worker.
func (w Word) Swept() bool { return w&swept != 0 }

// Reside lets the worker be lent without the lock, to clients that need to be
// watched only if swept.
func (w Word) Reside(watched bool) Word {
	w = w.Next() | resident
	if watched {
		w |= swept
	}
	return w
}

// Claim begins a lease of which the record says nothing.
func (w Word) Claim() Word { return w + (next | leased) }

// ClaimBound begins a lease of the client of which the record says already.
func (w Word) ClaimBound() Word { return w + (next | leased | bound) }

// ClaimBinding begins a lease of another client, which may write the record.
func (w Word) ClaimBinding() Word { return w + (next | leased | binding) }

// Bind says that the record is written.
func (w Word) Bind() Word { return w&^binding | bound }

// Release ends a lease.
func (w Word) Release() Word { return w&^(leased|bound) + next }

// Recall puts the worker under the lock; a lease goes on.
func (w Word) Recall() Word { return w &^ flags }

// Leases counts the leases begun since the worker became resident with the
// word from.
func (w Word) Leases(from Word) uint64 { return (w.Generation() - from.Generation() + 1) / 2 }

// Atomic is a Word that several goroutines swap.
type Atomic struct{ word atomic.Uint64 }

// Load returns the word.
func (a *Atomic) Load() Word { return Word(a.word.Load()) }

// Store sets the word, which is safe only where nobody swaps: under the lock,
// while it is not resident.
func (a *Atomic) Store(w Word) { a.word.Store(uint64(w)) }

// CompareAndSwap takes a step, if the word is still the one it begins from.
func (a *Atomic) CompareAndSwap(from, to Word) bool {
	return a.word.CompareAndSwap(uint64(from), uint64(to))
}
