package pool_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

func TestASlotBeyondTheLimitIsVacantAndNotBackingOff(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 3, MaxRestarts: 100, Backoff: pool.Backoff{Min: 30 * time.Second}})
		var leases []pool.Lease[*pooltest.Worker]
		for range 3 {
			leases = append(leases, take(t, t.Context(), p))
		}
		b.FailNext(100)
		for _, l := range leases {
			if l.Slot().Index == 1 {
				l.Worker().Crash(pooltest.ErrScripted)
			}
		}
		settle(t, p)
		require.Equal(t, 1, p.Stats().BackingOff)
		for _, l := range leases {
			if l.Slot().Index == 0 {
				l.Checkin()
			}
		}
		settle(t, p)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_ = p.Resize(ctx, 1)
		settle(t, p)
		require.Equal(t, 0, p.Stats().BackingOff, "%+v", p.Stats())
		for _, l := range leases {
			l.Checkin()
		}
	})
}

func TestRestartForgivesASlotThatResizeHasTaken(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 2, MaxRestarts: 100, Backoff: pool.Backoff{Min: 30 * time.Second}})
		b.FailNext(2)
		require.True(t, pooltest.KillWorker(p, 1))
		settle(t, p)
		require.Equal(t, 1, p.Stats().BackingOff)
		require.NoError(t, p.Resize(t.Context(), 1))
		require.NoError(t, p.Restart(t.Context()))
		began := time.Now()
		require.NoError(t, p.Resize(t.Context(), 2))
		require.Less(t, time.Since(began), time.Second)
	})
}

// An overflow worker dies slowly while a slot for the goal stands empty.
func TestTheDeathOfASurplusWorkerIsMadeUpForInAnotherSlotAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.NoReset = true
		slow := pooltest.Script{StopAfter: 3 * time.Second}
		b.Next(pooltest.Script{}, pooltest.Script{}, slow, slow) // the last two are overflow
		p := start(t, reg, b, pool.Options{Size: 2, MaxOverflow: 2, MaxStarting: 1, OverflowLinger: time.Hour})
		var leases [4]pool.Lease[*pooltest.Worker] // by slot
		for range leases {
			l := take(t, context.Background(), p)
			leases[l.Slot().Index] = l
		}
		leases[1].Worker().Crash(pooltest.ErrScripted) // not replaced: there is a surplus
		settle(t, p)
		require.Equal(t, 1, p.Stats().Vacant)
		leases[3].Retire(nil) // still enough; its Stop takes long
		time.Sleep(time.Millisecond)
		leases[2].Worker().Crash(pooltest.ErrScripted) // now one is missing, and slot 1 is free
		settle(t, p)
		require.Equal(t, 1, p.Stats().Idle, "%+v", p.Stats())
		leases[0].Checkin()
	})
}

func TestANegativeLingerShrinksFromTheTop(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 4, MaxOverflow: 2, OverflowLinger: -1})
		require.NoError(t, p.Resize(t.Context(), 2))
		settle(t, p)
		for _, s := range p.Inspect().Slots[:2] {
			require.Equal(t, pool.SlotIdle, s.State, "slot %d", s.Index)
		}
	})
}

func TestASurplusWorkerLingersFromItsReturn(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.NoReset = true
		p := start(t, reg, b, pool.Options{Size: 1, MaxOverflow: 2, OverflowLinger: time.Second})
		var leases [3]fakeLease // by slot
		for range leases {
			l := take(t, context.Background(), p)
			leases[l.Slot().Index] = l
		}
		leases[2].Checkin()
		time.Sleep(5 * ms)
		leases[1].Checkin()
		time.Sleep(995 * ms)
		settle(t, p)
		require.Equal(t, pool.SlotVacant, p.Inspect().Slots[2].State)
		time.Sleep(5*ms - 1)
		settle(t, p)
		require.Equal(t, pool.SlotIdle, p.Inspect().Slots[1].State)
		time.Sleep(time.Nanosecond)
		settle(t, p)
		require.Equal(t, pool.SlotVacant, p.Inspect().Slots[1].State)
		leases[0].Checkin()
	})
}

// Three of five workers that a Resize to one has left end at the same moment, and
// two clients have waited for long: there is room for one more worker.
func TestNoMoreWorkersStartAfterAResizeThanThereIsRoomFor(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.Always(pooltest.Script{StopAfter: time.Second})
		p := start(t, reg, b, pool.Options{Size: 5, MaxOverflow: 2})
		var leases [5]fakeLease // by slot
		for range leases {
			l := take(t, t.Context(), p)
			leases[l.Slot().Index] = l
		}
		resize := later(func() error { return p.Resize(t.Context(), 1) })
		settle(t, p)
		first, second := ask(t.Context(), p), ask(t.Context(), p)
		time.Sleep(time.Second)
		for _, l := range leases[:3] {
			l.Retire(nil)
		}
		time.Sleep(time.Second)
		lentTo(t, first)
		waiting(t, second)
		require.Equal(t, 6, b.Starts())
		require.NoError(t, <-resize)
		leases[4].Checkin()
		time.Sleep(time.Second)
		lentTo(t, second)
		settle(t, p)
	})
}

func TestACrashLoopKeepsItsSurplusUntilItEnds(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 4, MaxOverflow: 3, MaxRestarts: 1, OverflowLinger: time.Second})
		require.NoError(t, p.Resize(t.Context(), 1))
		time.Sleep(500 * ms)
		pooltest.KillWorker(p, 0)
		pooltest.KillWorker(p, 1)
		time.Sleep(9 * time.Second)
		settle(t, p)
		require.Equal(t, pool.StateCrashLoop, p.Stats().State)
		require.Equal(t, 2, p.Stats().Idle)
		time.Sleep(500 * ms) // its workers have proven themselves
		settle(t, p)
		require.Equal(t, pool.StateReady, p.Stats().State)
		require.Equal(t, 2, p.Stats().Idle)
		time.Sleep(time.Second)
		settle(t, p)
		require.Equal(t, 1, p.Stats().Idle)
	})
}

// surplusAside makes a pool of two in which three workers are lent, the third after
// a check, and a fourth is idle that became one too many while somebody waited for
// that check. Surplus workers do not linger.
func surplusAside(t *testing.T, reg *pool.Registry, b *pooltest.Backend) (p fakes, leases []fakeLease) {
	t.Helper()
	b.NoReset = true
	b.Always(pooltest.Script{CheckAfter: 4 * time.Second})
	p = start(t, reg, b, pool.Options{Size: 4, MaxOverflow: 3, OverflowLinger: -1})
	pooltest.KillWorker(p, 0)
	pooltest.KillWorker(p, 1) // the two others are suspects
	settle(t, p)
	leases = append(leases, take(t, t.Context(), p), take(t, t.Context(), p))
	client := ask(t.Context(), p)
	require.Equal(t, 1, p.Stats().Tending)
	require.NoError(t, p.Resize(t.Context(), 2))
	time.Sleep(4 * time.Second)
	return p, append(leases, lentTo(t, client))
}

// With a negative OverflowLinger a surplus worker that stood aside while somebody
// waited, when Resize made it one too many, goes when nobody waits any more.
func TestANegativeLingerForgetsNoSurplusThatStoodAsideWhileSomebodyWaited(t *testing.T) {
	checking(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p, _ := surplusAside(t, reg, b)
		time.Sleep(time.Hour)
		settle(t, p)
		require.Zero(t, p.Stats().Idle)
	})
}
