package pool_test

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

// The spike of HikariCP's wiki ("Welcome to the jungle"): 50 clients at once for 5
// connections of at most 50, which take 150 ms to make and are held for 2 ms.
// Pools that start a connection for everybody who waits end with 45 too many.
func TestASpikeThatIsServedByTheWorkersThereAreLeavesOneMore(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.Always(pooltest.Script{StartAfter: 150 * time.Millisecond})
		p := start(t, reg, b, pool.Options{Size: 5, MaxOverflow: 45})
		began := time.Now()
		var clients sync.WaitGroup
		for range 50 {
			clients.Go(func() {
				lease, err := p.Checkout(t.Context())
				assert.NoError(t, err)
				time.Sleep(2 * time.Millisecond)
				assert.True(t, lease.Checkin())
			})
		}
		clients.Wait()
		require.Equal(t, 20*time.Millisecond, time.Since(began), "ten rounds of five")
		time.Sleep(time.Second)
		settle(t, p)
		s := p.Stats()
		require.Equal(t, 6, s.Idle, "%+v", s)
		require.Equal(t, 6, b.Starts())
	})
}

func TestABurstThatIsNotServedGrowsThePool(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 1, MaxOverflow: 8, MaxStarting: 4})
		b.Always(pooltest.Script{StartAfter: time.Second})
		began := time.Now()
		var clients sync.WaitGroup
		for range 9 {
			clients.Go(func() {
				lease, err := p.Checkout(t.Context())
				assert.NoError(t, err)
				time.Sleep(time.Minute)
				assert.True(t, lease.Checkin())
			})
		}
		for _, want := range []struct {
			after    time.Duration
			starting int
		}{{0, 1}, {25*time.Millisecond - 1, 1}, {25 * time.Millisecond, 2}, {50 * time.Millisecond, 3}, {75 * time.Millisecond, 4}, {time.Second - 1, 4}} {
			time.Sleep(want.after - time.Since(began))
			settle(t, p)
			require.Equal(t, want.starting, p.Stats().Starting, "after %v", want.after)
		}
		clients.Wait()
		require.LessOrEqual(t, time.Since(began), 63*time.Second)
	})
}

// A pool without workers has nobody who serves, so it starts as many as it may.
func TestALazyPoolStartsForEverybodyWhoWaits(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.Always(pooltest.Script{StartAfter: time.Second})
		p := start(t, reg, b, pool.Options{Size: 0, MaxOverflow: 8, MaxStarting: 4})
		var clients sync.WaitGroup
		for range 4 {
			clients.Go(func() {
				lease, err := p.Checkout(t.Context())
				assert.NoError(t, err)
				assert.True(t, lease.Checkin())
			})
		}
		settle(t, p)
		require.Equal(t, 4, p.Stats().Starting)
		clients.Wait()
		time.Sleep(5 * time.Second)
		settle(t, p)
		require.Equal(t, 8, p.Stats().Vacant, "lingered enough")
	})
}

// pgx#1803, #2261: a worker that is only being cleaned made one client after
// another bring up a second.
func TestAClientAloneNeedsNoSecondWorkerWhileTheFirstIsCleaned(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.Always(pooltest.Script{ResetAfter: time.Millisecond})
		p := start(t, reg, b, pool.Options{Size: 1, MaxOverflow: 1})
		for range 100 {
			take(t, t.Context(), p).Checkin()
		}
		require.Equal(t, 1, b.Starts())

	})
}

func TestAResetThatHangsDoesNotKeepAPoolFromGrowing(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.Always(pooltest.Script{Reset: pooltest.Ignore})
		p := start(t, reg, b, pool.Options{Size: 1, MaxOverflow: 1, CheckTimeout: -1})
		take(t, t.Context(), p).Checkin()
		client := ask(t.Context(), p)
		time.Sleep(25*time.Millisecond - 1)
		waiting(t, client)
		time.Sleep(time.Nanosecond)
		require.Equal(t, 1, lentTo(t, client).Slot().Index)
		settle(t, p)
	})
}
