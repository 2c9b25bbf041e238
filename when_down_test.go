package pool_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

// When a worker fails to start, in Start: Start returns the error; nothing is
// left running; the name is free.
func TestWhenAWorkerFailsToStartInStart(t *testing.T) {
	for _, act := range []pooltest.Act{pooltest.Fail, pooltest.Panic, pooltest.Goexit, pooltest.Hang} {
		t.Run(string(act), func(t *testing.T) {
			inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
				b.Next(pooltest.Script{}, pooltest.Script{Start: act, StartAfter: time.Second}, pooltest.Script{StartAfter: time.Minute})
				p, err := pool.Start(t.Context(), reg, t.Name(), b.Spec(), pool.Options{Size: 3})
				require.Nil(t, p)
				var failed *pool.StartError
				require.ErrorAs(t, err, &failed)
				require.Equal(t, act == pooltest.Fail, errors.Is(err, pooltest.ErrScripted))
				require.Equal(t, act == pooltest.Hang, errors.Is(err, context.DeadlineExceeded))
				require.Equal(t, act == pooltest.Panic, failed.Panic != nil)
				require.Equal(t, act == pooltest.Goexit, failed.Exit)
				require.Equal(t, 3, b.Starts(), "an initial start is not tried again")
				require.Empty(t, b.Alive())
				pooltest.NoGoroutines(t, t.Name())
				_, err = pool.Lookup[*pooltest.Worker](reg, t.Name())
				require.ErrorIs(t, err, pool.ErrNotFound)

				p, err = pool.Start(t.Context(), reg, t.Name(), b.Spec(), pool.Options{Size: 3})
				require.NoError(t, err)
				settle(t, p)
			})
		})
	}
}

// When a worker fails to start, later: its slot backs off; other slots are
// untouched; waiters wait; errors show the start error.
func TestWhenAWorkerFailsToStartLater(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 2})
		b.FailNext(3)
		other := take(t, t.Context(), p)
		pooltest.KillWorker(p, 1-other.Slot().Index)
		settle(t, p)
		require.Equal(t, pool.StateDegraded, p.Stats().State)
		slot := p.Inspect().Slots[1-other.Slot().Index]
		require.Equal(t, pool.SlotBackingOff, slot.State)
		require.Equal(t, 2, slot.Failures)
		require.ErrorIs(t, slot.LastError, pooltest.ErrScripted)
		require.LessOrEqual(t, slot.RetryIn, 100*time.Millisecond)
		require.GreaterOrEqual(t, slot.RetryIn, 75*time.Millisecond)

		_, err := p.TryCheckout(t.Context())
		require.ErrorIs(t, err, pool.ErrFull)
		require.NotErrorIs(t, err, pooltest.ErrScripted)
		require.ErrorContains(t, err, pooltest.ErrScripted.Error()[len("pooltest: "):])
		require.ErrorAs(t, refusal(t, err).Stats.LastError, new(*pool.StartError))

		asked := ask(t.Context(), p)
		waiting(t, asked)
		before := time.Now()
		for len(asked) == 0 {
			time.Sleep(time.Millisecond)
		}
		require.InDelta(t, 600*time.Millisecond, time.Since(before), float64(152*time.Millisecond), "100, 200 and 400 ms, jitter only downward")
		require.NotEqual(t, other.Slot().Index, lentTo(t, asked).Slot().Index)
		require.NoError(t, other.Err())
		require.Equal(t, pool.StateReady, p.Stats().State)
		settle(t, p)
	})
}

// When the backend blips (every worker crashes at once): each is restarted once,
// at once; no storm, no CrashLoop.
func TestWhenTheBackendBlips(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 5, MaxOverflow: 2})
		before := time.Now()
		for slot := range 5 {
			require.True(t, pooltest.KillWorker(p, slot))
		}
		require.NoError(t, p.WaitReady(t.Context(), 5))
		settle(t, p)
		require.Zero(t, time.Since(before))
		time.Sleep(time.Minute)
		require.Equal(t, 10, b.Starts())
		require.Equal(t, pool.StateReady, p.Stats().State)
		require.False(t, p.Stats().Unstable)
	})
}

// When the backend is down: about 3 s later CrashLoop. With no live worker
// waiters and newcomers get ErrUnavailable with cause and RetryAfter; one probe
// at a time goes round the slots; the first worker that proves itself ends it
// and the pool refills in a ramp.
func TestWhenTheBackendIsDown(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 4, MaxStarting: -1})
		time.Sleep(time.Minute)
		b.Always(pooltest.Script{Start: pooltest.Fail, StartAfter: time.Millisecond}) // none fails before all are dead
		before := time.Now()
		for slot := range 4 {
			pooltest.KillWorker(p, slot)
		}
		waiter := ask(t.Context(), p)
		waiting(t, waiter)
		for len(waiter) == 0 {
			time.Sleep(10 * time.Millisecond)
		}
		require.InDelta(t, 3*time.Second, time.Since(before), float64(800*time.Millisecond))
		require.Equal(t, pool.StateCrashLoop, p.Stats().State)
		told := refused(t, waiter)
		_, err := p.Checkout(t.Context())
		for _, told := range []*pool.CheckoutError{told, refusal(t, err)} {
			require.ErrorIs(t, told, pool.ErrUnavailable)
			require.NotErrorIs(t, told, pooltest.ErrScripted)
			require.ErrorIs(t, told.Stats.LastError, pooltest.ErrScripted)
			require.ErrorContains(t, told, "as scripted")
			require.Equal(t, 100*time.Millisecond, told.RetryAfter, "the first probe comes within that")
		}
		settle(t, p)

		// Probes: one at a time, in turn, at most 5 s apart.
		b.Always(pooltest.Script{Start: pooltest.Fail, StartAfter: 10 * time.Millisecond})
		time.Sleep(time.Minute)
		starts, tried := b.Starts(), map[int]int{}
		for range 20_000 / 5 {
			time.Sleep(5 * time.Millisecond)
			require.LessOrEqual(t, p.Stats().Starting, 1)
			for _, slot := range p.Inspect().Slots {
				if slot.State == pool.SlotStarting {
					tried[slot.Index]++
				}
			}
		}
		require.InDelta(t, 4.5, b.Starts()-starts, 1.5)
		require.Len(t, tried, 4)

		// A worker is up: lent though not proven; when it is, the others follow,
		// no more starting than live.
		b.Always(pooltest.Script{StartAfter: time.Second})
		require.NoError(t, p.WaitReady(t.Context(), 1))
		lease := take(t, t.Context(), p)
		require.Equal(t, pool.StateCrashLoop, p.Stats().State)
		require.Zero(t, p.Stats().Starting)
		lease.Checkin()
		settle(t, p)
		require.Equal(t, pool.StateDegraded, p.Stats().State)
		for p.Stats().State != pool.StateReady {
			s := p.Stats()
			require.LessOrEqual(t, s.Starting, s.Idle)
			require.Positive(t, s.Starting)
			time.Sleep(100 * time.Millisecond)
			settle(t, p)
		}
		settle(t, p)
	})
}

// When a waiter is queued as CrashLoop begins: ErrUnavailable like a newcomer;
// also when the last live worker goes while it lasts, however that one goes.
func TestWhenTheLastLiveWorkerGoesInCrashLoop(t *testing.T) {
	for name, end := range map[string]func(p fakes, lease pool.Lease[*pooltest.Worker], cancel func()){
		"crash":              func(p fakes, l pool.Lease[*pooltest.Worker], _ func()) { pooltest.KillWorker(p, l.Slot().Index) },
		"retired":            func(_ fakes, l pool.Lease[*pooltest.Worker], _ func()) { l.Retire(nil) },
		"retired with error": func(_ fakes, l pool.Lease[*pooltest.Worker], _ func()) { l.Retire(pooltest.ErrScripted) },
		"detached":           func(_ fakes, l pool.Lease[*pooltest.Worker], _ func()) { l.Detach() },
		"revoked":            func(_ fakes, _ pool.Lease[*pooltest.Worker], cancel func()) { cancel(); time.Sleep(time.Second) },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
				b.Passive = true
				p := start(t, reg, b, pool.Options{Size: 2, MaxRestarts: 1, ReclaimGrace: -1})
				b.Always(pooltest.Script{Start: pooltest.Fail})
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				lease := take(t, ctx, p)
				pooltest.KillWorker(p, 1-lease.Slot().Index)
				settle(t, p)
				require.Equal(t, pool.StateCrashLoop, p.Stats().State)
				asked := ask(t.Context(), p)
				waiting(t, asked)
				end(p, lease, cancel)
				require.ErrorIs(t, refused(t, asked), pool.ErrUnavailable)
				settle(t, p)
			})
		})
	}
}

// When every start hangs (black hole): ErrUnavailable once a start has timed out
// and no worker lived for 10 s.
func TestWhenEveryStartHangs(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 2})
		b.Always(pooltest.Script{Start: pooltest.Hang})
		before := time.Now()
		pooltest.KillWorker(p, 0)
		pooltest.KillWorker(p, 1)
		asked := ask(t.Context(), p)
		time.Sleep(30*time.Second - time.Nanosecond)
		waiting(t, asked)
		time.Sleep(time.Nanosecond)
		err := refused(t, asked)
		require.ErrorIs(t, err, pool.ErrUnavailable)
		require.ErrorIs(t, err.Stats.LastError, context.DeadlineExceeded)
		require.Equal(t, 30*time.Second, time.Since(before))
		settle(t, p)
	})
}

// When one request in a hundred kills its worker: it is replaced at once, without
// backoff. Never CrashLoop while anything works; reported as unstable.
func TestWhenOneRequestInAHundredKillsItsWorker(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.NoReset = true
		p := start(t, reg, b, pool.Options{Size: 2, MaxRestarts: 3})
		before := time.Now()
		for request := range 1000 {
			lease := take(t, t.Context(), p)
			if request%100 == 50 {
				lease.Worker().Crash(pooltest.ErrScripted)
				settle(t, p)
				require.Error(t, lease.Err())
				require.Equal(t, pool.StateReady, p.Stats().State)
			} else {
				require.True(t, lease.Checkin())
			}
		}
		require.Zero(t, time.Since(before))
		require.Equal(t, 12, b.Starts())
		require.True(t, p.Stats().Unstable)
		time.Sleep(2 * time.Minute)
		require.False(t, p.Stats().Unstable)
	})
}

// When one slot of many is poisoned: it backs off to a start every 30 s;
// Degraded; nothing else changes.
func TestWhenOneSlotIsPoisoned(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		spec, poisoned, starts := b.Spec(), false, 0
		healthy := spec.Start
		spec.Start = func(ctx context.Context) (*pooltest.Worker, error) {
			if slot, _ := pool.SlotFrom(ctx); poisoned && slot.Index == 2 {
				starts++
				return nil, pooltest.ErrScripted
			}
			return healthy(ctx)
		}
		p := pooltest.StartIn(t, reg, spec, pool.Options{Size: 5, MaxRestarts: 2})
		poisoned = true
		time.Sleep(time.Minute)
		pooltest.KillWorker(p, 2)
		for range 10 {
			time.Sleep(time.Minute)
			require.Equal(t, pool.StateDegraded, p.Stats().State)
			require.Equal(t, 4, p.Stats().Idle)
			slot := p.Inspect().Slots[2]
			require.Equal(t, pool.SlotBackingOff, slot.State)
			require.LessOrEqual(t, slot.RetryIn, 30*time.Second)
		}
		require.LessOrEqual(t, starts, 9+10*3)
		require.Equal(t, 5, b.Starts())
		poisoned = false
		require.NoError(t, p.WaitReady(t.Context(), 5))
		settle(t, p)
	})
}

// When clients cancel in masses: leases are revoked after the grace, workers
// replaced; no budget is touched.
func TestWhenClientsCancelInMasses(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 4, MaxRestarts: 1})
		for range 20 {
			ctx, cancel := context.WithCancel(t.Context())
			for range 4 {
				take(t, ctx, p)
			}
			cancel()
			time.Sleep(1200 * time.Millisecond)
			settle(t, p)
			s := p.Stats()
			assert.Equal(t, pool.StateReady, s.State)
			assert.Equal(t, 4, s.Idle)
			assert.Zero(t, s.Crashes)
			assert.False(t, s.Unstable)
			assert.Zero(t, p.Inspect().Failures)
		}
		require.Equal(t, 84, b.Starts())
	})
}
