package word_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool/internal/word"
)

type wordOf = word.Word

const (
	mostStates = 3_000_000
	tooMany    = "too many states"
)

// explorer takes every step that can come next, in every state it comes to.
type explorer struct {
	config
	seen  map[state]struct{}
	path  []move
	steps int
	found string // a violation, and the way to it
}

// explore goes on from a state. It reports whether all is well.
func (e *explorer) explore(s state) bool {
	if _, known := e.seen[s]; known {
		return true
	}
	if len(e.seen) > mostStates {
		e.found = tooMany
		return false
	}
	e.seen[s] = struct{}{}
	moves := e.moves(&s)
	for _, m := range moves {
		e.steps++
		e.path = append(e.path, m)
		next, fault := e.take(s, m)
		if fault != "" {
			e.found = e.story(fault)
			return false
		}
		if !e.explore(next) {
			return false
		}
		e.path = e.path[:len(e.path)-1]
	}
	if len(moves) == 0 {
		if fault := e.stuck(&s); fault != "" {
			e.found = e.story(fault)
			return false
		}
	}
	return true
}

func (e *explorer) story(fault string) string {
	var text strings.Builder
	text.WriteString(fault)
	for _, m := range e.path {
		fmt.Fprintf(&text, "\n\t%d %s", m.who, m.what)
	}
	return text.String()
}

func (e *explorer) take(s state, m move) (next state, fault string) {
	defer func() {
		if p := recover(); p != nil {
			v, known := p.(violation)
			if !known {
				panic(p)
			}
			fault = string(v)
		}
	}()
	m.take(&e.config, &s)
	e.check(&s)
	return s, ""
}

// stuck judges a state from which nothing goes on.
func (e *explorer) stuck(s *state) string {
	alive := 0
	for i := range s.workers {
		if !s.workers[i].dead {
			alive++
		}
	}
	for n := range e.contexts {
		if s.lock != 0 {
			return "the lock is never free again"
		}
		if at := s.clients[n].at; at != gone && at != atRest && alive > 0 {
			return "a client waits for ever"
		}
	}
	return ""
}

func explore(c config) *explorer {
	for n := range c.contexts {
		c.from.clients[n].trips, c.from.clients[n].at = c.trips, atLook
	}
	if c.thief {
		c.from.clients[len(c.contexts)-1] = client{}
	}
	c.from.parked = true
	e := &explorer{config: c, seen: map[state]struct{}{}}
	e.explore(c.from)
	return e
}

// scenes are who meets whom.
func scenes() []config {
	all := []config{
		{name: "three clients, a crash, a cancellation", contexts: []int8{0, 0, 0}, trips: 1, from: state{crashes: 1, cancels: 1}},
		{name: "two clients, again and again", contexts: []int8{0, 0}, trips: 3, from: state{crashes: 1}},
		{name: "a lease that two goroutines have", contexts: []int8{1, 0, 0}, trips: 2, thief: true, from: state{crashes: 1}},
		{name: "the epoch changes", contexts: []int8{1, 2}, trips: 2, from: state{restarts: 1, cancels: 1, manager: sweeper{sweeps: 1}}},
		{name: "somebody waits, with a context or without", contexts: []int8{1, 0, 2}, trips: 1, from: state{cancels: 1, endings: 1, manager: sweeper{sweeps: 1}}},
		{name: "contexts, one of which ends", contexts: []int8{1, 2, 1}, trips: 1, from: state{endings: 1, manager: sweeper{sweeps: 2}}},
		{name: "a client comes back, another comes between", contexts: []int8{1, 2}, trips: 2, from: state{endings: 1, crashes: 1, manager: sweeper{sweeps: 1}}},
	}
	if smallScenes > 0 {
		return all[:smallScenes]
	}
	return all
}

func TestNoInterleavingBreaksTheProtocol(t *testing.T) {
	states, steps := 0, 0
	for _, scene := range scenes() {
		scene.protocol = shipped()
		e := explore(scene)
		t.Logf("%-44s %8d states %9d steps", scene.name, len(e.seen), e.steps)
		require.Empty(t, e.found, scene.name)
		states += len(e.seen)
		steps += e.steps
	}
	t.Logf("%d states, %d steps", states, steps)
}
