package main

import (
	"os"
	"path/filepath"
	"testing"
)

func explanationsOf(t *testing.T, text string) ([]explanation, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "survivors.md")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return explanations(path)
}

func TestAnExplanationIsAboutATextWhereverItStands(t *testing.T) {
	all, err := explanationsOf(t, "# Cost\n\nHow often.\n\n- `a.go` `f` `if a < b {` → `if a <= b {`\n- `a.go` `f` `look()` → `*`\n- `a.go` `g` `gone()` → `(deleted)`\n")
	if err != nil || len(all) != 3 {
		t.Fatal(all, err)
	}
	faults := []fault{
		{File: "a.go", Function: "f", Line: 1, Before: "if a < b {", After: "if a <= b {"},
		{File: "a.go", Function: "f", Line: 2, Before: "look()", After: deleted},
		{File: "a.go", Function: "f", Line: 3, Before: "if a < b {", After: "if true {"},
		{File: "b.go", Function: "f", Line: 4, Before: "look()", After: deleted},
	}
	for i, want := range []bool{true, true, false, false} {
		if explained(faults[i], all) != want {
			t.Error(faults[i], !want)
		}
	}
	if stale := vain(all, faults); len(stale) != 1 || stale[0].line != 7 {
		t.Error("the last one explains nothing", stale)
	}
}

func TestAnExplanationOfAnotherFormIsAnError(t *testing.T) {
	if all, err := explanationsOf(t, "- `a.go` is fine\n"); err == nil {
		t.Error(all)
	}
}

func TestWithoutTheFileNothingIsExplained(t *testing.T) {
	if all, err := explanations(filepath.Join(t.TempDir(), "none")); err != nil || all != nil {
		t.Error(all, err)
	}
}
