package pool

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"reflect"
	"runtime"
	"time"
)

// OptionError says what is wrong with one field of [Options].
type OptionError struct {
	Field  string // as in Go: "Size", "Backoff.Min"
	Value  any    // what it was
	Reason string // what would be right: "must be positive"
}

func (e *OptionError) Error() string {
	verb := "%v"
	if e.Value != nil && reflect.TypeOf(e.Value).Kind() == reflect.String {
		verb = "%q"
	}
	return fmt.Sprintf("pool: %s %s, got "+verb, e.Field, e.Reason, e.Value)
}

// What keeps the arithmetic of the pool, and its memory, within bounds.
const (
	maxWorkers  = 1 << 24
	maxDuration = 100 * 365 * 24 * time.Hour // two of them still add up
)

// Validate returns nil, or every fault of o, joined by [errors.Join], each an
// [*OptionError]. Start does the same before it does anything else.
func (o Options) Validate() error {
	var faults []error
	check := func(right bool, field string, value any, reason string, args ...any) {
		if !right {
			faults = append(faults, &OptionError{field, value, fmt.Sprintf(reason, args...)})
		}
	}

	check(o.Size >= 0, "Size", o.Size, "must be positive")
	check(o.Size != 0 || o.MaxOverflow > 0, "Size", o.Size, "must be positive unless MaxOverflow is")
	check(o.Size <= maxWorkers, "Size", o.Size, "must be at most %d", maxWorkers)
	check(o.MaxOverflow <= maxWorkers-min(max(o.Size, 0), maxWorkers), "MaxOverflow", o.MaxOverflow, "must be at most %d together with Size", maxWorkers)

	check(o.Order == "" || o.Order == OrderRecent || o.Order == OrderLIFO || o.Order == OrderFIFO,
		"Order", o.Order, "must be %q, %q or %q", OrderRecent, OrderLIFO, OrderFIFO)
	check(o.Reclaim == "" || o.Reclaim == ReclaimReplace || o.Reclaim == ReclaimReuse,
		"Reclaim", o.Reclaim, "must be %q or %q", ReclaimReplace, ReclaimReuse)

	for _, d := range []struct {
		field string
		value time.Duration
	}{
		{"OverflowLinger", o.OverflowLinger},
		{"MaxWait", o.MaxWait},
		{"QueueTarget", o.QueueTarget},
		{"QueueInterval", o.QueueInterval},
		{"ReclaimGrace", o.ReclaimGrace},
		{"WarnHold", o.WarnHold},
		{"MaxHold", o.MaxHold},
		{"MaxLifetime", o.MaxLifetime},
		{"CheckEvery", o.CheckEvery},
		{"StartTimeout", o.StartTimeout},
		{"CheckTimeout", o.CheckTimeout},
		{"StopTimeout", o.StopTimeout},
		{"RestartWindow", o.RestartWindow},
		{"Backoff.Min", o.Backoff.Min},
		{"Backoff.Max", o.Backoff.Max},
	} {
		check(d.value <= maxDuration, d.field, d.value, "must be at most %v", maxDuration)
	}
	check(o.WarnHold <= 0 || o.MaxHold <= 0 || o.WarnHold < o.MaxHold,
		"WarnHold", o.WarnHold, "must be less than MaxHold (%v)", o.MaxHold)
	check(o.QueueInterval >= 0, "QueueInterval", o.QueueInterval, "must not be negative")
	check(o.QueueTarget <= 0 || o.QueueInterval <= 0 || o.QueueTarget < o.QueueInterval,
		"QueueTarget", o.QueueTarget, "must be less than QueueInterval (%v)", o.QueueInterval)
	check(o.StopTimeout >= 0, "StopTimeout", o.StopTimeout, "must not be negative")
	check(o.RestartWindow >= 0, "RestartWindow", o.RestartWindow, "must not be negative")
	check(o.Backoff.Max >= 0, "Backoff.Max", o.Backoff.Max, "must not be negative")
	check(o.Backoff.Max <= 0 || o.Backoff.Max >= o.Backoff.Min,
		"Backoff.Max", o.Backoff.Max, "must not be less than Backoff.Min (%v)", o.Backoff.Min)
	return errors.Join(faults...)
}

// withDefaults returns o in the form that the core reads: every 0 that stands
// for a default is replaced by it, a count without limit is [math.MaxInt], and
// a duration that is not positive is off. MaxRestarts stays as it is, because
// its default follows Size; see maxRestarts. A second call changes nothing.
func (o Options) withDefaults() Options {
	o.MaxOverflow = max(o.MaxOverflow, 0)
	o.OverflowLinger = cmp.Or(o.OverflowLinger, 5*time.Second)
	o.Order = cmp.Or(o.Order, OrderRecent)
	o.MaxWaiting = limit(o.MaxWaiting)
	o.QueueInterval = cmp.Or(o.QueueInterval, 20*min(max(o.QueueTarget, 0), maxDuration/20))
	o.Reclaim = cmp.Or(o.Reclaim, ReclaimReplace)
	o.ReclaimGrace = cmp.Or(o.ReclaimGrace, time.Second)
	o.TraceLeases = max(o.TraceLeases, 0)
	o.MaxUses = limit(o.MaxUses)
	o.MaxStarting = limit(cmp.Or(o.MaxStarting, min(max(runtime.GOMAXPROCS(0), 4), 16)))
	o.StartTimeout = cmp.Or(o.StartTimeout, 30*time.Second)
	o.CheckTimeout = cmp.Or(o.CheckTimeout, 5*time.Second)
	o.StopTimeout = cmp.Or(o.StopTimeout, 5*time.Second)
	o.RestartWindow = cmp.Or(o.RestartWindow, time.Minute)
	o.Backoff = o.Backoff.withDefaults()
	o.MaxPoolRestarts = limit(o.MaxPoolRestarts)
	return o
}

// shown is o as a person would write it: a count without limit is negative.
// Start takes it for what it is.
func (o Options) shown() Options {
	for _, n := range []*int{&o.MaxWaiting, &o.MaxUses, &o.MaxStarting, &o.MaxPoolRestarts} {
		if *n == math.MaxInt {
			*n = -1
		}
	}
	return o
}

func (b Backoff) withDefaults() Backoff {
	const shortest, longest = 100 * time.Millisecond, 30 * time.Second
	b.Min = cmp.Or(b.Min, min(shortest, cmp.Or(b.Max, longest)))
	b.Max = cmp.Or(b.Max, max(longest, b.Min))
	return b
}

// limit is n, or the largest int where n is none.
func limit(n int) int {
	if n <= 0 {
		return math.MaxInt
	}
	return n
}

// maxRestarts is the number of failures in RestartWindow that a pool of that
// size answers with restarts. Negative: never CrashLoop.
func (o Options) maxRestarts(size int) int {
	return cmp.Or(o.MaxRestarts, 6*max(size, 1))
}
