package pool_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

// scene is a pool that has been brought into a state, and a lease: live if there
// can be one in that state, and asked for.
type scene struct {
	reg   *pool.Registry
	p     fakes
	lease pool.Lease[*pooltest.Worker]
	size  int
}

// states are the columns of the table: how a pool comes there, with one worker
// live where any can be, idle or leased.
var states = []struct {
	name  string
	shown pool.State
	enter func(t *testing.T, reg *pool.Registry, b *pooltest.Backend, out bool) scene
}{
	{"starting", pool.StateStarting, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend, out bool) scene {
		b.Next(pooltest.Script{})
		b.Always(pooltest.Script{Start: pooltest.Hang})
		p := start(t, reg, b, pool.Options{Size: 2, AsyncStart: true, MaxOverflow: -1})
		return scene{reg, p, leaseIf(t, out, p), 2}
	}},
	{"running", pool.StateReady, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend, out bool) scene {
		p := start(t, reg, b, pool.Options{Size: 1})
		return scene{reg, p, leaseIf(t, out, p), 1}
	}},
	{"crash loop, one live", pool.StateCrashLoop, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend, out bool) scene {
		p := start(t, reg, b, pool.Options{Size: 2, MaxRestarts: 1})
		b.Always(pooltest.Script{Start: pooltest.Fail})
		pooltest.KillWorker(p, 0)
		return scene{reg, p, leaseIf(t, out, p), 2}
	}},
	{"crash loop, none live", pool.StateCrashLoop, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend, _ bool) scene {
		p := start(t, reg, b, pool.Options{Size: 1, MaxRestarts: 1})
		lease := leaseIf(t, true, p)
		b.Always(pooltest.Script{Start: pooltest.Fail})
		pooltest.KillWorker(p, 0)
		return scene{reg, p, lease, 1}
	}},
	{"restarting, draining", pool.StateRestarting, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend, _ bool) scene {
		p := start(t, reg, b, pool.Options{Size: 1})
		lease := leaseIf(t, true, p)
		inBackground(func() error { return p.Restart(context.Background()) })
		return scene{reg, p, lease, 1}
	}},
	{"restarting, backing off", pool.StateRestarting, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend, _ bool) scene {
		p := start(t, reg, b, pool.Options{Size: 1})
		lease := leaseIf(t, true, p)
		for range 2 {
			pooltest.KillManager(p, pooltest.AtIdle)
			synctest.Wait()
		}
		return scene{reg, p, lease, 1}
	}},
	{"draining", pool.StateDraining, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend, _ bool) scene {
		p := start(t, reg, b, pool.Options{Size: 1})
		lease := leaseIf(t, true, p)
		inBackground(func() error { return p.Stop(context.Background()) })
		return scene{reg, p, lease, 1}
	}},
	{"stopped", pool.StateStopped, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend, _ bool) scene {
		p := start(t, reg, b, pool.Options{Size: 1})
		lease := leaseIf(t, true, p)
		_ = p.Stop(cancelled)
		return scene{reg, p, lease, 1}
	}},
	{"failed", pool.StateFailed, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend, _ bool) scene {
		p := start(t, reg, b, pool.Options{Size: 1, MaxPoolRestarts: 1})
		lease := leaseIf(t, true, p)
		for range 2 {
			pooltest.KillManager(p, pooltest.AtIdle)
			synctest.Wait()
		}
		return scene{reg, p, lease, 1}
	}},
}

func leaseIf(t *testing.T, out bool, p fakes) pool.Lease[*pooltest.Worker] {
	t.Helper()
	synctest.Wait()
	if !out {
		return pool.Lease[*pooltest.Worker]{}
	}
	return take(t, context.Background(), p)
}

// calls are the rows: what each does, and what comes of it in each state, in the
// order above. With one worker idle, or with all that are up out.
var calls = []struct {
	name string
	out  bool
	call func(ctx context.Context, s scene) error
	want [9]string
}{
	{"checkout, one idle", false, func(ctx context.Context, s scene) error { _, err := s.p.Checkout(ctx); return err },
		[9]string{"ok", "ok", "ok", "unavailable", "waits", "waits", "stopped", "stopped", "unavailable"}},
	{"checkout, all out", true, func(ctx context.Context, s scene) error { _, err := s.p.Checkout(ctx); return err },
		[9]string{"waits", "waits", "waits", "unavailable", "waits", "waits", "stopped", "stopped", "unavailable"}},
	{"do, one idle", false, doNothing,
		[9]string{"ok", "ok", "ok", "unavailable", "waits", "waits", "stopped", "stopped", "unavailable"}},
	{"do, all out", true, doNothing,
		[9]string{"waits", "waits", "waits", "unavailable", "waits", "waits", "stopped", "stopped", "unavailable"}},
	{"try checkout, one idle", false, func(ctx context.Context, s scene) error { _, err := s.p.TryCheckout(ctx); return err },
		[9]string{"ok", "ok", "ok", "unavailable", "full", "full", "stopped", "stopped", "unavailable"}},
	{"try checkout, all out", true, func(ctx context.Context, s scene) error { _, err := s.p.TryCheckout(ctx); return err },
		[9]string{"full", "full", "full", "unavailable", "full", "full", "stopped", "stopped", "unavailable"}},
	{"checkin", true, func(_ context.Context, s scene) error { return live(s.lease.Checkin()) },
		[9]string{"ok", "ok", "ok", "stale", "ok", "stale", "ok", "stale", "stale"}},
	{"retire", true, func(_ context.Context, s scene) error { return live(s.lease.Retire(errGivenUp)) },
		[9]string{"ok", "ok", "ok", "stale", "ok", "stale", "ok", "stale", "stale"}},
	{"detach", true, func(_ context.Context, s scene) error { _, ok := s.lease.Detach(); return live(ok) },
		[9]string{"ok", "ok", "ok", "stale", "ok", "stale", "ok", "stale", "stale"}},
	{"transfer", true, func(_ context.Context, s scene) error { _, err := s.lease.Transfer(context.Background()); return err },
		[9]string{"ok", "ok", "ok", "stale", "ok", "stale", "ok", "stale", "stale"}},
	{"stop, none out", false, func(ctx context.Context, s scene) error { return s.p.Stop(ctx) },
		[9]string{"ok", "ok", "ok", "ok", "waits", "ok", "waits", "ok", "ok"}},
	{"stop, one out", true, func(ctx context.Context, s scene) error { return s.p.Stop(ctx) },
		[9]string{"waits", "waits", "waits", "ok", "waits", "ok", "waits", "ok", "ok"}},
	{"restart, none out", false, func(ctx context.Context, s scene) error { return s.p.Restart(ctx) },
		[9]string{"waits", "ok", "ok", "ok", "waits", "ok", "stopped", "stopped", "ok"}},
	{"restart, one out", true, func(ctx context.Context, s scene) error { return s.p.Restart(ctx) },
		[9]string{"waits", "waits", "waits", "ok", "waits", "ok", "stopped", "stopped", "ok"}},
	{"resize", true, func(ctx context.Context, s scene) error { return s.p.Resize(ctx, s.size+1) },
		[9]string{"waits", "ok", "waits", "waits", "waits", "waits", "stopped", "stopped", "unavailable"}},
	{"recycle, none out", false, func(ctx context.Context, s scene) error { return s.p.Recycle(ctx) },
		[9]string{"waits", "ok", "waits", "ok", "waits", "waits", "stopped", "stopped", "unavailable"}},
	{"recycle, one out", true, func(ctx context.Context, s scene) error { return s.p.Recycle(ctx) },
		[9]string{"waits", "waits", "waits", "ok", "waits", "waits", "stopped", "stopped", "unavailable"}},
	{"wait ready", true, func(ctx context.Context, s scene) error { return s.p.WaitReady(ctx, 0) },
		[9]string{"waits", "ok", "waits", "waits", "waits", "waits", "stopped", "stopped", "unavailable"}},
	{"wait ready for one", true, func(ctx context.Context, s scene) error { return s.p.WaitReady(ctx, 1) },
		[9]string{"ok", "ok", "ok", "waits", "waits", "waits", "stopped", "stopped", "unavailable"}},
	{"each, one idle", false, func(ctx context.Context, s scene) error {
		return s.p.Each(ctx, func(context.Context, *pooltest.Worker) error { return nil })
	}, [9]string{"waits", "ok", "ok", "ok", "unavailable", "unavailable", "stopped", "stopped", "unavailable"}},
	{"each, all out", true, func(ctx context.Context, s scene) error {
		return s.p.Each(ctx, func(context.Context, *pooltest.Worker) error { return nil })
	}, [9]string{"waits", "waits", "waits", "ok", "unavailable", "unavailable", "stopped", "stopped", "unavailable"}},
	{"lookup", true, func(_ context.Context, s scene) error {
		_, err := pool.Lookup[*pooltest.Worker](s.reg, s.p.Name())
		return err
	}, [9]string{"ok", "ok", "ok", "ok", "ok", "ok", "ok", "not found", "ok"}},
	{"start", true, func(ctx context.Context, s scene) error {
		_, err := pool.Start(ctx, s.reg, s.p.Name(), pool.Spec[int]{Start: func(context.Context) (int, error) { return 0, nil }}, pool.Options{Size: 1})
		return err
	}, [9]string{"exists", "exists", "exists", "exists", "exists", "exists", "exists", "ok", "exists"}},
	{"stats, inspect", true, func(_ context.Context, s scene) error {
		if info := s.p.Inspect(); info.Stats.State != s.p.Stats().State || info.Options.Size != s.size {
			return fmt.Errorf("%+v", info)
		}
		return nil
	}, [9]string{"ok", "ok", "ok", "ok", "ok", "ok", "ok", "ok", "ok"}},
}

func doNothing(ctx context.Context, s scene) error {
	return s.p.Do(ctx, func(context.Context, *pooltest.Worker) error { return nil })
}

var errStale = errors.New("stale")

func live(ok bool) error {
	if !ok {
		return errStale
	}
	return nil
}

// outcome calls and says what came of it at once.
func outcome(call func(ctx context.Context) error) string {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	before := time.Now()
	ended := inBackground(func() error { return call(ctx) })
	select {
	case err := <-ended:
		if time.Since(before) > 0 {
			return "takes time"
		}
		return word(err)
	default:
	}
	cancel()
	<-ended
	return "waits"
}

func word(err error) string {
	for word, sentinel := range map[string]error{
		"ok": nil, "unavailable": pool.ErrUnavailable, "stopped": pool.ErrStopped, "full": pool.ErrFull,
		"exists": pool.ErrExists, "not found": pool.ErrNotFound, "stale": errStale,
	} {
		if errors.Is(err, sentinel) {
			return word
		}
	}
	if errors.As(err, new(*pool.LeaseError)) {
		return "stale"
	}
	return err.Error()
}

// When any call comes in any state of the pool.
func TestWhenACallComesInAState(t *testing.T) {
	for i, state := range states {
		for _, c := range calls {
			t.Run(strings.ReplaceAll(state.name+": "+c.name, " ", "_"), func(t *testing.T) {
				inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
					b.Passive, b.NoReset = true, true
					s := state.enter(t, reg, b, c.out)
					settle(t, s.p)
					require.Equal(t, state.shown, s.p.Stats().State)
					require.Equal(t, c.want[i], outcome(func(ctx context.Context) error { return c.call(ctx, s) }))
					if c.name == "resize" && c.want[i] != "stopped" {
						require.Equal(t, s.size+1, s.p.Stats().Size, "the goal stands")
					}
					time.Sleep(10 * time.Second)
					settle(t, s.p)
				})
			})
		}
	}
}
