package pool_test

import (
	"context"
	"log/slog"
	"runtime"
	"runtime/pprof"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

func TestGoroutinesOfAWorkerCarryItsPlace(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 2})
		pooltest.KillWorker(p, 1)
		settle(t, p)
		var profile strings.Builder
		require.NoError(t, pprof.Lookup("goroutine").WriteTo(&profile, 1))
		var labels string
		for stack := range strings.SplitSeq(profile.String(), "\n\n") {
			if strings.Contains(stack, p.Name()) && strings.Contains(stack, "(*Worker).run") {
				labels += stack
			}
		}
		require.Contains(t, labels, `"incarnation":"1"`)
		require.Contains(t, labels, `"incarnation":"2"`)
		require.Contains(t, labels, `"slot":"0"`)
		require.Contains(t, labels, `"slot":"1"`)
	})
}

// Whoever the goroutine of a client belongs to: those that it begins are the
// worker's.
func TestTheGoroutinesOfResetAndStopCarryItToo(t *testing.T) {
	for _, act := range []string{"reset", "stop"} {
		t.Run(act, func(t *testing.T) {
			inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
				b.Next(pooltest.Script{Reset: pooltest.Hang, Stop: pooltest.Hang})
				p := start(t, reg, b, pool.Options{Size: 1})
				lease := take(t, t.Context(), p)
				if act == "reset" {
					lease.Checkin()
				} else {
					lease.Retire(nil)
				}
				synctest.Wait()
				var profile strings.Builder
				require.NoError(t, pprof.Lookup("goroutine").WriteTo(&profile, 1))
				found := false
				for stack := range strings.SplitSeq(profile.String(), "\n\n") {
					if strings.Contains(stack, "(*Worker)."+act) {
						found = found || strings.Contains(stack, p.Name()) && strings.Contains(stack, `"slot":"0"`)
					}
				}
				require.True(t, found)
			})
		})
	}
}

func TestOfSeveralRegistryOptionsTheLastOfAFieldCounts(t *testing.T) {
	t.Parallel()
	type key struct{}
	with := func(value string) context.Context { return context.WithValue(context.Background(), key{}, value) }
	quiet := slog.New(slog.DiscardHandler)
	reg := pool.NewRegistry(
		pool.RegistryOptions{BaseContext: with("first"), Logger: quiet},
		pool.RegistryOptions{BaseContext: with("last")},
		pool.RegistryOptions{},
	)
	defer pooltest.Close(t, reg)
	p := pooltest.StartIn(t, reg, pool.Spec[string]{
		Start: func(ctx context.Context) (string, error) { return ctx.Value(key{}).(string), nil },
	}, pool.Options{Size: 1})
	lease, err := p.Checkout(t.Context())
	require.NoError(t, err)
	require.Equal(t, "last", lease.Worker())
	lease.Checkin()
}

// A worker may have locked its goroutine to a thread, or left it in any state:
// the next worker has one of its own.
func TestNoGoroutineIsThatOfTwoWorkers(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		own := func() string { // "goroutine 42"
			text := make([]byte, 64)
			text = text[:runtime.Stack(text, false)]
			number, _, _ := strings.Cut(string(text), " [")
			return number
		}
		seen := map[string]int{}
		var mu sync.Mutex
		p := pooltest.StartIn(t, reg, pool.Spec[chan error]{
			Start: func(context.Context) (chan error, error) {
				runtime.LockOSThread()
				mu.Lock()
				defer mu.Unlock()
				seen[own()]++
				return make(chan error, 1), nil
			},
			Run: func(die chan error, ctx context.Context) error {
				mu.Lock()
				assert.Equal(t, 1, seen[own()], "Run follows Start on the same goroutine")
				mu.Unlock()
				select {
				case err := <-die:
					return err
				case <-ctx.Done():
					return nil
				}
			},
		}, pool.Options{Size: 2, Backoff: pool.Backoff{Min: -1}})
		for range 10 {
			lease, err := p.Checkout(t.Context())
			require.NoError(t, err)
			lease.Worker() <- pooltest.ErrScripted
			synctest.Wait()
		}
		mu.Lock()
		defer mu.Unlock()
		require.Len(t, seen, 12, "of 12 workers")
	})
}

func TestASlotIsLoggedByWhereItIs(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	log := slog.New(slog.NewTextHandler(&text, nil))
	log.Info("seen", "slot", pool.Slot{Pool: "sessions", Index: 3, Incarnation: 7, Attempt: 2})
	require.Contains(t, text.String(), "slot.pool=sessions slot.index=3 slot.incarnation=7\n")
}
