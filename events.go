package pool

import "time"

// EventKind says what an [Event] tells of. It prints and marshals as it is.
type EventKind string

const (
	EventPoolState     EventKind = "pool state"          // State
	EventPoolDied      EventKind = "pool died"           // its manager or worker supervisor died (Err); a new epoch, one life of the two, follows
	EventUnstable      EventKind = "unstable"            // more ends that nobody asked for than MaxRestarts in RestartWindow, though the pool works
	EventWorkerStarted EventKind = "worker started"      // Elapsed: how long Start took
	EventStartFailed   EventKind = "start failed"        // Err; Elapsed: how long Start took
	EventWorkerCrashed EventKind = "worker crashed"      // Err; Elapsed: its age
	EventWorkerStopped EventKind = "worker stopped"      // an orderly end, or the last act of a crash; Err: what the Stop hook returned; Elapsed: its age
	EventZombie        EventKind = "zombie"              // a worker or hook did not end in time and was detached; Err names it
	EventLeaseStarted  EventKind = "lease started"       // Owner
	EventLeaseEnded    EventKind = "lease ended"         // Owner, Reason, Err; Elapsed: its age
	EventLeaseOverdue  EventKind = "lease overdue"       // Owner, Stack; Elapsed: its age; held longer than WarnHold: once a lease
	EventLeaseLate     EventKind = "overdue lease ended" // Owner, Reason, Err, Stack; Elapsed: its age; follows EventLeaseOverdue
	EventLeaseLeaked   EventKind = "lease leaked"        // Owner, Stack; Elapsed: its age; found by TraceLeases, its worker is replaced
	EventDropped       EventKind = "dropped"             // Dropped: so many events before this one are missing
)

// Event is something that happened in a pool. Started and ended leases are told
// only while somebody has subscribed; the log does not count.
//
// An EventDropped stands for the Dropped events that came before the next one
// and were lost because the receiver was too slow: its Seq is that of the last
// of them, its Time that of the first event kept.
type Event struct {
	Kind    EventKind
	Seq     uint64 // ascending without a gap in a registry; a gap comes as EventDropped
	Time    time.Time
	Slot    Slot // Pool is always set but in EventDropped; the rest where a worker is concerned
	State   State
	Reason  EndReason
	Owner   string // Terms.Owner
	Elapsed time.Duration
	Err     error
	Stack   string // of the checkout, if the lease is traced: see Options.TraceLeases
	Dropped int

	origin *origin // from which a subscriber's goroutine makes Stack, off every lock
}

// written returns e with its Stack.
func (e Event) written() Event {
	if e.origin != nil {
		e.Stack, e.origin = e.origin.String(), nil
	}
	return e
}
