package queue_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool/internal/queue"
)

// deed is one step: what is done, and to whom or where.
type deed struct {
	kind string
	a, b int
}

func (s *pair) do(d deed) (err error) {
	switch d.kind {
	case "push":
		s.push(d.a, d.b)
	case "serve":
		_, err = s.serve(d.a)
	case "cancel":
		err = s.cancel(d.a)
	case "restore":
		s.restore(d.a, d.b)
	}
	return err
}

// deeds are all that can come next, with these classes.
func (s *pair) deeds(of ...int) (all []deed) {
	for place := range 2 {
		for _, class := range of {
			all = append(all, deed{"push", place, class})
		}
		if len(s.model.heads(place+1)) > 0 {
			all = append(all, deed{"serve", place + 1, 0})
		}
	}
	for i, p := range s.model.people {
		switch {
		case p.queued:
			all = append(all, deed{"cancel", i, 0})
		case i >= len(s.nodes)-3: // of the many that left, the latest will do
			all = append(all, deed{"restore", i, 0}, deed{"restore", i, 1})
		}
	}
	return all
}

// After heads have been passed over almost as often as they may be, every short
// sequence of events has the outcome that the model says.
func TestEverySequenceServesTheClassesAsTheModelDoes(t *testing.T) {
	t.Parallel()
	const length = 4
	const passes = queue.Passes - 1
	for _, lower := range [][]deed{{{"push", 0, 0}, {"push", 1, 1}}, {{"push", 1, 0}, {"push", 0, 1}}} {
		prelude := lower
		for range passes {
			prelude = append(prelude, deed{"push", 0, 3}, deed{"serve", 2, 0})
		}
		explored := 0
		var explore func(sequence []deed)
		explore = func(sequence []deed) {
			s := newPair()
			for _, d := range sequence {
				require.NoError(t, s.do(d), "in %v", sequence[len(prelude):])
			}
			require.NoError(t, s.compare(), "after %v, %v", lower, sequence[len(prelude):])
			explored++
			if len(sequence) == len(prelude)+length {
				return
			}
			for _, d := range s.deeds(0, 1, 3) {
				explore(append(sequence, d))
			}
		}
		explore(slices.Clip(prelude))
		t.Logf("%d passes, %v: %d sequences", passes, lower, explored)
	}
}

func TestLongSequencesServeTheClassesAsTheModelDoes(t *testing.T) {
	t.Parallel()
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 1))
		s := newPair()
		for range 1000 {
			d := deed{"push", r.IntN(2), r.IntN(queue.Classes)}
			someone := 0
			if len(s.nodes) > 0 {
				someone = r.IntN(len(s.nodes))
			}
			switch r.IntN(10) {
			case 0:
				if len(s.nodes) > 0 && s.model.people[someone].queued {
					d = deed{"cancel", someone, 0}
				}
			case 1:
				if len(s.nodes) > 0 && !s.model.people[someone].queued {
					d = deed{"restore", someone, r.IntN(2)}
				}
			case 2, 3, 4, 5, 6:
				if d.a++; len(s.model.heads(d.a)) > 0 {
					d = deed{"serve", d.a, 0}
				} else {
					d = deed{"push", 0, 2}
				}
			}
			require.NoError(t, s.do(d), "seed %d", seed)
			require.NoError(t, s.compare(), "seed %d", seed)
		}
	}
}

// Whoever heads a class is served after at most Passes services of higher classes,
// and of those that were passed over as often, however many more important come.
func TestNobodyIsPassedOverForEver(t *testing.T) {
	t.Parallel()
	most := 0
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 2))
		s := newPair()
		since := map[*person]int{} // of each head: services of higher classes since it was one
		for round := range 500 {
			for range 3 - round%3 { // more come than are served
				if place, class := r.IntN(2), r.IntN(queue.Classes); s.queue[place].Len() < 50 {
					s.push(place, class)
				}
			}
			s.push(0, queue.Classes-1)
			heads := s.model.heads(2)
			p, err := s.serve(2)
			require.NoError(t, err)
			for _, head := range heads {
				if head.class < p.class {
					since[head]++
					most = max(most, since[head])
				}
			}
		}
	}
	require.LessOrEqual(t, most, queue.Passes+2*(queue.Classes-1)-1)
	require.GreaterOrEqual(t, most, queue.Passes, "the bound was put to the test")
}
