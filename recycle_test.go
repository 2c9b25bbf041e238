package pool_test

import (
	"context"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

// newborn expects that no worker is left of those there were before, when what
// was told to end has ended.
func newborn(t *testing.T, b *pooltest.Backend, before int) {
	t.Helper()
	synctest.Wait()
	for _, w := range b.Alive() {
		require.Greater(t, w.ID, before, "%v was there before", w)
	}
}

func TestRecycleReplacesAllWorkersAFewAtATime(t *testing.T) {
	for size, pace := range map[int]int{1: 1, 2: 1, 39: 1, 40: 2, 100: 5} {
		inBubbleSized(t, size, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
			p := start(t, reg, b, pool.Options{Size: size, MaxStarting: -1})
			b.Always(pooltest.Script{StartAfter: time.Second})
			ended := inBackground(func() error { return p.Recycle(t.Context()) })
			rounds := (size + pace - 1) / pace
			for round := range rounds {
				synctest.Wait()
				require.GreaterOrEqual(t, p.Stats().Idle, size-pace)
				require.Equal(t, min(pace, size-round*pace), p.Stats().Starting)
				require.Equal(t, round == rounds-1, len(ended) > 0, "it ends with the last that was there")
				time.Sleep(time.Second)
			}
			require.NoError(t, <-ended)
			settle(t, p)
			require.Equal(t, size, p.Stats().Idle)
			require.Equal(t, 2*size, b.Starts())
			newborn(t, b, size)
			require.Zero(t, p.Stats().Crashes)
		})
	}
}

func inBubbleSized(t *testing.T, size int, test func(t *testing.T, reg *pool.Registry, b *pooltest.Backend)) {
	t.Run("size "+strconv.Itoa(size), func(t *testing.T) { inBubble(t, test) })
}

func TestRecycleTouchesNoLease(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 3})
		lease := take(t, t.Context(), p)
		ended := inBackground(func() error { return p.Recycle(t.Context()) })
		time.Sleep(time.Hour)
		settle(t, p)
		require.Equal(t, 5, b.Starts(), "the idle ones")
		require.NoError(t, lease.Err())
		require.Zero(t, lease.Worker().Stops())
		require.True(t, p.Inspect().Slots[lease.Slot().Index].Old)
		require.Empty(t, ended)
		require.True(t, lease.Checkin())
		require.NoError(t, <-ended)
		settle(t, p)
		require.Equal(t, 1, lease.Worker().Stops())
		newborn(t, b, 3)
	})
}

func TestRecycleFindsResidentWorkers(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.NoReset = true
		p := start(t, reg, b, pool.Options{Size: 2})
		take(t, t.Context(), p).Checkin()
		lease := take(t, t.Context(), p)
		ended := inBackground(func() error { return p.Recycle(t.Context()) })
		settle(t, p)
		require.Empty(t, ended)
		require.NoError(t, lease.Err())
		lease.Checkin()
		require.NoError(t, <-ended)
		settle(t, p)
		newborn(t, b, 2)
	})
}

// jackc/puddle: Reset missed what was just being made.
func TestAStartingWorkerIsOldForRecycle(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.Next(pooltest.Script{StartAfter: time.Second})
		p := start(t, reg, b, pool.Options{Size: 40, AsyncStart: true, MaxStarting: -1})
		synctest.Wait()
		ended := inBackground(func() error { return p.Recycle(t.Context()) })
		settle(t, p)
		require.Empty(t, ended)
		require.Equal(t, 40, b.Starts(), "while the pool starts nobody goes")
		time.Sleep(time.Second)
		require.NoError(t, <-ended)
		settle(t, p)
		require.Equal(t, 80, b.Starts())
		require.Equal(t, 1, b.Workers()[39].Stops(), "it finished its start before")
		newborn(t, b, 40)
	})
}

func TestAWorkerThatStartsWhileTheOthersServeIsOldForRecycle(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 3})
		b.Next(pooltest.Script{StartAfter: time.Second})
		pooltest.KillWorker(p, 2)
		synctest.Wait()
		ended := inBackground(func() error { return p.Recycle(t.Context()) })
		settle(t, p)
		require.Equal(t, 4, b.Starts(), "one is down already")
		time.Sleep(time.Second)
		require.NoError(t, <-ended)
		newborn(t, b, 4)
		require.Equal(t, 7, b.Starts())
	})
}

func TestRecycleStallsWhenTheNewWorkersDoNotStart(t *testing.T) {
	for name, script := range map[string]pooltest.Script{"fail": {Start: pooltest.Fail}, "hang": {Start: pooltest.Hang}, "ignore": {Start: pooltest.Ignore}} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
				p := start(t, reg, b, pool.Options{Size: 40, StartTimeout: time.Second, StopTimeout: time.Second})
				b.Always(script)
				ended := inBackground(func() error { return p.Recycle(t.Context()) })
				for range 60 {
					time.Sleep(10 * time.Second)
					settle(t, p)
					require.Equal(t, 38, p.Stats().Idle)
					require.Equal(t, pool.StateDegraded, p.Stats().State)
				}
				require.Empty(t, ended)
				lease := take(t, t.Context(), p)
				lease.Checkin()
				settle(t, p)
				require.Zero(t, lease.Worker().Stops(), "it serves on")

				b.Always(pooltest.Script{})
				b.Release()
				require.NoError(t, <-ended)
				require.NoError(t, p.WaitReady(t.Context(), 0))
				settle(t, p)
				newborn(t, b, 40)
				require.Equal(t, 40, p.Stats().Idle)
			})
		})
	}
}

func TestTheGoalOfRecycleStandsWhenItsContextEnds(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 2})
		lease := take(t, t.Context(), p)
		require.ErrorIs(t, p.Recycle(cancelled), context.Canceled)
		settle(t, p)
		require.Equal(t, 3, b.Starts())
		lease.Checkin()
		settle(t, p)
		newborn(t, b, 2)
		require.NoError(t, p.Recycle(t.Context()))
		newborn(t, b, 4)
	})
}

func TestTwoRecyclesAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 4})
		b.Always(pooltest.Script{StartAfter: time.Second})
		first := inBackground(func() error { return p.Recycle(t.Context()) })
		time.Sleep(2500 * time.Millisecond) // two are new, one is starting
		second := inBackground(func() error { return p.Recycle(t.Context()) })
		time.Sleep(time.Minute)
		require.NoError(t, <-first)
		require.NoError(t, <-second)
		settle(t, p)
		newborn(t, b, 7)
		require.Equal(t, 11, b.Starts())
	})
}

func TestRecycleOfAPoolThatIsResized(t *testing.T) {
	for name, size := range map[string]int{"up": 6, "down": 2, "to nothing": 0} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
				p := start(t, reg, b, pool.Options{Size: 4})
				lease := take(t, t.Context(), p)
				b.Always(pooltest.Script{StartAfter: time.Second})
				ended := inBackground(func() error { return p.Recycle(t.Context()) })
				time.Sleep(1500 * time.Millisecond)
				_ = p.Resize(cancelled, size) // it does not wait, but those who go may be gone at once
				time.Sleep(time.Minute)
				settle(t, p)
				require.Empty(t, ended)
				lease.Checkin()
				time.Sleep(2 * time.Second)
				require.NoError(t, <-ended)
				settle(t, p)
				require.Equal(t, size, p.Stats().Idle)
				newborn(t, b, 4)
			})
		})
	}
}

func TestRecycleOfAPoolThatRestarts(t *testing.T) {
	for name, restart := range map[string]func(p fakes){
		"its manager dies": func(p fakes) { pooltest.KillManager(p, pooltest.AtLocked) },
		"it is restarted":  func(p fakes) { _ = p.Restart(cancelled) },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
				p := start(t, reg, b, pool.Options{Size: 3})
				take(t, t.Context(), p)
				ended := inBackground(func() error { return p.Recycle(t.Context()) })
				settle(t, p)
				require.Empty(t, ended)
				before := b.Starts()
				restart(p)
				require.NoError(t, <-ended)
				settle(t, p)
				newborn(t, b, before)
				require.Equal(t, before+3, b.Starts(), "those of the new epoch are new")
			})
		})
	}
}

func TestRecycleWaitsForTheEndOfACrashLoop(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 40, MaxRestarts: 1})
		b.Always(pooltest.Script{Start: pooltest.Fail})
		pooltest.KillWorker(p, 0)
		synctest.Wait()
		require.Equal(t, pool.StateCrashLoop, p.Stats().State)
		ended := inBackground(func() error { return p.Recycle(t.Context()) })
		settle(t, p)
		require.Empty(t, ended)
		require.Equal(t, 39, p.Stats().Idle, "it keeps what it has")
		b.Always(pooltest.Script{})
		take(t, t.Context(), p).Checkin()
		require.NoError(t, <-ended)
		time.Sleep(time.Minute)
		settle(t, p)
		newborn(t, b, 40)
		require.Equal(t, 40, p.Stats().Idle)
	})
}

func TestRecycleOfAWorkerThatIsTakenOrEndsOtherwise(t *testing.T) {
	for name, end := range map[string]func(fakeLease, fakes){
		"detach": func(l fakeLease, _ fakes) { l.Detach() },
		"retire": func(l fakeLease, _ fakes) { l.Retire(nil) },
		"crash":  func(l fakeLease, p fakes) { pooltest.KillWorker(p, l.Slot().Index) },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
				b.Passive = true
				p := start(t, reg, b, pool.Options{Size: 2})
				lease := take(t, t.Context(), p)
				ended := inBackground(func() error { return p.Recycle(t.Context()) })
				settle(t, p)
				require.Empty(t, ended)
				end(lease, p)
				require.NoError(t, <-ended)
				settle(t, p)
			})
		})
	}
}

// The first slot's worker is looked at while it starts, and cannot be spared when
// it has started.
func TestAnOldWorkerThatCouldNotBeSparedIsNotForgotten(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 40, MaxLifetime: time.Hour, MaxStarting: -1})
		b.Always(pooltest.Script{StartAfter: 10 * time.Second})
		pooltest.KillWorker(p, 0)
		time.Sleep(5 * time.Second)
		ended := inBackground(func() error { return p.Recycle(t.Context()) })
		require.Equal(t, 2, p.Stats().Starting)
		pooltest.KillWorker(p, 10)
		pooltest.KillWorker(p, 11)
		time.Sleep(5 * time.Second)
		settle(t, p)
		require.Equal(t, pool.SlotIdle, p.Inspect().Slots[0].State)
		require.True(t, p.Inspect().Slots[0].Old)
		time.Sleep(5 * time.Minute)
		settle(t, p)
		require.NoError(t, <-ended)
		newborn(t, b, 41)
	})
}

// All workers of an overflow that is in use are old: they go one at a time, though
// none of them is missing from Size.
func TestAnOverflowInUseIsReplacedAFewAtATime(t *testing.T) {
	for name, grow := range map[string]func(p fakes){
		"by Recycle":     func(p fakes) { _ = p.Recycle(cancelled) },
		"by MaxLifetime": func(fakes) { time.Sleep(time.Minute) },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
				b.NoReset = true
				b.Always(pooltest.Script{StopAfter: time.Second}) // the first is not gone before all are back
				p := start(t, reg, b, pool.Options{Size: 2, MaxOverflow: 8, MaxLifetime: time.Minute})
				var held []fakeLease
				for range 10 {
					held = append(held, take(t, t.Context(), p))
				}
				b.Always(pooltest.Script{StartAfter: time.Second})
				for range 10 {
					ask(t.Context(), p)
				}
				grow(p)
				settle(t, p) // until they are marked
				for _, lease := range held {
					lease.Checkin()
				}
				settle(t, p)
				require.Equal(t, 9, p.Stats().Leased)
				require.Equal(t, 1, p.Stats().Stopping)
				time.Sleep(1500 * time.Millisecond)
				settle(t, p)
				require.Equal(t, 9, p.Stats().Leased)
				require.Equal(t, 1, p.Stats().Starting)
			})
		})
	}
}

func TestRecycleEndsWhenTheLastOldStartIsGivenUp(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 1, MaxRestarts: -1, StartTimeout: time.Minute, StopTimeout: time.Hour})
		b.Next(pooltest.Script{Start: pooltest.Ignore})
		require.True(t, pooltest.KillWorker(p, 0))
		settle(t, p)
		began := time.Now()
		require.NoError(t, p.Recycle(t.Context()))
		require.Equal(t, time.Minute, time.Since(began), "and not when it has ended, which it may never")
		settle(t, p)
	})
}

// The one worker that was on its way does not come, and the next is not old: but
// the pool does not run yet.
func TestRecycleOfAPoolThatStartsWaitsThoughNobodyIsLeftToReplace(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.Always(pooltest.Script{Start: pooltest.Hang})
		p := start(t, reg, b, pool.Options{
			Size: 2, AsyncStart: true, MaxStarting: 1, StartTimeout: time.Second, Backoff: pool.Backoff{Min: time.Hour, Max: time.Hour},
		})
		synctest.Wait()
		ended := inBackground(func() error { return p.Recycle(t.Context()) })
		time.Sleep(2*time.Second - 1)
		settle(t, p)
		require.Equal(t, 2, b.Starts())
		require.Equal(t, pool.StateStarting, p.Stats().State)
		require.Empty(t, ended)
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		require.NotEqual(t, pool.StateStarting, p.Stats().State)
		require.NoError(t, <-ended)
	})
}
