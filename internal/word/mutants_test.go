package word_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool/internal/word"
)

// still takes the flags of a step and leaves the generation where it was.
func still(step func(word.Word) word.Word) func(word.Word) word.Word {
	const flags = 1<<8 - 1
	return func(w word.Word) word.Word { return w&^flags | step(w)&flags }
}

// mutants are the protocol with one fault each.
var mutants = map[string]func(p *protocol){
	"a claim that does not move the generation":    func(p *protocol) { p.claim = still(word.Word.Claim) },
	"a bound claim that does not move it":          func(p *protocol) { p.bound = still(word.Word.ClaimBound) },
	"a binding claim that does not move it":        func(p *protocol) { p.binding = still(word.Word.ClaimBinding) },
	"a release that does not move it":              func(p *protocol) { p.release = still(word.Word.Release) },
	"a bind that moves it":                         func(p *protocol) { p.bind = func(w word.Word) word.Word { return w.Bind().Next() } },
	"a bind that does not say so":                  func(p *protocol) { p.bind = func(w word.Word) word.Word { return w } },
	"a recall that moves the generation":           func(p *protocol) { p.recall = word.Word.Next },
	"a recall of which the clients see nothing":    func(p *protocol) { p.recall = func(w word.Word) word.Word { return w } },
	"a claim of another's record as if one's own":  func(p *protocol) { p.binding = word.Word.ClaimBound },
	"claims whether or not somebody looks":         func(p *protocol) { p.freeToBind = word.Word.Free },
	"residents to be watched by a parked manager":  func(p *protocol) { p.reside = func(w word.Word, _ bool) word.Word { return w.Reside(true) } },
	"a recall that forgets who is binding":         func(p *protocol) { p.forgetful = true },
	"residence though a client is binding":         func(p *protocol) { p.hasty = true },
	"a record that is written before the claim":    func(p *protocol) { p.early = true },
	"a waiter who settles nobody":                  func(p *protocol) { p.noSettle = true },
	"a manager who parks and settles nobody":       func(p *protocol) { p.parkUnsettled = true },
	"a lease judged before its worker is recalled": func(p *protocol) { p.blind = true },
	"a late client who does not wake the manager":  func(p *protocol) { p.deaf = true },
	"a late client who does not ask if it is over": func(p *protocol) { p.careless = true },
}

func TestEveryFaultOfTheProtocolIsFound(t *testing.T) {
	if smallScenes > 0 {
		t.Skip("some take more than the small scenes")
	}
	for name, mutate := range mutants {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			states := 0
			for _, scene := range scenes() {
				scene.protocol = shipped()
				mutate(&scene.protocol)
				e := explore(scene)
				states += len(e.seen)
				if e.found != "" && e.found != tooMany {
					t.Logf("%d states, %d steps to: %s", states, len(e.path), e.found)
					return
				}
			}
			require.Fail(t, "not found", "%d states", states)
		})
	}
}
