//go:build interleave

package schedule

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/pooltender/pool/internal/hatch"
)

// Limits bound a search.
type Limits struct {
	Delays int // in one run, how many are passed over in all
	Passes int // how often time passes while somebody could go on
}

// Result says how much was explored.
type Result struct {
	Runs  int // schedules
	Steps int // of all of them
	Most  int // choices in one
}

func (r Result) String() string {
	return fmt.Sprintf("%d schedules, %d steps, at most %d choices in one", r.Runs, r.Steps, r.Most)
}

// Explore runs program along every schedule within the limits, in one bubble
// and on one processor, so it must not run in parallel with anything. program
// sets everything up, adds goroutines with Run.Go, and returns what is to be done
// when they have returned and nothing moves any more: judge the end, and clear
// away. It must do the same every time. The first failure ends the search: it is
// what Check or finish said, or ErrStuck, with the steps that led to it.
func Explore(t *testing.T, limits Limits, program func(r *Run) (finish func() error)) (result Result, failure error) {
	t.Helper()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	defer hatch.Scheduler.Store(nil)
	synctest.Test(t, func(t *testing.T) {
		c := &choices{limits: limits}
		for more := true; more; more = c.advance() {
			r := newRun(c, false)
			failure = r.whole(program)
			result.Runs++
			result.Steps += r.steps
			result.Most = max(result.Most, c.depth)
			if failure != nil {
				failure = fmt.Errorf("schedule %d: %w\n%s", result.Runs, failure, retrace(c, program))
				return
			}
		}
	})
	return result, failure
}

// whole is a run from the first line of the program to the last.
func (r *Run) whole(program func(r *Run) (finish func() error)) error {
	at := r.at
	hatch.Scheduler.Store(&at)
	finish := program(r)
	err := r.schedule()
	synctest.Wait()
	if errors.Is(err, errNothing) {
		err = nil
	}
	err = errors.Join(err, finish())
	synctest.Wait() // nothing of this run comes by a step of the next
	return err
}

// retrace takes the same path again, and writes down the steps.
func retrace(c *choices, program func(r *Run) (finish func() error)) string {
	c.depth, c.delays, c.passes = 0, 0, 0
	r := newRun(c, true)
	_ = r.whole(program)
	return strings.Join(r.trace, "\n")
}
