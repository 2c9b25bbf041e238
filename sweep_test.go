package pool_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

// The manager looks at a new lease at once, then ever more seldom, and at last
// ten times a second: so late is it known that a client is gone.
func TestTheManagerLooksEverMoreSeldomAtALeaseThatLasts(t *testing.T) {
	looks := []time.Duration{0, 10 * ms, 30 * ms, 70 * ms, 150 * ms, 250 * ms, 350 * ms}
	for i, next := range looks[1:] {
		t.Run(next.String(), func(t *testing.T) {
			inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
				p := start(t, reg, b, pool.Options{Size: 1, ReclaimGrace: -1})
				time.Sleep(time.Minute) // the manager sleeps
				ctx, cancel := context.WithCancel(t.Context())
				began := time.Now()
				lease := take(t, ctx, p)
				sleepUntil(began.Add(looks[i] + 1))
				cancel()
				sleepUntil(began.Add(next - 1))
				settle(t, p)
				require.NoError(t, lease.Err())
				sleepUntil(began.Add(next))
				settle(t, p)
				require.Equal(t, pool.EndAbandoned, endOf(t, lease).Reason)
			})
		})
	}
}

func TestAFastLeaseIsLookedAtNoLaterThanAnother(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.NoReset = true
		p := start(t, reg, b, pool.Options{Size: 1, ReclaimGrace: -1})
		time.Sleep(time.Minute) // the manager sleeps
		ctx, cancel := context.WithCancel(t.Context())
		take(t, ctx, p).Checkin() // it is woken, and the next may be lent without the lock
		settle(t, p)
		lease := take(t, ctx, p)
		cancel()
		time.Sleep(10 * ms)
		settle(t, p)
		require.Equal(t, pool.EndAbandoned, endOf(t, lease).Reason)
	})
}

func TestTheManagerLooksAtEveryLeaseOfALargePool(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.NoReset = true
		const size = 1100
		p := start(t, reg, b, pool.Options{Size: size, MaxStarting: -1, ReclaimGrace: -1})
		ctx, cancel := context.WithCancel(t.Context())
		for range size {
			take(t, ctx, p)
		}
		time.Sleep(time.Second)
		cancel()
		time.Sleep(100 * ms)
		settle(t, p)
		require.Zero(t, p.Stats().Leased)
	})
}

func TestTheAgeOfALeaseIsJudgedToTheNanosecond(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		events := observe(reg)
		p := start(t, reg, b, pool.Options{Size: 1, WarnHold: 25 * ms, MaxHold: 52 * ms})
		lease := take(t, t.Context(), p)
		time.Sleep(25*ms - 1)
		settle(t, p)
		require.Empty(t, events.of(pool.EventLeaseOverdue))
		time.Sleep(time.Nanosecond)
		settle(t, p)
		overdue := events.of(pool.EventLeaseOverdue)
		require.Len(t, overdue, 1)
		require.Equal(t, 25*ms, overdue[0].Elapsed)
		time.Sleep(27*ms - 1)
		settle(t, p)
		require.NoError(t, lease.Err())
		time.Sleep(time.Nanosecond)
		settle(t, p)
		require.Equal(t, pool.EndOverdue, endOf(t, lease).Reason)
	})
}
