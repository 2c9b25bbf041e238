package agenda

import "slices"

// Entries counts the void ones too.
func (a *Agenda[T]) Entries() int { return len(a.entries) }

// Reverse does the damage that Check must notice.
func (a *Agenda[T]) Reverse() { slices.Reverse(a.entries) }

// Len returns the number of entries that are not void.
func (a *Agenda[T]) Len() int { return len(a.entries) - a.void }
