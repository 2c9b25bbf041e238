package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// An explanation says of faults that no test can notice them, or that none need.
type explanation struct {
	line                          int // of the file of explanations
	file, function, before, after string
}

// anything is what follows where it does not matter what does.
const anything = "*"

// explanations reads those of a file: the items of its lists, of the form
//
//   - `file.go` `function` `before` → `after`
//
// All else is prose, for those who read it. Without the file there are none.
func explanations(path string) (all []explanation, err error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	for i, line := range strings.Split(string(text), "\n") {
		if !strings.HasPrefix(line, "- `") {
			continue
		}
		parts := strings.Split(line, "`")
		if len(parts) != 9 {
			return nil, fmt.Errorf("%s:%d: want - `file` `function` `before` → `after`", path, i+1)
		}
		all = append(all, explanation{i + 1, parts[1], parts[3], parts[5], parts[7]})
	}
	return all, nil
}

// explains reports whether the explanation is about the fault.
func (e explanation) explains(f fault) bool {
	return e.file == f.File && e.function == f.Function && (e.before == f.Before || e.before == anything) &&
		(e.after == f.After || e.after == anything)
}

// explained reports whether one of the explanations is about the fault.
func explained(f fault, by []explanation) bool {
	for _, e := range by {
		if e.explains(f) {
			return true
		}
	}
	return false
}

// vain are the explanations that are about no fault.
func vain(all []explanation, faults []fault) (stale []explanation) {
	for _, e := range all {
		found := false
		for _, f := range faults {
			found = found || e.explains(f)
		}
		if !found {
			stale = append(stale, e)
		}
	}
	return stale
}
