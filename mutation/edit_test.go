package main

import "testing"

func TestWhatIsAroundTheSameTextIsNested(t *testing.T) {
	var e edits
	e.around(0, 5, "f(", ")")
	e.around(0, 5, "g(", ")")
	e.around(0, 1, "x(", ")")
	e.around(4, 5, "y(", ")")
	e.replace(2, 3, ",")
	if got := string(e.apply([]byte("a + b;"))); got != "f(g(x(a) , y(b)));" {
		t.Error(got)
	}
}
