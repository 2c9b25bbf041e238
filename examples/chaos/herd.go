package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
)

// herd knows every worker process there is, whatever the pools think.
type herd struct {
	mu      sync.Mutex
	alive   []*process
	started int
}

// spawn starts a process and waits until it answers.
func (h *herd) spawn(ctx context.Context) (*process, error) {
	var p *process
	p, err := newProcess(ctx, func() { h.remove(p) })
	if err != nil {
		return nil, err
	}
	h.add(p)
	if err := p.ask(ctx); err != nil {
		p.Kill()
		return nil, errors.Join(err, p.Wait())
	}
	return p, nil
}

func (h *herd) add(p *process) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.alive = append(h.alive, p)
	h.started++
}

func (h *herd) remove(p *process) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.alive = slices.DeleteFunc(h.alive, func(other *process) bool { return other == p })
}

// count returns how many processes were started, and how many are left.
func (h *herd) count() (started, left int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.started, len(h.alive)
}

// kill kills one of them, if there is any, and says nothing to its pool.
func (h *herd) kill(r *rand.Rand) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.alive) > 0 {
		h.alive[r.IntN(len(h.alive))].Kill()
	}
}
