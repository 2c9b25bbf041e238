package mutant

import (
	"os"
	"path/filepath"
	"testing"
)

func TestAFaultActsWhileItIsOn(t *testing.T) {
	defer func() { on = -1 }()
	for _, c := range []struct {
		on   int
		want [6]int
	}{{-1, [6]int{5, 1, 3, 3, 3, 3}}, {7, [6]int{1, 5, 4, 2, 6, 0}}} {
		on = c.on
		if got := [6]int{Plus(7, 3, 2), Minus(7, 3, 2), Up(7, 3), Down(7, 3), Twice(7, 3), Zero(7, 3)}; got != c.want {
			t.Error(c.on, got)
		}
	}
}

func TestWhatIsReachedIsMarkedInTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "reached")
	if err := os.WriteFile(path, make([]byte, 3), 0o600); err != nil {
		t.Fatal(err)
	}
	reached = marks(path)
	defer func() { reached = nil }()
	if On(1) {
		t.Error("none is on")
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "\x00\x01\x00" {
		t.Error(got, err)
	}
}
