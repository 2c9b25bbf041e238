package pool_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

// One class has been polled and waits no more, another still does: the manager
// must not be due at a time that has passed.
func TestAPriorityThatWaitsNoMoreDoesNotKeepTheManagerBusy(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 1, QueueTarget: 10 * time.Millisecond, QueueInterval: 100 * time.Millisecond})
		held := take(t, t.Context(), p)
		low := ask(t.Context(), p.With(pool.Terms{Priority: pool.PriorityLow, MaxWait: 50 * time.Millisecond}))
		normal := ask(t.Context(), p.With(pool.Terms{MaxWait: 250 * time.Millisecond}))
		time.Sleep(50 * time.Millisecond)
		require.ErrorIs(t, refused(t, low), pool.ErrOverloaded)
		time.Sleep(150 * time.Millisecond)
		waiting(t, normal)
		held.Checkin()
		lentTo(t, normal).Checkin()
		settle(t, p)
	})
}
