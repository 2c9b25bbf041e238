package pool_test

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

// The tests of issue_*_test.go are bugs that other pools and supervisors have
// had, told as tests of this one. Each names its source. Bugs that other tests
// tell already are not among them.

// commons-pool POOL-144, 147, 149, 162: a client whose patience ended just as an
// object came back took it along, and the pool was one smaller for ever.
func TestAWorkerThatComesBackAsPatienceEndsIsLostToNobody(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.NoReset = true
		p := start(t, reg, b, pool.Options{Size: 1})
		impatient := p.With(pool.Terms{MaxWait: 100 * time.Millisecond})
		for round := range 100 {
			lease := take(t, t.Context(), p)
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			hasty := [2]<-chan answer{ask(t.Context(), impatient), ask(ctx, p)}
			patient := ask(t.Context(), p)
			time.Sleep(100 * time.Millisecond) // the timers are due now, and their clients have yet to see it
			lease.Checkin()
			synctest.Wait()
			for _, asked := range hasty {
				if a := <-asked; a.err == nil {
					a.lease.Checkin()
				}
			}
			lentTo(t, patient).Checkin()
			cancel()
			settle(t, p)
			require.Equal(t, 1, p.Stats().Idle, "round %d", round)
		}
		require.Equal(t, 1, b.Starts())
	})
}

// commons-pool POOL-347, 418, 420, 422: whoever was woken in vain began to wait
// anew, and waited for twice its limit and longer.
func TestPatienceIsMeasuredOnceHoweverOftenAClientIsWokenInVain(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.NoReset = true
		p := start(t, reg, b, pool.Options{Size: 3, MaxWait: time.Second, MaxRestarts: -1, StartTimeout: -1})
		for range 20 {
			b.Always(pooltest.Script{StartAfter: time.Minute})
			var held [3]pool.Lease[*pooltest.Worker]
			for i := range held {
				held[i] = take(t, t.Context(), p)
			}
			for range 41 { // so many that a client that hands over yields no more
				asked := ask(t.Context(), p)
				held[0].Checkin()
				held[0] = lentTo(t, asked)
			}
			began := time.Now()
			asked := ask(t.Context(), p)
			for _, lease := range held {
				time.Sleep(300 * time.Millisecond)
				lease.Checkin() // hands over to the client, and before that has looked …
				pooltest.KillWorker(p, lease.Slot().Index)
			}
			synctest.Wait()
			select {
			case a := <-asked: // … or after: then it was served in its turn
				require.NoError(t, a.err)
				require.Equal(t, pool.EndCrashed, endOf(t, a.lease).Reason)
			default:
				time.Sleep(time.Second - time.Nanosecond - time.Since(began))
				waiting(t, asked)
				time.Sleep(time.Nanosecond)
				require.ErrorIs(t, refused(t, asked), pool.ErrOverloaded)
			}
			require.NoError(t, p.WaitReady(t.Context(), 3))
			settle(t, p)
		}
	})
}

// golang/go#31708, #50358: database/sql serves those who wait in random order,
// so that the unlucky wait for minutes. In ants, pond and commons-pool whoever
// has just come passes them (newcomers barge).
func TestTwoHundredWhoWaitAreServedAsTheyCameWhoeverElseComes(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.NoReset = true
		p := start(t, reg, b, pool.Options{Size: 1})
		lease := take(t, t.Context(), p)
		var line []<-chan answer
		for range 200 {
			line = append(line, ask(t.Context(), p))
		}
		for served := 0; len(line) > 0; served++ {
			if served < 200 {
				newcomer := make(chan answer, 1)
				go func() { // at the same moment
					lease, err := p.Checkout(t.Context())
					newcomer <- answer{lease, err}
				}()
				line = append(line, newcomer)
			}
			lease.Checkin()
			_, err := p.TryCheckout(t.Context())
			require.ErrorIs(t, err, pool.ErrFull)
			lease = lentTo(t, line[0])
			line = line[1:]
		}
		settle(t, p)
	})
}

// bb8 (test_broken_connections_dont_starve_pool, and its 25,000 clients):
// connections that broke were not made up for while clients waited.
func TestWorkersThatBreakDoNotStarveACrowd(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.NoReset = true
		p := start(t, reg, b, pool.Options{Size: 3})
		crowd := 2500
		if *long {
			crowd = 25_000
		}
		var served atomic.Int32
		var clients sync.WaitGroup
		for i := range crowd {
			clients.Go(func() {
				lease, err := p.Checkout(t.Context())
				if !assert.NoError(t, err) {
					return
				}
				served.Add(1)
				if i%10 == 0 {
					lease.Retire(pooltest.ErrScripted)
				} else {
					lease.Checkin()
				}
			})
		}
		clients.Wait()
		settle(t, p)
		require.EqualValues(t, crowd, served.Load())
		require.NoError(t, p.WaitReady(t.Context(), 3))
	})
}

// jackc/puddle#46: who releases and computes on keeps the processor, and the
// client that was given the resource begins a millisecond later.
func TestWhoHandsOverItsWorkerLetsTheNextClientBegin(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // so that it is one or the other
	p, _ := litmusPool(t, pool.Options{Size: 1})
	const handOvers = 20
	began := 0
	for range handOvers {
		lease := take(t, t.Context(), p)
		var served atomic.Bool
		var client sync.WaitGroup
		client.Go(func() {
			lease, err := p.Checkout(context.Background())
			assert.NoError(t, err)
			served.Store(true)
			lease.Checkin()
		})
		for p.Stats().Waiting == 0 {
			runtime.Gosched()
		}
		lease.Checkin()
		if served.Load() { // though this goroutine has not waited
			began++
		}
		client.Wait()
	}
	require.GreaterOrEqual(t, began, handOvers/2, "of %d", handOvers)
}

// tunny: a call of a closed pool panicked and was counted in the queue for ever;
// redis/go-redis#2658, #3619, #3625: a turn was lost, or freed twice, where an
// error was returned.
func TestWhoIsRefusedLeavesNoTraceInTheCounts(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.NoReset = true
		p := start(t, reg, b, pool.Options{Size: 1, MaxWaiting: 2})
		lease := take(t, t.Context(), p)
		refuse := func(want error, call func() error) {
			t.Helper()
			before := p.Stats()
			for range 10 {
				require.ErrorIs(t, call(), want)
			}
			after := p.Stats()
			after.Waited, after.Shed, before.Waited, before.Shed = 0, 0, 0, 0
			require.Equal(t, before, after)
			settle(t, p)
		}
		checkout := func(p fakes, ctx context.Context) func() error {
			return func() error { _, err := p.Checkout(ctx); return err }
		}
		try := func() error { _, err := p.TryCheckout(t.Context()); return err }
		refuse(pool.ErrFull, try)
		refuse(context.Canceled, checkout(p, cancelled))
		refuse(pool.ErrOverloaded, checkout(p.With(pool.Terms{MaxWait: time.Second}), t.Context()))
		refuse(context.DeadlineExceeded, func() error {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			return checkout(p, ctx)()
		})
		waiters := []<-chan answer{ask(t.Context(), p), ask(t.Context(), p)}
		refuse(pool.ErrOverloaded, checkout(p, t.Context()))
		lease.Checkin()
		for _, asked := range waiters {
			lentTo(t, asked).Checkin()
		}
		settle(t, p)
		require.Equal(t, 1, p.Stats().Idle)
		require.NoError(t, p.Stop(t.Context()))
		refuse(pool.ErrStopped, checkout(p, t.Context()))
		refuse(pool.ErrStopped, try)
	})
}
