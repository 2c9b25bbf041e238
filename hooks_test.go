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

// stopwatch returns the virtual time since it was made.
func stopwatch() (elapsed func() time.Duration) {
	began := time.Now()
	return func() time.Duration { return time.Since(began) }
}

// hookEnd says in a word what a hook did, by the error that the pool made of it.
func hookEnd(err error) string {
	word := func(err error, panicked any, exit bool) string {
		switch {
		case panicked != nil:
			return "panic"
		case exit:
			return "goexit"
		case errors.Is(err, pooltest.ErrScripted):
			return "fail"
		case errors.Is(err, context.DeadlineExceeded):
			return "timeout"
		case err == nil:
			return "return"
		}
		return err.Error()
	}
	if crash, ok := errors.AsType[*pool.CrashError](err); ok {
		return crash.Hook + " " + word(crash.Err, crash.Panic, crash.Exit)
	}
	if start, ok := errors.AsType[*pool.StartError](err); ok {
		return "start " + word(start.Err, start.Panic, start.Exit)
	}
	if err == nil {
		return ""
	}
	return err.Error()
}

// zombieHooks lists what a StopError names.
func zombieHooks(t *testing.T, err error) (hooks []string) {
	t.Helper()
	if err == nil {
		return nil
	}
	stop, ok := errors.AsType[*pool.StopError](err)
	require.True(t, ok, "%v", err)
	for _, z := range stop.Zombies {
		hooks = append(hooks, z.Hook)
	}
	return hooks
}

// each runs a cell of a matrix in a bubble of its own.
func each(t *testing.T, name string, act pooltest.Act, test func(t *testing.T, reg *pool.Registry, b *pooltest.Backend)) {
	t.Helper()
	if act == pooltest.OK {
		act = "ok"
	}
	t.Run(name+"/"+string(act), func(t *testing.T) { inBubble(t, test) })
}

const ms = time.Millisecond

// What Start can do, and when its slot goes on: a hook that heeds its context
// ends at StartTimeout (2 s), one that does not is given up StopTimeout (5 s)
// later.
var startActs = map[pooltest.Act]struct {
	end     string
	after   time.Duration
	zombies int
}{
	pooltest.OK:     {},
	pooltest.Return: {},
	pooltest.Fail:   {end: "start fail"},
	pooltest.Panic:  {end: "start panic"},
	pooltest.Goexit: {end: "start goexit"},
	pooltest.Hang:   {end: "start timeout", after: 2 * time.Second},
	pooltest.Ignore: {end: "start timeout", after: 7 * time.Second, zombies: 1},
}

func TestWhateverTheStartHookDoes(t *testing.T) {
	for _, act := range pooltest.Acts {
		want := startActs[act]
		each(t, "the first start says it and leaves nothing", act, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
			b.Next(pooltest.Script{}, pooltest.Script{Start: act})
			elapsed := stopwatch()
			p, err := pool.Start(t.Context(), reg, t.Name(), b.Spec(), pool.Options{Size: 2, StartTimeout: 2 * time.Second})
			require.Equal(t, want.after, elapsed())
			require.Equal(t, want.end, hookEnd(err))
			if err == nil {
				require.Equal(t, 2, p.Stats().Idle)
				return
			}
			for _, w := range b.Workers() {
				require.Equal(t, 1, w.Stops(), "the others are stopped")
				require.Error(t, w.Context().Err())
			}
			if want.zombies == 0 {
				pooltest.NoGoroutines(t, t.Name())
			}
			p, err = pool.Start(t.Context(), reg, t.Name(), b.Spec(), pool.Options{Size: 2})
			require.NoError(t, err, "the name is free")
			settle(t, p)
		})
		each(t, "a client that waits gets the attempt after", act, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
			p := start(t, reg, b, pool.Options{Size: 1, StartTimeout: 2 * time.Second})
			old := take(t, t.Context(), p)
			b.Next(pooltest.Script{Start: act})
			elapsed := stopwatch()
			old.Retire(nil)
			lease := take(t, t.Context(), p)
			require.Equal(t, want.after, elapsed())
			require.NotSame(t, old.Worker(), lease.Worker())
			s := p.Stats()
			require.Equal(t, want.end, hookEnd(s.LastError))
			require.Equal(t, want.zombies, s.Zombies)
			require.Zero(t, s.Crashes, "a start that fails is no crash")
			require.Equal(t, 1, old.Worker().Stops())
			settle(t, p)
		})
		each(t, "told to end by Stop", act, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
			spec := b.Spec()
			made := spec.Start
			spec.Start = func(ctx context.Context) (*pooltest.Worker, error) {
				<-ctx.Done() // and only then does what the script says
				return made(ctx)
			}
			p := pooltest.StartIn(t, reg, spec, pool.Options{Size: 1, AsyncStart: true})
			b.Next(pooltest.Script{Start: act})
			settle(t, p)
			elapsed := stopwatch()
			err := p.Stop(t.Context())
			if act == pooltest.Ignore {
				require.Equal(t, 5*time.Second, elapsed())
				require.Equal(t, []string{"start"}, zombieHooks(t, err))
				return
			}
			require.NoError(t, err)
			require.Zero(t, elapsed())
			for _, w := range b.Workers() { // it came too late
				require.Equal(t, 1, w.Stops())
			}
			require.Zero(t, p.Stats().Checkouts)
		})
	}
}

// What Run can do, a second after the start of its worker.
var runActs = map[pooltest.Act]string{
	pooltest.OK:     "", // until told to
	pooltest.Return: "run return",
	pooltest.Fail:   "run fail",
	pooltest.Panic:  "run panic",
	pooltest.Goexit: "run goexit",
	pooltest.Hang:   "",
	pooltest.Ignore: "",
}

func runScript(act pooltest.Act) pooltest.Script {
	if act == pooltest.OK {
		return pooltest.Script{}
	}
	return pooltest.Script{Run: act, RunAfter: time.Second}
}

func TestWhateverTheRunHookDoes(t *testing.T) {
	for _, act := range pooltest.Acts {
		want := runActs[act]
		crashes := 0
		if want != "" {
			crashes = 1
		}
		check := func(t *testing.T, p fakes, b *pooltest.Backend) {
			t.Helper()
			settle(t, p)
			s := p.Stats()
			require.EqualValues(t, crashes, s.Crashes)
			require.EqualValues(t, crashes, s.Restarts, "one replacement for each crash")
			require.Equal(t, 1+crashes, b.Starts())
			require.Equal(t, want, hookEnd(s.LastError))
			require.Equal(t, crashes, b.Workers()[0].Stops())
		}
		each(t, "idle", act, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
			b.Next(runScript(act))
			p := start(t, reg, b, pool.Options{Size: 1})
			time.Sleep(time.Second)
			check(t, p, b)
			require.Equal(t, 1, p.Stats().Idle)
		})
		each(t, "leased", act, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
			b.Next(runScript(act))
			p := start(t, reg, b, pool.Options{Size: 1})
			lease := take(t, t.Context(), p)
			ctx := lease.Context()
			time.Sleep(time.Second)
			check(t, p, b)
			require.Equal(t, want, hookEnd(lease.Err()), "the client lives and is told")
			require.Equal(t, want, hookEnd(context.Cause(ctx)))
			require.Equal(t, want == "", lease.Checkin())
		})
		each(t, "with a client that waits", act, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
			b.Next(runScript(act))
			p := start(t, reg, b, pool.Options{Size: 1})
			holder := take(t, t.Context(), p)
			time.AfterFunc(2*time.Second, func() { holder.Checkin() })
			elapsed := stopwatch()
			waiter := take(t, t.Context(), p)
			require.Equal(t, time.Duration(2-crashes)*time.Second, elapsed())
			require.Equal(t, want == "", holder.Worker() == waiter.Worker())
			check(t, p, b)
		})
		each(t, "while Stop drains", act, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
			b.Next(runScript(act))
			p := start(t, reg, b, pool.Options{Size: 1})
			holder := take(t, t.Context(), p)
			time.AfterFunc(2*time.Second, func() { holder.Checkin() })
			elapsed := stopwatch()
			err := p.Stop(t.Context())
			if act == pooltest.Ignore {
				require.Equal(t, 7*time.Second, elapsed())
				require.Equal(t, []string{"run"}, zombieHooks(t, err))
			} else {
				require.Equal(t, time.Duration(2-crashes)*time.Second, elapsed())
				require.NoError(t, err)
			}
			require.Equal(t, 1, holder.Worker().Stops())
			require.Equal(t, 1, b.Starts(), "nothing is replaced")
			require.EqualValues(t, crashes, p.Stats().Crashes)
		})
	}
}

// What Reset can do, after a second: a hook that heeds its context ends at
// CheckTimeout (5 s), one that does not is given up StopTimeout (5 s) later.
var resetActs = map[pooltest.Act]struct {
	end     string
	after   time.Duration
	zombies int
}{
	pooltest.OK:     {after: time.Second},
	pooltest.Return: {after: time.Second},
	pooltest.Fail:   {end: "reset fail", after: time.Second},
	pooltest.Panic:  {end: "reset panic", after: time.Second},
	pooltest.Goexit: {end: "reset goexit", after: time.Second},
	pooltest.Hang:   {end: "reset timeout", after: 5 * time.Second},
	pooltest.Ignore: {end: "reset timeout", after: 10 * time.Second, zombies: 1},
}

func TestWhateverTheResetHookDoes(t *testing.T) {
	for _, act := range pooltest.Acts {
		want := resetActs[act]
		tending := func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) (fakes, *pooltest.Worker) {
			t.Helper()
			b.Next(pooltest.Script{Reset: act, ResetAfter: time.Second})
			p := start(t, reg, b, pool.Options{Size: 1})
			lease := take(t, t.Context(), p)
			require.True(t, lease.Checkin(), "Checkin does not wait for Reset")
			settle(t, p)
			require.Equal(t, 1, p.Stats().Tending)
			return p, lease.Worker()
		}
		check := func(t *testing.T, p fakes, w *pooltest.Worker, lent bool) {
			t.Helper()
			settle(t, p)
			s := p.Stats()
			require.Equal(t, want.end, hookEnd(s.LastError))
			require.Equal(t, want.zombies, s.Zombies)
			if want.end == "" {
				require.Zero(t, w.Stops())
				require.Zero(t, s.Crashes)
				return
			}
			require.EqualValues(t, 1, s.Crashes)
			require.EqualValues(t, 1, s.Restarts)
			stops := 1
			if want.zombies > 0 {
				stops = 0 // hooks never overlap: Stop comes when Reset has ended
			}
			require.Equal(t, stops, w.Stops())
			assert.Equal(t, lent, s.Leased == 1)
		}
		each(t, "nobody waits", act, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
			p, w := tending(t, reg, b)
			time.Sleep(want.after - ms)
			settle(t, p)
			require.Zero(t, p.Stats().Idle)
			time.Sleep(ms)
			check(t, p, w, false)
			require.Equal(t, 1, p.Stats().Idle)
			b.Release()
			settle(t, p)
			require.Zero(t, p.Stats().Zombies)
			require.Equal(t, want.end != "", w.Stops() == 1)
		})
		each(t, "with a client that waits", act, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
			p, w := tending(t, reg, b)
			elapsed := stopwatch()
			lease := take(t, t.Context(), p)
			require.Equal(t, want.after, elapsed())
			require.Equal(t, want.end == "", w == lease.Worker())
			check(t, p, w, true)
		})
		each(t, "during Stop", act, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
			p, w := tending(t, reg, b)
			elapsed := stopwatch()
			err := p.Stop(t.Context())
			require.Zero(t, p.Stats().Crashes, "what a cancelled Reset says does not count")
			if act == pooltest.Ignore {
				require.Equal(t, 5*time.Second, elapsed())
				require.Equal(t, []string{"reset"}, zombieHooks(t, err))
				return
			}
			require.NoError(t, err)
			require.Zero(t, elapsed())
			require.Equal(t, 1, w.Stops())
		})
		each(t, "the worker crashes meanwhile", act, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
			p, w := tending(t, reg, b)
			require.True(t, pooltest.KillWorker(p, 0))
			elapsed := stopwatch()
			lease := take(t, t.Context(), p)
			require.NotSame(t, w, lease.Worker())
			wait := time.Duration(0) // Reset is cancelled, and its result ignored
			if act == pooltest.Ignore {
				wait = 5 * time.Second
			}
			require.Equal(t, wait, elapsed())
			settle(t, p)
			s := p.Stats()
			require.ErrorIs(t, s.LastError, pooltest.ErrKilled)
			require.EqualValues(t, 1, s.Crashes)
			require.EqualValues(t, 1, s.Restarts)
		})
	}
}

// What Stop can do: its context ends after four fifths of StopTimeout (5 s).
var stopActs = map[pooltest.Act]struct {
	after   time.Duration
	zombies []string
}{
	pooltest.Hang:   {after: 4 * time.Second},
	pooltest.Ignore: {after: 5 * time.Second, zombies: []string{"stop"}},
}

func TestWhateverTheStopHookDoes(t *testing.T) {
	ends := map[string]func(lease pool.Lease[*pooltest.Worker], p fakes){
		"retired": func(lease pool.Lease[*pooltest.Worker], _ fakes) { lease.Retire(nil) },
		"crashed": func(_ pool.Lease[*pooltest.Worker], p fakes) { pooltest.KillWorker(p, 0) },
	}
	for _, act := range pooltest.Acts {
		want := stopActs[act]
		for name, end := range ends {
			each(t, "a client waits for the replacement of one "+name, act, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
				b.Next(pooltest.Script{Stop: act})
				p := start(t, reg, b, pool.Options{Size: 1})
				old := take(t, t.Context(), p)
				elapsed := stopwatch()
				end(old, p)
				lease := take(t, t.Context(), p)
				require.Equal(t, want.after, elapsed())
				settle(t, p)
				require.NotSame(t, old.Worker(), lease.Worker())
				require.Equal(t, 1, old.Worker().Stops())
				require.Len(t, want.zombies, p.Stats().Zombies)
				require.Equal(t, 2, b.Starts())
				require.Error(t, old.Worker().Context().Err())
			})
		}
		each(t, "Stop of the pool", act, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
			b.Always(pooltest.Script{Stop: act})
			p := start(t, reg, b, pool.Options{Size: 1})
			elapsed := stopwatch()
			err := p.Stop(t.Context())
			require.Equal(t, want.after, elapsed())
			require.Equal(t, want.zombies, zombieHooks(t, err))
			require.Equal(t, 1, b.Workers()[0].Stops())
		})
	}
}
