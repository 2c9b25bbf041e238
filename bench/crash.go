package main

import (
	"context"
	"errors"
)

// mortal is a worker that lives until it is told to die.
type mortal struct{ killed chan struct{} }

func newMortal() *mortal { return &mortal{make(chan struct{}, 1)} }

// live returns nil when ctx is done, and dies in its own way when killed.
func (m *mortal) live(ctx context.Context, die func() error) error {
	select {
	case <-m.killed:
		return die()
	case <-ctx.Done():
		return nil
	}
}

var errKilled = errors.New("killed")

// A nursery keeps one mortal worker alive. next returns the worker, or waits for
// the one after it if that was killed since the last call.
type nursery interface {
	next() *mortal
	close()
}

// keepers of nurseries, by what dies: a worker is killed, and the client that
// waits has the next one.
var keepers = []struct {
	name, note string
	open       func(die func() error) nursery
}{
	{"goroutine that respawns", "no supervision: the least it can cost", openRespawn},
	{"suture", "restarts, does not lend", openSuture},
	{ours, "the client holds a lease of the worker that dies", openNursery},
}

// crashes are workers that die while a client waits for the next one.
func crashes() []scenario {
	deaths := []struct {
		name, about string
		die         func() error
	}{
		{"error", "returns an error", func() error { return errKilled }},
		{"panic", "panics", func() error { panic(errKilled) }},
	}
	var all []scenario
	for _, d := range deaths {
		all = append(all, scenario{
			name:    "crash/" + d.name,
			about:   "A worker's own goroutine " + d.about + "; from there to its replacement, in the hands of the client that waits.",
			columns: []column{timeColumn, spreadColumn, ratioColumn, allocsColumn, noteColumn},
			run:     func(p plan) []row { return compare(p, "suture", casualties(d.die)) },
		})
	}
	return all
}

func casualties(die func() error) []entrant {
	var all []entrant
	for _, k := range keepers {
		all = append(all, entrant{k.name, k.note, func(n int, w *watch) int {
			nursery := k.open(die)
			defer nursery.close()
			m := nursery.next()
			w.start()
			for range n {
				m.killed <- struct{}{}
				m = nursery.next()
			}
			w.stop()
			return n
		}})
	}
	return all
}
