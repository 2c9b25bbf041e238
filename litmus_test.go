package pool_test

import (
	"context"
	"flag"
	"fmt"
	"iter"
	"maps"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

// The tests of litmus_*_test.go let two or three calls meet, over and over, on
// real processors: what they see of each other is for the scheduler to say. Each
// counts how it went, and some ways to go are forbidden. They are not parallel,
// for then they would seldom meet.

var long = flag.Bool("long", false, "let the litmus tests take fifty times as many rounds")

// rounds is how many a litmus test takes.
func rounds(n int) int {
	switch {
	case *long:
		return 50 * n
	case testing.Short():
		return max(1, n/10)
	}
	return n
}

// outcomes is how the rounds of a litmus test ended.
type outcomes struct {
	t  *testing.T
	mu sync.Mutex
	n  map[string]int
}

func newOutcomes(t *testing.T) *outcomes { return &outcomes{t: t, n: map[string]int{}} }

// saw counts an outcome.
func (o *outcomes) saw(what string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.n[what]++
}

// forbidden is an outcome that must not be.
func (o *outcomes) forbidden(what string, args ...any) {
	o.saw("FORBIDDEN: " + what)
	o.t.Errorf("forbidden: "+what+" %v", args)
}

// tell writes the histogram.
func (o *outcomes) tell() {
	o.t.Helper()
	var text strings.Builder
	for _, what := range slices.Sorted(maps.Keys(o.n)) {
		fmt.Fprintf(&text, "\n%9d  %s", o.n[what], what)
	}
	o.t.Log(text.String())
}

// meet calls all sides at the same moment, more or less, and waits for them.
func meet(sides ...func()) {
	patience := 1 // with one processor
	if runtime.GOMAXPROCS(0) > 1 {
		patience = 1 << 14
	}
	var here atomic.Int32
	act := func(side func()) {
		late := rand.IntN(1 << rand.IntN(10))
		here.Add(1)
		for spin := 1; int(here.Load()) < len(sides); spin++ {
			if spin%patience == 0 {
				runtime.Gosched()
			}
		}
		for range late {
			here.Load()
		}
		side()
	}
	rand.Shuffle(len(sides), func(i, j int) { sides[i], sides[j] = sides[j], sides[i] })
	var others sync.WaitGroup
	for _, side := range sides[1:] {
		others.Go(func() { act(side) })
	}
	act(sides[0])
	others.Wait()
}

// closely is meet, over and over, for two sides that are to meet closer than
// goroutines that have just begun. Before each round it calls prepare, and judge
// after it. Where others use the processors the sides wait long for each other,
// so it ends early after a while, unless it was asked for the long form.
func closely(n int, prepare, one, other, judge func()) {
	var turn, answer atomic.Int64
	await := func(which *atomic.Int64, round int) {
		for spin := 1; which.Load() < int64(round); spin++ {
			if runtime.GOMAXPROCS(0) == 1 || spin%(1<<14) == 0 {
				runtime.Gosched()
			}
		}
	}
	over := false // written before a turn, and read after it
	var partner sync.WaitGroup
	partner.Go(func() {
		for i := 0; ; i++ {
			await(&turn, i+1)
			if over {
				return
			}
			for range i % 64 {
				turn.Load()
			}
			other()
			answer.Store(int64(i + 1))
		}
	})
	defer func() {
		over = true
		turn.Store(math.MaxInt64)
		partner.Wait()
	}()
	began := time.Now()
	for i := 0; i < n && (*long || time.Since(began) < enough); i++ {
		prepare()
		turn.Store(int64(i + 1))
		for range i / 64 % 64 {
			answer.Load()
		}
		one()
		await(&answer, i+1)
		judge()
	}
}

const enough = time.Second

// all calls all sides, and waits for them.
func all(sides []func()) {
	var group sync.WaitGroup
	for _, side := range sides {
		group.Go(side)
	}
	group.Wait()
}

// litmusPool starts a pool whose workers are lent without the lock once they
// have been lent, and are restarted at once whenever they crash.
func litmusPool(t *testing.T, opts pool.Options) (fakes, *pooltest.Backend) {
	t.Helper()
	reg := pooltest.NewRegistry()
	p, b := litmusPoolIn(t, reg, opts)
	t.Cleanup(func() { pooltest.Close(t, reg) })
	return p, b
}

func litmusPoolIn(t *testing.T, reg *pool.Registry, opts pool.Options) (fakes, *pooltest.Backend) {
	t.Helper()
	b := pooltest.NewBackend(t)
	b.NoReset, b.NoStop = true, true
	opts.Backoff.Min = -1
	opts.MaxRestarts = -1
	return pooltest.StartIn(t, reg, b.Spec(), opts), b
}

// warm lends every worker once, so that they may be lent without the lock.
func warm(t *testing.T, ctx context.Context, p fakes, n int) {
	t.Helper()
	require.NoError(t, p.WaitReady(context.Background(), n))
	leases := make([]pool.Lease[*pooltest.Worker], n)
	for i := range leases {
		leases[i] = take(t, ctx, p)
	}
	for _, l := range leases {
		l.Checkin()
	}
}

// work uses the worker, so that a second client is noticed, and leaves a trace
// that the race detector sees if the next client does not come after this one.
func work(l pool.Lease[*pooltest.Worker]) {
	w := l.Worker()
	w.Use(func() { w.Note++ })
}

// clients are the contexts a litmus test lends with, by turns.
func clients(t *testing.T) []context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	return []context.Context{context.Background(), ctx}
}

// warmed yields the rounds of a litmus test on a pool of one worker, each with the
// client whose turn it is and to whom the worker has just been lent.
func warmed(t *testing.T, p fakes, n int) iter.Seq2[int, context.Context] {
	contexts := clients(t)
	return func(yield func(int, context.Context) bool) {
		for i := range n {
			ctx := contexts[i%len(contexts)]
			warm(t, ctx, p, 1)
			if !yield(i, ctx) {
				return
			}
		}
	}
}

// reason is why a lease has ended; empty: it has not.
func reason(l pool.Lease[*pooltest.Worker]) pool.EndReason {
	var e *pool.LeaseError
	if assert.ErrorAs(&testing.T{}, l.Err(), &e) {
		return e.Reason
	}
	return ""
}
