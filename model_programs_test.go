package pool_test

import (
	"testing"
	"testing/synctest"
)

// program is choices as bytes: what pool it is, and then what happens to it. Where
// it ends all choices are the first.
type program struct{ code []byte }

func (p *program) pick(_ string, of int) int {
	if len(p.code) == 0 {
		return 0
	}
	next := p.code[0]
	p.code = p.code[1:]
	return int(next) % of
}

// mostCommands bounds a program, as growing old a little at each is assumed to be
// little.
const mostCommands = 60

// run does what a program says, in a bubble.
func (p *program) run(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, p)
		defer w.clear()
		for range mostCommands {
			if len(p.code) == 0 {
				break
			}
			w.obey(commands[p.pick("command", len(commands))])
			w.settle()
		}
		w.stop()
	})
}

// Whatever program is run, the pool does what the model does.
func FuzzPrograms(f *testing.F) {
	f.Fuzz(func(t *testing.T, code []byte) { (&program{code}).run(t) })
}
