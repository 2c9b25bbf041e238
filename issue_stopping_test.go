package pool_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

// suture: RemoveAndWait of a service that was gone, by a caller that did not wait
// for the answer, blocked the supervisor for ever, and with it all its services.
func TestWhoGivesUpOnStopLeavesARegistryThatWorks(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.Next(pooltest.Script{Run: pooltest.Ignore, Stop: pooltest.Ignore})
		hung, other := start(t, reg, b, pool.Options{Size: 1}), start(t, reg, b, pool.Options{Size: 1})
		var stops []<-chan error
		for range 10 {
			stops = append(stops, inBackground(func() error { return reg.Stop(cancelled, hung.Name()) }))
			stops = append(stops, inBackground(func() error { return hung.Stop(cancelled) }))
		}
		works := func() {
			t.Helper()
			began := time.Now()
			require.ErrorIs(t, reg.Stop(cancelled, "gone"), pool.ErrNotFound)
			for p := range reg.Pools() {
				p.Stats()
			}
			reg.Inspect()
			take(t, t.Context(), other).Checkin()
			another := start(t, reg, b, pool.Options{Size: 1})
			require.NoError(t, reg.Stop(t.Context(), another.Name()))
			require.Zero(t, time.Since(began))
			settle(t, other)
		}
		works()
		time.Sleep(5 * time.Second) // StopTimeout
		for _, stopped := range stops {
			require.ErrorAs(t, <-stopped, new(*pool.StopError))
		}
		for range 10 {
			require.ErrorIs(t, reg.Stop(cancelled, hung.Name()), pool.ErrNotFound)
			require.Error(t, hung.Stop(cancelled))
		}
		works()
		b.Release()
		synctest.Wait()
		pooltest.NoGoroutines(t, hung.Name())
	})
}

// jackc/puddle: what TryAcquire had begun in the background came to the pool when
// that was closed already, and Close waited for it for ever.
func TestStopDoesNotWaitForWhatTryCheckoutMetOrBegan(t *testing.T) {
	for name, begin := range map[string]struct {
		script pooltest.Script
		opts   pool.Options
		idle   time.Duration
	}{
		"a start": {pooltest.Script{StartAfter: time.Minute}, pool.Options{Size: 1, AsyncStart: true, StartTimeout: -1}, 0},
		"a check": {pooltest.Script{CheckAfter: time.Minute}, pool.Options{Size: 1, CheckEvery: time.Second, CheckTimeout: -1}, time.Second},
		"a reset": {pooltest.Script{ResetAfter: time.Minute}, pool.Options{Size: 1, CheckTimeout: -1}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
				b.Checks = begin.opts.CheckEvery > 0
				b.Always(begin.script)
				p := start(t, reg, b, begin.opts)
				if name == "a reset" {
					take(t, t.Context(), p).Checkin()
				}
				time.Sleep(begin.idle)
				settle(t, p)
				for range 3 {
					_, err := p.TryCheckout(t.Context())
					require.ErrorIs(t, err, pool.ErrFull)
				}
				began := time.Now()
				require.NoError(t, p.Stop(t.Context()))
				require.Zero(t, time.Since(began))
				time.Sleep(time.Hour)
				for _, w := range b.Workers() {
					require.Equal(t, 1, w.Stops())
				}
				require.Empty(t, b.Alive())
			})
		})
	}
}

// commons-pool POOL-263: an object that was returned while the pool was being
// closed went to the pool after all, and was never destroyed.
func TestAWorkerThatIsCheckedInWhileItsPoolStopsIsStoppedOnce(t *testing.T) {
	o := newOutcomes(t, grades{"returned": usual, "revoked": usual})
	defer o.tell()
	contexts := clients(t)
	reg := pooltest.NewRegistry()
	defer pooltest.Close(t, reg)
	for i := range rounds(200) {
		b := pooltest.NewBackend(t)
		b.NoReset = i%2 == 0
		p := pooltest.StartIn(t, reg, b.Spec(), pool.Options{Size: 2})
		warm(t, contexts[i%2], p, 2)
		first, second := take(t, contexts[i%2], p), take(t, contexts[1-i%2], p)
		ctx := context.Background()
		if i%3 == 0 {
			ctx = cancelled
		}
		returned := 0
		meet(
			func() {
				if first.Checkin() {
					returned++
				}
			},
			func() { second.Checkin() },
			func() { assert.NoError(t, p.Stop(ctx)) },
		)
		for _, w := range b.Workers() {
			if w.Stops() != 1 || w.Context().Err() == nil {
				o.forbidden("a worker that was not stopped", w)
			}
		}
		if n := len(b.Workers()); ctx.Err() == nil && n != 2 {
			o.forbidden("a worker that started while its pool stopped", n)
		}
		if returned == 1 {
			o.saw("returned")
		} else {
			o.saw("revoked")
		}
	}
}
