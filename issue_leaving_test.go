package pool_test

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"
	"weak"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

// MagicStack/asyncpg#547: a client that gave up while it was being served was
// counted as one that held a connection, and close waited for it for ever.
func TestStopWaitsForNoClientThatGaveUp(t *testing.T) {
	for name, giveUp := range map[string]func(t *testing.T, p fakes, b *pooltest.Backend){
		"before it waits": func(t *testing.T, p fakes, _ *pooltest.Backend) {
			refused(t, ask(cancelled, p))
		},
		"while it waits": func(t *testing.T, p fakes, _ *pooltest.Backend) {
			held := take(t, t.Context(), p)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			asked := ask(ctx, p)
			time.Sleep(time.Second)
			refused(t, asked)
			held.Checkin()
		},
		"as it is served": func(t *testing.T, p fakes, _ *pooltest.Backend) {
			held := take(t, t.Context(), p)
			asked := ask(t.Context(), p.With(pool.Terms{MaxWait: time.Second}))
			time.Sleep(time.Second) // its timer is due, and the client has yet to see it
			held.Checkin()
			if a := <-asked; a.err == nil {
				a.lease.Checkin()
			}
		},
		"while a worker starts for it": func(t *testing.T, p fakes, b *pooltest.Backend) {
			b.Always(pooltest.Script{StartAfter: 2 * time.Second})
			take(t, t.Context(), p).Retire(nil)
			settle(t, p)
			refused(t, ask(cancelled, p))
			asked := ask(t.Context(), p.With(pool.Terms{MaxWait: time.Second}))
			time.Sleep(time.Second)
			refused(t, asked)
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
				b.NoReset = true
				p := start(t, reg, b, pool.Options{Size: 1})
				for range 20 {
					giveUp(t, p, b)
					b.Always(pooltest.Script{})
				}
				began := time.Now()
				require.NoError(t, p.Stop(t.Context()))
				require.Zero(t, time.Since(began))
			})
		})
	}
}

// Vincit/tarn.js#61: a place in the queue that had ended with an error was used
// again with it, and the client that had it next was turned away at once.
func TestAClientInheritsNothingFromThoseWhoWaitedBefore(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.NoReset = true
		p := start(t, reg, b, pool.Options{Size: 1, MaxWaiting: 3})
		unimportant := p.With(pool.Terms{Priority: pool.PriorityLow, Owner: "unimportant", MaxWait: time.Hour})
		for range 3 {
			lease := take(t, t.Context(), p)
			var refusals, line []<-chan answer
			for range 3 {
				refusals = append(refusals, ask(t.Context(), unimportant))
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			for range 3 {
				refusals = append(refusals, ask(ctx, p)) // takes the place of one
			}
			time.Sleep(time.Second)
			for _, asked := range refusals {
				refused(t, asked)
			}
			cancel()
			for range 3 {
				line = append(line, ask(t.Context(), p))
			}
			time.Sleep(2 * time.Second)
			for _, w := range p.Inspect().Waiters {
				require.Equal(t, pool.PriorityNormal, w.Priority)
				require.Empty(t, w.Owner)
				require.Equal(t, 2*time.Second, w.Waited)
			}
			for _, asked := range line {
				waiting(t, asked)
				lease.Checkin()
				lease = lentTo(t, asked)
			}
			lease.Checkin()
			settle(t, p)
		}
	})
}

// coopernurse/node-pool#108, transact-rs/sqlx#620, dashbitco/nimble_pool#27,
// knex/knex#1973, golang/go#66410: clients that had given up stayed in a queue,
// behind a timer or in the tail of a slice, and with them all that was theirs.
func TestAPoolKeepsNothingOfAClientThatIsGone(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		limits := pool.Options{Size: 1, MaxWait: time.Hour, MaxHold: time.Hour}
		idle, busy := start(t, reg, b, limits), start(t, reg, b, limits)
		b.NoReset = true
		fast := start(t, reg, b, pool.Options{Size: 1})
		take(t, context.Background(), busy)
		gone := func(t *testing.T, visit func(ctx context.Context, leave context.CancelFunc)) {
			t.Helper()
			type request struct{ _ [1024]byte }
			var seen weak.Pointer[request]
			var client sync.WaitGroup
			client.Go(func() {
				its := new(request)
				seen = weak.Make(its)
				ctx, leave := context.WithCancel(context.WithValue(context.Background(), its, its))
				defer leave()
				visit(ctx, leave)
			})
			client.Wait()
			collect(t, func() bool { return seen.Value() == nil })
		}
		gone(t, func(ctx context.Context, _ context.CancelFunc) {
			for range 3 { // from the second on without the lock
				take(t, ctx, fast).Checkin()
			}
		})
		gone(t, func(ctx context.Context, _ context.CancelFunc) {
			lease := take(t, ctx, idle)
			defer lease.Checkin()
			assert.NoError(t, lease.Context().Err())
		})
		gone(t, func(ctx context.Context, _ context.CancelFunc) {
			lease, err := take(t, ctx, idle).Transfer(context.Background())
			assert.NoError(t, err)
			lease.Checkin()
		})
		gone(t, func(ctx context.Context, _ context.CancelFunc) {
			assert.NoError(t, idle.Do(ctx, func(context.Context, *pooltest.Worker) error { return nil }))
			assert.NoError(t, idle.Each(ctx, func(context.Context, *pooltest.Worker) error { return nil }))
		})
		gone(t, func(ctx context.Context, leave context.CancelFunc) {
			take(t, ctx, idle)
			leave() // and the pool takes the worker back
		})
		gone(t, func(ctx context.Context, _ context.CancelFunc) {
			_, err := busy.TryCheckout(ctx)
			assert.ErrorIs(t, err, pool.ErrFull)
		})
		gone(t, func(ctx context.Context, leave context.CancelFunc) {
			time.AfterFunc(time.Second, leave)
			_, err := busy.With(pool.Terms{Key: "a key"}).Checkout(ctx)
			assert.ErrorIs(t, err, context.Canceled)
		})
		gone(t, func(ctx context.Context, _ context.CancelFunc) {
			_, err := busy.With(pool.Terms{MaxWait: time.Second}).Checkout(ctx)
			assert.ErrorIs(t, err, pool.ErrOverloaded)
		})
		settle(t, idle, busy, fast)
	})
}

// blackbeam/mysql_async#171: the connection of a client that panicked was lost;
// sfackler/r2d2#31: it was lent on, whatever had become of it.
func TestAClientThatPanicsCostsAtMostItsWorker(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 2, MaxRestarts: 1})
		for name, way := range map[string]struct {
			call func(fn func(context.Context, *pooltest.Worker) error)
			kept bool // the worker: only the client can know
		}{
			"Do":    {call: func(fn func(context.Context, *pooltest.Worker) error) { _ = p.Do(t.Context(), fn) }},
			"Each":  {call: func(fn func(context.Context, *pooltest.Worker) error) { _ = p.Each(t.Context(), fn) }},
			"Group": {call: func(fn func(context.Context, *pooltest.Worker) error) { _ = pool.NewGroup(p).Do(t.Context(), fn) }},
			"ForEach": {call: func(fn func(context.Context, *pooltest.Worker) error) {
				_ = pool.ForEach(t.Context(), p, slices.Values([]int{1}), func(ctx context.Context, w *pooltest.Worker, _ int) error { return fn(ctx, w) })
			}},
			"a deferred Checkin": {kept: true, call: func(fn func(context.Context, *pooltest.Worker) error) {
				lease := take(t, t.Context(), p)
				defer lease.Checkin()
				_ = fn(t.Context(), lease.Worker())
			}},
		} {
			for _, end := range []func(){func() { panic("a bad client") }, runtime.Goexit} {
				for range 10 {
					var worker *pooltest.Worker
					go func() {
						defer func() { _ = recover() }()
						way.call(func(_ context.Context, w *pooltest.Worker) error {
							worker = w
							end()
							return nil
						})
					}()
					settle(t, p)
					require.Equal(t, 2, p.Stats().Idle, name)
					require.Equal(t, way.kept, worker.Stops() == 0, name)
				}
			}
		}
		require.Zero(t, p.Stats().Crashes)
	})
}
