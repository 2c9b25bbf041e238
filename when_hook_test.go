package pool_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

// When a hook panics, blocks, calls Goexit or returns early: contained;
// everything else goes on; the worker is replaced.
func TestWhenAHookMisbehaves(t *testing.T) {
	scripts := map[string]func(act pooltest.Act) pooltest.Script{
		"start": func(act pooltest.Act) pooltest.Script { return pooltest.Script{Start: act} },
		"run":   func(act pooltest.Act) pooltest.Script { return pooltest.Script{Run: act, RunAfter: time.Second} },
		"reset": func(act pooltest.Act) pooltest.Script { return pooltest.Script{Reset: act} },
		"stop":  func(act pooltest.Act) pooltest.Script { return pooltest.Script{Stop: act} },
	}
	for hook, script := range scripts {
		for _, act := range pooltest.Acts {
			t.Run(fmt.Sprintf("%s does %s", hook, act), func(t *testing.T) {
				inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
					p, other := start(t, reg, b, pool.Options{Size: 2}), start(t, reg, b, pool.Options{Size: 1})
					theirs, beside := take(t, t.Context(), other), take(t, t.Context(), p)
					before, slot := other.Stats(), 1-beside.Slot().Index
					b.Next(script(act))
					pooltest.KillWorker(p, slot)
					settle(t, p)
					if hook == "reset" || hook == "stop" {
						before := time.Now()
						lease := take(t, t.Context(), p)
						if hook == "reset" {
							require.True(t, lease.Checkin())
						} else {
							require.True(t, lease.Retire(nil))
						}
						require.Zero(t, time.Since(before), "a client waits for no hook")
					}
					for range 60 { // the longest: StartTimeout and StopTimeout
						time.Sleep(time.Second)
						settle(t, p, other)
					}
					require.NoError(t, theirs.Err())
					require.NoError(t, beside.Err())
					require.Equal(t, before, other.Stats())
					require.True(t, beside.Checkin())
					settle(t, p)
					require.Equal(t, 2, p.Stats().Idle)
					zombies := 0
					if act == pooltest.Ignore && hook != "run" { // a Run that goes on is well
						zombies = 1
						require.Equal(t, hook, p.Inspect().Zombies[0].Hook)
					}
					require.Equal(t, zombies, p.Stats().Zombies)
				})
			})
		}
	}
}

// When a hook calls back into the pool: that works.
func TestWhenAHookCallsBackIntoThePool(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		var calls [2]atomic.Int32 // of Reset and of Stop
		back := func(hook int) {
			if calls[hook].Add(1) > 4 { // retiring a worker in every Stop would never end
				return
			}
			p, err := pool.Lookup[*pooltest.Worker](reg, t.Name())
			if err != nil {
				t.Error(err)
				return
			}
			p.Stats()
			p.Inspect()
			reg.Inspect()
			if lease, err := p.TryCheckout(context.Background()); err == nil {
				lease.Retire(nil)
			}
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			_ = p.Do(ctx, func(context.Context, *pooltest.Worker) error { return nil })
			_ = p.Resize(ctx, 2)
		}
		spec := b.Spec()
		inner := spec
		spec.Reset = func(w *pooltest.Worker, ctx context.Context) error { back(0); return inner.Reset(w, ctx) }
		spec.Stop = func(w *pooltest.Worker, ctx context.Context) error { back(1); return inner.Stop(w, ctx) }
		p, err := pool.Start(t.Context(), reg, t.Name(), spec, pool.Options{Size: 2})
		require.NoError(t, err)
		lease := take(t, t.Context(), p)
		lease.Checkin()
		time.Sleep(time.Minute)
		settle(t, p)
		require.Equal(t, 2, p.Stats().Idle)
		require.Positive(t, calls[0].Load())
		require.Positive(t, calls[1].Load())
	})
}

// When a worker crashes while its Reset runs: the hook is cancelled, its result
// ignored; one Stop, one replacement.
func TestWhenAWorkerCrashesWhileItsResetRuns(t *testing.T) {
	for _, reset := range []pooltest.Act{pooltest.OK, pooltest.Fail, pooltest.Panic, pooltest.Hang, pooltest.Goexit} {
		t.Run(fmt.Sprintf("reset does %s", reset), func(t *testing.T) {
			inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
				b.Next(pooltest.Script{Reset: reset, ResetAfter: time.Minute})
				p := start(t, reg, b, pool.Options{Size: 1, CheckTimeout: time.Hour})
				lease := take(t, t.Context(), p)
				worker := lease.Worker()
				require.True(t, lease.Checkin())
				asked := ask(t.Context(), p)
				time.Sleep(time.Second)
				require.Equal(t, 1, p.Stats().Tending)
				before := time.Now()
				worker.Crash(pooltest.ErrScripted)
				require.NotSame(t, worker, lentTo(t, asked).Worker())
				require.Zero(t, time.Since(before))
				time.Sleep(2 * time.Minute)
				require.Equal(t, 1, worker.Stops())
				require.Equal(t, 2, b.Starts())
				require.EqualValues(t, 1, p.Stats().Crashes)
				settle(t, p)
			})
		})
	}
}

// When Reset hangs: the client is long gone; the worker is replaced after
// CheckTimeout.
func TestWhenResetHangs(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.Next(pooltest.Script{Reset: pooltest.Hang})
		p := start(t, reg, b, pool.Options{Size: 1, CheckTimeout: 3 * time.Second})
		lease := take(t, t.Context(), p)
		before := time.Now()
		require.True(t, lease.Checkin())
		require.Zero(t, time.Since(before))
		require.Equal(t, pool.EndReturned, endOf(t, lease).Reason)
		next := take(t, t.Context(), p)
		require.Equal(t, 3*time.Second, time.Since(before))
		require.NotSame(t, lease.Worker(), next.Worker())
		var crash *pool.CrashError
		require.ErrorAs(t, p.Stats().LastError, &crash)
		require.Equal(t, "reset", crash.Hook)
		require.ErrorIs(t, crash, context.DeadlineExceeded)
		settle(t, p)
	})
}

// When Start never returns: after StartTimeout + StopTimeout it is a zombie; the
// slot backs off; its worker, if it ever comes, is stopped.
func TestWhenStartNeverReturns(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 2, StartTimeout: 10 * time.Second, StopTimeout: 3 * time.Second})
		b.Next(pooltest.Script{Start: pooltest.Ignore})
		pooltest.KillWorker(p, 0)
		time.Sleep(13*time.Second - time.Nanosecond)
		settle(t, p)
		require.Equal(t, 1, p.Stats().Starting)
		require.ErrorIs(t, p.Stats().LastError, context.DeadlineExceeded)
		time.Sleep(time.Nanosecond)
		settle(t, p)
		require.Equal(t, 1, p.Stats().Zombies)
		require.Equal(t, "start", p.Inspect().Zombies[0].Hook)
		time.Sleep(100 * time.Millisecond)
		settle(t, p)
		require.Equal(t, 2, p.Stats().Idle)
		workers := len(b.Workers())
		b.Release()
		settle(t, p)
		late := b.Workers()[workers]
		require.Equal(t, 1, late.Stops())
		require.Error(t, late.Context().Err())
		require.Zero(t, p.Stats().Zombies)
		require.Equal(t, 2, p.Stats().Idle)
	})
}

// When a worker does not end: its slot waits StopTimeout; then a zombie and a
// replacement; with MaxZombies out the slot stays out of service, visibly.
func TestWhenAWorkerDoesNotEnd(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.Always(pooltest.Script{Run: pooltest.Ignore})
		p := start(t, reg, b, pool.Options{Size: 1, MaxOverflow: 1})
		for zombies := range 2 {
			lease := take(t, t.Context(), p)
			lease.Retire(nil)
			time.Sleep(5*time.Second - time.Nanosecond)
			settle(t, p)
			require.Equal(t, 1, p.Stats().Stopping)
			time.Sleep(time.Nanosecond)
			settle(t, p)
			require.Equal(t, 1, p.Stats().Idle)
			require.Equal(t, zombies+1, p.Stats().Zombies)
		}
		lease := take(t, t.Context(), p)
		lease.Retire(nil)
		time.Sleep(time.Minute)
		settle(t, p)
		require.Equal(t, 1, p.Stats().Stopping)
		require.Equal(t, 2, p.Stats().Zombies)
		require.Equal(t, pool.StateDegraded, p.Stats().State)
		require.Equal(t, pool.SlotStopping, p.Inspect().Slots[0].State)
		b.Always(pooltest.Script{})
		b.Release()
		settle(t, p)
		require.Equal(t, 1, p.Stats().Idle)
		require.Zero(t, p.Stats().Zombies)
		for _, w := range b.Workers()[:3] {
			require.Equal(t, 1, w.Stops())
		}
	})
}
