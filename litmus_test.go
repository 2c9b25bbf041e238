package pool_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

// The tests of litmus_*_test.go let two or three calls meet, over and over, on
// real processors: what they see of each other is for the scheduler to say. Each
// counts how it went. What it has not listed is forbidden, and in the long form
// whatever it has listed must come, for a race that was never seen proves nothing.
// They are not parallel, for then the calls would seldom meet.

var long = flag.Bool("long", false, "let litmus tests take a million rounds, and others fifty times as many as otherwise")

// rounds is how many a test takes that is no litmus test of single rounds.
func rounds(n int) int {
	switch {
	case *long:
		return 50 * n
	case testing.Short():
		return max(1, n/10)
	}
	return n
}

// race is what the sides of one round do.
type race struct {
	prepare func()        // before they meet
	sides   []func()      // at once
	judge   func() string // afterwards: how it went
}

const (
	million = 1_000_000 // rounds of the long form
	brief   = 500       // so many times fewer are those of the short form
	enough  = time.Second
	sitting = 50_000 // rounds with the same pools: what their workers leave behind is a test's to keep
	lanes   = 32     // races that are run one right after another, each with pools of its own

	looks = 1 << 13 // that a side takes for another one
)

// litmus runs races of one kind and counts their outcomes. n is how many in the
// long form. The short form ends early where others use the processors.
func litmus(t *testing.T, n int, may grades, stage func(t *testing.T) race) {
	t.Helper()
	if !*long {
		n = rounds(n / brief)
	}
	o := newOutcomes(t, may)
	defer o.tell()
	for done := 0; done < n && !t.Failed(); {
		t.Run(fmt.Sprintf("round %d", done), func(t *testing.T) {
			races := make([]race, lanes)
			for lane := range races {
				races[lane] = stage(t)
			}
			stuck := time.AfterFunc(time.Minute, func() { panic(t.Name() + ": a round does not end") })
			defer stuck.Stop()
			began := time.Now()
			for last := min(n, done+sitting); done < last && !t.Failed(); done += lanes {
				stuck.Reset(time.Minute)
				for _, r := range races {
					r.prepare()
				}
				together(races)
				for _, r := range races {
					o.saw(r.judge())
				}
				if !*long && time.Since(began) > enough {
					done = n
				}
			}
		})
	}
}

// together has every side take part in one race after another. At each they wait
// for one another, but not for long: if one of them has no processor the others go
// on, rather than all wait for it.
func together(races []race) {
	here := make([]atomic.Int32, len(races))
	sides, alone := len(races[0].sides), runtime.GOMAXPROCS(0) == 1
	act := func(side int) {
		for i, r := range races {
			here[i].Add(1)
			for spin := 0; int(here[i].Load()) < sides && !alone && spin < looks; spin++ {
			}
			if int(here[i].Load()) < sides && (!alone || rand.IntN(2) == 0) {
				runtime.Gosched()
			}
			for range rand.IntN(1 << rand.IntN(10)) {
				here[i].Load()
			}
			r.sides[side]()
		}
	}
	var others sync.WaitGroup
	order := rand.Perm(sides)
	for _, side := range order[1:] {
		others.Go(func() { act(side) })
	}
	act(order[0])
	others.Wait()
}

// meet is one round of a race.
func meet(sides ...func()) { together([]race{{sides: sides}}) }

// hesitate is for sides that race with what another has the manager do.
func hesitate() {
	for range rand.IntN(1 << rand.IntN(12)) {
		runtime.Gosched()
	}
}

// litmusPool starts a pool whose workers are lent without the lock once they
// have been lent, and are restarted at once whenever they crash.
func litmusPool(t *testing.T, opts pool.Options) (fakes, *pooltest.Backend) {
	t.Helper()
	reg, b := litmusRegistry(t), litmusBackend(t)
	return pooltest.StartIn(t, reg, b.Spec(), litmusOptions(opts)), b
}

func litmusRegistry(t *testing.T) *pool.Registry {
	reg := pooltest.NewRegistry()
	t.Cleanup(func() { pooltest.Close(t, reg) })
	return reg
}

func litmusBackend(t *testing.T) *pooltest.Backend {
	b := pooltest.NewBackend(t)
	b.NoReset, b.NoStop = true, true
	return b
}

func litmusOptions(opts pool.Options) pool.Options {
	opts.Backoff.Min = -1
	opts.MaxRestarts = -1
	return opts
}

// warm lends every worker once, so that they may be lent without the lock.
func warm(t *testing.T, ctx context.Context, p fakes, n int) {
	t.Helper()
	require.NoError(t, p.WaitReady(context.Background(), n))
	leases := make([]fakeLease, n)
	for i := range leases {
		leases[i] = take(t, ctx, p)
	}
	for _, l := range leases {
		l.Checkin()
	}
}

// work uses the worker, so that a second client is noticed, and leaves a trace
// that the race detector sees if the next client does not come after this one.
func work(l fakeLease) {
	w := l.Worker()
	w.Use(func() { w.Note++ })
}

// clients are the contexts a litmus test lends with, by turns.
func clients(t *testing.T) []context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	return []context.Context{context.Background(), ctx}
}

// lender lends the one worker of a pool to the client whose turn it is, who had it
// before, and so without the lock.
func lender(t *testing.T, p fakes) func() fakeLease {
	contexts, n := clients(t), 0
	return func() fakeLease {
		n++
		ctx := contexts[n%len(contexts)]
		warm(t, ctx, p, 1)
		return take(t, ctx, p)
	}
}

// queued waits until so many clients wait.
func queued(p fakes, n int) {
	for p.Stats().Waiting < n {
		runtime.Gosched()
	}
}

// borrow has a client use a worker on a goroutine of its own. What comes over the
// channel is why it could not.
func borrow(ctx context.Context, checkout func(context.Context) (fakeLease, error)) <-chan error {
	end := make(chan error, 1)
	go func() {
		lease, err := checkout(ctx)
		if err == nil {
			work(lease)
			if !lease.Checkin() {
				err = fmt.Errorf("granted, and taken away at once: %w", lease.Err())
			}
		}
		end <- err
	}()
	return end
}

// atRest says what is wrong with a pool that nobody uses any more and that should
// have so many workers, when those have started and stopped that are about to.
func atRest(p fakes, workers int) string {
	for {
		switch s := p.Stats(); {
		case s.Starting+s.Stopping+s.Tending > 0:
			runtime.Gosched()
		case s.Idle != workers || s.Leased+s.Waiting > 0:
			return fmt.Sprintf("not at rest: %+v", s)
		default:
			return ""
		}
	}
}

// reason is why a lease has ended; empty: it has not.
func reason(l fakeLease) pool.EndReason {
	if e, ok := errors.AsType[*pool.LeaseError](l.Err()); ok {
		return e.Reason
	}
	return ""
}

// howEnded says how a lease has ended, and who says to have ended it.
func howEnded(l fakeLease, mine bool) string {
	who := "by the pool"
	if mine {
		who = "by its client"
	}
	if l.Checkin() {
		return "not at all, " + who
	}
	return string(reason(l)) + " " + who
}
