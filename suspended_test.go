//go:build unix

package pool_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

// stall is how long the process is stopped: longer than what its pools limit.
const stall = time.Second

// A process that is stopped (SIGSTOP, a debugger, a frozen container) wakes with all its
// timers due at once. A pool without limits goes on as if nothing had been; one
// whose limits have passed meanwhile acts on them, and serves.
func TestAProcessThatIsStoppedForAWhileGoesOn(t *testing.T) {
	t.Parallel()
	if os.Getenv("POOL_TEST_SUSPENDED") != "" {
		liveThroughStalls(t)
		return
	}
	child := exec.Command(os.Args[0], "-test.v", "-test.run", "^"+t.Name()+"$")
	child.Env = append(os.Environ(), "POOL_TEST_SUSPENDED=yes")
	in, err := child.StdinPipe()
	require.NoError(t, err)
	out, err := child.StdoutPipe()
	require.NoError(t, err)
	child.Stderr = child.Stdout
	require.NoError(t, child.Start())
	t.Cleanup(func() { _ = child.Process.Kill() })
	lines := bufio.NewReader(out)
	for line := ""; line != "ready\n"; {
		line, err = lines.ReadString('\n')
		require.NoError(t, err, line)
	}
	for range 3 {
		require.NoError(t, child.Process.Signal(syscall.SIGSTOP))
		time.Sleep(stall)
		require.NoError(t, child.Process.Signal(syscall.SIGCONT))
		time.Sleep(stall / 5)
	}
	require.NoError(t, in.Close())
	report, err := io.ReadAll(lines)
	require.NoError(t, err)
	require.NoError(t, child.Wait(), "%s", report)
}

// liveThroughStalls is what the stopped process does until its input ends.
func liveThroughStalls(t *testing.T) {
	reg, slow, b := pooltest.NewRegistry(), pooltest.NewBackend(t), pooltest.NewBackend(t)
	defer pooltest.Close(t, reg)
	defer b.Release()
	slow.Always(pooltest.Script{ResetAfter: stall / 4}) // so that a stall meets one
	b.Checks = true
	b.Always(pooltest.Script{StartAfter: 5 * time.Millisecond, CheckAfter: time.Millisecond, ResetAfter: time.Millisecond})
	calm := start(t, reg, slow, pool.Options{Size: 2})
	overdue := take(t, t.Context(), start(t, reg, b, pool.Options{Size: 1, MaxHold: stall / 3}))
	hasty := start(t, reg, b, pool.Options{
		Size: 3, MaxOverflow: 2, OverflowLinger: stall / 20, MaxHold: stall / 3, MaxLifetime: stall / 2,
		CheckEvery: stall / 10, CheckTimeout: stall / 3, StartTimeout: stall / 3, QueueTarget: stall / 10,
	})
	over, cancel := context.WithCancel(t.Context())
	defer cancel()
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			for over.Err() == nil {
				lease, err := calm.Checkout(t.Context())
				if !assert.NoError(t, err) {
					return
				}
				lease.Worker().Use(func() {
					for range 50 { // it holds on for a while after a stall, too
						pause()
					}
				})
				assert.True(t, lease.Checkin(), "%v", lease.Err())
			}
		})
		clients.Go(func() {
			for over.Err() == nil {
				ctx, cancel := context.WithTimeout(t.Context(), stall/2)
				err := hasty.Do(ctx, func(_ context.Context, w *pooltest.Worker) error { w.Use(pause); return nil })
				cancel()
				var lost *pool.LeaseError
				if err != nil && !errors.As(err, &lost) && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, pool.ErrUnavailable) {
					assert.ErrorIs(t, err, pool.ErrOverloaded)
				}
			}
		})
	}
	stalls := 0
	clients.Go(func() {
		for over.Err() == nil {
			before := time.Now()
			pause()
			if time.Since(before) > stall*3/4 {
				stalls++
			}
		}
	})
	_, _ = os.Stdout.WriteString("ready\n")
	_, _ = io.Copy(io.Discard, os.Stdin)
	cancel()
	clients.Wait()
	require.NotZero(t, stalls, "the process was not stopped")

	require.Equal(t, pool.EndOverdue, endOf(t, overdue).Reason)
	stats := calm.Stats()
	assert.Zero(t, stats.Restarts)
	assert.Zero(t, stats.Crashes)
	assert.EqualValues(t, 1, calm.Inspect().Epoch)
	patient, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	require.NoError(t, hasty.WaitReady(patient, 3))
	for range 10 {
		take(t, patient, hasty).Checkin()
	}
	assert.EqualValues(t, 1, hasty.Inspect().Epoch)
}

func pause() { time.Sleep(time.Millisecond) }
