package main

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/pooltender/pool"
)

// work is how long it takes to double a number.
const work = 20 * time.Millisecond

// Doubler is a worker: a goroutine with a mailbox that doubles numbers.
type Doubler struct {
	name    string // "0.2": the second worker of slot 0
	mailbox chan request
}

type request struct {
	n      int
	answer chan<- int
}

// NewDoubler is the pool's Start: it makes a worker, and may take its time.
func NewDoubler(ctx context.Context) (*Doubler, error) {
	slot, _ := pool.SlotFrom(ctx)
	return &Doubler{
		name:    fmt.Sprintf("%d.%d", slot.Index, slot.Incarnation),
		mailbox: make(chan request),
	}, nil
}

// Run is the worker's own goroutine. It ends in order when ctx does; if it ends
// in any other way, the panic below included, the worker has crashed.
func (d *Doubler) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case r := <-d.mailbox:
			if r.n > math.MaxInt/2 {
				panic(fmt.Sprintf("twice %d is too much", r.n))
			}
			time.Sleep(work)
			r.answer <- 2 * r.n
		}
	}
}

// Compute is what clients call. With the context of its lease it does not wait
// in vain for a worker that has died.
func (d *Doubler) Compute(ctx context.Context, n int) (int, error) {
	answer := make(chan int, 1)
	select {
	case d.mailbox <- request{n, answer}:
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
	select {
	case doubled := <-answer:
		return doubled, nil
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
}

func (d *Doubler) String() string { return d.name }
