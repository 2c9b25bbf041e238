package pool

import (
	"cmp"
	"context"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/pooltender/pool/internal/hatch"
)

// groupWait is a client that waits at several pools, with a waiter in the queue
// of each. A waiter belongs to its pool and knows nothing of the others, so no
// two locks are ever held at once. Two pools may serve the client in the same
// moment: it accepts what it sees first and gives the other back unused, as a
// client does whose context ends at the hand-over (invariant 6).
type groupWait struct {
	ctx     context.Context
	done    <-chan struct{}
	begun   time.Time
	places  []groupPlace
	refused map[*core]error
}

// groupPlace is where the client waits in one pool.
type groupPlace struct {
	core   *core
	waiter *waiter
	until  time.Time // zero: as long as its context allows
}

func (g *Group[W]) checkout(ctx context.Context, done <-chan struct{}) (lease, error) {
	members, changed := g.now()
	l, err := tryAll(ctx, done, members)
	if err != nil || l.inc != nil {
		return l, err
	}
	w := &groupWait{ctx: ctx, done: done, begun: time.Now(), refused: make(map[*core]error)}
	for {
		if l := w.follow(members); l.inc != nil {
			w.leaveAll()
			return l.traced(), nil
		}
		if len(w.places) == 0 {
			return lease{}, refusalOf(ctx, members, mostHopeful(members, w.refused), time.Since(w.begun))
		}
		l, moved, err := w.sleep(changed)
		if err != nil {
			w.leaveAll()
			return lease{}, refusalOf(ctx, members, err, time.Since(w.begun))
		}
		if l.inc != nil {
			w.leaveAll()
			return l.traced(), nil
		}
		if moved {
			members, changed = g.now()
		}
	}
}

// follow leaves the pools that are no members any more and queues at the new
// ones. It returns a lease if one of those has a worker at once.
func (w *groupWait) follow(members []member) lease {
	w.places = slices.DeleteFunc(w.places, func(p groupPlace) bool {
		gone := !slices.ContainsFunc(members, func(m member) bool { return m.core == p.core })
		if gone {
			p.core.leave(p.waiter)
		}
		return gone
	})
	maps.DeleteFunc(w.refused, func(refused *core, _ error) bool { // who comes again is asked again
		return !slices.ContainsFunc(members, func(m member) bool { return m.core == refused })
	})
	for _, m := range members {
		waits := slices.ContainsFunc(w.places, func(p groupPlace) bool { return p.core == m.core })
		if waits || w.refused[m.core] != nil {
			continue
		}
		patience := m.terms.patience(m.core.opts.MaxWait)
		waiter, l, reason := m.core.join(w.ctx, w.done, m.terms, patience)
		switch {
		case reason != nil:
			w.refused[m.core] = reason
		case waiter == nil:
			return l
		default:
			w.places = append(w.places, groupPlace{m.core, waiter, after(time.Now(), patience)})
		}
	}
	return lease{}
}

// sleep returns when one of the pools has served the client, or refused it, when
// the members have changed, or with the error of the client's context.
func (w *groupWait) sleep(changed <-chan struct{}) (l lease, moved bool, err error) {
	var until time.Time
	for _, p := range w.places {
		until = earliest(until, p.until)
	}
	var timeout <-chan time.Time
	if !until.IsZero() {
		timer := time.NewTimer(time.Until(until))
		defer timer.Stop()
		timeout = timer.C
	}
	const ended, members, late, first = 0, 1, 2, 3
	cases := []reflect.SelectCase{receive(w.done), receive(changed), receive(timeout)}
	for _, p := range w.places {
		cases = append(cases, receive(p.waiter.wake))
	}
	switch chosen, _, _ := reflect.Select(cases); chosen {
	case ended:
		return l, false, cmp.Or(w.ctx.Err(), context.Canceled)
	case members:
		return l, true, nil
	case late:
		w.drop(func(p groupPlace) error {
			if p.until.IsZero() || time.Now().Before(p.until) {
				return nil
			}
			return ErrOverloaded
		})
	default:
		p := w.places[chosen-first]
		hatch.At(hatch.Accept, p.core)
		if !p.waiter.take() {
			return l, false, nil // the offer was taken back: there will be another
		}
		if p.waiter.err == nil {
			w.places = slices.Delete(w.places, chosen-first, chosen-first+1)
			return lease{p.waiter.inc, p.waiter.word, w.ctx}, false, nil
		}
		w.drop(func(other groupPlace) error {
			if other.core != p.core {
				return nil
			}
			return p.waiter.err
		})
	}
	return l, false, nil
}

func receive[T any](c <-chan T) reflect.SelectCase {
	return reflect.SelectCase{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(c)}
}

// drop leaves the pools for which there is a reason to.
func (w *groupWait) drop(reason func(groupPlace) error) {
	w.places = slices.DeleteFunc(w.places, func(p groupPlace) bool {
		err := reason(p)
		if err != nil {
			w.refused[p.core] = err
			p.core.leave(p.waiter)
		}
		return err != nil
	})
}

func (w *groupWait) leaveAll() {
	for _, p := range w.places {
		p.core.leave(p.waiter)
	}
}
