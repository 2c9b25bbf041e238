package pool_test

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

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

// reason is why a lease has ended; empty: it has not.
func reason(l pool.Lease[*pooltest.Worker]) pool.EndReason {
	var e *pool.LeaseError
	if assert.ErrorAs(&testing.T{}, l.Err(), &e) {
		return e.Reason
	}
	return ""
}

func TestLitmusOfCancelAndGrant(t *testing.T) {
	o := newOutcomes(t)
	defer o.tell()
	p, _ := litmusPool(t, pool.Options{Size: 1})
	for range rounds(2000) {
		holder := take(t, context.Background(), p)
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan string, 1)
		go func() {
			l, err := p.Checkout(ctx)
			if err != nil {
				ended <- "cancelled"
				return
			}
			work(l)
			if !l.Checkin() {
				o.forbidden("granted, and taken away at once", l.Err())
			}
			ended <- "granted"
		}()
		for p.Stats().Waiting == 0 {
			runtime.Gosched()
		}
		meet(func() { holder.Checkin() }, cancel)
		o.saw(<-ended)
		l, err := p.TryCheckout(context.Background())
		if err != nil {
			o.forbidden("the worker is lost", err)
			return
		}
		l.Checkin()
	}
	pooltest.Check(t, p)
}

func TestLitmusOfCrashAndCheckin(t *testing.T) {
	o := newOutcomes(t)
	defer o.tell()
	p, b := litmusPool(t, pool.Options{Size: 1})
	contexts := clients(t)
	n := rounds(2000)
	for i := range n {
		ctx := contexts[i%2]
		warm(t, ctx, p, 1)
		l := take(t, ctx, p)
		var returned bool
		meet(func() { returned = l.Checkin() }, func() { pooltest.KillWorker(p, 0) })
		switch end := reason(l); {
		case returned && end == pool.EndReturned:
			o.saw("returned before the crash")
		case !returned && end == pool.EndCrashed:
			o.saw("crashed while leased")
		default:
			o.forbidden("an end with two reasons", returned, end)
		}
		if l.Checkin() {
			o.forbidden("a lease ends twice")
		}
	}
	require.NoError(t, p.WaitReady(t.Context(), 1))
	assert.Equal(t, n+1, b.Starts(), "one replacement for each crash")
	assert.EqualValues(t, n, p.Stats().Crashes)
	pooltest.Check(t, p)
}

func TestLitmusOfCrashAndClaim(t *testing.T) {
	o := newOutcomes(t)
	defer o.tell()
	p, _ := litmusPool(t, pool.Options{Size: 1})
	contexts := clients(t)
	for i := range rounds(2000) {
		ctx := contexts[i%2]
		warm(t, ctx, p, 1)
		if i%3 == 0 { // of a client that the worker does not know
			var cancel context.CancelFunc
			ctx, cancel = context.WithCancel(ctx)
			defer cancel()
		}
		var dead uint64
		var l pool.Lease[*pooltest.Worker]
		var err error
		meet(func() { l, err = p.TryCheckout(ctx) }, func() {
			dead = p.Inspect().Slots[0].Incarnation
			pooltest.KillWorker(p, 0)
		})
		switch {
		case err != nil:
			o.saw("dead before it was lent")
		case l.Slot().Incarnation != dead:
			o.saw("the replacement was lent")
		case reason(l) == pool.EndCrashed:
			o.saw("lent, and dead then")
		default:
			o.forbidden("a dead worker is lent", reason(l))
		}
		l.Checkin()
	}
	pooltest.Check(t, p)
}

func TestLitmusOfTryCheckoutWhileSomeWorkerIsAlwaysFree(t *testing.T) {
	o := newOutcomes(t)
	defer o.tell()
	const workers = 3 // as many as clients, each of which has one at most
	p, _ := litmusPool(t, pool.Options{Size: workers})
	contexts := clients(t)
	warm(t, contexts[1], p, workers)
	var stop atomic.Bool
	var looking, trying sync.WaitGroup
	looking.Go(func() {
		for !stop.Load() {
			p.Stats()
			runtime.Gosched()
		}
	})
	for i := range workers {
		trying.Go(func() {
			for n := range rounds(1000000) {
				l, err := p.TryCheckout(contexts[(i+n/64)%2])
				if err != nil {
					o.forbidden("none is free though one must be", err)
					return
				}
				work(l)
				l.Checkin()
			}
			o.saw("always found one")
		})
	}
	trying.Wait()
	stop.Store(true)
	looking.Wait()
	pooltest.Check(t, p)
}
