package main

import (
	"errors"
	"regexp"
	"strings"
	"testing"
)

func TestATwinIsCaughtOrMissed(t *testing.T) {
	room := kind{"room", "^TestAShelf", ""}
	moment := kind{"moment", "^TestAMoment", ""}
	forgets := []swap{{"sample.go", "s.added++", "s.things = nil"}}
	var out strings.Builder
	err := tryTwins(&out, workshopOf(t, "testdata/sample"), []twin{
		{name: "it forgets", kinds: []kind{moment, room}, edits: forgets},
	}, settings{atOnce: 2, patience: 20e9})
	if err != nil || !regexp.MustCompile(`caught .* it forgets: room by TestAShelf`).MatchString(out.String()) {
		t.Error(err, out.String())
	}
	err = tryTwins(&out, workshopOf(t, "testdata/sample"), []twin{
		{name: "it forgets", story: "what it has", kinds: []kind{moment}, edits: forgets},
	}, settings{atOnce: 2, patience: 20e9})
	if !errors.Is(err, errUnnoticed) || !strings.Contains(out.String(), "it forgets: what it has") {
		t.Error(err, out.String())
	}
}

func workshopOf(t *testing.T, root string) *workshop {
	t.Helper()
	m, err := load(root, "", []string{"*.go"})
	if err != nil {
		t.Fatal(err)
	}
	w, err := open(m)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

func TestATwinOfSomethingElseIsAMistake(t *testing.T) {
	err := workshopOf(t, "testdata/sample").breed([]twin{{name: "old", edits: []swap{{"sample.go", "nowhere", ""}}}})
	if err == nil {
		t.Error("it changes nothing")
	}
}

func TestTheTwinsAreOfTheLibraryAsItIs(t *testing.T) {
	if err := workshopOf(t, "..").breed(twins); err != nil {
		t.Error(err)
	}
}
