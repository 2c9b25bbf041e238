package pool

import "time"

// Options says how large a pool is and how it behaves. It is plain comparable
// data: it can be copied, compared with == and read from a configuration file
// in JSON or YAML, where a duration is written as "5s". JSON refuses names that
// Options does not have; a YAML decoder has to be asked to (KnownFields).
//
// In every field 0 asks for the stated default, and a negative value turns the
// limit or feature off. Where a field says so, and for any other value out of
// range, Validate returns an error. No duration may exceed a hundred years.
type Options struct {
	// Size is the number of workers that the pool keeps up. Required, unless
	// MaxOverflow is positive: then 0 is a pool whose workers exist only while
	// there is demand. Negative: an error. Size and MaxOverflow together are
	// at most 1<<24.
	Size int `json:"size,omitempty" yaml:"size,omitempty"`

	// MaxOverflow is how many workers beyond Size may run while clients wait.
	// 0 or negative: none.
	MaxOverflow int `json:"max_overflow,omitempty" yaml:"max_overflow,omitempty"`

	// OverflowLinger is how long a worker beyond Size stays idle before it is
	// stopped. 0: 5s. Negative: it is stopped as soon as it is checked in and
	// nobody waits.
	OverflowLinger time.Duration `json:"overflow_linger,omitempty" yaml:"overflow_linger,omitempty"`

	// Order says which of several idle workers is lent. Empty: OrderRecent.
	Order Order `json:"order,omitempty" yaml:"order,omitempty"`

	// AsyncStart lets Start return at once, while the workers come up. False:
	// Start returns when Size workers are live, or with the error of the first
	// that fails to start.
	AsyncStart bool `json:"async_start,omitempty" yaml:"async_start,omitempty"`

	// MaxWaiting is how many clients may wait for a worker. One more fails at
	// once with ErrOverloaded. Clients for whom a worker is already starting are
	// not counted. 0 or negative: no limit.
	MaxWaiting int `json:"max_waiting,omitempty" yaml:"max_waiting,omitempty"`

	// MaxWait is the longest that a client waits for a worker, whatever its
	// context allows; then it fails with ErrOverloaded. 0 or negative: no limit.
	MaxWait time.Duration `json:"max_wait,omitempty" yaml:"max_wait,omitempty"`

	// QueueTarget is how long a wait may be that need not get shorter; 0 or
	// negative: off, and who waits is served or gives up by itself. While even
	// the shortest wait of a whole QueueInterval was longer, the queue stands:
	// everybody waits, and nobody gains by it. Then clients that have waited
	// longer than twice QueueTarget are turned away with ErrOverloaded, so that
	// those who come after are served in time. Bursts pass. If all workers
	// hang, clients are turned away after two to three intervals. Each priority
	// is judged by itself; clients that wait for the worker of one key are not
	// while other workers find nobody who waits. This is CoDel in the form of
	// Elixir's db_connection; a wait is known to a millisecond.
	QueueTarget time.Duration `json:"queue_target,omitempty" yaml:"queue_target,omitempty"`

	// QueueInterval is the time in which QueueTarget judges. 0: twenty times
	// QueueTarget. Negative: an error.
	QueueInterval time.Duration `json:"queue_interval,omitempty" yaml:"queue_interval,omitempty"`

	// Reclaim says what becomes of a worker whose lease the pool had to revoke.
	// Empty: ReclaimReplace.
	Reclaim Reclaim `json:"reclaim,omitempty" yaml:"reclaim,omitempty"`

	// ReclaimGrace is how long a client may still check its worker in after its
	// context has ended; then the lease is revoked. 0: 1s. Negative: none, the
	// lease is revoked as soon as the pool notices.
	ReclaimGrace time.Duration `json:"reclaim_grace,omitempty" yaml:"reclaim_grace,omitempty"`

	// WarnHold is the age at which a lease is reported, once, with
	// EventLeaseOverdue; its end is then told with EventLeaseLate. 0 or negative:
	// off. It must be less than MaxHold where both are on, for it would never
	// come.
	WarnHold time.Duration `json:"warn_hold,omitempty" yaml:"warn_hold,omitempty"`

	// MaxHold is the age at which a lease is revoked, without grace: never
	// early, late by some milliseconds. 0 or negative: off.
	MaxHold time.Duration `json:"max_hold,omitempty" yaml:"max_hold,omitempty"`

	// TraceLeases asks to trace every n-th checkout; 1: all. The stack of a traced
	// checkout is kept, for Inspect, for the events of overdue leases and for
	// the profile "github.com/pooltender/pool.leases" of runtime/pprof, which
	// has the traced leases of all pools that are live. And a traced lease that
	// nothing refers to any more, though it has not ended, is found by the
	// garbage collector: some collection later it is revoked with
	// EventLeaseLeaked, and its worker is replaced, whatever Reclaim says. So a
	// client must keep its Lease, or be inside Do, until the lease ends. A pool
	// that traces lends under its lock: see BENCHMARKS.md for what it costs. 0
	// or negative: off.
	TraceLeases int `json:"trace_leases,omitempty" yaml:"trace_leases,omitempty"`

	// MaxLifetime is the age at which a worker is replaced, counted from the
	// return of its Start. Each has its own, fixed at birth, between nine tenths
	// of it and all of it, spread evenly, so that workers that started together
	// do not end together. No lease is cut short: an idle worker goes at that
	// moment, a leased one when it comes back. So that a pool never lacks many,
	// no more than a twentieth of Size, and at least one, are being replaced for
	// their age at once; the others serve on until there is room. Workers are
	// not replaced for their age unless the pool is StateReady or StateDegraded.
	// 0 or negative: no limit.
	MaxLifetime time.Duration `json:"max_lifetime,omitempty" yaml:"max_lifetime,omitempty"`

	// MaxUses is how many leases a worker serves; then it is replaced. Exact, in
	// every state and whatever the number of clients: none is ever lent more
	// often, and so nothing bounds how many are replaced at once. A transferred
	// lease counts once, and one never delivered not at all. Where it is on,
	// Checkout and Checkin take a lock, for a short critical section each. 0 or
	// negative: no limit.
	MaxUses int `json:"max_uses,omitempty" yaml:"max_uses,omitempty"`

	// CheckEvery is how long an idle worker is taken to be well, since its start,
	// the last lease that was checked in, or the last Spec.Check that it passed.
	// Then it is checked, in the order in which they are due, at most a tenth of
	// Size and at least one at once, and no check begins while clients wait. A
	// check that runs when a client comes to wait is called off, and the worker
	// lent as it is. A worker for which there was no time until then is checked
	// before it is lent, and the client waits for that. It needs Spec.Check.
	// Where it is on, Checkout and Checkin take a lock, for a short critical
	// section each, and read the clock. 0 or negative: off.
	CheckEvery time.Duration `json:"check_every,omitempty" yaml:"check_every,omitempty"`

	// MaxStarting is how many workers may be starting at the same time, so that
	// a pool does not overrun its backend. 0: GOMAXPROCS, but at least 4 and at
	// most 16. Negative: as many as are wanted.
	MaxStarting int `json:"max_starting,omitempty" yaml:"max_starting,omitempty"`

	// StartTimeout bounds Spec.Start: its context is cancelled then, and the
	// start has failed. 0: 30s. Negative: no limit.
	StartTimeout time.Duration `json:"start_timeout,omitempty" yaml:"start_timeout,omitempty"`

	// CheckTimeout bounds the hooks that look after a worker between its
	// clients: Spec.Reset and Spec.Check. Their context is cancelled then, and
	// the worker is replaced. 0: 5s. Negative: no limit.
	CheckTimeout time.Duration `json:"check_timeout,omitempty" yaml:"check_timeout,omitempty"`

	// StopTimeout bounds the end of a worker: its Spec.Stop and the return of
	// its Spec.Run, or of a hook that was cancelled. What has not ended then is
	// a Zombie. 0: 5s. Negative: an error, for stopping a pool must come to an
	// end.
	StopTimeout time.Duration `json:"stop_timeout,omitempty" yaml:"stop_timeout,omitempty"`

	// MaxRestarts is how many failures in RestartWindow the pool answers with
	// restarts. One more while no proven worker is alive, and it is in
	// StateCrashLoop: it tries one worker at a time, and clients fail with
	// ErrUnavailable while none is live. So it is when no worker has been live
	// for 10s and a start has failed since. A worker is proven when it has
	// completed a lease or lived for 10s. A failure is a start that failed or
	// the crash of a worker not yet proven; unlike the restart intensity of
	// OTP, crashes of proven workers do not count, and the end of a proven
	// worker starts the count again. 0: six for each of Size workers, and six
	// when Size is 0. Negative: the pool never is in StateCrashLoop, and clients
	// wait.
	MaxRestarts int `json:"max_restarts,omitempty" yaml:"max_restarts,omitempty"`

	// RestartWindow is the time in which MaxRestarts and MaxPoolRestarts count.
	// 0: 60s. Negative: an error.
	RestartWindow time.Duration `json:"restart_window,omitempty" yaml:"restart_window,omitempty"`

	// Backoff spaces the restarts of a slot whose workers fail, and of a pool
	// that dies.
	Backoff Backoff `json:"backoff,omitzero" yaml:"backoff,omitempty"`

	// MaxPoolRestarts is how many deaths of its manager or worker supervisor in
	// RestartWindow the pool survives. One more, and it is in StateFailed: it
	// lends nothing until Restart. 0 or negative: no limit.
	MaxPoolRestarts int `json:"max_pool_restarts,omitempty" yaml:"max_pool_restarts,omitempty"`
}

// Backoff says how long to wait between restarts. After the first of several
// failures in a row the restart comes at once, after the second Min later, and
// then the delay doubles up to Max. Each delay is shortened at random by up to
// a quarter, so that Max is never exceeded.
type Backoff struct {
	// Min is the delay after the second failure in a row. 0: 100ms, or Max
	// where that is shorter. Negative: every restart comes at once; only in
	// StateCrashLoop the pool still keeps a distance between its attempts.
	Min time.Duration `json:"min,omitempty" yaml:"min,omitempty"`

	// Max is the longest delay. 0: 30s, or Min where that is longer. Negative
	// or less than Min: an error.
	Max time.Duration `json:"max,omitempty" yaml:"max,omitempty"`
}

// Order says which of several idle workers is lent. It prints and marshals as
// it is.
type Order string

const (
	OrderRecent Order = "recent" // one used lately, whichever is found first: the default, and the fastest
	OrderLIFO   Order = "lifo"   // the one used last
	OrderFIFO   Order = "fifo"   // the one idle the longest, so that all are used alike
)

// Reclaim says what becomes of a worker whose lease the pool had to revoke. It
// prints and marshals as it is.
type Reclaim string

const (
	ReclaimReplace Reclaim = "replace" // it is stopped and replaced, for its client may still be touching it: the default
	ReclaimReuse   Reclaim = "reuse"   // it is reset and lent on: for workers that bear two clients at once
)
