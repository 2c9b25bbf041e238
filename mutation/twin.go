package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/pooltender/pool/mutation/mutant"
)

// A twin is the library with a classic bug, written by hand: what pools are known
// to get wrong. The suite has to catch it by what it always asks, not by a test
// that knows the bug.
type twin struct {
	name  string
	story string
	kinds []kind // of tests that have to catch it: each of them can
	edits []swap
}

// A swap is statements of a file, and those that stand there in the twin. The old
// ones are there once.
type swap struct{ file, old, new string }

// A kind of tests asks one thing of the library, whatever happens.
type kind struct{ name, pattern, tags string }

var (
	model     = kind{"model", "Model", ""}
	histories = kind{"histories", "^TestTheHistory", ""}
	litmus    = kind{"litmus", "^TestLitmus", ""}
	storms    = kind{"storms", "Storm", ""}
	scenarios = kind{"scenarios", "^TestScenario", ""}
	answers   = kind{"answers", "^TestWhen", ""}
	turns     = kind{"turns", "Turn|Place|Order|Passe", ""}
	orders    = kind{"orders", "^TestNoOrderOfSteps/^(manager_killed_at_.idle|a_crash,_a_canc|a_waiter|a_worker_dies)", "interleave"}
)

// breed puts all twins into the copy of the module, each to be switched on by its
// place in the list.
func (w *workshop) breed(all []twin) error {
	texts := make(map[string]string)
	for n, t := range all {
		for _, s := range t.edits {
			text, read := texts[s.file]
			if !read {
				content, err := os.ReadFile(filepath.Join(w.dir, s.file))
				if err != nil {
					return err
				}
				text = string(content)
			}
			if found := strings.Count(text, s.old); found != 1 {
				return fmt.Errorf("twin %q: what it changes is in %s %d times", t.name, s.file, found)
			}
			texts[s.file] = strings.Replace(text, s.old, fmt.Sprintf("if mutant.On(%d) {\n%s\n} else {\n%s\n}", n, s.new, s.old), 1)
		}
	}
	for file, text := range texts {
		clause, rest, _ := strings.Cut(text[packageClause(text):], "\n")
		text = fmt.Sprintf("%s%s; import mutant %q\n%s", text[:packageClause(text)], clause, w.path, rest)
		if err := w.write(file, []byte(text)); err != nil {
			return err
		}
	}
	return nil
}

// packageClause is where the package clause begins.
func packageClause(text string) int {
	if strings.HasPrefix(text, "package ") {
		return 0
	}
	return strings.Index(text, "\npackage ") + 1
}

// tryTwins runs, for every twin, one kind of tests after the other until one has
// caught it.
func tryTwins(out io.Writer, w *workshop, all []twin, s settings) error {
	if err := w.breed(all); err != nil {
		return err
	}
	binaries := make(map[string]*binary) // by the tags they are built with
	for _, t := range all {
		for _, k := range t.kinds {
			if binaries[k.tags] != nil {
				continue
			}
			w.tags = k.tags
			built, err := w.build([]string{"."})
			if err != nil {
				return err
			}
			binaries[k.tags] = built[0]
		}
	}
	lines := make([]string, len(all))
	missed := make([]bool, len(all))
	inParallel(len(all), s.atOnce, func(n int) {
		lines[n], missed[n] = all[n].try(binaries, n, s.patience)
	})
	for _, line := range lines {
		if _, err := fmt.Fprintln(out, line); err != nil {
			return err
		}
	}
	if slices.Contains(missed, true) {
		return errUnnoticed
	}
	return nil
}

// enough is what tests of one kind take, and more.
var enough = cost{2 * time.Second, 4 * time.Second}

// try returns what is to be said of the twin, and whether nothing noticed it.
func (t twin) try(binaries map[string]*binary, n int, patience time.Duration) (line string, missed bool) {
	var took time.Duration
	for _, k := range t.kinds {
		o := binaries[k.tags].run(k.pattern, enough.limit(patience), fmt.Sprintf("%s=%d", mutant.OnVariable, n))
		took += o.cost.wall
		if o.reason != "" {
			caught := o.failed
			if caught == "" {
				caught = o.reason
			}
			return fmt.Sprintf("caught  %5.1f s  %s: %s by %s", took.Seconds(), t.name, k.name, caught), false
		}
	}
	return fmt.Sprintf("MISSED  %5.1f s  %s: %s", took.Seconds(), t.name, t.story), true
}
