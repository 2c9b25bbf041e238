package pool_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

// inBackground calls something that lasts, and returns when it waits or has
// ended.
func inBackground(call func() error) <-chan error {
	ended := make(chan error, 1)
	go func() { ended <- call() }()
	synctest.Wait()
	return ended
}

// When Stop(ctx) is called: newcomers and waiters get ErrStopped; leases run out
// until ctx is done; the rest is revoked; every worker is stopped within
// StopTimeout; no goroutine is left; zombies are named in *StopError.
func TestWhenStopIsCalled(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.Next(pooltest.Script{}, pooltest.Script{Run: pooltest.Ignore}, pooltest.Script{StopAfter: time.Second})
		p := start(t, reg, b, pool.Options{Size: 3})
		var held [3]pool.Lease[*pooltest.Worker]
		for range held {
			lease := take(t, t.Context(), p)
			held[lease.Worker().ID-1] = lease
		}
		waiter, work := ask(t.Context(), p), held[1].Context()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		stopped := inBackground(func() error { return p.Stop(ctx) })

		require.ErrorIs(t, refused(t, waiter), pool.ErrStopped)
		_, err := p.Checkout(t.Context())
		require.ErrorIs(t, err, pool.ErrStopped)
		_, err = p.TryCheckout(t.Context())
		require.ErrorIs(t, err, pool.ErrStopped)
		require.True(t, held[2].Checkin())
		settle(t, p)
		require.Equal(t, 1, held[2].Worker().Stops())
		time.Sleep(time.Minute - time.Nanosecond)
		require.NoError(t, held[0].Err())
		require.NoError(t, work.Err())
		time.Sleep(time.Nanosecond)
		settle(t, p)
		require.Equal(t, pool.EndStopped, endOf(t, held[0]).Reason)
		require.ErrorAs(t, context.Cause(work), new(*pool.LeaseError))
		require.False(t, held[0].Checkin())
		time.Sleep(5*time.Second - time.Nanosecond)
		require.Empty(t, stopped)
		time.Sleep(time.Nanosecond)

		var report *pool.StopError
		require.ErrorAs(t, <-stopped, &report)
		require.Len(t, report.Zombies, 1)
		require.Equal(t, held[1].Slot(), report.Zombies[0].Slot)
		require.Equal(t, "run", report.Zombies[0].Hook)
		require.ErrorContains(t, report, "run of")
		for _, w := range b.Workers() {
			require.Equal(t, 1, w.Stops())
			require.Error(t, w.Context().Err())
		}
		_, err = reg.Pool(p.Name())
		require.ErrorIs(t, err, pool.ErrNotFound)
		require.ErrorIs(t, reg.Stop(t.Context(), p.Name()), pool.ErrNotFound)
		require.Equal(t, report, p.Stop(t.Context()), "later Stops say the same")
		b.Release()
		synctest.Wait()
		pooltest.NoGoroutines(t, p.Name())
	})
}

// When Stop comes during Start: Start returns ErrStopped; starts are cancelled; a
// worker that comes late is stopped, never lent.
func TestWhenStopComesDuringStart(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.Next(pooltest.Script{}, pooltest.Script{Start: pooltest.Hang}, pooltest.Script{Start: pooltest.Ignore})
		started := inBackground(func() error {
			p, err := pool.Start(t.Context(), reg, t.Name(), b.Spec(), pool.Options{Size: 3})
			require.Nil(t, p)
			return err
		})
		p, err := pool.Lookup[*pooltest.Worker](reg, t.Name())
		require.NoError(t, err)
		lease := take(t, t.Context(), p) // it is resolvable and lends what is up
		require.True(t, lease.Checkin())
		waiters := [2]<-chan answer{ask(t.Context(), p), ask(t.Context(), p)}
		stopped := inBackground(func() error { return reg.Stop(cancelled, t.Name()) })
		require.ErrorIs(t, refused(t, waiters[1]), pool.ErrStopped)
		require.Equal(t, pool.EndStopped, endOf(t, lentTo(t, waiters[0])).Reason)
		time.Sleep(5 * time.Second)
		require.ErrorAs(t, <-stopped, new(*pool.StopError))
		require.ErrorIs(t, <-started, pool.ErrStopped)
		require.Len(t, b.Workers(), 1)
		b.Release()
		settle(t, p)
		require.Len(t, b.Workers(), 2, "it came after all")
		require.Equal(t, 1, b.Workers()[1].Stops())
		require.Zero(t, b.Workers()[1].Uses())
		pooltest.NoGoroutines(t, t.Name())
	})
}

// When Stop comes during CrashLoop: no more probes; at most one start to cancel;
// it returns within StopTimeout.
//
// swaldman/c3p0#165: it went on trying after close.
func TestWhenStopComesDuringCrashLoop(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 3, MaxRestarts: 1})
		b.Always(pooltest.Script{Start: pooltest.Fail})
		for slot := range 3 {
			pooltest.KillWorker(p, slot)
		}
		settle(t, p)
		require.Equal(t, pool.StateCrashLoop, p.Stats().State)
		b.Always(pooltest.Script{Start: pooltest.Hang})
		time.Sleep(time.Second)
		require.Equal(t, 1, p.Stats().Starting)
		starts, before := b.Starts(), time.Now()
		require.NoError(t, p.Stop(t.Context()))
		require.Zero(t, time.Since(before))
		time.Sleep(time.Minute)
		require.Equal(t, starts, b.Starts())
	})
}

// When Stop comes during a restart, or Restart during Stop: Stop wins; the new
// epoch never begins; Restart gets ErrStopped.
func TestWhenStopAndRestartMeet(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		for name, restart := range map[string]func(p fakes) <-chan error{
			"asked for": func(p fakes) <-chan error { return inBackground(func() error { return p.Restart(t.Context()) }) },
			"died": func(p fakes) <-chan error {
				for range 3 {
					pooltest.KillManager(p, pooltest.AtIdle)
					synctest.Wait()
				}
				return inBackground(func() error { return p.WaitReady(t.Context(), 1) })
			},
		} {
			p := start(t, reg, b, pool.Options{Size: 1})
			lease := take(t, t.Context(), p)
			restarted := restart(p)
			require.Equal(t, pool.StateRestarting, p.Stats().State, name)
			waiter, starts := ask(t.Context(), p), b.Starts()
			stopped := inBackground(func() error { return p.Stop(t.Context()) })
			require.ErrorIs(t, <-restarted, pool.ErrStopped)
			require.ErrorIs(t, refused(t, waiter), pool.ErrStopped)
			require.ErrorIs(t, p.Restart(t.Context()), pool.ErrStopped)
			lease.Checkin()
			require.NoError(t, <-stopped)
			time.Sleep(time.Minute)
			require.Equal(t, starts, b.Starts())
			require.ErrorIs(t, p.Restart(t.Context()), pool.ErrStopped)
			require.ErrorIs(t, p.Resize(t.Context(), 2), pool.ErrStopped)
			settle(t, p)
		}
	})
}

// When the manager or the worker supervisor dies during Stop: the leases left
// are revoked; no new epoch; Stop comes to its end.
func TestWhenAHalfDiesDuringStop(t *testing.T) {
	for name, kill := range kills {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
				p := start(t, reg, b, pool.Options{Size: 2})
				lease := take(t, t.Context(), p)
				stopped := inBackground(func() error { return p.Stop(t.Context()) })
				kill(p)
				settle(t, p)
				if name == "supervisor, midway" { // nothing starts any more
					lease.Checkin()
				} else {
					require.Equal(t, pool.EndRestarted, endOf(t, lease).Reason)
				}
				require.NoError(t, <-stopped)
				require.Equal(t, 2, b.Starts())
			})
		})
	}
}

// When there are two Stops, the second with a short ctx: the second forces; both
// return the same.
func TestWhenTwoStopsMeet(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.Always(pooltest.Script{Stop: pooltest.Ignore})
		p := start(t, reg, b, pool.Options{Size: 1})
		lease := take(t, t.Context(), p)
		first := inBackground(func() error { return p.Stop(t.Context()) })
		time.Sleep(time.Minute)
		require.NoError(t, lease.Err())
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := p.Stop(ctx)
		require.ErrorAs(t, err, new(*pool.StopError))
		require.Same(t, err, <-first)
		require.Equal(t, pool.EndStopped, endOf(t, lease).Reason)
	})
}

// When the holder's ctx ends during Stop: as always, with grace, until Stop
// forces.
func TestWhenTheHoldersContextEndsDuringStop(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 2})
		ctx, cancel := context.WithCancel(t.Context())
		late, abandoned := take(t, ctx, p), take(t, ctx, p)
		stopped := inBackground(func() error { return p.Stop(t.Context()) })
		time.Sleep(time.Second)
		cancel()
		time.Sleep(time.Second - time.Nanosecond)
		require.True(t, late.Checkin())
		require.NoError(t, abandoned.Err())
		time.Sleep(100 * time.Millisecond)
		settle(t, p)
		require.Equal(t, pool.EndAbandoned, endOf(t, abandoned).Reason)
		require.NoError(t, <-stopped)
	})
}

// When the holder calls Stop itself: it waits for its own lease until ctx; then
// that is revoked.
func TestWhenTheHolderCallsStop(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 1})
		lease := take(t, t.Context(), p)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		before := time.Now()
		require.NoError(t, p.Stop(ctx))
		require.Equal(t, time.Minute, time.Since(before))
		require.Equal(t, pool.EndStopped, endOf(t, lease).Reason)
	})
}

// When two Starts race for a name, or Start races Stop: one wins; nothing leaks.
func TestWhenStartsAndStopsRace(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		for range 50 {
			var race sync.WaitGroup
			var started [4]fakes
			for i := range started {
				race.Go(func() {
					p, err := pool.Start(t.Context(), reg, t.Name(), b.Spec(), pool.Options{Size: 2})
					if started[i] = p; err != nil && p != nil {
						t.Error("a pool and an error")
					}
					if err != nil {
						require.ErrorIs(t, err, pool.ErrExists)
					}
				})
			}
			race.Wait()
			winners := 0
			for _, p := range started {
				if p != nil {
					winners++
				}
			}
			require.Equal(t, 1, winners)
			require.Len(t, b.Alive(), 2)

			var replacement fakes
			var startErr error
			race.Go(func() { require.NoError(t, reg.Stop(t.Context(), t.Name())) })
			race.Go(func() {
				replacement, startErr = pool.Start(t.Context(), reg, t.Name(), b.Spec(), pool.Options{Size: 1})
			})
			race.Wait()
			if startErr == nil {
				require.Len(t, b.Alive(), 1)
				require.NoError(t, replacement.Stop(t.Context()))
			} else {
				require.ErrorIs(t, startErr, pool.ErrExists)
			}
			synctest.Wait()
			require.Empty(t, b.Alive())
		}
		pooltest.NoGoroutines(t, t.Name())
	})
}

// When an events receiver or a slog handler blocks for ever: the end of the
// registry reports it as stuck; nothing else waits.
func TestWhenAReceiverOfEventsBlocks(t *testing.T) {
	inBubble(t, func(t *testing.T, _ *pool.Registry, b *pooltest.Backend) {
		b.NoReset = true
		free := make(chan struct{})
		reg := pool.NewRegistry(pool.RegistryOptions{Logger: slog.New(stuckHandler{slog.DiscardHandler, free})})
		reg.Subscribe(func(pool.Event) { <-free })
		p := start(t, reg, b, pool.Options{Size: 1})
		for range 10_000 {
			lease := take(t, t.Context(), p)
			require.True(t, lease.Checkin())
		}
		settle(t, p)
		before := time.Now()
		require.NoError(t, p.Stop(t.Context()))
		require.Zero(t, time.Since(before))
		var report *pool.StopError
		require.ErrorAs(t, reg.Close(), &report)
		require.Equal(t, 2, report.Receivers)
		require.LessOrEqual(t, time.Since(before), time.Second)
		close(free)
		synctest.Wait()
	})
}

type stuckHandler struct {
	slog.Handler
	free chan struct{}
}

func (h stuckHandler) Enabled(context.Context, slog.Level) bool { return true }
func (h stuckHandler) Handle(context.Context, slog.Record) error {
	<-h.free
	return nil
}
