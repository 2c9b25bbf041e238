package pool_test

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

// commons-pool POOL-303, 336, 407, golang/go#10886, jolestar/go-commons-pool#50,
// HikariCP 5.0.0: more clients waited than there may be objects when the factory
// failed; no failure woke the next one, and they waited on when it had recovered.
func TestThoseWhoWaitAreServedOnceStartsSucceedAgainThoughNobodyElseComes(t *testing.T) {
	for _, act := range []pooltest.Act{pooltest.Fail, pooltest.Panic, pooltest.Goexit, pooltest.Hang} {
		t.Run(string(act), func(t *testing.T) {
			inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
				b.Always(pooltest.Script{Start: act})
				p := start(t, reg, b, pool.Options{MaxOverflow: 2, MaxRestarts: -1, StartTimeout: time.Second})
				var line []<-chan answer
				for range 5 {
					line = append(line, ask(t.Context(), p))
				}
				time.Sleep(time.Minute)
				require.Greater(t, b.Starts(), 4)
				waiting(t, line[0])
				b.Always(pooltest.Script{})
				time.Sleep(31 * time.Second) // the longest backoff, and the last start that hangs
				for _, asked := range line {
					lease := lentTo(t, asked)
					defer lease.Checkin()
					if len(b.Alive()) == 2 {
						lease.Checkin()
					}
					settle(t, p)
				}
			})
		})
	}
}

// commons-pool POOL-107, 133, 135, 243 and deadpool 0.9.5: whatever failed while an
// object was made was counted twice or never, so that there were more objects
// than allowed, or fewer for ever.
func TestStartsThatFailCostNoPlaceAndMakeNoneToo(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		const limit, rounds = 5, 60
		p := pooltest.StartIn(t, reg, atMost(t, b, limit), pool.Options{Size: 3, MaxOverflow: 2, MaxRestarts: -1, StartTimeout: time.Second, OverflowLinger: -1})
		acts := slices.DeleteFunc(slices.Clone(pooltest.Acts), func(act pooltest.Act) bool { return act == pooltest.Ignore })
		for i := range rounds {
			act := acts[i%len(acts)]
			b.Next(pooltest.Script{Start: act}, pooltest.Script{Run: act}, pooltest.Script{Reset: act})
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(1+i%7)*100*time.Millisecond)
			line := []<-chan answer{}
			for range 8 {
				line = append(line, ask(ctx, p))
			}
			time.Sleep(time.Duration(i%5) * 200 * time.Millisecond)
			cancel()
			for j, asked := range line {
				if a := <-asked; a.err == nil && j%3 == 0 {
					a.lease.Retire(pooltest.ErrScripted)
				} else if a.err == nil {
					a.lease.Checkin()
				}
			}
			settle(t, p)
		}
		for range 3 * rounds { // bad workers at the most, and each has had its turn
			lease := take(t, t.Context(), p)
			lease.Retire(nil)
			settle(t, p)
		}
		time.Sleep(time.Minute)
		var all []pool.Lease[*pooltest.Worker]
		for range limit {
			all = append(all, take(t, t.Context(), p))
		}
		for _, lease := range all {
			require.True(t, lease.Checkin())
		}
		settle(t, p)
	})
}

// atMost are the hooks of the backend; they fail the test when there are more
// workers than the limit, from the call of Start to the return of Stop.
func atMost(t *testing.T, b *pooltest.Backend, limit int32) pool.Spec[*pooltest.Worker] {
	t.Helper()
	spec, there := b.Spec(), new(atomic.Int32)
	begin, end := spec.Start, spec.Stop
	spec.Start = func(ctx context.Context) (w *pooltest.Worker, err error) {
		if n := there.Add(1); n > limit {
			t.Errorf("%d workers", n)
		}
		defer func() {
			if w == nil { // failed, panicked or exited
				there.Add(-1)
			}
		}()
		return begin(ctx)
	}
	spec.Stop = func(w *pooltest.Worker, ctx context.Context) error {
		defer there.Add(-1)
		return end(w, ctx)
	}
	return spec
}

// jackc/pgx#1780, #2425: each client that gave up left a connection that was
// still being made or closed, and the next one began another: hundreds at once.
func TestClientsThatGiveUpDoNotPileUpWorkersThatStartAndStop(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.Always(pooltest.Script{StartAfter: 300 * time.Millisecond, StopAfter: 3 * time.Second})
		p := pooltest.StartIn(t, reg, atMost(t, b, 2), pool.Options{MaxOverflow: 2, OverflowLinger: -1, ReclaimGrace: -1})
		for range 200 {
			ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
			for range 3 {
				ask(ctx, p) // whoever is served keeps its worker until the pool takes it back
			}
			time.Sleep(100 * time.Millisecond)
			time.AfterFunc(time.Second, cancel)
		}
		time.Sleep(10 * time.Second)
		settle(t, p)
		require.Zero(t, p.Stats().Waiting)
		require.LessOrEqual(t, b.Starts(), 2*20, "two in three seconds")
		take(t, t.Context(), p).Checkin()
	})
}

// jackc/pgx#1259, #1287, redis/go-redis#3497: a connection took longer than any
// client waited, and each gave up with its client: the pool was empty for ever.
func TestAStartThatTakesLongerThanAnyClientWaitsIsNotInVain(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.Always(pooltest.Script{StartAfter: 3500 * time.Millisecond})
		p := start(t, reg, b, pool.Options{MaxOverflow: 1})
		patience := p.With(pool.Terms{MaxWait: time.Second})
		for range 3 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			_, err := p.Checkout(ctx)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			cancel()
		}
		lease := take(t, t.Context(), patience)
		require.Equal(t, 1, b.Starts(), "one start for all of them")
		require.NoError(t, lease.Worker().Context().Err())
		lease.Checkin()
	})
}

// redis/go-redis#3518: a connection went to the client that had asked for it,
// though others had waited longer.
func TestAWorkerThatHasStartedGoesToWhoeverIsFirst(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.Next(pooltest.Script{StartAfter: 10 * time.Second}, pooltest.Script{StartAfter: time.Second})
		p := start(t, reg, b, pool.Options{MaxOverflow: 2})
		first, second := ask(t.Context(), p), ask(t.Context(), p)
		require.Equal(t, 2, p.Stats().Starting)
		time.Sleep(time.Second)
		require.Equal(t, 2, lentTo(t, first).Worker().ID, "the start that the second has caused")
		waiting(t, second)
		time.Sleep(9 * time.Second)
		require.Equal(t, 1, lentTo(t, second).Worker().ID)
		settle(t, p)
	})
}

// brettwooldridge/HikariCP#452: while a connection was made for each of two clients
// the second was given up, because the first was there and had yet to be taken.
func TestAStartIsGivenUpForNoWorkerThatIsPromised(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.Always(pooltest.Script{StartAfter: time.Second})
		p := start(t, reg, b, pool.Options{MaxOverflow: 3, MaxStarting: 1})
		line := []<-chan answer{ask(t.Context(), p), ask(t.Context(), p), ask(t.Context(), p)}
		for _, asked := range line {
			time.Sleep(time.Second)
			lentTo(t, asked)
			settle(t, p)
		}
		require.Equal(t, 3, b.Starts())
	})
}

// golang/go#38185: connections are made one after another, by one goroutine, and
// one that hangs holds up all the others.
func TestAStartThatHangsHoldsUpNoOther(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 4, StartTimeout: -1})
		b.Next(pooltest.Script{Start: pooltest.Ignore})
		pooltest.KillWorker(p, 0)
		settle(t, p)
		began := time.Now()
		for range 20 {
			for slot := 1; slot < 4; slot++ {
				take(t, t.Context(), p).Checkin() // so that it is proven
				require.True(t, pooltest.KillWorker(p, slot))
			}
			require.NoError(t, p.WaitReady(t.Context(), 3))
			var all []pool.Lease[*pooltest.Worker]
			for range 3 {
				all = append(all, take(t, t.Context(), p))
			}
			for _, lease := range all {
				require.True(t, lease.Checkin())
			}
			settle(t, p)
		}
		require.Less(t, time.Since(began), 20*time.Second)
		require.Equal(t, 1, p.Stats().Starting)
	})
}
