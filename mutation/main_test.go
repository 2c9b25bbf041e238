package main

import (
	"bytes"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares a text with that of a file in testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; got:\n%s", path, got)
	}
}

// command runs the program on the sample.
func command(t *testing.T, args ...string) (out, said string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	args = append([]string{"-root", "testdata/sample", "-files", "*.go", "-n", "0", "-timeout", "20s"}, args...)
	if err := run(args, &stdout, &stderr); err != nil {
		t.Fatal(err)
	}
	return stdout.String(), stderr.String()
}

func TestEveryFaultOfTheSampleIsThere(t *testing.T) {
	out, _ := command(t, "-list")
	golden(t, "faults.golden", out)
}

func TestTheFaultsOfTheSampleAreCompiledIn(t *testing.T) {
	m, err := load("testdata/sample", "", []string{"*.go"})
	if err != nil {
		t.Fatal(err)
	}
	text, _ := m.files[0].mutate(m.fset, 0, "sample/internal/mutant")
	golden(t, "sample.go.golden", string(text))
}

func TestFaultsThatReadAlikeAreToldApart(t *testing.T) {
	root := t.TempDir()
	for name, text := range map[string]string{
		"go.mod": "module alike\n",
		"a.go":   "package alike\n\nvar n int\n\nfunc thrice() {\n\tn++\n\tn++\n\tn++\n}\n",
	} {
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	m, err := load(root, "", []string{"*.go"})
	if err != nil {
		t.Fatal(err)
	}
	places := make(map[place]bool)
	_, faults := m.files[0].mutate(m.fset, 0, "alike/internal/mutant")
	for _, f := range faults {
		places[f.place()] = true
	}
	if len(faults) < 3 || len(places) != len(faults) {
		t.Error(faults)
	}
}

func TestTheTestsOfTheSampleNoticeWhatTheyLookAt(t *testing.T) {
	record := filepath.Join(t.TempDir(), "record")
	first, said := command(t, "-json", record, "-explained", "testdata/explained.md")
	golden(t, "report.golden", first)
	if !strings.Contains(said, "left out: TestThatFailsAnyway") {
		t.Error(said)
	}
	again, said := command(t, "-json", record, "-explained", "testdata/explained.md")
	if again != first || said != "" {
		t.Error("what is known is found out again:", said)
	}
}

func TestTheSampleOfARecordIsTriedAgain(t *testing.T) {
	record := filepath.Join(t.TempDir(), "record")
	first, _ := command(t, "-n", "8", "-json", record)
	again, said := command(t, "-json", record, "-again")
	if again != first {
		t.Errorf("first:\n%s\nagain:\n%s", first, again)
	}
	if !strings.Contains(said, string(survived)) || strings.Contains(said, string(killed)) {
		t.Error("want those alone that have survived:", said)
	}
}

func TestASampleIsPartOfALargerOne(t *testing.T) {
	all := make([]fault, 100)
	for i := range all {
		all[i].number = i
	}
	drawn := func(n int) map[int]bool {
		numbers := make(map[int]bool)
		for _, f := range (settings{sample: n, seed: 7}).draw(all) {
			numbers[f.number] = true
		}
		return numbers
	}
	few, many := drawn(10), drawn(50)
	if len(few) != 10 || len(many) != 50 {
		t.Fatal(len(few), len(many))
	}
	for n := range few {
		if !many[n] {
			t.Error(n)
		}
	}
}

func TestMistakesOfTheCallerAreErrors(t *testing.T) {
	for _, args := range [][]string{
		{"-tests", "("}, {"-skip", "("}, {"-what"}, {"what"}, {"-files", "none.go"}, {"-root", "nowhere"},
	} {
		if err := run(args, io.Discard, io.Discard); err == nil {
			t.Error(args)
		}
	}
}
