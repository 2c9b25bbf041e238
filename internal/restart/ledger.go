package restart

import (
	"sort"
	"time"
)

// Ledger is what a pool remembers of the ends of its workers. The zero value is
// ready for Begin. It is not safe for concurrent use. Its memory is bounded by
// about twice MaxRestarts moments; no method but Failures, which is
// logarithmic, costs more than constant time. Calls pass ascending times; the
// policy may change between them.
type Ledger struct {
	failures moments   // since a proven incarnation last ended
	unasked  moments   // ends that nobody asked for
	reported time.Time // when Ended last returned true
	alive    time.Time // the last moment known with a live worker, or Begin
	failed   bool      // a start has failed since alive
}

// Begin forgets everything. It is called before the first start of a pool and
// whenever Restart begins a new epoch, but not when an epoch dies: a pool does
// not earn another chance for its workers by dying.
func (l *Ledger) Begin(now time.Time) {
	*l = Ledger{alive: now}
}

// Ended records the end of an incarnation or a failed start. The end of a proven
// incarnation, however it came, clears the failures: the pool has worked since
// they happened. A crash of an unproven one and a failed start are failures.
//
// It returns true when more than MaxRestarts ends in Window were not asked for,
// proven or not, and it has not said so within Window.
func (l *Ledger) Ended(p Policy, now time.Time, e Ending, proven bool) (unstable bool) {
	if proven {
		l.failures = nil
	}
	if e == Orderly {
		return false
	}
	if e == StartFailed {
		l.failed = true
	}
	if !proven {
		l.failures.add(p, now)
	}
	l.unasked.add(p, now)
	if !l.Unstable(p, now) || !l.reported.IsZero() && p.counts(l.reported, now) {
		return false
	}
	l.reported = now
	return true
}

// Alive records that a worker is live at now, or was until now. It is called
// when the number of live workers changes, the moment the last one goes
// included.
func (l *Ledger) Alive(now time.Time) {
	l.alive = now
	l.failed = false
}

// Calm reports that nothing has failed that could exhaust the pool: Exhausted is
// false and Failures 0, whatever the policy.
func (l *Ledger) Calm() bool { return len(l.failures) == 0 && !l.failed }

// Exhausted reports whether the pool has failed so often that it should only
// probe: (a) more than MaxRestarts failures count and no live worker is proven,
// or (b) no worker has been live for HealthyAfter and a start has failed since.
// It is always false if MaxRestarts is negative. live is the number of live
// workers, provenLive whether one of them is proven.
func (l *Ledger) Exhausted(p Policy, now time.Time, live int, provenLive bool) bool {
	if !provenLive && l.failures.exceed(p, now) {
		return true
	}
	at, ok := l.ExhaustedAt(p)
	return ok && live == 0 && !now.Before(at)
}

// ExhaustedAt returns when rule (b) of Exhausted comes true if nothing happens,
// which may be in the past, and false if it does not. It holds only while no
// worker is live.
func (l *Ledger) ExhaustedAt(p Policy) (time.Time, bool) {
	if !l.failed || p.MaxRestarts < 0 {
		return time.Time{}, false
	}
	return l.alive.Add(p.HealthyAfter), true
}

// Failures returns how many failures count: those in Window since a proven
// incarnation last ended. It need not know more than MaxRestarts+1 of them, and
// none if MaxRestarts is negative.
func (l *Ledger) Failures(p Policy, now time.Time) int {
	return l.failures.count(p, now)
}

// Unstable reports whether more than MaxRestarts ends in Window were not asked
// for. It is always false if MaxRestarts is negative.
func (l *Ledger) Unstable(p Policy, now time.Time) bool {
	return l.unasked.exceed(p, now)
}

// counts reports whether what happened at then is in the window at now.
func (p Policy) counts(then, now time.Time) bool {
	return now.Sub(then) <= p.Window
}

// moments are the newest MaxRestarts+1 of a kind of event, in ascending order:
// enough to tell whether there are more than MaxRestarts in the window.
type moments []time.Time

func (m *moments) add(p Policy, now time.Time) {
	if p.MaxRestarts < 0 {
		*m = nil
		return
	}
	*m = append(*m, now)
	if surplus := len(*m) - 1 - p.MaxRestarts; surplus > 0 {
		*m = (*m)[surplus:]
	}
}

func (m moments) exceed(p Policy, now time.Time) bool {
	if p.MaxRestarts < 0 || len(m) <= p.MaxRestarts {
		return false
	}
	return p.counts(m[len(m)-1-p.MaxRestarts], now)
}

func (m moments) count(p Policy, now time.Time) int {
	first := sort.Search(len(m), func(i int) bool { return p.counts(m[i], now) })
	return len(m) - first
}
