package pool

import (
	"fmt"
	"time"

	"github.com/pooltender/pool/internal/queue"
)

// Terms are how one client uses a pool; see [Pool.With]. The zero Terms are the
// pool's own.
type Terms struct {
	// MaxWait bounds the wait for a worker, apart from the context, which
	// bounds the lease too. 0: Options.MaxWait; negative: no bound.
	MaxWait time.Duration

	// Priority says whom to serve first of those who wait. Within a priority
	// whoever came first is. A lower one is passed over by higher ones sixteen
	// times in a row: then it is its turn, once, so that everybody who waits is
	// served, however many more important clients there are. When waiting is bounded by
	// MaxWaiting, a client takes the place of the last one less important.
	Priority Priority

	// Key asks for the same worker for the same key, as long as it lives: for
	// workers that remember (a cache, a session). A client with a key waits for
	// that worker, even if others are idle (TryCheckout says ErrFull), and holds
	// up nobody who does not wait for the same one. It is affinity and not mutual exclusion: other
	// clients, with other keys or none, use the worker too; while its slot
	// backs off, its keys go to others; Resize moves some of them. Keys have
	// the slots below Size that are up: in a pool of Size 0 they mean nothing,
	// and with overflow in use they may crowd on few. A checkout with a key
	// takes the lock, and costs O(log Size). Empty: any worker.
	Key string

	// Owner is a label of the client, shown by Inspect, in events and in the log.
	Owner string
}

// Priority is the importance of a client to those who wait for the same worker.
// Values beyond the four count as the nearest of them.
type Priority int8

const (
	PriorityLow      Priority = iota - 1 // what can wait: batches, prefetching
	PriorityNormal                       // the default
	PriorityHigh                         // what somebody waits for
	PriorityCritical                     // what must not wait: payments, health
)

var priorityWords = [queue.Classes]string{"low", "normal", "high", "critical"}

// class is the priority as the queue counts, from 0.
func (p Priority) class() uint8 {
	return uint8(min(max(p, PriorityLow), PriorityCritical) - PriorityLow)
}

func priorityOf(class uint8) Priority { return PriorityLow + Priority(class) }

// String returns "low", "normal", "high" or "critical".
func (p Priority) String() string { return priorityWords[p.class()] }

// MarshalText implements [encoding.TextMarshaler].
func (p Priority) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler]. It returns an
// [*OptionError] for a word that is no priority.
func (p *Priority) UnmarshalText(text []byte) error {
	for class, word := range priorityWords {
		if string(text) == word {
			*p = priorityOf(uint8(class))
			return nil
		}
	}
	return &OptionError{"Priority", string(text), fmt.Sprintf("must be one of %q", priorityWords)}
}

// terms are Terms as the core reads them.
type terms struct {
	Terms
	marked bool         // the pool has to know more of the client than its context
	pin    *incarnation // this worker and no other
}

func (t Terms) within() terms { return terms{Terms: t, marked: t.Owner != "" || t.Key != ""} }

// pinned are the same terms for one worker, for however long that takes.
func (t *terms) pinned(inc *incarnation) *terms {
	pinned := terms{Terms: t.Terms, marked: true, pin: inc}
	pinned.MaxWait = -1
	return &pinned
}

// particular reports whether not any worker will do.
func (t *terms) particular() bool { return t.pin != nil || t.Key != "" }

func (t *terms) patience(standard time.Duration) time.Duration {
	if t.MaxWait != 0 {
		return t.MaxWait
	}
	return standard
}
