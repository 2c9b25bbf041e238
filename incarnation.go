package pool

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"github.com/pooltender/pool/internal/list"
	"github.com/pooltender/pool/internal/restart"
	"github.com/pooltender/pool/internal/word"
)

// hook names a hook of an incarnation.
type hook uint8

const (
	noHook hook = iota
	hookStart
	hookRun
	hookCheck
	hookReset
	hookStop
)

func (h hook) String() string { return [...]string{"", "start", "run", "check", "reset", "stop"}[h] }

// incarnation is one worker of a slot, from the moment its start is decided
// until everything of it has ended. Its record is the truth from which a new
// epoch is rebuilt: the fields are set by those who know, not by those who want.
type incarnation struct {
	// What a checkout and a checkin without the lock touch is on one cache line.
	//
	// The generation in the word is the identity of a lease: it moves with every
	// beginning and every end of one, and never goes back. A lease is live as
	// long as it is the word's (invariants 1, 5, 14). While the worker is not
	// resident it is written under core.mu alone.
	word     word.Atomic
	client   client // written by the client that has claimed the resident worker
	worker   any    // written before the start is reported, then constant
	slot     *slot
	lifetime atomic.Pointer[lifetime] // see life

	// Guarded by core.mu.
	fate     *fate
	number   uint64  // among those of its slot, from 1
	born     instant // Start returned; before that: it was called
	deadline instant // of what runs now: the start, the hook, or the end
	uses     uint64  // leases
	attempt  uint32  // see Slot
	epoch    uint32  // in which it was launched
	hook     hook    // what runs now, beside Run
	marks    marks
	ending   restart.Ending
	stripe   uint8 // where it is resident
	binding  bool  // recalled while a client was about to bind its lease
	launched bool  // its goroutine exists
	// Start returned a worker: Stop is owed.
	delivered bool
	owed      bool // a permit is held
	running   bool // Run runs
	served    bool // a lease was completed by Checkin
	over      bool // crashed or told to end; there is no way back
	crashed   bool
	proven    bool // as it was when it was over
	stopping  bool // Stop has been called, or needs not be
	gone      bool // nothing of it runs any more
	detached  bool // its slot has gone on without it
}

// fate is what does not befall every worker.
type fate struct {
	cancelHook context.CancelFunc      // of Reset or Check, while it runs
	well       instant                 // when it was known to be; kept where CheckEvery is on
	err        error                   // why it ended, where there is an error to tell
	stopErr    error                   // what Stop said
	ends       []leaseEnd              // of leases that were not plainly checked in, newest last
	room       [1]leaseEnd             // most have no more
	link       list.Node[*incarnation] // in the list of zombies, or that of checks
}

// told returns the fate to read, which is empty for most.
func (inc *incarnation) told() *fate {
	if inc.fate == nil {
		return new(fate)
	}
	return inc.fate
}

// befalls returns the fate to write to.
func (inc *incarnation) befalls() *fate {
	if inc.fate == nil {
		inc.fate = &fate{link: list.Node[*incarnation]{Value: inc}}
		inc.fate.ends = inc.fate.room[:0]
	}
	return inc.fate
}

func (inc *incarnation) id() Slot {
	return Slot{Pool: inc.slot.core.name, Index: inc.slot.index(), Incarnation: inc.number, Attempt: int(inc.attempt)}
}

// leaseEnd is how a lease of an incarnation ended.
type leaseEnd struct {
	lease  word.Word
	reason EndReason
	err    error
	after  time.Duration // abandoned: how long after the client's context; overdue: how long it was held
	origin *origin       // leaked: where it was checked out
}

// rememberedEnds is how many ends of leases an incarnation remembers.
const rememberedEnds = 8

// remember keeps how a lease ended, for Lease.Err.
func (inc *incarnation) remember(end leaseEnd) {
	f := inc.befalls()
	if n := len(f.ends); n > 0 && f.ends[n-1].lease.Same(end.lease) {
		f.ends = f.ends[:n-1]
	}
	if len(f.ends) == rememberedEnds {
		f.ends = slices.Delete(f.ends, 0, 1)
	}
	f.ends = append(f.ends, end)
}

// endOf returns how the lease of a word ended, if that is remembered.
func (inc *incarnation) endOf(lease word.Word) leaseEnd {
	for _, end := range inc.told().ends {
		if end.lease.Same(lease) {
			return end
		}
	}
	return leaseEnd{reason: EndReturned}
}

// nextWord begins or ends a lease under the lock.
func (inc *incarnation) nextWord() word.Word {
	w := inc.word.Load().Next()
	inc.word.Store(w)
	return w
}

// age is how long the worker has been up; 0: it is not yet.
func (inc *incarnation) age(now time.Time) time.Duration {
	if !inc.delivered {
		return 0
	}
	return now.Sub(inc.slot.core.time(inc.born))
}

func (inc *incarnation) isProven(now time.Time) bool {
	return inc.served || inc.age(now) >= healthyAfter
}
