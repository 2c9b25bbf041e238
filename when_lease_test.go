package pool_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

// untilEnd waits for the end of a lease and returns how long that took, to the
// millisecond.
func untilEnd(t *testing.T, lease pool.Lease[*pooltest.Worker]) time.Duration {
	t.Helper()
	before := time.Now()
	for lease.Err() == nil {
		require.Less(t, time.Since(before), time.Hour, "the lease does not end")
		time.Sleep(time.Millisecond)
	}
	return time.Since(before)
}

// When the client's ctx has ended: the lease is never revoked before the grace
// is over, and one sweep after it at the latest; sweeps are eager while somebody
// waits.
func TestWhenTheGraceIsOver(t *testing.T) {
	for grace, want := range map[time.Duration]time.Duration{0: time.Second, 250 * time.Millisecond: 250 * time.Millisecond, -1: 0} {
		for _, waited := range []bool{false, true} {
			t.Run(fmt.Sprintf("%v, waited for: %t", grace, waited), func(t *testing.T) {
				inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
					sweep := 100 * time.Millisecond
					if waited {
						sweep = time.Millisecond
					}
					p := start(t, reg, b, pool.Options{Size: 1, ReclaimGrace: grace})
					for held := time.Duration(0); held < 2*time.Second; held += 333 * time.Millisecond {
						ctx, cancel := context.WithCancel(t.Context())
						lease := take(t, ctx, p)
						time.Sleep(held)
						cancel()
						var asked <-chan answer
						if waited {
							asked = ask(t.Context(), p)
						}
						took := untilEnd(t, lease)
						require.GreaterOrEqual(t, took, want)
						require.LessOrEqual(t, took, want+sweep+time.Millisecond)
						require.Equal(t, pool.EndAbandoned, endOf(t, lease).Reason)
						if waited {
							lease := lentTo(t, asked)
							require.True(t, lease.Checkin())
						}
						settle(t, p)
					}
				})
			})
		}
	}
}

// When somebody begins to wait while the manager sweeps lazily: it becomes eager
// at once.
func TestWhenSomebodyBeginsToWaitForAnAbandonedLease(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 1, ReclaimGrace: -1})
		ctx, cancel := context.WithCancel(t.Context())
		lease := take(t, ctx, p)
		time.Sleep(10*time.Second + 5*time.Millisecond)
		asked := ask(t.Context(), p)
		time.Sleep(10 * time.Millisecond)
		cancel()
		require.LessOrEqual(t, untilEnd(t, lease), 2*time.Millisecond)
		lentTo(t, asked)
	})
}

// When a lease is older than MaxHold: it is revoked, never early, late by some
// milliseconds, whatever its context; MaxHold counts anew for each lease.
func TestWhenALeaseIsHeldTooLong(t *testing.T) {
	for _, policy := range []pool.Reclaim{pool.ReclaimReplace, pool.ReclaimReuse} {
		for name, ctx := range map[string]context.Context{"background": context.Background(), "cancellable": nil} {
			t.Run(fmt.Sprintf("%s, %s", policy, name), func(t *testing.T) {
				inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
					if ctx == nil {
						ctx = t.Context()
					}
					p := start(t, reg, b, pool.Options{Size: 2, MaxHold: 2 * time.Second, Reclaim: policy})
					for pause := range 7 {
						short := take(t, ctx, p)
						time.Sleep(time.Second + time.Duration(pause)*777*time.Microsecond)
						lease := take(t, ctx, p)
						work := lease.Context()
						time.Sleep(500 * time.Millisecond)
						require.True(t, short.Checkin())
						took := 500*time.Millisecond + untilEnd(t, lease)
						require.GreaterOrEqual(t, took, 2*time.Second)
						require.LessOrEqual(t, took, 2*time.Second+11*time.Millisecond)
						require.Equal(t, pool.EndOverdue, endOf(t, lease).Reason)
						require.ErrorContains(t, lease.Err(), "MaxHold is 2s")
						settle(t, p)
						require.ErrorContains(t, context.Cause(work), "MaxHold is 2s")
						require.Equal(t, policy == pool.ReclaimReuse, lease.Worker().Stops() == 0)
						require.Equal(t, 2, p.Stats().Idle)
					}
				})
			})
		}
	}
}

// When a lease is older than WarnHold: it is reported once, with its owner; a
// short lease never.
func TestWhenALeaseIsHeldLong(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.NoReset = true
		p := start(t, reg, b, pool.Options{Size: 1, WarnHold: time.Second, MaxHold: 10 * time.Second})
		var mu sync.Mutex
		var warned []pool.Event
		defer reg.Subscribe(func(e pool.Event) {
			if e.Kind == pool.EventLeaseOverdue {
				mu.Lock()
				defer mu.Unlock()
				warned = append(warned, e)
			}
		})()
		warnings := func() []pool.Event {
			settle(t, p)
			mu.Lock()
			defer mu.Unlock()
			return warned
		}
		for i, owner := range []string{"first", "second"} {
			short := take(t, t.Context(), p)
			time.Sleep(999 * time.Millisecond)
			short.Checkin()
			lease := take(t, t.Context(), p.With(pool.Terms{Owner: owner}))
			before := time.Now()
			time.Sleep(time.Second - time.Nanosecond)
			require.Len(t, warnings(), i)
			time.Sleep(8 * time.Second)
			require.Len(t, warnings(), i+1, "once a lease")
			require.NoError(t, lease.Err())
			e := warned[i]
			require.Equal(t, owner, e.Owner)
			require.Equal(t, lease.Slot(), e.Slot)
			require.LessOrEqual(t, e.Time.Sub(before), time.Second+10*time.Millisecond)
			require.GreaterOrEqual(t, e.Elapsed, time.Second)
			lease.Checkin()
		}
	})
}

// end is a way for a lease to end, and what it then says.
type end struct {
	reason pool.EndReason
	how    func(p fakes, lease pool.Lease[*pooltest.Worker], cancel func())
	cause  error // wrapped by Err
	text   string
}

var errGivenUp = errors.New("given up")

var ends = []end{
	{pool.EndReturned, func(_ fakes, l pool.Lease[*pooltest.Worker], _ func()) { l.Checkin() }, nil,
		`pool: lease of %q slot 0 has been checked in$`},
	{pool.EndRetired, func(_ fakes, l pool.Lease[*pooltest.Worker], _ func()) { l.Retire(nil) }, nil,
		`pool: lease of %q slot 0 retired$`},
	{pool.EndRetired, func(_ fakes, l pool.Lease[*pooltest.Worker], _ func()) { l.Retire(errGivenUp) }, errGivenUp,
		`pool: lease of %q slot 0 retired: given up$`},
	{pool.EndCrashed, func(p fakes, _ pool.Lease[*pooltest.Worker], _ func()) { pooltest.KillWorker(p, 0) }, pooltest.ErrKilled,
		`pool: lease of %q slot 0 ended with its worker: worker of %q slot 0 (incarnation 1) crashed: run failed: pooltest: killed$`},
	{pool.EndAbandoned, func(_ fakes, _ pool.Lease[*pooltest.Worker], cancel func()) {
		cancel()
		time.Sleep(1500 * time.Millisecond)
	}, context.Canceled,
		`pool: lease of %q slot 0 revoked: the context given to Checkout ended 1s ago (context canceled); it bounds the lease too, use Terms.MaxWait to bound only the wait$`},
	{pool.EndOverdue, func(fakes, pool.Lease[*pooltest.Worker], func()) { time.Sleep(6 * time.Second) }, nil,
		`pool: lease of %q slot 0 revoked: held for 5s, MaxHold is 5s$`},
	{pool.EndRestarted, func(p fakes, _ pool.Lease[*pooltest.Worker], _ func()) { _ = p.Restart(cancelled) }, nil,
		`pool: lease of %q slot 0 revoked: the pool restarts$`},
	{pool.EndRestarted, func(p fakes, _ pool.Lease[*pooltest.Worker], _ func()) { pooltest.KillManager(p, pooltest.AtIdle) }, nil,
		`pool: lease of %q slot 0 revoked: the pool restarts: manager of %q died: `},
	{pool.EndStopped, func(p fakes, _ pool.Lease[*pooltest.Worker], _ func()) { _ = p.Stop(cancelled) }, nil,
		`pool: lease of %q slot 0 revoked: the pool was stopped and did not wait any longer$`},
	{pool.EndDetached, func(_ fakes, l pool.Lease[*pooltest.Worker], _ func()) { l.Detach() }, nil,
		`pool: lease of %q slot 0 detached$`},
	{pool.EndTransferred, func(_ fakes, l pool.Lease[*pooltest.Worker], _ func()) { _, _ = l.Transfer(context.Background()) }, nil,
		`pool: lease of %q slot 0 transferred$`},
}

// When a lease ends, in whatever way: Err and the cause of Context say how, the
// one asked for before the end and the one asked for after it.
func TestWhenALeaseEnds(t *testing.T) {
	for _, end := range ends {
		t.Run(string(end.reason), func(t *testing.T) {
			inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
				b.Passive = true
				p := start(t, reg, b, pool.Options{Size: 1, MaxHold: 5 * time.Second})
				text := strings.ReplaceAll(end.text, "%q", fmt.Sprintf("%q", p.Name()))
				ctx, cancel := context.WithCancel(context.WithValue(t.Context(), end.reason, "kept"))
				defer cancel()
				lease := take(t, ctx, p)
				require.NoError(t, lease.Err())
				work := lease.Context()
				require.Same(t, work, lease.Context())
				require.Equal(t, "kept", work.Value(end.reason))
				require.NoError(t, work.Err())
				end.how(p, lease, cancel)
				settle(t, p)

				e := endOf(t, lease)
				require.Equal(t, end.reason, e.Reason)
				require.Equal(t, lease.Slot(), e.Slot)
				require.Contains(t, e.Error()+"$", text)
				if end.cause == nil && end.reason != pool.EndRestarted {
					require.NoError(t, errors.Unwrap(e))
				} else if end.cause != nil {
					require.ErrorIs(t, e, end.cause)
				}
				require.Equal(t, end.reason == pool.EndCrashed, errors.As(e, new(*pool.CrashError)))
				require.ErrorIs(t, work.Err(), context.Canceled)
				for _, work := range []context.Context{work, lease.Context()} {
					if end.reason == pool.EndAbandoned {
						require.Equal(t, context.Canceled, context.Cause(work), "the client's own end came first")
						continue
					}
					require.Equal(t, e, context.Cause(work))
				}
				require.False(t, lease.Checkin())
				require.False(t, lease.Retire(nil))
				require.NotNil(t, lease.Worker())
			})
		})
	}
}

// When the client's deadline passes: that is the Err of Lease.Context, with the
// cause that the client gave it.
func TestWhenTheClientsDeadlinePasses(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 1})
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errGivenUp)
		defer cancel()
		lease := take(t, ctx, p)
		work := lease.Context()
		deadline, _ := ctx.Deadline()
		got, ok := work.Deadline()
		require.True(t, ok)
		require.Equal(t, deadline, got)
		time.Sleep(time.Second)
		<-work.Done()
		require.Equal(t, context.DeadlineExceeded, work.Err())
		require.Equal(t, errGivenUp, context.Cause(work))
		require.NoError(t, lease.Err())
		time.Sleep(1100 * time.Millisecond)
		require.ErrorIs(t, lease.Err(), errGivenUp)
		require.ErrorContains(t, lease.Err(), "(given up)")
		require.Equal(t, context.DeadlineExceeded, work.Err())
	})
}

// When the zero Lease is used: it has ended.
func TestWhenTheZeroLeaseIsUsed(t *testing.T) {
	var lease pool.Lease[*pooltest.Worker]
	require.Nil(t, lease.Worker())
	require.Zero(t, lease.Slot())
	require.EqualError(t, lease.Err(), "pool: the zero Lease has no worker")
	require.False(t, lease.Checkin())
	require.False(t, lease.Retire(nil))
	_, ok := lease.Detach()
	require.False(t, ok)
	_, err := lease.Transfer(t.Context())
	require.Equal(t, lease.Err(), err)
	require.Error(t, lease.Context().Err())
	require.Equal(t, lease.Err(), context.Cause(lease.Context()))
}
