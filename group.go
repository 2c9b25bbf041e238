package pool

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// Group lends from several pools of one type of worker: from whichever has a
// worker first. Pools may be added and removed at any time, and may restart, stop
// or crash; a client that waits goes on waiting at the others. Make it with
// [NewGroup]. All methods may be called by several goroutines at once. A group
// has no goroutine and owns nothing: its pools are started and stopped by
// themselves.
type Group[W any] struct {
	mu      sync.Mutex
	members []member      // guarded by mu; replaced, never changed
	changed chan struct{} // guarded by mu; closed when members are replaced; nil if nobody waits for that
}

// member is a pool of a group.
type member struct {
	core   *core
	terms  *terms
	weight int
}

// NewGroup makes a group of these pools, each of weight 1; nil ones are left out.
// It may be empty.
func NewGroup[W any](pools ...*Pool[W]) *Group[W] {
	g := &Group[W]{}
	for _, p := range pools {
		g.put(p, 1)
	}
	return g
}

// Add puts a pool into the group, on the terms of its handle; see [Pool.With].
// Where several pools have an idle worker, each is asked first in proportion to
// its weight. If the group has the pool already, only its terms and weight
// change. Clients that wait begin to wait there, too. A nil pool, or a weight
// below 1 or above 1<<20, is an [*OptionError].
func (g *Group[W]) Add(p *Pool[W], weight int) error {
	switch {
	case p == nil || p.core == nil:
		return errNoPool
	case weight < 1 || weight > 1<<20:
		return &OptionError{"weight", weight, "must be between 1 and 1048576"}
	}
	g.put(p, weight)
	return nil
}

// Remove takes the pool out of the group and reports whether it was there.
// Clients that wait leave its queue; leases go on. A pool that was stopped is to
// be removed, too: it only costs every client a look.
func (g *Group[W]) Remove(p *Pool[W]) bool {
	if p == nil || p.core == nil {
		return false
	}
	return g.replace(func(members []member) []member {
		return slices.DeleteFunc(members, func(m member) bool { return m.core == p.core })
	})
}

func (g *Group[W]) put(p *Pool[W], weight int) {
	if p == nil || p.core == nil {
		return
	}
	g.replace(func(members []member) []member {
		added := member{p.core, &p.terms, weight}
		if i := slices.IndexFunc(members, func(m member) bool { return m.core == p.core }); i >= 0 {
			members[i] = added
			return members
		}
		return append(members, added)
	})
}

// replace changes a copy of the members and tells those who wait.
func (g *Group[W]) replace(change func([]member) []member) (shorter bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	before := len(g.members)
	g.members = change(slices.Clone(g.members))
	if g.changed != nil {
		close(g.changed)
		g.changed = nil
	}
	return len(g.members) < before
}

// Checkout lends a worker of one of the pools: an idle one at once, else the
// first that any of them has for this client. It waits in the queue of each
// pool, with a place of its own, and leaves the others when it is served; if two
// serve it in the same moment, one of the workers goes back unused. A pool that
// refuses (it stops, it is overloaded, it has no worker and none to come) is left
// out, and when all have, the most hopeful of their reasons is returned:
// ErrOverloaded, ErrUnavailable, ErrStopped. A group without pools returns
// ErrUnavailable. Otherwise it is as [Pool.Checkout]. Its [*CheckoutError] names
// all the pools and has the sum of their Stats.
//
// With an idle worker it costs a lock and what Checkout of the pool does. A wait
// costs a place in the queue of every pool, and some allocations for each.
func (g *Group[W]) Checkout(ctx context.Context) (Lease[W], error) {
	if ctx == nil {
		return Lease[W]{}, errNilContext
	}
	l, err := g.checkout(ctx, ctx.Done())
	return Lease[W]{l}, err
}

// TryCheckout is Checkout for those who do not wait; see [Pool.TryCheckout]. If
// no pool has an idle worker the error wraps ErrFull, or the most hopeful reason
// of the pools if none of them could have.
func (g *Group[W]) TryCheckout(ctx context.Context) (Lease[W], error) {
	if ctx == nil {
		return Lease[W]{}, errNilContext
	}
	members, _ := g.now()
	l, err := tryAll(ctx, ctx.Done(), members)
	if err != nil || l.inc != nil {
		return Lease[W]{l}, err
	}
	refused := make(map[*core]error)
	for _, m := range members {
		refused[m.core] = m.core.whyNot()
	}
	return Lease[W]{}, refusalOf(ctx, members, mostHopeful(members, refused), 0)
}

// Do lends a worker of one of the pools to fn and takes it back; see [Pool.Do].
// Where there is a result, fn keeps it: [Call] and [Map] are for one pool.
func (g *Group[W]) Do(ctx context.Context, fn func(ctx context.Context, worker W) error) error {
	if fn == nil {
		return errNoFunction
	}
	lease, err := g.Checkout(ctx)
	if err != nil {
		return err
	}
	return lease.lendTo(fn)
}

// now returns the members, and a channel that is closed when they change.
func (g *Group[W]) now() ([]member, <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.changed == nil {
		g.changed = make(chan struct{})
	}
	return g.members, g.changed
}

// tryAll tries every pool once, beginning with one chosen by weight.
func tryAll(ctx context.Context, done <-chan struct{}, members []member) (lease, error) {
	total := 0
	for _, m := range members {
		total += m.weight
	}
	if total == 0 {
		return lease{}, nil
	}
	first, chosen := 0, rand.IntN(total)
	for chosen -= members[first].weight; chosen >= 0; chosen -= members[first].weight {
		first++
	}
	for i := range members {
		m := members[(first+i)%len(members)]
		if l, err := m.core.tryOnce(ctx, done, m.terms); err != nil || l.inc != nil {
			return l, err
		}
	}
	return lease{}, nil
}

// mostHopeful is the reason of that pool, of all that have refused the client,
// where it had best come back.
func mostHopeful(members []member, refused map[*core]error) error {
	hope := []error{errNoPools, ErrStopped, ErrUnavailable, ErrOverloaded, ErrFull}
	best := 0
	for _, m := range members {
		best = max(best, slices.Index(hope, refused[m.core]))
	}
	return hope[best]
}

// refusalOf is the error of all the pools together.
func refusalOf(ctx context.Context, members []member, reason error, waited time.Duration) error {
	if len(members) == 0 {
		return &CheckoutError{Err: cmp.Or(ctx.Err(), reason), Waited: waited}
	}
	var all *CheckoutError
	for _, m := range members {
		one := m.core.refusal(m.terms, reason, waited)
		m.core.hint(ctx, one)
		if all == nil {
			all = one
			continue
		}
		all.Pool += ", " + one.Pool
		all.Stats = all.Stats.plus(one.Stats)
		if all.Holding.Pool == "" {
			all.Holding = one.Holding
		}
		if all.RetryAfter == 0 || one.RetryAfter > 0 && one.RetryAfter < all.RetryAfter {
			all.RetryAfter = one.RetryAfter
		}
	}
	return all
}

var errNoPools = fmt.Errorf("%w: the group has no pools", ErrUnavailable)
