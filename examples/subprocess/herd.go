package main

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// herd knows every worker process there is, whatever the pool thinks.
type herd struct {
	mu             sync.Mutex
	prey           []*Worker // those that killOne may kill
	started, ended int
}

func (h *herd) add(w *Worker) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.started++
	h.prey = append(h.prey, w)
}

func (h *herd) remove(w *Worker) {
	h.spare(w)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ended++
}

// spare takes a worker out of the sights of killOne.
func (h *herd) spare(w *Worker) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.prey = slices.DeleteFunc(h.prey, func(other *Worker) bool { return other == w })
}

func (h *herd) left() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.started - h.ended
}

// killOne kills a process at random, and says nothing to the pool. If there is
// none at the moment it waits for one.
func (h *herd) killOne(ctx context.Context, random *rand.Rand) {
	for ctx.Err() == nil {
		if w := h.choose(random); w != nil {
			w.Kill()
			return
		}
		time.Sleep(time.Millisecond)
	}
}

func (h *herd) choose(random *rand.Rand) *Worker {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.prey) == 0 {
		return nil
	}
	i := random.IntN(len(h.prey))
	w := h.prey[i]
	h.prey = slices.Delete(h.prey, i, i+1)
	return w
}
