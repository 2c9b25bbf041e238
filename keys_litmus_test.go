package pool_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

// Clients with keys and without, of all priorities, some of which give up, and
// tours of all workers, under the real scheduler, while workers crash, the size
// changes and the manager dies. Nobody waits for ever, and nobody shares a worker.
func TestNobodyWaitsForEverWhoeverElseWantsWhat(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string]pool.Options{
		"recent":   {Size: 4},
		"lifo":     {Size: 3, MaxOverflow: 2, OverflowLinger: -1, Order: pool.OrderLIFO},
		"fifo":     {Size: 2, MaxOverflow: 2, OverflowLinger: time.Millisecond, Order: pool.OrderFIFO},
		"shedding": {Size: 3, QueueTarget: 100 * time.Microsecond, QueueInterval: time.Millisecond, MaxWaiting: 5},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			opts.MaxRestarts, opts.Backoff = -1, pool.Backoff{Max: time.Millisecond}
			b := pooltest.NewBackend(t)
			b.NoReset = true
			p := pooltest.Start(t, b.Spec(), opts)
			ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
			defer cancel()
			var clients sync.WaitGroup
			for i := range 12 {
				clients.Go(func() {
					r := rand.New(rand.NewPCG(uint64(i), uint64(len(name))))
					for ctx.Err() == nil {
						visit(t, p, r, i)
					}
				})
			}
			clients.Go(func() {
				r := rand.New(rand.NewPCG(99, uint64(len(name))))
				for ctx.Err() == nil {
					pooltest.KillWorker(p, r.IntN(opts.Size+opts.MaxOverflow))
					switch r.IntN(8) {
					case 0:
						_ = p.Resize(cancelled, 1+r.IntN(2*opts.Size))
					case 1:
						pooltest.KillManager(p, pooltest.AtIdle)
					case 2:
						_ = p.Restart(cancelled)
					}
					pooltest.Check(t, p)
					time.Sleep(time.Duration(r.IntN(1000)) * time.Microsecond)
				}
			})
			done := make(chan struct{})
			go func() { clients.Wait(); close(done) }()
			select {
			case <-done:
			case <-time.After(30 * time.Second):
				require.FailNow(t, "somebody waits for ever", "%+v", p.Inspect())
			}
			full, stop := context.WithTimeout(context.Background(), 10*time.Second)
			defer stop()
			require.NoError(t, p.Resize(full, opts.Size))
			require.Eventually(t, func() bool {
				s := p.Stats()
				return s.Idle == opts.Size && s.Waiting+s.Leased == 0
			}, 10*time.Second, time.Millisecond)
			pooltest.Check(t, p)
		})
	}
}

// visit is one client.
func visit(t *testing.T, p fakes, r *rand.Rand, client int) {
	terms := pool.Terms{Priority: pool.Priority(r.IntN(4) - 1)}
	if client%3 > 0 {
		terms.Key = strconv.Itoa(r.IntN(6))
	}
	ctx := context.Background()
	if client%4 == 3 {
		patience, cancel := context.WithTimeout(ctx, time.Duration(r.IntN(500))*time.Microsecond)
		defer cancel()
		ctx = patience
	}
	use := func(_ context.Context, w *pooltest.Worker) error {
		w.Use(func() { w.Note++ })
		return nil
	}
	var err error
	switch {
	case client == 0:
		err = p.Each(ctx, use)
	case client == 1:
		var lease fakeLease
		if lease, err = p.With(terms).TryCheckout(ctx); err == nil {
			lease.Checkin()
		}
	default:
		err = p.With(terms).Do(ctx, use)
	}
	ours := func(err error) bool {
		return errors.Is(err, pool.ErrOverloaded) || errors.Is(err, pool.ErrUnavailable) || errors.Is(err, pool.ErrFull) ||
			errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) || errors.As(err, new(*pool.LeaseError))
	}
	assert.True(t, err == nil || ours(err), "%v", err)
}
