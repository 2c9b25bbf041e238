package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"time"

	"github.com/pooltender/pool/mutation/mutant"
)

// A suite is the tests that are to notice faults.
type suite struct {
	tests   []*test
	skipped []string // and why
}

// A test is one top-level test, and what is known of it.
type test struct {
	*binary
	name    string
	cost    cost   // alone
	reaches []byte // a byte for each fault, 0: it is not reached
	kills   map[string]int
}

// survey runs each test alone, without a fault that is on, and notes how long it
// takes and which faults it reaches. Those that fail, or take longer than slowest,
// are left out.
func survey(binaries []*binary, chosen, but *regexp.Regexp, faults int, slowest time.Duration, temp string, atOnce int) (*suite, error) {
	s := new(suite)
	var mu sync.Mutex
	var candidates []*test
	for _, b := range binaries {
		names, err := b.list()
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			if chosen.MatchString(name) && !but.MatchString(name) {
				candidates = append(candidates, &test{binary: b, name: name, kills: make(map[string]int)})
			}
		}
	}
	problems := make([]error, len(candidates))
	inParallel(len(candidates), atOnce, func(i int) {
		t := candidates[i]
		o, err := t.look(faults, slowest, filepath.Join(temp, fmt.Sprintf("reached-%d", i)))
		problems[i] = err
		mu.Lock()
		defer mu.Unlock()
		switch {
		case o.reason != "":
			s.skipped = append(s.skipped, fmt.Sprintf("%s fails without a fault: %s", t.name, o.reason))
		case t.cost.own > slowest:
			s.skipped = append(s.skipped, fmt.Sprintf("%s takes %v", t.name, t.cost.own.Round(time.Millisecond)))
		default:
			s.tests = append(s.tests, t)
		}
	})
	for _, err := range problems {
		if err != nil {
			return nil, err
		}
	}
	return s, nil
}

// looks is how often a test may fail without a fault: some are about real time, and
// the machine may be busy.
const looks = 3

// look runs the test without a fault.
func (t *test) look(faults int, slowest time.Duration, file string) (o outcome, err error) {
	if err := os.WriteFile(file, make([]byte, max(1, faults)), 0o600); err != nil {
		return o, err
	}
	defer os.Remove(file)
	for range looks {
		o = t.run(exactly([]string{t.name}), cost{10 * slowest, 2 * slowest}, mutant.ReachedVariable+"="+file)
		if o.reason == "" {
			break
		}
	}
	t.cost = o.cost
	t.reaches, err = os.ReadFile(file)
	return o, err
}

// reaching are the tests that reach a fault.
func (s *suite) reaching(f fault) (tests []*test) {
	for _, t := range s.tests {
		if t.reaches[f.number] != 0 {
			tests = append(tests, t)
		}
	}
	return tests
}

// inParallel calls do for every number below n, a few at once.
func inParallel(n, atOnce int, do func(i int)) {
	var wg sync.WaitGroup
	turns := make(chan int)
	for range atOnce {
		wg.Go(func() {
			for i := range turns {
				do(i)
			}
		})
	}
	for i := range n {
		turns <- i
	}
	close(turns)
	wg.Wait()
}
