package pool_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

// From fifty to one and back, while workers are leased, starting and waited for,
// with keys and without. Nobody is lost and nobody loses a lease by it, and there
// are never more workers than allowed or not yet back.
//
// deadpool 0.12.2: to shrink and grow at once panicked.
func TestFromFiftyToOneAndBackNobodyIsLost(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.NoReset = true
		b.Always(pooltest.Script{StartAfter: 150 * time.Millisecond})
		p := start(t, reg, b, pool.Options{Size: 50, MaxStarting: 10})
		var clients sync.WaitGroup
		for i := range 200 {
			clients.Go(func() {
				terms := pool.Terms{Priority: pool.Priority(i%4 - 1)}
				if i%2 == 0 {
					terms.Key = fmt.Sprint(i % 20)
				}
				for range 10 {
					lease, err := p.With(terms).Checkout(t.Context())
					assert.NoError(t, err)
					time.Sleep(time.Duration(20+i) * time.Millisecond)
					assert.NoError(t, lease.Err(), "a change of size revokes nothing")
					assert.True(t, lease.Checkin())
				}
			})
		}
		most := 50 // workers there may be: the size, or those not yet back
		look := func(during time.Duration) {
			for until := time.Now().Add(during); time.Now().Before(until); time.Sleep(10 * time.Millisecond) {
				settle(t, p)
				s := p.Stats()
				workers := s.Idle + s.Leased + s.Tending + s.Starting + s.Stopping
				require.LessOrEqual(t, workers, most, "%+v", s)
				most = max(s.Size, workers)
				require.Equal(t, len(p.Inspect().Slots), workers+s.BackingOff+s.Vacant)
				require.Equal(t, s.Waiting, len(p.Inspect().Waiters))
			}
		}
		look(100 * time.Millisecond)
		for _, size := range []int{1, 50, 1, 50, 1, 25, 50} {
			_ = p.Resize(cancelled, size)
			most = max(most, size)
			look(75 * time.Millisecond * time.Duration(1+size%3)) // some while others still start
		}
		clients.Wait()
		time.Sleep(time.Second)
		settle(t, p)
		s := p.Stats()
		require.Equal(t, 50, s.Idle, "%+v", s)
		require.EqualValues(t, 2000, s.Checkouts)
		require.Zero(t, s.Waiting)
		require.Zero(t, s.Crashes)
	})
}

// Keys while their slots crash, back off, go and come: each client is served, and
// when all is quiet each key has one worker, the same as before.
func TestKeysSurviveCrashesAndResizes(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.NoReset = true
		p := start(t, reg, b, pool.Options{Size: 5, MaxRestarts: -1})
		keys := keysOf(t, p)
		var clients sync.WaitGroup
		for i := range 25 {
			clients.Go(func() {
				for range 40 {
					lease, err := keyed(p, keys[i%5]).Checkout(t.Context())
					assert.NoError(t, err)
					time.Sleep(10 * time.Millisecond)
					lease.Checkin()
				}
			})
		}
		for round := range 20 {
			time.Sleep(25 * time.Millisecond)
			if round%4 == 0 {
				b.FailNext(round % 3)
			}
			pooltest.KillWorker(p, round%5)
			if round%5 == 4 {
				_ = p.Resize(cancelled, 2+round%4)
			}
			synctest.Wait()
			settle(t, p)
		}
		require.NoError(t, p.Resize(t.Context(), 5))
		clients.Wait()
		require.NoError(t, p.WaitReady(t.Context(), 5))
		for slot, key := range keys {
			lease := take(t, t.Context(), keyed(p, key))
			require.Equal(t, slot, lease.Slot().Index, "every key is home again")
			lease.Checkin()
		}
		settle(t, p)
	})
}

// Growth that waits to see whether those there are serve goes on, whatever changes
// meanwhile: nobody is left to wait while a worker might be started.
func TestGrowthThatWaitsGoesOnWhateverChanges(t *testing.T) {
	for name, change := range map[string]func(t *testing.T, p fakes, b *pooltest.Backend, leave context.CancelFunc){
		"nothing":       func(*testing.T, fakes, *pooltest.Backend, context.CancelFunc) {},
		"a larger size": func(t *testing.T, p fakes, _ *pooltest.Backend, _ context.CancelFunc) { _ = p.Resize(cancelled, 3) },
		"a smaller one": func(t *testing.T, p fakes, _ *pooltest.Backend, _ context.CancelFunc) { _ = p.Resize(cancelled, 0) },
		"the head goes": func(_ *testing.T, _ fakes, _ *pooltest.Backend, leave context.CancelFunc) { leave() },
		"the worker that serves dies": func(_ *testing.T, p fakes, _ *pooltest.Backend, _ context.CancelFunc) {
			pooltest.KillWorker(p, 0)
		},
		"starts fail": func(_ *testing.T, _ fakes, b *pooltest.Backend, _ context.CancelFunc) { b.FailNext(3) },
		"the supervisor dies": func(_ *testing.T, p fakes, _ *pooltest.Backend, _ context.CancelFunc) {
			pooltest.KillSupervisor(p, pooltest.AtLocked)
		},
		"a restart": func(_ *testing.T, p fakes, _ *pooltest.Backend, _ context.CancelFunc) { _ = p.Restart(cancelled) },
		"one more important comes": func(t *testing.T, p fakes, _ *pooltest.Backend, _ context.CancelFunc) {
			ask(t.Context(), p.With(critical))
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
				p := start(t, reg, b, pool.Options{Size: 1, MaxOverflow: 6, MaxStarting: 4, MaxRestarts: -1})
				b.Always(pooltest.Script{StartAfter: time.Second})
				take(t, t.Context(), p) // and never gives it back
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				head := ask(ctx, p)
				var others []<-chan answer
				for range 4 {
					others = append(others, ask(t.Context(), p))
				}
				time.Sleep(10 * time.Millisecond)
				require.Equal(t, 1, p.Stats().Starting, "the growth waits")
				change(t, p, b, cancel)
				time.Sleep(10 * time.Second)
				settle(t, p)
				if name != "the head goes" {
					lentTo(t, head)
				}
				for _, answers := range others {
					lentTo(t, answers)
				}
			})
		})
	}
}

func TestNoWorkerStartsInASlotThatIsLeftOverFromALargerPool(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.NoReset = true
		p := start(t, reg, b, pool.Options{Size: 3, MaxOverflow: 2, OverflowLinger: -1})
		leases := map[int]fakeLease{}
		for range 5 {
			lease := take(t, t.Context(), p)
			leases[lease.Slot().Index] = lease
		}
		leases[3].Checkin()
		settle(t, p)
		require.ErrorIs(t, p.Resize(cancelled, 1), context.Canceled)
		leases[1].Checkin() // its slot is down less long than that one, which is there for the one above it
		leases[2].Checkin()
		settle(t, p)
		require.Equal(t, 2, p.Stats().Leased)
		require.Less(t, take(t, t.Context(), p).Slot().Index, 3)
		settle(t, p)
	})
}
