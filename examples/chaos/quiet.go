package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pooltender/pool"
)

// quiet is a pool of one worker that the storm leaves alone, and a control: a
// channel that holds one token, which owes nothing to any pool and is as long in
// the queues of the scheduler.
type quiet struct {
	pool          *pool.Pool[int]
	token         chan struct{}
	alone, beside latencies
}

// latencies are of what is taken and given back by one client, and of what goes
// from one to another who waits.
type latencies struct{ lend, token, handOver, tokenOver sample }

func newQuiet(ctx context.Context, reg *pool.Registry) (*quiet, error) {
	p, err := pool.Start(ctx, reg, "quiet", pool.Spec[int]{
		Start: func(context.Context) (int, error) { return 1, nil },
	}, pool.Options{Size: 1, MaxWait: bearing})
	q := &quiet{pool: p, token: make(chan struct{}, 1)}
	q.token <- struct{}{}
	return q, err
}

// thing is what is taken in turns.
type thing func() (give func(), err error)

func (q *quiet) worker() (give func(), err error) {
	l, err := q.pool.Checkout(context.Background())
	return func() { l.Checkin() }, err
}

func (q *quiet) channel() (give func(), err error) {
	<-q.token
	return func() { q.token <- struct{}{} }, nil
}

// measure measures all of them in turn until ctx is done. Nothing may go wrong
// with the pool meanwhile.
func (q *quiet) measure(ctx context.Context, into *latencies) error {
	for pause(ctx, ms) == nil {
		if err := thing(q.worker).measure(&into.lend, &into.handOver); err != nil {
			return err
		}
		_ = thing(q.channel).measure(&into.token, &into.tokenOver) // nobody refuses it
	}
	return nil
}

func (t thing) measure(alone, over *sample) error {
	took, err := t.lend()
	if err != nil {
		return err
	}
	alone.add(took)
	if took, err = t.handOver(); err != nil {
		return err
	}
	over.add(took)
	return nil
}

// lend takes the thing and gives it back.
func (t thing) lend() (time.Duration, error) {
	began := time.Now()
	give, err := t()
	if err != nil {
		return 0, err
	}
	give()
	return time.Since(began), nil
}

// handOver is how long it takes until the thing that one gives back is in the
// hands of another who waits for it.
func (t thing) handOver() (time.Duration, error) {
	give, err := t()
	if err != nil {
		return 0, err
	}
	var other sync.WaitGroup
	var comes atomic.Bool
	var taken time.Time
	other.Go(func() {
		comes.Store(true)
		var give func()
		if give, err = t(); err == nil {
			taken = time.Now()
			give()
		}
	})
	for wait := true; wait; wait = !comes.Load() {
		time.Sleep(100 * time.Microsecond)
	}
	given := time.Now()
	give()
	other.Wait()
	return taken.Sub(given), err
}

// sample keeps some thousands of all it is given, each as likely.
type sample struct {
	kept []time.Duration
	seen int
}

const mostKept = 1 << 15

func (s *sample) add(d time.Duration) {
	if s.kept == nil {
		s.kept = make([]time.Duration, 0, mostKept)
	}
	s.seen++
	if len(s.kept) < mostKept {
		s.kept = append(s.kept, d)
	} else if at := rand.IntN(s.seen); at < mostKept {
		s.kept[at] = d
	}
}

// quantile is the duration that the part q of the sample does not exceed.
func (s *sample) quantile(q float64) time.Duration {
	if len(s.kept) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(s.kept))
	return sorted[int(q*float64(len(sorted)-1))]
}

func (q *quiet) String() string {
	line := func(what string, alone, beside *sample) string {
		a50, a99, b50, b99 := alone.quantile(0.5), alone.quantile(0.99), beside.quantile(0.5), beside.quantile(0.99)
		return fmt.Sprintf("  %-34s %9v %9v  %9v %9v   %5.2f %6.2f\n", what, short(a50), short(a99), short(b50), short(b99),
			ratio(b50, a50), ratio(b99, a99))
	}
	return fmt.Sprintf("  %-34s %19s  %19s   %12s\n  %-34s %9s %9s  %9s %9s   %5s %6s\n", "", "alone", "beside the storm", "times",
		"", "p50", "p99", "p50", "p99", "p50", "p99") +
		line("pool: checkout and checkin", &q.alone.lend, &q.beside.lend) +
		line("channel: receive and send", &q.alone.token, &q.beside.token) +
		line("pool: to a client that waits", &q.alone.handOver, &q.beside.handOver) +
		line("channel: to a goroutine that waits", &q.alone.tokenOver, &q.beside.tokenOver)
}

func ratio(a, b time.Duration) float64 { return float64(a) / float64(max(b, 1)) }

// short is d with no more digits than mean something.
func short(d time.Duration) time.Duration {
	switch {
	case d >= ms:
		return d.Round(10 * time.Microsecond)
	case d >= time.Microsecond:
		return d.Round(10 * time.Nanosecond)
	}
	return d
}
