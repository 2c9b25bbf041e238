package main

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/pooltender/pool/mutation/mutant"
)

// A verdict is what became of a fault.
type verdict string

const (
	killed    verdict = "killed"
	survived  verdict = "survived"
	unreached verdict = "unreached" // no test comes to where it would make a difference
)

// A judgement is a fault with its verdict, as it is kept.
type judgement struct {
	fault
	Verdict verdict `json:"verdict"`
	By      string  `json:"by,omitempty"` // the test that noticed it
	Reason  string  `json:"reason,omitempty"`
	Seconds float64 `json:"seconds"`
}

// A judge turns faults on and runs the tests that reach them.
type judge struct {
	*suite
	patience time.Duration // at least, of a process of tests
	mu       sync.Mutex    // of what tests have killed
}

// batches are how long the tests of one process take, those of the first, the next
// and so on; after these come all that are left. Most faults are noticed early.
var batches = []time.Duration{50 * time.Millisecond, 300 * time.Millisecond, 2 * time.Second, 8 * time.Second}

// judge runs the tests that reach a fault until one notices it: those first that
// have noticed others near it, and then the fastest.
func (j *judge) judge(f fault) judgement {
	began := time.Now()
	result := judgement{fault: f, Verdict: survived}
	tests := j.reaching(f)
	if len(tests) == 0 {
		result.Verdict = unreached
	}
	j.arrange(tests, f)
	for n := 0; len(tests) > 0; n++ {
		size := portion(tests, n)
		by, reason, noticed := j.try(f, tests[:size])
		if noticed {
			result.Verdict, result.By, result.Reason = killed, by, reason
			break
		}
		if by != "" { // once and not again: it proves nothing
			result.Reason = "noticed once by " + by
			tests = slices.DeleteFunc(tests, func(t *test) bool { return t.name == by })
			n--
			continue
		}
		tests = tests[size:]
	}
	result.Seconds = time.Since(began).Seconds()
	return result
}

// arrange puts those first that are likely to notice the fault, and soon.
func (j *judge) arrange(tests []*test, f fault) {
	j.mu.Lock()
	defer j.mu.Unlock()
	slices.SortFunc(tests, func(a, b *test) int {
		return cmp.Or(
			cmp.Compare(b.kills[f.Function], a.kills[f.Function]),
			cmp.Compare(a.cost.own, b.cost.own),
		)
	})
}

// portion is how many of the tests the nth batch has.
func portion(tests []*test, n int) int {
	if n >= len(batches) {
		return len(tests)
	}
	size, sum := 1, tests[0].cost.own
	for size < len(tests) && sum+tests[size].cost.own <= batches[n] {
		sum += tests[size].cost.own
		size++
	}
	return size
}

// try runs some tests with the fault on. A test that fails has noticed it if it
// fails again, and not without: some are about real time, and the machine may be busy.
func (j *judge) try(f fault, tests []*test) (by, reason string, noticed bool) {
	for len(tests) > 0 {
		b := tests[0].binary
		var names []string
		var rest []*test
		var sum cost
		for _, t := range tests {
			if t.binary != b {
				rest = append(rest, t)
				continue
			}
			names = append(names, t.name)
			sum = sum.plus(t.cost)
		}
		o := j.with(f, b, names, sum)
		if o.reason != "" {
			return j.confirm(f, b, names, sum, o)
		}
		tests = rest
	}
	return "", "", false
}

func (j *judge) with(f fault, b *binary, names []string, alone cost) outcome {
	return b.run(exactly(names), alone.limit(j.patience), fmt.Sprintf("%s=%d", mutant.OnVariable, f.number))
}

// mostTries is how often a test is run that has failed once.
const mostTries = 3

// confirm asks once more, and, if it was a test that failed, without the fault, too.
func (j *judge) confirm(f fault, b *binary, names []string, sum cost, o outcome) (by, reason string, noticed bool) {
	t := j.find(b, o.failed)
	if t == nil { // a panic, a leak, or no end
		return "", o.reason, j.with(f, b, names, sum).reason != ""
	}
	alone := []string{t.name}
	for range mostTries {
		if again := j.with(f, b, alone, t.cost); again.reason != "" && b.run(exactly(alone), t.cost.limit(j.patience)).reason == "" {
			j.mu.Lock()
			t.kills[f.Function]++
			j.mu.Unlock()
			return t.name, again.reason, true
		}
	}
	return t.name, "", false
}

func (j *judge) find(b *binary, name string) *test {
	for _, t := range j.tests {
		if t.binary == b && t.name == name {
			return t
		}
	}
	return nil
}
