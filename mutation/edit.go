package main

import (
	"cmp"
	"slices"
)

// edits are what is put into a source text, and in place of parts of it.
type edits []edit

type edit struct {
	from, to int
	text     string
	rank     int // of those at one place: ends come first, the innermost before the others; then beginnings, from the outside in
}

// around puts text before and after a part of the source. Of two parts, one within
// the other, the outer one comes first.
func (e *edits) around(from, to int, before, after string) {
	n := len(*e) + 1
	*e = append(*e, edit{from, from, before, n}, edit{to, to, after, -n})
}

// replace puts text in place of a part in which nothing else is edited.
func (e *edits) replace(from, to int, text string) {
	*e = append(*e, edit{from, to, text, len(*e) + 1})
}

// apply returns the text with the edits.
func (e edits) apply(text []byte) []byte {
	sorted := slices.SortedStableFunc(slices.Values(e), func(a, b edit) int {
		return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.rank, b.rank))
	})
	var out []byte
	done := 0
	for _, edit := range sorted {
		out = append(out, text[done:edit.from]...)
		out = append(out, edit.text...)
		done = edit.to
	}
	return append(out, text[done:]...)
}
