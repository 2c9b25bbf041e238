package pool_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

// attempt is one call of Start.
type attempt struct {
	slot  pool.Slot
	at    time.Time
	ended time.Time
}

// attempts records the calls of Start and lets a test decide which fail.
type attempts struct {
	mu     sync.Mutex
	all    []*attempt
	flying int
	most   int // starts at the same time, since heal
	fails  func(pool.Slot) bool
}

func (a *attempts) watch(spec pool.Spec[*pooltest.Worker]) pool.Spec[*pooltest.Worker] {
	made := spec.Start
	spec.Start = func(ctx context.Context) (*pooltest.Worker, error) {
		slot, _ := pool.SlotFrom(ctx)
		one := &attempt{slot: slot, at: time.Now()}
		begin := func() {
			a.mu.Lock()
			defer a.mu.Unlock()
			a.all = append(a.all, one)
			a.flying++
			a.most = max(a.most, a.flying)
		}
		end := func() {
			a.mu.Lock()
			defer a.mu.Unlock()
			one.ended = time.Now()
			a.flying--
		}
		begin()
		defer end()
		if a.fails != nil && a.fails(slot) {
			return nil, pooltest.ErrScripted
		}
		return made(ctx)
	}
	return spec
}

// isPoisoned is where the starts of slot 1 fail.
func isPoisoned(s pool.Slot) bool { return s.Index == 1 }

// since returns the attempts from a time on, of one slot or (-1) of all.
func (a *attempts) since(t time.Time, slot int) (found []*attempt) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, one := range a.all {
		if !one.at.Before(t) && (slot < 0 || one.slot.Index == slot) {
			found = append(found, one)
		}
	}
	return found
}

func (a *attempts) reset() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.all, a.most = nil, a.flying
}

// within asserts a delay that jitter has shortened by up to a quarter.
func within(t *testing.T, longest, delay time.Duration, args ...any) {
	t.Helper()
	require.LessOrEqual(t, delay, longest, args...)
	require.GreaterOrEqual(t, delay, longest*3/4, args...)
}

// seen collects the states that a pool goes through.
type seen struct {
	mu     sync.Mutex
	events []pool.Event
}

func observe(reg *pool.Registry) *seen {
	s := &seen{}
	reg.Subscribe(func(e pool.Event) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.events = append(s.events, e)
	})
	return s
}

func (s *seen) of(kinds ...pool.EventKind) (found []pool.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.events {
		for _, kind := range kinds {
			if e.Kind == kind {
				found = append(found, e)
			}
		}
	}
	return found
}

func (s *seen) states() (states []pool.State) {
	for _, e := range s.of(pool.EventPoolState) {
		states = append(states, e.State)
	}
	return states
}

func TestASlotThatFailsBacksOffAloneAndDoubling(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		events := observe(reg)
		a := &attempts{fails: isPoisoned}
		p := pooltest.StartIn(t, reg, a.watch(b.Spec()), pool.Options{Size: 3, AsyncStart: true})
		began := time.Now()
		time.Sleep(250 * ms)
		settle(t, p)
		info := p.Inspect().Slots[1]
		require.Equal(t, pool.SlotBackingOff, info.State)
		require.Positive(t, info.RetryIn)
		require.Equal(t, "start fail", hookEnd(info.LastError))
		require.Equal(t, pool.StateDegraded, p.Stats().State)
		time.Sleep(3 * time.Minute)
		settle(t, p)

		tried := a.since(began, 1)
		want := []time.Duration{0, 100 * ms}
		for want[len(want)-1] < 25600*ms {
			want = append(want, 2*want[len(want)-1])
		}
		want = append(want, 30*time.Second, 30*time.Second, 30*time.Second)
		require.Greater(t, len(tried), len(want))
		for i, longest := range want {
			require.Equal(t, i+1, tried[i].slot.Attempt)
			within(t, longest, tried[i+1].at.Sub(tried[i].at), "restart %d", i+1)
		}
		for _, other := range []int{0, 2} {
			require.Len(t, a.since(began, other), 1, "other slots are untouched")
		}
		require.NotContains(t, events.states(), pool.StateCrashLoop)
		require.Equal(t, 2, p.Stats().Idle)
		require.Equal(t, 1, p.Stats().BackingOff)
	})
}

func TestWithoutBackoffEveryRestartComesAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 2, Backoff: pool.Backoff{Min: -1}})
		b.FailNext(8)
		elapsed := stopwatch()
		pooltest.KillWorker(p, 0)
		require.NoError(t, p.WaitReady(t.Context(), 2))
		require.Zero(t, elapsed())
		require.Equal(t, 11, b.Starts())
	})
}

func TestAProvenWorkerClearsTheStreakOfItsSlot(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 1})
		kill := func() time.Duration {
			elapsed := stopwatch()
			require.True(t, pooltest.KillWorker(p, 0))
			require.NoError(t, p.WaitReady(t.Context(), 1))
			return elapsed()
		}
		require.Zero(t, kill())
		within(t, 100*ms, kill())
		within(t, 200*ms, kill())
		require.True(t, take(t, t.Context(), p).Checkin(), "proven by a lease")
		settle(t, p)
		require.Zero(t, kill())
		require.Zero(t, kill())
		within(t, 100*ms, kill())
		time.Sleep(10 * time.Second) // proven by its age
		require.Zero(t, kill())
		require.Zero(t, kill())
		within(t, 100*ms, kill())
		take(t, t.Context(), p).Retire(pooltest.ErrScripted)
		elapsed := stopwatch()
		require.NoError(t, p.WaitReady(t.Context(), 1))
		within(t, 200*ms, elapsed(), "a lease that ends by Retire proves nothing")
	})
}

func TestABlipCostsOneStartAWorkerAndNoCrashLoop(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		events := observe(reg)
		p := start(t, reg, b, pool.Options{Size: 50, MaxStarting: -1})
		for _, age := range []time.Duration{0, time.Minute} { // unproven, proven
			time.Sleep(age)
			starts := b.Starts()
			for slot := range 50 {
				require.True(t, pooltest.KillWorker(p, slot))
			}
			settle(t, p)
			require.Equal(t, starts+50, b.Starts())
			require.Equal(t, pool.StateReady, p.Stats().State)
		}
		require.NotContains(t, events.states(), pool.StateCrashLoop)
	})
}

// down is a backend that takes a moment to refuse, so that all workers have
// crashed before the first start fails: the end of a proven one clears the count.
var down = pooltest.Script{Start: pooltest.Fail, StartAfter: 10 * ms}

// breakDown makes all workers crash, and all starts go as scripted.
func breakDown(p fakes, b *pooltest.Backend, script pooltest.Script) {
	b.Always(script)
	for slot := range p.Stats().Size {
		pooltest.KillWorker(p, slot)
	}
}

func TestWhenTheBackendIsDownThePoolProbesAndComesBackInARamp(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		const size = 8
		events := observe(reg)
		a := &attempts{}
		p := pooltest.StartIn(t, reg, a.watch(b.Spec()), pool.Options{Size: size, MaxStarting: -1})
		time.Sleep(time.Minute)
		elapsed := stopwatch()
		breakDown(p, b, down)
		_, err := p.Checkout(t.Context())
		entered := elapsed()
		// The seventh failure of the slot that comes first: five delays, 3.1 s in all, and seven starts.
		within(t, 3100*ms, entered-7*10*ms)
		b.Always(pooltest.Script{Start: pooltest.Fail})
		refused := func(err error) *pool.CheckoutError {
			t.Helper()
			require.ErrorIs(t, err, pool.ErrUnavailable)
			checkout, ok := errors.AsType[*pool.CheckoutError](err)
			require.True(t, ok)
			require.Equal(t, "start fail", hookEnd(checkout.Stats.LastError))
			require.ErrorContains(t, err, pooltest.ErrScripted.Error())
			require.NotErrorIs(t, err, pooltest.ErrScripted, "the cause is told, not unwrapped")
			require.Positive(t, checkout.RetryAfter)
			require.LessOrEqual(t, checkout.RetryAfter, 5*time.Second)
			return checkout
		}
		require.Equal(t, entered, refused(err).Waited)
		require.Equal(t, pool.StateCrashLoop, p.Stats().State)

		// One probe at a time, round the slots, ever more slowly.
		settle(t, p)
		a.reset()
		last, longest := time.Now(), 100*ms
		for i := range 2 * size {
			time.Sleep(p.Inspect().RetryIn)
			settle(t, p)
			probes := a.since(last, -1)
			require.Len(t, probes, 1)
			within(t, longest, probes[0].at.Sub(last), "probe %d", i)
			a.reset()
			last, longest = probes[0].at, min(2*longest, 5*time.Second)
			now := stopwatch()
			_, err = p.Checkout(t.Context())
			require.Zero(t, now(), "newcomers do not wait")
			refused(err)
			_, err = p.TryCheckout(t.Context())
			refused(err)
		}
		all := map[int]int{}
		for _, e := range events.of(pool.EventStartFailed)[len(events.of(pool.EventStartFailed))-2*size:] {
			all[e.Slot.Index]++
		}
		require.Len(t, all, size, "a poisoned slot must not hold the others hostage")

		// The backend is well again. The probe is lent at once; a completed lease ends the crash loop.
		b.Always(pooltest.Script{StartAfter: time.Second})
		time.Sleep(p.Inspect().RetryIn + time.Second)
		settle(t, p)
		require.Equal(t, pool.StateCrashLoop, p.Stats().State, "not yet proven")
		require.Equal(t, 1, p.Stats().Idle)
		a.reset()
		lease := take(t, t.Context(), p)
		waiter := time.Now()
		time.AfterFunc(time.Second, func() { lease.Checkin() })
		require.True(t, take(t, t.Context(), p).Checkin(), "with a live worker clients wait")
		require.Equal(t, time.Second, time.Since(waiter))
		for _, live := range []int{1, 2, 4} {
			settle(t, p)
			s := p.Stats()
			require.Equal(t, live, s.Idle)
			require.Equal(t, min(live, size-live), s.Starting)
			time.Sleep(time.Second)
		}
		settle(t, p)
		require.Equal(t, size, p.Stats().Idle)
		require.Equal(t, 4, a.most)
		settle(t, p)
		require.Equal(t, pool.StateReady, p.Stats().State)
		require.Equal(t, []pool.State{
			pool.StateReady, pool.StateDegraded, pool.StateCrashLoop, pool.StateDegraded, pool.StateReady,
		}, events.states()[max(0, len(events.states())-5):])
	})
}

func TestACrashLoopEndsWhenItsProbeHasLivedForTenSeconds(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 4})
		crashLoop(t, p, b)
		b.Always(pooltest.Script{})
		time.Sleep(p.Inspect().RetryIn)
		settle(t, p)
		require.Equal(t, 1, p.Stats().Idle)
		time.Sleep(10*time.Second - time.Nanosecond)
		settle(t, p)
		require.Equal(t, pool.StateCrashLoop, p.Stats().State)
		require.Equal(t, 1, p.Stats().Idle, "one probe at a time")
		time.Sleep(time.Nanosecond)
		settle(t, p)
		require.Equal(t, pool.StateReady, p.Stats().State)
	})
}
