package main

import "context"

// channel keeps idle workers in a buffered channel: what one writes first, and
// the baseline. It cannot be told to stop waiting.
type channel struct{ idle chan *worker }

func openChannel(workers int) lender { return &channel{stocked(workers)} }

// stocked is a channel with that many new workers.
func stocked(workers int) chan *worker {
	idle := make(chan *worker, workers)
	for range workers {
		idle <- new(worker)
	}
	return idle
}

func (c *channel) pairs(_ context.Context, n int) {
	for range n {
		w := <-c.idle
		w.uses++
		c.idle <- w
	}
}

func (c *channel) fresh(n int) {
	for range n {
		_, cancel := context.WithCancel(context.Background())
		w := <-c.idle
		w.uses++
		c.idle <- w
		cancel()
	}
}

func (c *channel) nests(_ context.Context, n int) {
	var held [nested]*worker
	for range n / nested {
		for i := range held {
			held[i] = <-c.idle
			held[i].uses++
		}
		for _, w := range held {
			c.idle <- w
		}
	}
}

func (c *channel) visits(_ context.Context, asks func() bool, holds func(*worker)) {
	for asks() {
		w := <-c.idle
		holds(w)
		c.idle <- w
	}
}

func (c *channel) close() {}
