package pool

import (
	"context"
	"sync/atomic"
	"unsafe"

	"github.com/pooltender/pool/internal/hatch"
)

// home is the stripe this goroutine looks at first: the same one every time, as
// long as its stack stays where it is.
func home(spread uint32) uint32 {
	if hatch.Interleaved { // where a stack lies would differ from run to run
		return 0
	}
	var here byte
	hash := uint32(uintptr(unsafe.Pointer(&here))>>stackGranule) * fibonacci
	return uint32(uint64(hash) * uint64(spread) >> 32)
}

// claim lends a resident worker without the lock, or nothing: then the client
// has to take the lock, where more is known.
//
// What is read of the record before the compare-and-swap belongs to the lease
// if it succeeds: a record is written while its worker is leased and not yet
// bound, and then the word would have moved (invariant 1).
//
// checkout has tried the first of them already, in the two cases that can end
// at once, because a call is a tenth of what a checkout costs.
//
// A goroutine whose stripe is empty is the guest of another's worker, but not for
// ever: at every guestTurns'th lease of that worker it takes the lock instead,
// and the worker it gets there will reside on its own stripe. So those in use
// become as many as the processors that use them, and no more.
func (c *core) claim(ctx context.Context, done <-chan struct{}, terms *terms) lease {
	anonymous := done == nil && !terms.marked
	spread := c.spread.Load()
	first := home(spread)
	inc := c.stripes[first].worker.Load()
	guest := inc == nil
	for i := first; ; {
		if inc != nil {
			w := inc.word.Load() // step look
			hatch.At(hatch.Claim, c)
			switch {
			case guest && w.Generation()/2%guestTurns == 0: // it moves twice a lease
				return lease{}
			case !w.Free() || done != nil && !w.Swept():
			case anonymous:
				if inc.word.CompareAndSwap(w, w.Claim()) { // step claim
					return lease{inc, w.Claim(), ctx}
				}
			case done != nil && ctx.Err() != nil:
				return lease{}
			case inc.client.is(done, terms):
				if inc.word.CompareAndSwap(w, w.ClaimBound()) { // step claim
					return lease{inc, w.ClaimBound(), ctx}
				}
			case inc.word.CompareAndSwap(w, w.ClaimBinding()): // step claim
				return c.bind(lease{inc, w.ClaimBinding(), ctx}, done, terms)
			}
		}
		if i++; i >= spread {
			i = 0
		}
		if i == first {
			return lease{}
		}
		inc = c.stripes[i].worker.Load()
	}
}

// bind writes which client has a worker that was just claimed. If the worker
// was recalled meanwhile the lease goes on under the lock, or has ended already:
// then bind returns no lease, as if the worker had not been there.
//
// A record that is written late, after the recall, does no harm: until the
// client has come here nobody else writes it, and the worker is not resident.
func (c *core) bind(l lease, done <-chan struct{}, terms *terms) lease {
	hatch.At(hatch.Bind, c)
	l.inc.client.set(done, terms) // step record
	hatch.At(hatch.Bind, c)
	next := l.word.Bind()
	if l.inc.word.CompareAndSwap(l.word, next) { // step bind
		return lease{l.inc, next, l.ctx}
	}
	var live bool
	c.must(func() { // step mend
		s := l.inc.slot
		l.inc.binding = false
		if live = l.live(); !live { // nobody has had it
			l.inc.uses--
			c.checkouts--
			return
		}
		l.word = l.word.Recall()
		s.loan.done, s.loan.owner = done, terms.Owner
		c.watchLease(done)
	})
	if !live {
		return lease{}
	}
	return l
}

// client is the record of the client that has a resident worker.
type client struct {
	done  atomic.Value // of type <-chan struct{}
	terms atomic.Pointer[terms]
}

func (r *client) is(done <-chan struct{}, terms *terms) bool {
	return r.done.Load() == any(done) && r.terms.Load() == terms
}

func (r *client) set(done <-chan struct{}, terms *terms) {
	if r.done.Load() != any(done) {
		r.done.Store(done)
	}
	if r.terms.Load() != terms {
		r.terms.Store(terms)
	}
}

func (r *client) get() (done <-chan struct{}, owner string) {
	terms := r.terms.Load()
	if terms != nil {
		owner = terms.Owner
	}
	done, _ = r.done.Load().(<-chan struct{})
	return done, owner
}

func (r *client) clear() {
	r.done.Store((<-chan struct{})(nil))
	r.terms.Store(nil)
}
