package pool

import (
	"context"
	"iter"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
)

// stream is one run of Map: a goroutine feeds it from the sequence, its clients
// call the function, and the caller's goroutine yields.
type stream[W, T, R any] struct {
	client  context.Context // of the caller
	context context.Context // of the calls; ends with the stream
	cancel  context.CancelCauseFunc
	taking  context.Context // ends when no more items are to be taken
	enough  context.CancelFunc
	pool    *Pool[W]
	fn      func(ctx context.Context, worker W, item T) (R, error)

	items   chan task[T]   // to a client that has nothing to do
	results chan result[R] // closed when no goroutine of the stream is left
	clients sync.WaitGroup
	started int           // clients
	passed  atomic.Int64  // results that had their turn
	room    chan struct{} // of capacity 1: one more has

	cut   error  // the caller's context ended before the sequence did
	raise func() // the panic or Goexit of the sequence
}

type task[T any] struct {
	place int // in the sequence
	item  T
}

type result[R any] struct {
	place int // of the item
	value R
	err   error
}

func newStream[W, T, R any](
	ctx context.Context, p *Pool[W], fn func(context.Context, W, T) (R, error),
) *stream[W, T, R] {
	s := &stream[W, T, R]{
		client: ctx, pool: p, fn: fn,
		items: make(chan task[T]), results: make(chan result[R]), room: make(chan struct{}, 1),
	}
	s.context, s.cancel = context.WithCancelCause(ctx)
	s.taking, s.enough = context.WithCancel(s.context)
	return s
}

// feed takes the items of the sequence and gives each to a client.
func (s *stream[W, T, R]) feed(seq iter.Seq[T]) {
	returned := false
	defer func() {
		if !returned {
			s.raise = runtime.Goexit
			if value := recover(); value != nil {
				s.raise = func() { panic(value) }
			}
		}
		close(s.items)
		s.clients.Wait()
		close(s.results)
	}()
	if s.client.Err() == nil {
		place := 0
		for item := range seq {
			if !s.give(task[T]{place, item}) {
				break
			}
			place++
		}
	}
	s.cut = s.client.Err()
	returned = true
}

// give waits until there is room for a task and a client to do it. It reports
// false if the stream takes no more.
func (s *stream[W, T, R]) give(t task[T]) bool {
	most := s.pool.most()
	for t.place-int(s.passed.Load()) >= 2*most {
		select {
		case <-s.room:
		case <-s.taking.Done():
			return false
		}
	}
	if s.taking.Err() != nil {
		return false
	}
	select {
	case s.items <- t:
		return true
	default:
	}
	if s.started < most {
		s.started++
		s.clients.Go(func() { s.work(t) })
		return true
	}
	select {
	case s.items <- t:
		return true
	case <-s.taking.Done():
		return false
	}
}

// most is how many workers the pool may have; of one that is paused, one.
func (p *Pool[W]) most() (n int) {
	p.core.view(func() { n = max(1, p.core.limit()) })
	return n
}

// work is a client: it does one task after another.
func (s *stream[W, T, R]) work(t task[T]) {
	for more := true; more; t, more = <-s.items {
		s.do(t)
	}
}

// do does a task. The result is sent when fn panics or ends the goroutine too.
func (s *stream[W, T, R]) do(t task[T]) {
	r := result[R]{place: t.place}
	returned := false
	defer func() {
		if !returned {
			r.err = caught(recover())
		}
		if r.err != nil {
			s.enough()
		}
		s.results <- r
	}()
	r.value, r.err = Call(s.context, s.pool, func(ctx context.Context, worker W) (R, error) {
		return s.fn(ctx, worker, t.item)
	})
	returned = true
}

// caught is what made a function not return, nil being runtime.Goexit.
func caught(value any) *PanicError {
	if value == nil {
		return &PanicError{Exit: true}
	}
	err, _ := value.(error)
	return &PanicError{Err: err, Panic: value, Stack: debug.Stack()}
}

// pass makes room for one more item.
func (s *stream[W, T, R]) pass() {
	s.passed.Add(1)
	poke(s.room)
}

// end ends the calls under way and waits until no goroutine is left. If the
// sequence panicked, it panics.
func (s *stream[W, T, R]) end(cause error) {
	s.cancel(cause)
	for range s.results {
	}
	if s.raise != nil {
		s.raise()
	}
}

func asTheyCome[R any](results <-chan result[R]) iter.Seq[result[R]] {
	return func(yield func(result[R]) bool) {
		for r := range results {
			if !yield(r) {
				return
			}
		}
	}
}

// inOrder yields results in the order of their items.
func inOrder[R any](results <-chan result[R]) iter.Seq[result[R]] {
	return func(yield func(result[R]) bool) {
		early := make(map[int]result[R])
		next := 0
		for r := range results {
			early[r.place] = r
			for r, here := early[next]; here; r, here = early[next] {
				delete(early, next)
				next++
				if !yield(r) {
					return
				}
			}
		}
	}
}
