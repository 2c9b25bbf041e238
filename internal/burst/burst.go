// Package burst tells a burst of events from those that come one by one.
//
// Nothing here is safe for concurrent use.
package burst

import "time"

// Window is the time in which events make a burst: those of exactly a second ago
// do not count any more.
const Window = time.Second

// Burst is what is remembered of the events. The zero Burst is ready to use. Its
// memory is bounded by as many moments as make a burst.
type Burst struct {
	moments []time.Time // in ascending order, all within the Window of the last
	quiet   time.Time   // until then there is no other burst
}

// Note records an event and reports whether it is the one too many: the last of
// more than most within the Window. A burst lasts a Window, in which nothing is
// counted; the next one is made of later events. Calls pass ascending times.
func (b *Burst) Note(now time.Time, most int) bool {
	if now.Before(b.quiet) {
		return false
	}
	past := 0
	for past < len(b.moments) && now.Sub(b.moments[past]) >= Window {
		past++
	}
	if b.moments = append(b.moments[past:], now); len(b.moments) <= most {
		return false
	}
	b.moments, b.quiet = nil, now.Add(Window)
	return true
}
