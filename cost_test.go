package pool_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

// Not parallel: the allocations of other tests would count.
func TestACheckoutOfAnIdleWorkerAllocatesNothing(t *testing.T) {
	p := pooltest.New(t, 1, 2, 3)
	cancellable, cancel := context.WithCancel(t.Context())
	defer cancel()
	owned := p.With(pool.Terms{Owner: "somebody"})
	for name, trip := range map[string]func(){
		"background":  func() { checkinOf(t, p, context.Background()) },
		"cancellable": func() { checkinOf(t, p, cancellable) },
		"with terms":  func() { checkinOf(t, owned, cancellable) },
		"try": func() {
			lease, err := p.TryCheckout(cancellable)
			require.NoError(t, err)
			lease.Checkin()
		},
		"transfer": func() {
			lease, err := p.Checkout(cancellable)
			require.NoError(t, err)
			next, err := lease.Transfer(context.Background())
			require.NoError(t, err)
			next.Checkin()
		},
	} {
		assert.Zero(t, testing.AllocsPerRun(100, trip), name)
	}
	assert.Equal(t, 1.0, testing.AllocsPerRun(100, func() {
		_ = p.Do(cancellable, func(context.Context, int) error { return nil })
	}), "Do")
}

func checkinOf[W any](t *testing.T, p *pool.Pool[W], ctx context.Context) {
	lease, err := p.Checkout(ctx)
	require.NoError(t, err)
	lease.Checkin()
}
