package pool_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

var (
	errKilled  = errors.New("doubler: killed")
	errDead    = errors.New("doubler: dead")
	errNoBirth = errors.New("doubler: not born")
)

// doubler is the worker of the stories: a goroutine with a mailbox, which takes
// a while to double a number and can be killed.
type doubler struct {
	slot    pool.Slot
	life    context.Context
	home    *doublerHome
	mailbox chan request
	knife   chan func() error // the way to die
	dead    chan struct{}     // closed when Run is over
	users   atomic.Int32
	sums    int // deliberately not guarded: the race detector watches who uses the worker
}

type request struct {
	n      int
	answer chan int
}

// compute returns 2n.
func (d *doubler) compute(ctx context.Context, n int) (int, error) {
	if users := d.users.Add(1); users != 1 {
		d.home.t.Errorf("doubler of slot %v has %d clients", d.slot, users)
	}
	defer d.users.Add(-1)
	defer d.home.enter()()
	d.sums++

	r := request{n, make(chan int, 1)}
	select {
	case d.mailbox <- r:
	case <-d.dead:
		return 0, errDead
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	select {
	case twice := <-r.answer:
		return twice, nil
	case <-d.dead:
		return 0, errDead
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

func (d *doubler) run(ctx context.Context) error {
	defer close(d.dead)
	for {
		select {
		case <-ctx.Done():
			return nil
		case die := <-d.knife:
			return die()
		case r := <-d.mailbox:
			select {
			case <-ctx.Done():
				return nil
			case die := <-d.knife:
				return die()
			case <-d.home.while():
				r.answer <- 2 * r.n
			}
		}
	}
}

// kill makes the doubler die in the way given. A dead one cannot be killed.
func (d *doubler) kill(die func() error) {
	select {
	case d.knife <- die:
	case <-d.dead:
	case <-d.life.Done():
	}
}

func byError() error { return errKilled }

func (d *doubler) isDead() bool {
	select {
	case <-d.dead:
		return true
	default:
		return false
	}
}

// doublerHome is where the doublers of a pool come from.
type doublerHome struct {
	t     *testing.T
	takes time.Duration // to compute
	gate  chan struct{} // if set, computing takes until it is closed

	computing, most atomic.Int32

	mu     sync.Mutex
	ready  chan struct{} // if set, a start takes until it is closed
	barren bool          // starts fail
	starts int
	born   []*doubler
}

func (h *doublerHome) spec() pool.Spec[*doubler] {
	return pool.Spec[*doubler]{Start: h.start, Run: (*doubler).run}
}

func (h *doublerHome) start(ctx context.Context) (*doubler, error) {
	h.mu.Lock()
	h.starts++
	ready, barren := h.ready, h.barren
	h.mu.Unlock()
	if barren {
		return nil, errNoBirth
	}
	if ready != nil {
		select {
		case <-ready:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	slot, _ := pool.SlotFrom(ctx)
	d := &doubler{
		slot: slot, life: ctx, home: h,
		mailbox: make(chan request), knife: make(chan func() error), dead: make(chan struct{}),
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.born = append(h.born, d)
	return d, nil
}

// hold makes starts take until the function returned is called.
func (h *doublerHome) hold() (release func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	ready := make(chan struct{})
	h.ready = ready
	return sync.OnceFunc(func() { close(ready) })
}

// dry makes starts fail.
func (h *doublerHome) dry() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.barren = true
}

func (h *doublerHome) started() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.starts
}

// alive returns the doublers that are neither dead nor told to end, the oldest
// first.
func (h *doublerHome) alive() []*doubler {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(h.born), func(d *doubler) bool { return d.isDead() || d.life.Err() != nil })
}

// while is how long computing takes.
func (h *doublerHome) while() <-chan struct{} {
	if h.gate != nil {
		return h.gate
	}
	over := make(chan struct{})
	if h.takes == 0 {
		close(over)
	} else {
		time.AfterFunc(h.takes, func() { close(over) })
	}
	return over
}

// enter counts those who compute.
func (h *doublerHome) enter() (leave func()) {
	n := h.computing.Add(1)
	for most := h.most.Load(); n > most && !h.most.CompareAndSwap(most, n); most = h.most.Load() {
	}
	return func() { h.computing.Add(-1) }
}

// env is where a story takes place: in virtual time or in real time.
type env struct {
	t    *testing.T
	real bool
	reg  *pool.Registry
	home *doublerHome
}

// story tells the same story twice: in virtual time and under real scheduling.
func story(t *testing.T, tell func(t *testing.T, e *env)) {
	t.Helper()
	virtually(t, tell)
	really(t, tell)
}

func virtually(t *testing.T, tell func(t *testing.T, e *env)) {
	t.Helper()
	t.Run("virtual", func(t *testing.T) {
		inBubble(t, func(t *testing.T, reg *pool.Registry, _ *pooltest.Backend) {
			e := &env{t: t, reg: reg}
			e.home = e.newHome()
			e.home.takes = time.Second
			// A story that fails must not leave a bubble that cannot end.
			t.Cleanup(func() { _ = reg.Close() })
			tell(t, e)
		})
	})
}

func really(t *testing.T, tell func(t *testing.T, e *env)) {
	t.Helper()
	t.Run("real", func(t *testing.T) {
		t.Parallel()
		e := &env{t: t, real: true, reg: pooltest.NewRegistry()}
		e.home = e.newHome()
		t.Cleanup(func() { pooltest.Close(t, e.reg) })
		tell(t, e)
	})
}

func (e *env) newHome() *doublerHome { return &doublerHome{t: e.t} }

// name makes a pool's name that no other story has: goroutines are told apart
// by it.
func (e *env) name(name string) string { return e.t.Name() + "/" + name }

func (e *env) start(opts pool.Options) *pool.Pool[*doubler] {
	e.t.Helper()
	return e.startAs("doublers", e.home.spec(), opts)
}

func (e *env) startAs(name string, spec pool.Spec[*doubler], opts pool.Options) *pool.Pool[*doubler] {
	e.t.Helper()
	p, err := pool.Start(e.t.Context(), e.reg, e.name(name), spec, opts)
	require.NoError(e.t, err)
	return p
}

// take checks out and expects to succeed.
func (e *env) take(ctx context.Context, p *pool.Pool[*doubler]) pool.Lease[*doubler] {
	e.t.Helper()
	lease, err := p.Checkout(ctx)
	require.NoError(e.t, err)
	return lease
}

// takeIdle takes n workers that must be idle.
func (e *env) takeIdle(p *pool.Pool[*doubler], n int) (leases []pool.Lease[*doubler], workers []*doubler) {
	e.t.Helper()
	for range n {
		lease, err := p.TryCheckout(e.t.Context())
		require.NoError(e.t, err)
		leases, workers = append(leases, lease), append(workers, lease.Worker())
	}
	return leases, workers
}

// full expects that no worker is idle.
func (e *env) full(p *pool.Pool[*doubler]) {
	e.t.Helper()
	_, err := p.TryCheckout(e.t.Context())
	require.ErrorIs(e.t, err, pool.ErrFull)
}

// double expects the pool to work.
func (e *env) double(p *pool.Pool[*doubler], n int) {
	e.t.Helper()
	twice, err := pool.Call(e.t.Context(), p, computing(n))
	require.NoError(e.t, err)
	require.Equal(e.t, 2*n, twice)
}

func computing(n int) func(context.Context, *doubler) (int, error) {
	return func(ctx context.Context, d *doubler) (int, error) { return d.compute(ctx, n) }
}

// until waits until something holds. It does not say how long that may take;
// the limit is only there so that a story that fails ends.
func (e *env) until(what string, holds func() bool) {
	e.t.Helper()
	limit := time.NewTimer(time.Minute)
	defer limit.Stop()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		if !e.real {
			synctest.Wait()
		}
		if holds() {
			return
		}
		select {
		case <-tick.C:
		case <-limit.C:
			require.FailNow(e.t, "it never came to it that "+what)
		}
	}
}

// atRest waits until n workers are idle and the others, if any, leased; nothing
// else is left in the pool then.
func (e *env) atRest(p *pool.Pool[*doubler], idle, leased int) {
	e.t.Helper()
	e.until("the pool is at rest", func() bool {
		s := p.Stats()
		return s.Idle == idle && s.Leased == leased && s.Tending+s.Starting+s.Stopping+s.BackingOff+s.Waiting+s.Zombies == 0
	})
	pooltest.Check(e.t, p)
	found := 0
	for _, s := range p.Inspect().Slots {
		if s.Lease != nil {
			found++
		}
	}
	require.Equal(e.t, leased, found, "leases in the slots")
}

// endedBy expects that the lease has ended for that reason, and that it means
// nothing any more.
func (e *env) endedBy(lease pool.Lease[*doubler], reason pool.EndReason) *pool.LeaseError {
	e.t.Helper()
	var end *pool.LeaseError
	require.ErrorAs(e.t, lease.Err(), &end)
	require.Equal(e.t, reason, end.Reason)
	require.False(e.t, lease.Checkin())
	require.False(e.t, lease.Retire(errKilled))
	return end
}
