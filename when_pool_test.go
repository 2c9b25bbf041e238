package pool_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

// kills are the ways to kill a half of a pool, at once.
var kills = map[string]func(p pool.Control){
	"manager":            func(p pool.Control) { pooltest.KillManager(p, pooltest.AtIdle) },
	"manager, locked":    func(p pool.Control) { pooltest.KillManager(p, pooltest.AtLocked) },
	"supervisor":         func(p pool.Control) { pooltest.KillSupervisor(p, pooltest.AtIdle) },
	"supervisor, locked": func(p pool.Control) { pooltest.KillSupervisor(p, pooltest.AtLocked) },
	"supervisor, midway": func(p pool.Control) { pooltest.KillSupervisor(p, pooltest.AtStart); pooltest.KillWorker(p, 0) },
}

// When the manager or the worker supervisor dies, with the lock held or not:
// both go; workers are stopped, leases end with cause, a new epoch starts clean
// under the same name; waiters keep their places; other pools notice nothing.
func TestWhenTheManagerOrTheSupervisorDies(t *testing.T) {
	for name, kill := range kills {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
				p, other := start(t, reg, b, pool.Options{Size: 3}), start(t, reg, b, pool.Options{Size: 1, MaxOverflow: 1})
				theirs := take(t, t.Context(), other)
				lentTo(t, ask(t.Context(), other))
				before := other.Stats()
				old, held := b.Workers(), make([]pool.Lease[*pooltest.Worker], 3)
				for i := range held {
					held[i] = take(t, t.Context(), p)
				}
				work := held[1].Context()
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
				defer cancel()
				waiters := make([]<-chan answer, 5)
				for i := range waiters {
					waiters[i] = ask(ctx, p)
				}
				time.Sleep(time.Second)
				kill(p)
				settle(t, p, other)

				require.EqualValues(t, 2, p.Inspect().Epoch)
				half, _, _ := strings.Cut(name, ",")
				require.ErrorContains(t, p.Stats().LastError, half, "the death is told, not its consequence")
				for i := range held {
					require.NotContains(t, []pool.EndReason{pool.EndReturned, ""}, endOf(t, held[i]).Reason)
					require.False(t, held[i].Checkin())
					require.False(t, held[i].Retire(nil))
					require.Equal(t, 1, held[i].Worker().Stops())
				}
				require.ErrorAs(t, context.Cause(work), new(*pool.LeaseError))
				var lent [3]pool.Lease[*pooltest.Worker]
				for i := range lent {
					lent[i] = lentTo(t, waiters[i])
					require.NotContains(t, old, lent[i].Worker())
				}
				newcomer := ask(t.Context(), p)
				lent[1].Checkin()
				lentTo(t, waiters[3])
				waiting(t, newcomer)
				time.Sleep(time.Second)
				require.ErrorIs(t, refused(t, waiters[4]), context.DeadlineExceeded, "a waiter keeps its deadline")
				lent[2].Checkin()
				lentTo(t, newcomer)

				found, err := pool.Lookup[*pooltest.Worker](reg, p.Name())
				require.NoError(t, err)
				require.Same(t, p, found)
				require.NoError(t, theirs.Err())
				require.Equal(t, before, other.Stats())
				require.EqualValues(t, 1, other.Inspect().Epoch)
				settle(t, p, other)
			})
		})
	}
}

// When the epoch changes with 1000 waiters and 3 leases out: waiters keep order
// and deadlines; the 3 leases end; their Checkin changes nothing; newcomers
// stand behind the 1000.
func TestWhenTheEpochChangesWithAThousandWaiters(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.NoReset = true
		p := start(t, reg, b, pool.Options{Size: 3})
		var held [3]pool.Lease[*pooltest.Worker]
		for i := range held {
			held[i] = take(t, t.Context(), p)
		}
		impatient, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		answers := make([]<-chan answer, 1001)
		for i := range answers {
			ctx := t.Context()
			if i == 500 {
				ctx = impatient
			}
			answers[i] = ask(ctx, p)
			if i == 999 {
				pooltest.KillManager(p, pooltest.AtLocked)
				settle(t, p)
			}
		}
		for i := range held {
			require.Equal(t, pool.EndRestarted, endOf(t, held[i]).Reason)
			require.False(t, held[i].Checkin())
			held[i] = lentTo(t, answers[i])
		}
		time.Sleep(time.Second)
		require.ErrorIs(t, refused(t, answers[500]), context.DeadlineExceeded)
		settle(t, p)
		for i := 3; i < len(answers); i++ {
			if i != 500 {
				require.Empty(t, answers[i])
				held[i%3].Checkin()
				held[i%3] = lentTo(t, answers[i])
			}
		}
		settle(t, p)
	})
}

// When a pool keeps dying: its keeper restarts it with backoff, for ever; the
// top level never dies because of a pool.
func TestWhenAPoolKeepsDying(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p, other := start(t, reg, b, pool.Options{Size: 1}), start(t, reg, b, pool.Options{Size: 1})
		theirs := take(t, t.Context(), other)
		for range 40 {
			before := time.Now()
			pooltest.KillManager(p, pooltest.AtIdle)
			settle(t, p)
			require.NotEqual(t, pool.StateFailed, p.Stats().State)
			require.LessOrEqual(t, p.Inspect().RetryIn, 30*time.Second)
			require.NoError(t, p.WaitReady(t.Context(), 1))
			require.LessOrEqual(t, time.Since(before), 30*time.Second)
		}
		before := time.Now()
		pooltest.KillManager(p, pooltest.AtIdle)
		settle(t, p)
		require.NoError(t, p.WaitReady(t.Context(), 1))
		require.GreaterOrEqual(t, time.Since(before), 22*time.Second)
		time.Sleep(10 * time.Second)
		pooltest.KillManager(p, pooltest.AtIdle)
		settle(t, p)
		require.Equal(t, pool.StateReady, p.Stats().State, "what was long ago does not count")
		require.NoError(t, theirs.Err())
		settle(t, p, other)
	})
}

// When a pool keeps dying, with a budget: state Failed, still in the registry;
// Start with the same name says ErrExists; Restart brings it back.
func TestWhenAPoolHasDiedTooOften(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 1, MaxPoolRestarts: 2})
		held := take(t, t.Context(), p)
		waiter := ask(t.Context(), p)
		for range 3 {
			pooltest.KillSupervisor(p, pooltest.AtLocked)
			time.Sleep(time.Second)
		}
		settle(t, p)
		require.Equal(t, pool.StateFailed, p.Stats().State)
		require.Equal(t, pool.EndRestarted, endOf(t, held).Reason)
		lentTo(t, waiter)
		_, err := p.Checkout(t.Context())
		require.ErrorIs(t, err, pool.ErrUnavailable)
		require.Zero(t, refusal(t, err).RetryAfter, "time alone does not bring it back")
		require.ErrorContains(t, err, "supervisor")
		require.Empty(t, b.Alive())
		require.Equal(t, pool.StateFailed, p.Inspect().Stats.State)
		_, err = pool.Start(t.Context(), reg, p.Name(), b.Spec(), pool.Options{Size: 1})
		require.ErrorIs(t, err, pool.ErrExists)
		found, err := pool.Lookup[*pooltest.Worker](reg, p.Name())
		require.NoError(t, err)
		require.Same(t, p, found)

		time.Sleep(time.Minute)
		require.Equal(t, pool.StateFailed, p.Stats().State)
		require.NoError(t, p.Restart(t.Context()))
		take(t, t.Context(), p)
		settle(t, p)
	})
}

// When the pool fails while clients wait: ErrUnavailable.
func TestWhenAPoolFailsWhileClientsWait(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 1, MaxPoolRestarts: 1})
		take(t, t.Context(), p)
		first, second := ask(t.Context(), p), ask(t.Context(), p)
		pooltest.KillManager(p, pooltest.AtIdle)
		lentTo(t, first)
		waiting(t, second)
		pooltest.KillManager(p, pooltest.AtIdle)
		require.ErrorIs(t, refused(t, second), pool.ErrUnavailable)
		require.Equal(t, pool.StateFailed, p.Stats().State)
		settle(t, p)
	})
}

// When Restart(ctx) is called with leases out: drained until ctx, the rest
// revoked; waiters keep their place; Resize's goal stays.
func TestWhenAPoolIsRestartedWithLeasesOut(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 2})
		require.NoError(t, p.Resize(t.Context(), 3))
		drained, stubborn := take(t, t.Context(), p), take(t, t.Context(), p)
		idle := b.Alive()
		restarted := make(chan error, 1)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		go func() { restarted <- p.Restart(ctx) }()
		settle(t, p)
		require.Equal(t, pool.StateRestarting, p.Stats().State)
		require.Len(t, b.Alive(), len(idle)-1, "an idle worker has nothing to wait for")
		first, second := ask(t.Context(), p), ask(t.Context(), p)
		time.Sleep(2 * time.Second)
		require.NoError(t, stubborn.Err())
		require.True(t, drained.Checkin())
		settle(t, p)
		require.Equal(t, 1, drained.Worker().Stops())
		waiting(t, first)
		time.Sleep(time.Second)
		settle(t, p)
		require.ErrorIs(t, <-restarted, context.DeadlineExceeded)
		require.Equal(t, pool.EndRestarted, endOf(t, stubborn).Reason)
		require.Equal(t, pool.EndReturned, endOf(t, drained).Reason)
		require.NotContains(t, idle, lentTo(t, first).Worker())
		lentTo(t, second)
		require.Equal(t, 3, p.Stats().Size)
		require.Equal(t, 3, p.Stats().Idle+p.Stats().Leased)
		require.EqualValues(t, 2, p.Inspect().Epoch)
		settle(t, p)
	})
}

// When the last lease comes back while Restart drains: the new epoch begins at
// once and Restart returns nil.
func TestWhenTheLastLeaseComesBackWhileAPoolRestarts(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 2})
		a, c := take(t, t.Context(), p), take(t, t.Context(), p)
		restarted := make(chan error, 2)
		for range 2 { // the second joins
			go func() { restarted <- p.Restart(t.Context()) }()
		}
		settle(t, p)
		a.Checkin()
		time.Sleep(time.Minute)
		settle(t, p)
		require.Empty(t, restarted)
		c.Retire(nil)
		settle(t, p)
		require.NoError(t, <-restarted)
		require.NoError(t, <-restarted)
		require.EqualValues(t, 2, p.Inspect().Epoch)
		require.Equal(t, 2, p.Stats().Idle)
		require.Equal(t, 4, b.Starts())
	})
}

// When Resize comes during a pool restart: the goal is used by the new epoch.
func TestWhenAPoolIsResizedDuringARestart(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 2, MaxOverflow: 1})
		for _, size := range []int{4, 1} {
			lease := take(t, t.Context(), p)
			go func() { _ = p.Restart(t.Context()) }()
			settle(t, p)
			resized := make(chan error, 1)
			go func() { resized <- p.Resize(t.Context(), size) }()
			settle(t, p)
			require.Equal(t, size, p.Stats().Size)
			lease.Checkin()
			settle(t, p)
			require.NoError(t, <-resized)
			require.Equal(t, pool.StateReady, p.Stats().State)
			require.Equal(t, size, p.Stats().Idle)
			require.Len(t, p.Inspect().Slots, size+1)
		}
	})
}

// When the old worker of a restarted pool does not end: its slot only comes up
// later; the others do not wait for it.
func TestWhenTheOldWorkerOfARestartedPoolDoesNotEnd(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.Next(pooltest.Script{Run: pooltest.Ignore})
		p := start(t, reg, b, pool.Options{Size: 3})
		pooltest.KillManager(p, pooltest.AtIdle)
		settle(t, p)
		s := p.Stats()
		require.Equal(t, 2, s.Idle)
		require.Equal(t, 1, s.Stopping)
		time.Sleep(5*time.Second - time.Nanosecond)
		require.Equal(t, 1, p.Stats().Stopping)
		time.Sleep(time.Nanosecond)
		settle(t, p)
		s = p.Stats()
		require.Equal(t, 3, s.Idle)
		require.Equal(t, 1, s.Zombies)
		require.Equal(t, pool.StateReady, s.State)
		b.Release()
		settle(t, p)
		require.Zero(t, p.Stats().Zombies)
	})
}

// When a lease was dropped by its client and the pool restarted meanwhile:
// nothing; the lease had ended.
func TestWhenALeaseWasDroppedAndThePoolRestarted(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 1})
		ctx, cancel := context.WithCancel(t.Context())
		take(t, ctx, p)
		pooltest.KillManager(p, pooltest.AtIdle)
		settle(t, p)
		lease := take(t, t.Context(), p)
		before := p.Stats()
		cancel()
		time.Sleep(time.Minute)
		require.NoError(t, lease.Err())
		require.Equal(t, before, p.Stats())
		settle(t, p)
	})
}

// When a pool is resized down while all are out: surplus workers are retired as
// they come back; shrinking never revokes.
func TestWhenAPoolShrinksWhileAllAreOut(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 4})
		var held [4]pool.Lease[*pooltest.Worker]
		for i := range held {
			held[i] = take(t, t.Context(), p)
		}
		resized := make(chan error, 1)
		go func() { resized <- p.Resize(t.Context(), 1) }()
		asked := ask(t.Context(), p)
		time.Sleep(time.Second)
		settle(t, p)
		require.Equal(t, 4, p.Stats().Leased)
		require.Equal(t, 1, p.Stats().Size)
		for i := range 3 {
			require.Empty(t, resized)
			require.True(t, held[i].Checkin())
			settle(t, p)
			waiting(t, asked)
			require.Equal(t, 1, held[i].Worker().Stops())
		}
		require.NoError(t, <-resized)
		held[3].Checkin()
		require.Same(t, held[3].Worker(), lentTo(t, asked).Worker())
		require.Equal(t, 4, b.Starts())
		require.Len(t, p.Inspect().Slots, held[3].Slot().Index+1, "a slot keeps its number")
		settle(t, p)
	})
}
