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

// TestWhenAllWorkersHangEachPriorityIsTurnedAwayByItsThirdPoll and by every
// other one after that. The first is when somebody comes to wait at all.
func TestWhenAllWorkersHangEachPriorityIsTurnedAwayByItsThirdPoll(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 1, QueueTarget: 50 * time.Millisecond, QueueInterval: time.Second})
		hung, err := p.Checkout(t.Context())
		require.NoError(t, err)
		defer hung.Checkin()

		var clients sync.WaitGroup
		began := time.Now()
		for _, client := range []struct {
			comes    time.Duration
			priority pool.Priority
			goes     time.Duration
		}{
			{0, pool.PriorityNormal, 2 * time.Second},
			{200 * time.Millisecond, pool.PriorityNormal, 2 * time.Second},
			{300 * time.Millisecond, pool.PriorityHigh, 3 * time.Second},
			{1890 * time.Millisecond, pool.PriorityNormal, 2 * time.Second},
			{1910 * time.Millisecond, pool.PriorityNormal, 4 * time.Second}, // not yet twice the target
		} {
			time.Sleep(time.Until(began.Add(client.comes)))
			clients.Go(func() {
				_, err := p.With(pool.Terms{Priority: client.priority}).Checkout(t.Context())
				assert.ErrorIs(t, err, pool.ErrOverloaded)
				assert.InDelta(t, client.goes, time.Since(began), float64(10*time.Millisecond), "came after %v", client.comes)
			})
		}
		clients.Wait()
		assert.True(t, p.Stats().Shedding)
	})
}
