// Package pooltest is for tests of code that uses package pool: real pools over
// fakes or scripted workers, faults on command, and a check of the pool's
// invariants. It works inside testing/synctest bubbles and outside.
package pooltest

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"runtime/pprof"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/internal/hatch"
)

// New starts a real pool that lends the given workers, one a slot, and checks
// it when the test ends: every lease was given back, the invariants hold, Stop
// leaves nothing behind. A worker that is retired comes back as the replacement
// of itself.
func New[W any](t testing.TB, workers ...W) *pool.Pool[W] {
	t.Helper()
	p := Start(t, pool.Spec[W]{
		Start: func(ctx context.Context) (W, error) {
			slot, _ := pool.SlotFrom(ctx)
			return workers[slot.Index], nil
		},
	}, pool.Options{Size: len(workers)})
	// Runs before the cleanup of Start, which would revoke what is left.
	t.Cleanup(func() {
		if leased := p.Stats().Leased; leased > 0 {
			t.Errorf("pooltest: %d leases of pool %q were not checked in", leased, p.Name())
		}
	})
	return p
}

// Start starts a pool of its own registry, for tests that need a Spec or
// Options of their own. When the test ends the invariants are checked, the pool
// is stopped without draining, and no goroutine of it may be left. Inside a
// synctest bubble give it the bubble's t.
func Start[W any](t testing.TB, spec pool.Spec[W], opts pool.Options) *pool.Pool[W] {
	t.Helper()
	reg := NewRegistry()
	p := StartIn(t, reg, spec, opts)
	t.Cleanup(func() {
		t.Helper()
		Check(t, p)
		Close(t, reg)
	})
	return p
}

// NewRegistry makes a registry that writes no log, not even of the faults that
// are injected.
func NewRegistry() *pool.Registry {
	return pool.NewRegistry(pool.RegistryOptions{Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
}

var pools atomic.Uint64

// StartIn starts a pool in reg under a name that no other has, and fails the
// test if it does not start.
func StartIn[W any](t testing.TB, reg *pool.Registry, spec pool.Spec[W], opts pool.Options) *pool.Pool[W] {
	t.Helper()
	name := fmt.Sprintf("%s#%d", t.Name(), pools.Add(1))
	p, err := pool.Start(context.Background(), reg, name, spec, opts)
	if err != nil {
		t.Fatalf("pooltest: %v", err)
	}
	return p
}

// Close closes the registry and fails the test if a goroutine of any of its
// pools is left.
func Close(t testing.TB, reg *pool.Registry) {
	t.Helper()
	pools := slices.Collect(reg.Pools())
	Check(t, pools...)
	if err := reg.Close(); err != nil {
		t.Errorf("pooltest: %v", err)
	}
	for _, p := range pools {
		noGoroutines(t, p.Name(), label("instance", hatch.Open(p).Instance()))
	}
}

// Check fails the test if an invariant of one of the pools does not hold now:
// every slot is in one state and the counts are those of the slots, no more
// workers than allowed, nobody waits while a worker is idle, every list is
// whole. That no worker has two holders is checked by [Worker.Use].
func Check(t testing.TB, pools ...pool.Control) {
	t.Helper()
	for _, p := range pools {
		if err := hatch.Open(p).CheckInvariants(); err != nil {
			t.Errorf("pooltest: pool %q: %v", p.Name(), err)
		}
	}
}

// NoGoroutines fails the test if a goroutine of a pool of that name is left,
// whatever its registry. A pool marks its own with profiler labels.
func NoGoroutines(t testing.TB, name string) {
	t.Helper()
	noGoroutines(t, name, label("pool", name))
}

func noGoroutines(t testing.TB, name, label string) {
	t.Helper()
	left := goroutines(label)
	for wait := time.Microsecond; left != "" && wait < time.Second; wait *= 2 {
		time.Sleep(wait) // those that have nothing left to do may still be about to end
		left = goroutines(label)
	}
	if left != "" {
		t.Errorf("pooltest: goroutines of pool %q are left:\n%s", name, left)
	}
}

// label is a profiler label as a profile prints it.
func label(key, value string) string { return fmt.Sprintf("%q:%q", key, value) }

// goroutines returns the stacks of those that carry the label.
func goroutines(label string) string {
	var all, left strings.Builder
	if err := pprof.Lookup("goroutine").WriteTo(&all, 1); err != nil {
		return err.Error()
	}
	for stack := range strings.SplitSeq(all.String(), "\n\n") {
		if strings.Contains(stack, label) {
			left.WriteString(stack)
			left.WriteString("\n\n")
		}
	}
	return left.String()
}
