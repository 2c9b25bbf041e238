package pool_test

import (
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
)

// grade is what an outcome says of the library, or of the test.
type grade string

const (
	usual grade = "usual"
	rare  grade = "rare" // and need not come
)

// grades are the outcomes that may be.
type grades map[string]grade

// outcomes is how the rounds of a litmus test ended.
type outcomes struct {
	t   *testing.T
	may grades
	mu  sync.Mutex
	n   map[string]int
}

func newOutcomes(t *testing.T, may grades) *outcomes {
	return &outcomes{t: t, may: may, n: map[string]int{}}
}

// saw counts an outcome.
func (o *outcomes) saw(what string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.n[what]++
	if o.may[what] == "" && o.n[what] == 1 {
		o.t.Errorf("forbidden: %s", what)
	}
}

// forbidden is an outcome that must not be.
func (o *outcomes) forbidden(what string, args ...any) { o.saw(fmt.Sprint(what, " ", args)) }

// tell writes the histogram, and in the long form misses what never came.
func (o *outcomes) tell() {
	o.t.Helper()
	var text strings.Builder
	for _, what := range slices.Sorted(maps.Keys(o.n)) {
		fmt.Fprintf(&text, "\n%9d  %s", o.n[what], what)
		if o.may[what] == "" {
			text.WriteString(", which is FORBIDDEN")
		}
	}
	for _, what := range slices.Sorted(maps.Keys(o.may)) {
		if o.n[what] > 0 {
			continue
		}
		fmt.Fprintf(&text, "\n        0  %s (%s)", what, o.may[what])
		if *long && o.may[what] == usual && runtime.GOMAXPROCS(0) > 1 {
			o.t.Errorf("never seen: %s", what)
		}
	}
	o.t.Log(text.String())
}
