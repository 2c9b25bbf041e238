package pool_test

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

// suture ran its event hook on the supervisor's loop: one of 500 ms made
// restarts late, and a panic in it was the end of all supervision.
func TestASlowOrPanickingReceiverDelaysNoRestart(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		unsubscribe := reg.Subscribe(func(pool.Event) { time.Sleep(500 * time.Millisecond) })
		reg.Subscribe(func(pool.Event) { panic("a bad receiver") })
		p := start(t, reg, b, pool.Options{Size: 1})
		for range 20 {
			require.True(t, take(t, t.Context(), p).Checkin())
			settle(t, p)
			began := time.Now()
			pooltest.KillWorker(p, 0)
			lease := take(t, t.Context(), p)
			require.Zero(t, time.Since(began))
			lease.Checkin()
		}
		unsubscribe()
		time.Sleep(time.Second)
		settle(t, p)
		require.EqualValues(t, 20, p.Stats().Restarts)
	})
}

// ants: Submit(nil) was accepted, and killed a worker where nobody saw it.
func TestAMissingFunctionIsAnErrorAndCostsNoWorker(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 1})
		for name, call := range map[string]func() error{
			"Do":    func() error { return p.Do(t.Context(), nil) },
			"Call":  func() error { _, err := pool.Call[*pooltest.Worker, int](t.Context(), p, nil); return err },
			"Each":  func() error { return p.Each(t.Context(), nil) },
			"Group": func() error { return pool.NewGroup(p).Do(t.Context(), nil) },
		} {
			require.ErrorContains(t, call(), "must not be nil", name)
			settle(t, p)
			require.Equal(t, 1, p.Stats().Idle)
		}
		require.Zero(t, p.Stats().Checkouts)
		require.Equal(t, 1, b.Starts())
	})
}

// alitto/pond#135: a task that called runtime.Goexit, as t.FailNow does, was
// never counted as done, and StopAndWait waited for it for ever.
func TestStopDoesNotWaitForACallThatEndedInGoexitOrPanic(t *testing.T) {
	for name, end := range map[string]func(){
		"goexit": runtime.Goexit,
		"panic":  func() { panic("a bad task") },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
				p := start(t, reg, b, pool.Options{Size: 2})
				for i := range 2 {
					go func() {
						defer func() { _ = recover() }()
						_ = p.Do(t.Context(), func(context.Context, *pooltest.Worker) error {
							time.Sleep(time.Duration(i+1) * time.Second)
							end()
							return nil
						})
					}()
				}
				settle(t, p)
				began := time.Now()
				require.NoError(t, p.Stop(t.Context()))
				require.Equal(t, 2*time.Second, time.Since(began))
			})
		})
	}
}
