package protocol_test

import (
	"flag"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

var long = flag.Bool("long", false, "explore the large scenes too")

func TestNoInterleavingBreaksTheProtocol(t *testing.T) {
	if underRace {
		exploreAll(t, scenes[:1]) // the race detector finds nothing in what one goroutine does
		return
	}
	taken := exploreAll(t, scenes)
	for s := range steps {
		require.True(t, taken[s], "no scene takes the step %s", s)
	}
}

func TestNoInterleavingBreaksTheProtocolLong(t *testing.T) {
	if !*long {
		t.Skip("it takes minutes; with -long")
	}
	exploreAll(t, longScenes)
}

// exploreAll explores scenes and says which steps were taken.
func exploreAll(t *testing.T, scenes []config) (taken [steps]bool) {
	var mu sync.Mutex
	states, transitions := 0, 0
	t.Run("scenes", func(t *testing.T) {
		for _, c := range scenes {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				e := explore(&c)
				t.Logf("%d states, %d steps, %d ends, %d deep", len(e.ways), e.steps, e.ends, e.depth)
				require.Empty(t, e.found)
				mu.Lock()
				defer mu.Unlock()
				states += len(e.ways)
				transitions += e.steps
				for _, w := range e.ways[1:] {
					taken[w.move.step] = true
				}
			})
		}
	})
	t.Logf("%d states, %d steps", states, transitions)
	return taken
}
