// Package restart decides when a pool starts a worker again, and when its
// workers have failed so often that only probes are worth a start.
//
// It has no goroutines, locks or clocks: the caller passes the time and a
// random number, and acts on the answer.
package restart

import "time"

const firstProbe = 100 * time.Millisecond

// Policy is how a pool restarts its workers. Its zero fields have no defaults:
// the caller has filled them in.
type Policy struct {
	Min, Max     time.Duration // backoff of a slot, see Delay; Min < 0: none
	MaxRestarts  int           // failures in Window that do not yet exhaust the pool; negative: nothing does
	Window       time.Duration // an event exactly so old still counts
	HealthyAfter time.Duration // alive so long an incarnation is proven; so long without a live worker, a failed start exhausts the pool
	ProbeMax     time.Duration // the longest delay of a probe, if Max is not shorter
}

// Ending is how an incarnation ended.
type Ending uint8

const (
	Orderly     Ending = iota // it was told to: revoked, surplus, resized away, retired without an error
	Crashed                   // by itself, or Reset failed, or it was retired with an error
	StartFailed               // it never was: its start failed or timed out
)

// Next returns a slot's failures in a row after an incarnation with that ending,
// and how long the slot waits before it starts the next one. streak is what Next
// returned for the incarnation before, 0 for the first; u in [0,1) is the jitter.
//
// A proven incarnation clears the streak, however it ends, and an orderly end of
// an unproven one leaves it as it is; neither makes the slot wait. Everything
// else is a failure.
func (p Policy) Next(streak int, e Ending, proven bool, u float64) (int, time.Duration) {
	switch {
	case proven:
		return 0, 0
	case e == Orderly:
		return streak, 0
	}
	return streak + 1, p.Delay(streak+1, u)
}

// Delay returns how long a slot waits before its next start after streak
// failures in a row: not at all after the first, then Min, doubling up to Max.
// u in [0,1) takes off up to a quarter, so Max is never exceeded.
func (p Policy) Delay(streak int, u float64) time.Duration {
	if streak <= 1 || p.Min < 0 {
		return 0
	}
	return jitter(double(p.Min, streak-2, p.Max), u)
}

// ProbeDelay returns how long a pool in CrashLoop waits before its next probe,
// attempt counting the probes from 0: 100 ms, doubling up to ProbeMax or Max,
// whichever is shorter. u in [0,1) takes off up to a quarter. A negative Min
// does not switch it off.
func (p Policy) ProbeDelay(attempt int, u float64) time.Duration {
	return jitter(double(firstProbe, attempt, min(p.Max, p.ProbeMax)), u)
}

// double returns d·2^times, at most limit.
func double(d time.Duration, times int, limit time.Duration) time.Duration {
	// Halving the limit cannot overflow, doubling d could.
	if d > limit>>times {
		return limit
	}
	return d << times
}

func jitter(d time.Duration, u float64) time.Duration {
	return d - time.Duration((1-u)*float64(d)/4)
}
