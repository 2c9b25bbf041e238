package sample

import (
	"os"
	"testing"
	"time"
)

func TestAShelfHasRoomForThree(t *testing.T) {
	s := new(Shelf)
	for i := range 3 {
		if s.Free() != 3-i || s.Add("thing") != nil {
			t.Fatal("there is room")
		}
	}
	if s.Free() != 0 || s.Add("one more") == nil {
		t.Fatal("there is none")
	}
	if s.Count() != 15 {
		t.Fatal("three things of five letters have fifteen")
	}
}

func TestAShelfWithTwoThingsIsHigh(t *testing.T) {
	s := &Shelf{things: []string{"a", "b"}}
	if s.Level() != High {
		t.Fatal(s.Level())
	}
}

func TestAMomentComesASecondLate(t *testing.T) {
	now := time.Now()
	if Due(now, now) || !Due(now.Add(time.Second), now) {
		t.Fatal("it comes in a second")
	}
}

func TestThatFailsAnyway(t *testing.T) { t.Fatal("so it is left out") }

// It passes while faults are off, fails when the first is on, and then no more.
func TestThatFailsTheSecondTime(t *testing.T) {
	Keep(1)
	runs, _ := os.ReadFile("runs")
	if err := os.WriteFile("runs", append(runs, '.'), 0o600); err != nil {
		t.Fatal(err)
	}
	if len(runs) == 1 {
		t.Fatal("this once")
	}
}
