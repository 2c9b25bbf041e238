package main

import "context"

// selecting is the channel of somebody who takes contexts seriously.
type selecting struct{ idle chan *worker }

func openSelect(workers int) lender { return &selecting{stocked(workers)} }

func (s *selecting) pairs(ctx context.Context, n int) {
	for range n {
		select {
		case w := <-s.idle:
			w.uses++
			s.idle <- w
		case <-ctx.Done():
			panic(ctx.Err())
		}
	}
}

func (s *selecting) fresh(n int) {
	for range n {
		ctx, cancel := context.WithCancel(context.Background())
		select {
		case w := <-s.idle:
			w.uses++
			s.idle <- w
		case <-ctx.Done():
			panic(ctx.Err())
		}
		cancel()
	}
}

func (s *selecting) nests(ctx context.Context, n int) {
	var held [nested]*worker
	for range n / nested {
		for i := range held {
			select {
			case held[i] = <-s.idle:
				held[i].uses++
			case <-ctx.Done():
				panic(ctx.Err())
			}
		}
		for _, w := range held {
			s.idle <- w
		}
	}
}

func (s *selecting) visits(ctx context.Context, asks func() bool, holds func(*worker)) {
	for asks() {
		select {
		case w := <-s.idle:
			holds(w)
			s.idle <- w
		case <-ctx.Done():
			panic(ctx.Err())
		}
	}
}

func (s *selecting) close() {}
