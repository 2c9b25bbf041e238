// Package agenda says what is due next, of many things with a time each.
//
// Nothing here is safe for concurrent use.
package agenda

import (
	"fmt"
	"iter"
)

// Agenda is a heap of entries, the earliest first. An entry is not looked for to
// be taken out: its owner notes by himself that it is void, and says so by Void.
// Void entries never come out, and after a Void at most half of all are void, or a few.
//
// The methods but All, Clear and Check cost O(log Len), over many calls. Entries
// of one time come in any order. An Agenda must not be copied after first use.
type Agenda[T any] struct {
	// IsVoid reports whether an entry is void. Required, and constant.
	IsVoid func(T) bool

	entries []entry[T]
	void    int
}

type entry[T any] struct {
	at    int64
	value T
}

// fewVoid is how many void entries there may always be.
const fewVoid = 16

// Add puts value on the agenda.
func (a *Agenda[T]) Add(at int64, value T) {
	a.entries = append(a.entries, entry[T]{at, value})
	a.up(len(a.entries) - 1)
}

// Next returns when the earliest entry is due; false: there is none.
func (a *Agenda[T]) Next() (at int64, ok bool) {
	for len(a.entries) > 0 && a.IsVoid(a.entries[0].value) {
		a.pop()
		a.void--
	}
	if len(a.entries) == 0 {
		return 0, false
	}
	return a.entries[0].at, true
}

// Take removes the earliest entry and returns its value; false: there is none.
func (a *Agenda[T]) Take() (value T, ok bool) {
	if _, ok = a.Next(); !ok {
		return value, false
	}
	return a.pop(), true
}

// Void notes that one more entry has become void. IsVoid says so already.
func (a *Agenda[T]) Void() {
	a.void++
	if a.void <= fewVoid || a.void <= len(a.entries)/2 {
		return
	}
	kept := a.entries[:0]
	for _, e := range a.entries {
		if !a.IsVoid(e.value) {
			kept = append(kept, e)
		}
	}
	clear(a.entries[len(kept):])
	a.entries, a.void = kept, 0
	for i := len(kept)/2 - 1; i >= 0; i-- {
		a.down(i)
	}
}

// Clear removes all entries.
func (a *Agenda[T]) Clear() { a.entries, a.void = nil, 0 }

// All returns the entries that are not void, in any order. The loop must not
// change the agenda.
func (a *Agenda[T]) All() iter.Seq2[int64, T] {
	return func(yield func(int64, T) bool) {
		for _, e := range a.entries {
			if !a.IsVoid(e.value) && !yield(e.at, e.value) {
				return
			}
		}
	}
}

func (a *Agenda[T]) pop() T {
	first, last := a.entries[0], len(a.entries)-1
	a.entries[0] = a.entries[last]
	a.entries[last] = entry[T]{} // whatever it points to may go
	a.entries = a.entries[:last]
	a.down(0)
	return first.value
}

func (a *Agenda[T]) up(i int) {
	for i > 0 && a.entries[i].at < a.entries[(i-1)/2].at {
		a.swap(i, (i-1)/2)
		i = (i - 1) / 2
	}
}

func (a *Agenda[T]) down(i int) {
	for {
		earliest := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(a.entries); child++ {
			if a.entries[child].at < a.entries[earliest].at {
				earliest = child
			}
		}
		if earliest == i {
			return
		}
		a.swap(i, earliest)
		i = earliest
	}
}

func (a *Agenda[T]) swap(i, j int) { a.entries[i], a.entries[j] = a.entries[j], a.entries[i] }

// Check returns an error unless no entry is due before the one above it and as
// many are void as were noted. It costs O(Len).
func (a *Agenda[T]) Check() error {
	void := 0
	for i, e := range a.entries {
		if above := a.entries[max(i-1, 0)/2]; e.at < above.at {
			return fmt.Errorf("agenda: entry %d is due at %d, the one above it at %d", i, e.at, above.at)
		}
		if a.IsVoid(e.value) {
			void++
		}
	}
	if void != a.void {
		return fmt.Errorf("agenda: %d entries are void, %d were noted", void, a.void)
	}
	return nil
}
