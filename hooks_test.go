package pool_test

import (
	"context"
	"errors"
	"testing"
	"time"

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

const ms = time.Millisecond

// However a worker ends, the client that has it lives, and is told.
func TestTheHolderOfAWorkerThatEndsIsToldHow(t *testing.T) {
	for act, want := range map[pooltest.Act]string{
		pooltest.Return: "run return",
		pooltest.Fail:   "run fail",
		pooltest.Panic:  "run panic",
		pooltest.Goexit: "run goexit",
		pooltest.Hang:   "",
		pooltest.Ignore: "",
	} {
		t.Run(string(act), func(t *testing.T) {
			inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
				b.Next(pooltest.Script{Run: act, RunAfter: time.Second})
				p := start(t, reg, b, pool.Options{Size: 1})
				lease := take(t, t.Context(), p)
				ctx := lease.Context()
				time.Sleep(time.Second)
				settle(t, p)
				require.Equal(t, want, hookEnd(lease.Err()))
				require.Equal(t, want, hookEnd(context.Cause(ctx)))
				require.Equal(t, want == "", lease.Checkin())
			})
		})
	}
}

func TestAPanicWithAnErrorIsToldAsThatError(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 1})
		lease := take(t, t.Context(), p)
		lease.Worker().Panic(pooltest.ErrScripted)
		settle(t, p)
		require.ErrorIs(t, lease.Err(), pooltest.ErrScripted)
	})
}
