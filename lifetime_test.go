package pool_test

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

// obituary notes the ends of the workers of a registry.
type obituary struct {
	mu  sync.Mutex
	all []pool.Event
}

func watchDeaths(reg *pool.Registry) *obituary {
	d := &obituary{}
	reg.Subscribe(func(e pool.Event) {
		if e.Kind == pool.EventWorkerStopped {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.all = append(d.all, e)
		}
	})
	return d
}

func (d *obituary) ages() (ages []time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, e := range d.all {
		ages = append(ages, e.Elapsed)
	}
	return ages
}

func (d *obituary) times() (times []time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, e := range d.all {
		times = append(times, e.Time)
	}
	return times
}

// sleepUntil sleeps until a moment, and until everything has happened that
// happens then.
func sleepUntil(at time.Time) {
	time.Sleep(time.Until(at))
	synctest.Wait()
}

func TestAnIdleWorkerIsReplacedAtTheEndOfItsLifeToTheNanosecond(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 1, MaxLifetime: time.Hour})
		died := watchDeaths(reg)
		born := time.Now()
		end := pool.NextRetirement(p)
		sleepUntil(end.Add(-1))
		require.Zero(t, b.Workers()[0].Stops())
		require.False(t, p.Inspect().Slots[0].Old)
		sleepUntil(end)
		require.Equal(t, 1, b.Workers()[0].Stops())
		require.Equal(t, 2, b.Starts())
		require.Equal(t, []time.Duration{end.Sub(born)}, died.ages())
		require.Equal(t, pool.StateReady, p.Stats().State)
		require.Zero(t, p.Stats().Crashes)
		settle(t, p)
	})
}

// jackc/pgx#1437: all connections went at once; and in pgxpool a jitter of less than
// a second is none.
func TestLifetimesAreSpreadEvenlyOverTheLastTenth(t *testing.T) {
	for name, longest := range map[string]time.Duration{"an hour": time.Hour, "a hundred milliseconds": 100 * time.Millisecond, "a microsecond": time.Microsecond} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
				b.Passive, b.NoReset, b.NoStop = true, true, true
				p := start(t, reg, b, pool.Options{Size: 1000, MaxLifetime: longest, MaxStarting: -1})
				var lives []time.Duration
				for age := range pool.LifetimesOf(p) {
					lives = append(lives, age)
				}
				require.Len(t, lives, 1000)
				slices.Sort(lives)
				require.GreaterOrEqual(t, lives[0], longest-longest/10)
				require.LessOrEqual(t, lives[999], longest)
				for tenth := range 10 { // each has a tenth of the workers, or nearly
					from := longest - longest/10 + longest/100*time.Duration(tenth)
					n := 0
					for _, life := range lives {
						if from <= life && life < from+longest/100 {
							n++
						}
					}
					require.InDelta(t, 100, n, 12, "%v…", from)
				}
			})
		})
	}
}

func TestAWorkerThatIsOldWhileLeasedGoesWhenItComesBack(t *testing.T) {
	for name, reset := range map[string]bool{"no reset": false, "reset": true} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
				b.NoReset = !reset
				p := start(t, reg, b, pool.Options{Size: 2, MaxLifetime: time.Minute})
				var leases []fakeLease
				for range 2 {
					leases = append(leases, take(t, t.Context(), p))
				}
				time.Sleep(time.Hour)
				synctest.Wait()
				for i, lease := range leases {
					require.NoError(t, lease.Err())
					require.Zero(t, lease.Worker().Stops())
					require.True(t, p.Inspect().Slots[i].Old)
				}
				require.Equal(t, 2, b.Starts())
				for i, lease := range leases {
					require.True(t, lease.Checkin())
					settle(t, p)
					require.Equal(t, 1, lease.Worker().Stops())
					require.Zero(t, lease.Worker().Resets(), "what goes need not be clean")
					require.Equal(t, 3+i, b.Starts())
				}
				require.Equal(t, 2, p.Stats().Idle)
			})
		})
	}
}

// A worker of this pool is lent and returned without the lock.
func TestAResidentWorkerGrowsOldToo(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.NoReset = true
		p := start(t, reg, b, pool.Options{Size: 1, MaxLifetime: time.Minute})
		first := take(t, t.Context(), p)
		first.Checkin()
		end := pool.NextRetirement(p)
		for time.Now().Before(end.Add(-time.Second)) {
			lease := take(t, t.Context(), p)
			require.Same(t, first.Worker(), lease.Worker())
			lease.Checkin()
			time.Sleep(time.Second)
		}
		sleepUntil(end)
		require.Equal(t, 1, first.Worker().Stops(), "idle")

		second := take(t, t.Context(), p)
		second.Checkin()
		second = take(t, t.Context(), p)
		sleepUntil(pool.NextRetirement(p))
		require.NoError(t, second.Err(), "leased")
		require.True(t, second.Checkin())
		settle(t, p)
		require.Equal(t, 1, second.Worker().Stops())
	})
}

func TestAWorkerThatIsOldDuringItsResetGoesAfterIt(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.Always(pooltest.Script{ResetAfter: 2 * time.Second})
		p := start(t, reg, b, pool.Options{Size: 1, MaxLifetime: time.Minute})
		end := pool.NextRetirement(p)
		sleepUntil(end.Add(-time.Second))
		lease := take(t, t.Context(), p)
		lease.Checkin()
		sleepUntil(end)
		require.Equal(t, 1, p.Stats().Tending)
		require.Zero(t, lease.Worker().Stops())
		time.Sleep(time.Second)
		settle(t, p)
		require.Equal(t, 1, lease.Worker().Stops())
		require.Equal(t, 1, p.Stats().Idle)
	})
}

func TestOldWorkersThatCannotBeSparedServeOn(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 2, MaxLifetime: time.Minute, Backoff: pool.Backoff{Min: time.Second, Max: time.Second}})
		b.Always(pooltest.Script{Start: pooltest.Fail})
		time.Sleep(2 * time.Minute)
		settle(t, p)
		require.Equal(t, 1, p.Stats().Idle, "one was let go, the other not")
		for range 3 {
			lease := take(t, t.Context(), p)
			require.True(t, p.Inspect().Slots[lease.Slot().Index].Old)
			require.True(t, lease.Checkin())
			settle(t, p)
			require.Zero(t, lease.Worker().Stops())
		}
		b.Always(pooltest.Script{})
		time.Sleep(5 * time.Second)
		settle(t, p)
		require.Len(t, b.Alive(), 2)
		for _, first := range b.Workers()[:2] {
			require.Equal(t, 1, first.Stops())
		}
		for _, s := range p.Inspect().Slots {
			require.False(t, s.Old)
		}
	})
}

func TestWhatCrashesIsNoLongerOld(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 1, MaxLifetime: time.Hour})
		end := pool.NextRetirement(p)
		sleepUntil(end.Add(-time.Minute))
		pooltest.KillWorker(p, 0)
		settle(t, p)
		sleepUntil(end)
		require.Zero(t, b.Workers()[1].Stops(), "the second has its own")
		require.Equal(t, 2, b.Starts())
	})
}

func TestASurplusWorkerGrowsOldAndIsNotReplaced(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{MaxOverflow: 3, OverflowLinger: time.Hour, MaxLifetime: time.Minute})
		var leases []fakeLease
		for range 3 {
			leases = append(leases, take(t, t.Context(), p))
		}
		for _, lease := range leases {
			lease.Checkin()
		}
		settle(t, p)
		require.Equal(t, 3, p.Stats().Idle)
		time.Sleep(time.Minute)
		settle(t, p)
		require.Zero(t, p.Stats().Idle)
		require.Equal(t, 3, b.Starts())
	})
}

func TestInACrashLoopNobodyGoesForHisAge(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 40, MaxLifetime: 8 * time.Second, MaxRestarts: 1, MaxStarting: -1})
		b.Always(pooltest.Script{Start: pooltest.Fail})
		pooltest.KillWorker(p, 0)
		synctest.Wait()
		require.Equal(t, pool.StateCrashLoop, p.Stats().State)
		time.Sleep(9 * time.Second)
		settle(t, p)
		require.Equal(t, pool.StateCrashLoop, p.Stats().State)
		require.Equal(t, 39, p.Stats().Idle, "though one more could be spared")
		require.True(t, p.Inspect().Slots[1].Old)
		b.Always(pooltest.Script{})
		lease := take(t, t.Context(), p)
		lease.Checkin() // and so the crash loop is over
		time.Sleep(5 * time.Second)
		settle(t, p)
		require.Equal(t, 1, lease.Worker().Stops())
		require.Equal(t, 40, p.Stats().Idle)
	})
}

func TestANewEpochKnowsNothingOfTheAgesOfTheOldOne(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 3, MaxLifetime: time.Minute})
		time.Sleep(50 * time.Second)
		pooltest.KillManager(p, pooltest.AtLocked)
		settle(t, p)
		require.Equal(t, 6, b.Starts())
		time.Sleep(50 * time.Second)
		settle(t, p)
		require.Equal(t, 6, b.Starts())
		time.Sleep(10 * time.Second)
		settle(t, p)
		require.Equal(t, 9, b.Starts())
	})
}

// A thousand workers that start together, for ten of their lives. Starting takes
// time, and no more are gone at once than the pace allows.
func TestAThousandWorkersGrowOldWithoutATroughInTheirNumber(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.Passive, b.NoReset, b.NoStop = true, true, true
		const size, life = 1000, time.Hour
		died := watchDeaths(reg)
		p := start(t, reg, b, pool.Options{Size: size, MaxLifetime: life, MaxStarting: -1})
		b.Always(pooltest.Script{StartAfter: 5 * time.Second})
		fewest := size
		for range 10 * 60 {
			time.Sleep(time.Minute)
			fewest = min(fewest, p.Stats().Idle)
		}
		settle(t, p)
		times := died.times()
		require.InDelta(t, 10_000, len(times), 600)
		require.Less(t, len(times), size*12)
		for window, first := life/250, 0; first+size/20 < len(times); first++ {
			require.Greater(t, times[first+size/20].Sub(times[first]), window, "more than a twentieth, from %d", first)
		}
		for _, age := range died.ages() {
			require.GreaterOrEqual(t, age, life*9/10)
			require.LessOrEqual(t, age, life)
		}
		require.GreaterOrEqual(t, fewest, size-size/20)
		var tenths [10]int // of the workers by age, who all were of one age once
		for _, s := range p.Inspect().Slots {
			tenths[min(9, int(10*s.Age/life))]++
		}
		require.Less(t, slices.Max(tenths[:]), size/2, "%v", tenths)
	})
}
