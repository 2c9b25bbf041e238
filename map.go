package pool

import (
	"context"
	"errors"
	"iter"
)

// MapOptions are what Map can be told. The zero value is good.
type MapOptions struct {
	// Unordered yields results as they come, not in the order of the items: a
	// slow item holds up no other, and the first error in time is the end.
	Unordered bool
}

// Map calls fn with each item of seq and a worker of p, as many at a time as p
// has workers, and yields the results in the order of the items. It is the usual
// way to use a pool for a batch. Nothing begins before the result is ranged
// over, and every range is a run of its own. Of several options the last
// non-zero value of a field counts.
//
// Each call of fn is a [Call], with a lease of its own: who else uses p gets a
// turn between two items. fn must not wait for another worker of p, least of all
// by Map: it may wait for itself. An item costs three to four times what Call
// costs with an idle worker, for it goes from one goroutine to another twice; it
// allocates no more.
//
// seq runs on one goroutine, not the caller's, and holds up no results when it
// blocks. It is asked for an item as workers take those before: no more than
// twice as many as p may have workers (Size + MaxOverflow, also after a Resize)
// are taken and not yet yielded, and one more waits for room. Beside the
// goroutine of seq there are no more than p may have workers, nor than seq has
// items.
//
// The first error is yielded last, with the zero R: what fn returned; what
// Checkout did, which is ErrOverloaded too if MaxWaiting is too low for as many
// clients as there may be workers; a [*PanicError] if fn panicked or called
// [runtime.Goexit], which replaces the worker; the error of ctx if that has ended
// when seq has. Once fn fails no more items are taken, but the error waits for
// its turn: the results of earlier items come first, and of several errors that
// of the earliest item counts. With Unordered its turn is at once.
//
// Before the error is yielded, and when the loop is left early, the context of
// the calls under way ends, and Map waits for them and for seq: no goroutine and
// no lease is left. What blocks for ever in fn or seq cannot be interrupted; it
// had better watch a context. A panic or Goexit of seq goes on up on the caller's
// goroutine, after the results of all items.
func Map[W, T, R any](
	ctx context.Context, p *Pool[W], seq iter.Seq[T],
	fn func(ctx context.Context, worker W, item T) (R, error), options ...MapOptions,
) iter.Seq2[R, error] {
	arrange := inOrder[R]
	for _, o := range options {
		if o.Unordered {
			arrange = asTheyCome[R]
		}
	}
	return func(yield func(R, error) bool) {
		var none R
		if err := complete(ctx != nil, p != nil, seq != nil, fn != nil); err != nil {
			yield(none, err)
			return
		}
		s := newStream(ctx, p, fn)
		defer s.end(nil)
		go s.feed(seq)
		for r := range arrange(s.results) {
			s.pass()
			if r.err != nil {
				s.end(r.err)
				yield(none, r.err)
				return
			}
			if !yield(r.value, nil) {
				return
			}
		}
		if s.cut != nil {
			yield(none, s.cut)
		}
	}
}

// ForEach is [Map] for what has no result. It returns the first error in time,
// or nil when fn has returned for every item. Until then it does not return.
func ForEach[W, T any](
	ctx context.Context, p *Pool[W], seq iter.Seq[T],
	fn func(ctx context.Context, worker W, item T) error,
) error {
	if err := complete(ctx != nil, p != nil, seq != nil, fn != nil); err != nil {
		return err
	}
	call := func(ctx context.Context, worker W, item T) (struct{}, error) {
		return struct{}{}, fn(ctx, worker, item)
	}
	for _, err := range Map(ctx, p, seq, call, MapOptions{Unordered: true}) {
		if err != nil {
			return err
		}
	}
	return nil
}

// complete says which argument of Map is missing.
func complete(ctx, pool, seq, fn bool) error {
	switch {
	case !ctx:
		return errNilContext
	case !pool:
		return errNoPool
	case !seq:
		return errors.New("pool: the sequence must not be nil")
	case !fn:
		return errNoFunction
	}
	return nil
}
