package pool_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

func TestStartReturnsTheDeathOfAPoolThatIsNotUpYet(t *testing.T) {
	for half, kill := range map[string]func(pool.Control, pooltest.Point){
		"manager": pooltest.KillManager, "supervisor": pooltest.KillSupervisor,
	} {
		for _, at := range []pooltest.Point{pooltest.AtIdle, pooltest.AtLocked} {
			t.Run(half+" "+string(at), func(t *testing.T) {
				inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
					b.Always(pooltest.Script{StartAfter: time.Second})
					started := inBackground(func() error {
						_, err := pool.Start(t.Context(), reg, "x", b.Spec(), pool.Options{Size: 3})
						return err
					})
					p, err := reg.Pool("x")
					require.NoError(t, err)
					kill(p, at)
					require.ErrorContains(t, <-started, half)
					require.Empty(t, b.Alive())
					_, err = reg.Pool("x")
					require.ErrorIs(t, err, pool.ErrNotFound)
				})
			})
		}
	}
}

func TestStopDuringStartRevokesWhatIsLentAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.Next(pooltest.Script{}, pooltest.Script{StartAfter: 10 * time.Second})
		started := inBackground(func() error {
			_, err := pool.Start(t.Context(), reg, "x", b.Spec(), pool.Options{Size: 2})
			return err
		})
		p, err := pool.Lookup[*pooltest.Worker](reg, "x")
		require.NoError(t, err)
		lease := take(t, t.Context(), p)
		stopped := inBackground(func() error { return p.Stop(context.Background()) })
		require.Len(t, started, 1)
		require.ErrorIs(t, <-started, pool.ErrStopped)
		require.NoError(t, <-stopped)
		require.Equal(t, pool.EndStopped, endOf(t, lease).Reason)
	})
}

func TestEnsureStartsAnewWhenAnothersContextHasEndedTheStart(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.Always(pooltest.Script{StartAfter: 10 * time.Second})
		ensure := func(ctx context.Context) error {
			_, err := pool.Ensure(ctx, reg, "x", b.Spec(), pool.Options{Size: 1})
			return err
		}
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		first := inBackground(func() error { return ensure(short) })
		require.NoError(t, ensure(t.Context()))
		require.ErrorIs(t, <-first, context.DeadlineExceeded)
	})
}

func TestWaitReadyForZeroWorkersWaitsForAll(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.Always(pooltest.Script{StartAfter: time.Second})
		p := start(t, reg, b, pool.Options{Size: 2, AsyncStart: true})
		require.NoError(t, p.WaitReady(t.Context(), 0))
		require.Equal(t, 2, p.Stats().Idle)
	})
}

func TestAStartThatFailsIsNoWorkerThatStopped(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		var mu sync.Mutex
		count := map[pool.EventKind]int{}
		reg.Subscribe(func(e pool.Event) {
			mu.Lock()
			defer mu.Unlock()
			count[e.Kind]++
		})
		b.FailNext(3)
		p := start(t, reg, b, pool.Options{Size: 1, AsyncStart: true})
		time.Sleep(time.Second)
		settle(t, p)
		mu.Lock()
		defer mu.Unlock()
		require.Equal(t, 3, count[pool.EventStartFailed])
		require.Zero(t, count[pool.EventWorkerStopped])
	})
}

func TestStartWaitsForSizeLiveWorkersEvenIfOneGoesMeanwhile(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.Next(pooltest.Script{}, pooltest.Script{StartAfter: time.Second}, pooltest.Script{StartAfter: 5 * time.Second})
		go func() {
			time.Sleep(500 * time.Millisecond)
			p, err := pool.Lookup[*pooltest.Worker](reg, "p")
			if err == nil {
				if l, err := p.Checkout(context.Background()); err == nil {
					l.Retire(nil)
				}
			}
		}()
		p, err := pool.Start(t.Context(), reg, "p", b.Spec(), pool.Options{Size: 2})
		require.NoError(t, err)
		require.Equal(t, pool.StateReady, p.Stats().State, "%+v", p.Stats())
	})
}
