package pool_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
)

// Stories of bursts and of importance.

func TestScenario21Overflow(t *testing.T) {
	story(t, func(t *testing.T, e *env) {
		const linger = 20 * time.Millisecond
		p := e.start(pool.Options{Size: 2, MaxOverflow: 3, OverflowLinger: linger})
		var leases []pool.Lease[*doubler]
		for range 5 {
			leases = append(leases, e.take(t.Context(), p))
		}
		require.Equal(t, 3, p.Stats().Overflow)
		sixth := make(chan pool.Lease[*doubler])
		go func() {
			lease, err := p.Checkout(t.Context())
			assert.NoError(t, err)
			sixth <- lease
		}()
		e.until("the sixth waits", func() bool { return p.Stats().Waiting == 1 })
		require.Equal(t, 5, e.home.started())
		require.True(t, leases[0].Checkin())
		last := <-sixth
		require.Same(t, leases[0].Worker(), last.Worker())

		over := time.Now()
		for _, lease := range append(leases[1:], last) {
			require.True(t, lease.Checkin())
		}
		if !e.real {
			time.Sleep(linger - time.Nanosecond)
			e.atRest(p, 5, 0)
		}
		e.until("the extra workers have gone", func() bool { return p.Stats().Overflow == 0 })
		require.GreaterOrEqual(t, time.Since(over), linger)
		e.atRest(p, 2, 0)
		if slots := p.Inspect().Slots; !e.real { // of those that have been idle for the same time the highest go
			require.Equal(t, pool.SlotIdle, slots[0].State)
			require.Equal(t, pool.SlotIdle, slots[1].State)
		}
		require.Equal(t, 5, e.home.started())
	})
}

func TestScenario22WaitOrBeTold(t *testing.T) {
	story(t, func(t *testing.T, e *env) {
		const waiters = 10
		p := e.start(pool.Options{Size: 1})
		held := e.take(t.Context(), p)
		began := time.Now()
		e.full(p)
		if !e.real {
			require.Zero(t, time.Since(began))
		}

		served := make(chan int, waiters)
		var queue sync.WaitGroup
		for n := range waiters {
			queue.Go(func() {
				lease, err := p.Checkout(t.Context())
				if assert.NoError(t, err) {
					served <- n
					assert.True(t, lease.Checkin())
				}
			})
			e.until("it has its place", func() bool { return p.Stats().Waiting == n+1 })
		}
		const patience = 10 * time.Millisecond
		_, err := p.With(pool.Terms{MaxWait: patience}).Checkout(t.Context())
		require.ErrorIs(t, err, pool.ErrOverloaded)
		require.GreaterOrEqual(t, time.Since(began), patience)
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		_, err = p.Checkout(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		e.full(p)

		require.True(t, held.Checkin())
		queue.Wait()
		for n := range waiters {
			require.Equal(t, n, <-served)
		}
		e.atRest(p, 1, 0)
	})
}

func TestScenario23ImportanceByPools(t *testing.T) {
	story(t, func(t *testing.T, e *env) {
		const flood, rounds = 200, 12
		slow := e.newHome()
		slow.gate = make(chan struct{})
		reports := e.startAs("reports", slow.spec(), pool.Options{Size: 2})
		payments := e.startAs("payments", e.home.spec(), pool.Options{Size: 8})

		var work sync.WaitGroup
		for n := range flood {
			work.Go(func() { e.double(reports, n) })
		}
		e.until("the reports are flooded", func() bool { return reports.Stats().Waiting == flood-2 })

		for range rounds {
			var customer sync.WaitGroup
			for n := range 8 {
				customer.Go(func() {
					began := time.Now()
					e.double(payments, n)
					if !e.real {
						assert.Equal(t, e.home.takes, time.Since(began))
					}
				})
			}
			customer.Wait()
		}
		require.Zero(t, payments.Stats().Waited)
		require.Equal(t, flood-2, reports.Stats().Waiting)

		close(slow.gate)
		work.Wait()
		e.atRest(reports, 2, 0)
		e.atRest(payments, 8, 0)
	})
}
