//go:build interleave

package pool_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/internal/schedule"
)

// plot is a program for a stage. It adds the goroutines, and returns what must
// be so in the end.
type plot struct {
	name string
	// The search is to this depth, and under -long one delay deeper.
	limits schedule.Limits
	opts   pool.Options
	spec   func(*pool.Spec[*unit])
	play   func(s *stage) (end func() error)
	// met, if set, says whether what the plot is about has happened at all.
	met func() bool
}

// The shipped code, taken through every order of its atomic steps that differs
// from the natural one by so many delays. After every step the invariants hold;
// in the end everybody was answered, all workers are there and nothing is left.
func TestNoOrderOfStepsBreaksThePool(t *testing.T) {
	total := schedule.Result{}
	for _, plot := range plots() {
		t.Run(plot.name, func(t *testing.T) {
			if *long {
				plot.limits.Delays++
			}
			result, err := schedule.Explore(t, plot.limits, func(r *schedule.Run) func() error {
				s := newStage(r, plot.opts, plot.spec)
				end := plot.play(s)
				return func() error { return errors.Join(end(), s.reg.Close()) }
			})
			require.NoError(t, err)
			require.True(t, plot.met == nil || plot.met(), "it never came to that")
			t.Log(result)
			total.Runs += result.Runs
			total.Steps += result.Steps
		})
	}
	t.Logf("%d schedules, %d steps", total.Runs, total.Steps)
}
