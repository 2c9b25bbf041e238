package pool_test

import (
	"context"
	"sync"
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

// Twenty times as long as such a target is more than a Duration holds.
func TestTheDefaultIntervalOfALongQueueTargetIsNotShorter(t *testing.T) {
	t.Parallel()
	for years := time.Duration(1); years < 100; years++ {
		options := pool.Options{Size: 1, QueueTarget: years * 365 * 24 * time.Hour}.WithDefaults()
		require.NoError(t, options.Validate())
		require.Greater(t, options.QueueInterval, options.QueueTarget)
	}
}

// traffic is clients that come at a steady rate for some time, each to work for
// a while, and to give up after a second. It counts those who were served, and
// of those who were in half that time, and the others.
type traffic struct {
	mu                         sync.Mutex
	served, prompt, shed, late int
}

func (c *traffic) flow(t *testing.T, p fakes, every, work, during time.Duration) {
	var clients sync.WaitGroup
	for range int(during / every) {
		clients.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			began := time.Now()
			lease, err := p.Checkout(ctx)
			waited := time.Since(began)
			if err == nil {
				time.Sleep(work)
				lease.Checkin()
			}
			c.mu.Lock()
			defer c.mu.Unlock()
			switch {
			case err == nil && waited <= 500*time.Millisecond:
				c.prompt++
				fallthrough
			case err == nil:
				c.served++
			case refusal(t, err).Err == pool.ErrOverloaded:
				c.shed++
			default:
				c.late++
			}
		})
		time.Sleep(every)
	}
	clients.Wait()
}

var target = pool.Options{Size: 4, QueueTarget: 50 * time.Millisecond, QueueInterval: time.Second}

// For a minute a quarter more come than can be served, and then 5 % fewer. Without
// a target everybody waits until just before giving up; with one most are served
// promptly, and the others know early. When the load falls nobody gives up any
// more.
func TestSaturationShedsInsteadOfServingEverybodyLate(t *testing.T) {
	const work = 100 * time.Millisecond // of 4 workers: 40 a second
	for name, opts := range map[string]pool.Options{"with a target": target, "without": {Size: 4}} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
				b.NoReset = true
				p := start(t, reg, b, opts)
				var overload, settling, after traffic
				overload.flow(t, p, 20*time.Millisecond, work, time.Minute)
				settling.flow(t, p, time.Second/38, work, 30*time.Second)
				after.flow(t, p, time.Second/38, work, 30*time.Second)
				settle(t, p)
				if opts.QueueTarget > 0 {
					require.Greater(t, overload.prompt, overload.served*9/10, "%+v", &overload)
					require.Greater(t, overload.shed, 9*overload.late, "%+v", &overload)
				} else {
					require.Less(t, overload.prompt, overload.served/5, "%+v", &overload)
					require.Zero(t, overload.shed)
				}
				require.Zero(t, after.late+after.shed, "%+v", &after)
				require.Equal(t, after.served, after.prompt)
				require.False(t, p.Stats().Shedding)
			})
		})
	}
}

func TestAStandingQueueShedsThoseWhoHaveWaitedTooLong(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.NoReset = true
		p := start(t, reg, b, pool.Options{Size: 1, QueueTarget: 10 * time.Millisecond, QueueInterval: 100 * time.Millisecond})
		var waits []<-chan answer
		next := func() { waits = append(waits, ask(t.Context(), p)) }
		held := take(t, t.Context(), p)
		for range 20 { // a queue of twenty that is served one every 20 ms
			next()
		}
		refusals := 0
		for range 60 {
			time.Sleep(20 * time.Millisecond)
			next()
			held.Checkin()
			settle(t, p)
			found := false
			for i, w := range waits {
				select {
				case a := <-w:
					waits[i] = nil
					if a.err == nil {
						held, found = a.lease, true
						continue
					}
					err := refusal(t, a.err)
					require.ErrorIs(t, err, pool.ErrOverloaded)
					require.Greater(t, err.Waited, 20*time.Millisecond, "twice the target, and more")
					if refusals++; refusals == 1 {
						require.True(t, err.Stats.Shedding)
						require.Greater(t, err.Stats.QueueDelay, 10*time.Millisecond)
						require.ErrorContains(t, err, ", shedding")
					}
				default:
				}
			}
			require.True(t, found, "a worker that came back serves somebody")
		}
		require.Greater(t, refusals, 15)
		require.EqualValues(t, refusals, p.Stats().Shed)
		require.True(t, p.Stats().Shedding)
		require.LessOrEqual(t, p.Stats().Waiting, 2)

		// The load ends, and with it, within an interval, what is said of it.
		for p.Stats().Waiting > 0 {
			held.Checkin()
			for _, w := range waits {
				select {
				case a := <-w:
					if a.err == nil {
						held = a.lease
					}
				default:
				}
			}
			settle(t, p)
		}
		held.Checkin()
		require.Zero(t, p.Stats().QueueDelay)
		time.Sleep(200 * time.Millisecond)
		require.False(t, p.Stats().Shedding)
		settle(t, p)
	})
}

func TestABurstIsServedWhole(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.NoReset = true
		p := start(t, reg, b, target)
		var clients sync.WaitGroup
		for range 40 { // ten rounds of 90 ms, far more than the target
			clients.Go(func() {
				lease, err := p.Checkout(t.Context())
				require.NoError(t, err)
				time.Sleep(90 * time.Millisecond)
				lease.Checkin()
			})
		}
		clients.Wait()
		require.Zero(t, p.Stats().Shed)
		require.False(t, p.Stats().Shedding)
		settle(t, p)
	})
}

func TestWhenAllWorkersHangThoseWhoWaitAreTurnedAwayAfterTwoOrThreeIntervals(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, target)
		keys := keysOf(t, p)
		for range 4 {
			take(t, t.Context(), p)
		}
		all := []<-chan answer{ask(t.Context(), p), ask(t.Context(), keyed(p, keys[2])), ask(t.Context(), p.With(critical))}
		time.Sleep(2*time.Second - time.Millisecond)
		for _, answers := range all {
			waiting(t, answers)
		}
		time.Sleep(time.Second + 200*time.Millisecond)
		for _, answers := range all {
			err := refused(t, answers)
			require.ErrorIs(t, err, pool.ErrOverloaded)
			require.GreaterOrEqual(t, err.Waited, 2*time.Second)
			require.LessOrEqual(t, err.Waited, 3*time.Second+100*time.Millisecond)
		}
		require.Zero(t, p.Stats().Waiting)
		settle(t, p)
	})
}

func TestAFloodOfLowPriorityCostsTheHigherNothing(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.NoReset = true
		p := start(t, reg, b, target)
		var flood, calm traffic
		var flows sync.WaitGroup
		flows.Go(func() { flood.flow(t, p.With(low), 10*time.Millisecond, 100*time.Millisecond, 30*time.Second) })
		flows.Go(func() { calm.flow(t, p.With(high), 100*time.Millisecond, 100*time.Millisecond, 30*time.Second) })
		flows.Wait()
		require.Zero(t, calm.shed+calm.late, "%+v", &calm)
		require.Equal(t, calm.served, calm.prompt)
		require.Greater(t, flood.shed, 1000, "%+v", &flood)
		require.Greater(t, flood.prompt, flood.served*8/10, "%+v", &flood)
		settle(t, p)
	})
}

func TestWithoutATargetNobodyIsTurnedAway(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 1})
		held := take(t, t.Context(), p)
		patient := ask(t.Context(), p)
		time.Sleep(time.Minute)
		waiting(t, patient)
		require.Zero(t, p.Stats().QueueDelay)
		require.False(t, p.Stats().Shedding)
		held.Checkin()
		lentTo(t, patient)
		settle(t, p)
	})
}

func TestAQueueThatAllHaveLeftDoesNotStand(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{
			Size: 1, QueueTarget: 10 * time.Millisecond, QueueInterval: 100 * time.Millisecond, MaxWait: 400 * time.Millisecond,
		})
		take(t, t.Context(), p) // and it hangs
		for range 20 {
			ask(t.Context(), p)
			time.Sleep(50 * time.Millisecond)
		}
		require.True(t, p.Stats().Shedding)
		time.Sleep(time.Hour)
		settle(t, p)
		require.Zero(t, p.Stats().Waiting)
		require.False(t, p.Stats().Shedding)
		require.Zero(t, p.Stats().QueueDelay)
	})
}

// After a queue a worker comes back to nobody, and a second queue begins: its first
// interval has shown that there is a shorter wait.
func TestAWorkerThatFindsNobodyWaitingEndsWhatStood(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.NoReset = true
		p := start(t, reg, b, pool.Options{Size: 1, QueueTarget: 10 * ms, QueueInterval: 100 * ms})
		lease := take(t, t.Context(), p)
		late := ask(t.Context(), p)
		time.Sleep(50 * ms)
		lease.Checkin() // begins an interval
		lentTo(t, late).Checkin()
		lease = take(t, t.Context(), p)
		first, second := ask(t.Context(), p), ask(t.Context(), p)
		time.Sleep(110 * ms)
		lease.Checkin() // and the next
		lease = lentTo(t, first)
		time.Sleep(50 * ms)
		lease.Checkin()
		lentTo(t, second).Checkin()
		settle(t, p)
	})
}
