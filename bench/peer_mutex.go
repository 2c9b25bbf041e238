package main

import (
	"context"
	"sync"
)

// locked keeps idle workers in a slice under a mutex. Who finds none waits for
// a condition, and may be passed by a newcomer.
type locked struct {
	mu      sync.Mutex
	freed   sync.Cond
	idle    []*worker // guarded by mu
	waiting int       // guarded by mu
}

func openMutex(workers int) lender {
	l := new(locked)
	l.freed.L = &l.mu
	for range workers {
		l.idle = append(l.idle, new(worker))
	}
	return l
}

func (l *locked) take() *worker {
	l.mu.Lock()
	for len(l.idle) == 0 {
		l.waiting++
		l.freed.Wait()
		l.waiting--
	}
	last := len(l.idle) - 1
	w := l.idle[last]
	l.idle = l.idle[:last]
	l.mu.Unlock()
	return w
}

func (l *locked) give(w *worker) {
	l.mu.Lock()
	l.idle = append(l.idle, w)
	wanted := l.waiting > 0
	l.mu.Unlock()
	if wanted {
		l.freed.Signal()
	}
}

func (l *locked) pairs(_ context.Context, n int) {
	for range n {
		w := l.take()
		w.uses++
		l.give(w)
	}
}

func (l *locked) fresh(n int) {
	for range n {
		_, cancel := context.WithCancel(context.Background())
		w := l.take()
		w.uses++
		l.give(w)
		cancel()
	}
}

func (l *locked) nests(_ context.Context, n int) {
	var held [nested]*worker
	for range n / nested {
		for i := range held {
			held[i] = l.take()
			held[i].uses++
		}
		for _, w := range held {
			l.give(w)
		}
	}
}

func (l *locked) visits(_ context.Context, asks func() bool, holds func(*worker)) {
	for asks() {
		w := l.take()
		holds(w)
		l.give(w)
	}
}

func (l *locked) close() {}
