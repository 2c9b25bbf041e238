package pool_test

import (
	"context"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

// suspicious reports whether a worker that was there all the time is checked
// before it is lent. It takes all workers.
func suspicious(t *testing.T, p fakes, b *pooltest.Backend) bool {
	t.Helper()
	checks := func() (n int) {
		for _, w := range b.Workers() {
			n += w.Checks()
		}
		return n
	}
	before := checks()
	for range p.Stats().Idle {
		take(t, t.Context(), p)
	}
	return checks() > before
}

func TestABurstOfCrashesIsMoreThanATenthWithinASecond(t *testing.T) {
	for name, test := range map[string]struct {
		crashes []time.Duration
		want    bool
	}{
		"a tenth":               {[]time.Duration{0, 0, 0}, false},
		"one more":              {[]time.Duration{0, 0, 0, 0}, true},
		"one more, just within": {[]time.Duration{0, 0, 0, time.Second - 1}, true},
		"one more, too late":    {[]time.Duration{0, 0, 0, time.Second}, false},
	} {
		t.Run(name, func(t *testing.T) {
			checking(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
				p := start(t, reg, b, pool.Options{Size: 30})
				began := time.Now()
				for slot, at := range test.crashes {
					sleepUntil(began.Add(at))
					pooltest.KillWorker(p, slot)
				}
				settle(t, p)
				require.Equal(t, 30, p.Stats().Idle)
				require.Equal(t, test.want, suspicious(t, p, b))
				workers := b.Workers()
				require.Zero(t, workers[len(workers)-1].Checks(), "it is new")
			})
		})
	}
}

// at is the first worker of a slot.
func at(b *pooltest.Backend, slot int) *pooltest.Worker {
	all := b.Workers()
	return all[slices.IndexFunc(all, func(w *pooltest.Worker) bool { return w.Slot.Index == slot })]
}

// Of three a tenth is one crash, because it is not none, and of nineteen too.
func TestASmallPoolGrowsSuspiciousOfTheSecondCrash(t *testing.T) {
	for _, size := range []int{3, 19} {
		t.Run(strconv.Itoa(size), func(t *testing.T) {
			checking(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
				p := start(t, reg, b, pool.Options{Size: size})
				pooltest.KillWorker(p, 0)
				pooltest.KillWorker(p, 1)
				settle(t, p)
				for range size {
					take(t, t.Context(), p)
				}
				require.Equal(t, 1, at(b, 2).Checks())
			})
		})
	}
}

func TestWhatIsNoCrashRaisesNoSuspicion(t *testing.T) {
	for name, test := range map[string]struct {
		end  func(p fakes, b *pooltest.Backend, l fakeLease)
		want bool
	}{
		"retired":           {func(_ fakes, _ *pooltest.Backend, l fakeLease) { l.Retire(nil) }, false},
		"retired, an error": {func(_ fakes, _ *pooltest.Backend, l fakeLease) { l.Retire(pooltest.ErrScripted) }, true},
		"crashed":           {func(_ fakes, _ *pooltest.Backend, l fakeLease) { l.Worker().Crash(nil) }, true},
		"start fails": {func(_ fakes, b *pooltest.Backend, l fakeLease) {
			b.FailNext(1)
			l.Retire(nil)
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			checking(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
				p := start(t, reg, b, pool.Options{Size: 4, Backoff: pool.Backoff{Min: -1}})
				leases := []fakeLease{take(t, t.Context(), p), take(t, t.Context(), p)}
				for _, lease := range leases {
					test.end(p, b, lease)
				}
				settle(t, p)
				require.Equal(t, 4, p.Stats().Idle)
				require.Equal(t, test.want, suspicious(t, p, b))
			})
		})
	}
}

func TestAPoolWithoutACheckSuspectsNobody(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 3})
		pooltest.KillWorker(p, 0)
		pooltest.KillWorker(p, 1)
		settle(t, p)
		require.False(t, suspicious(t, p, b))
	})
}

func TestALeaseThatIsCheckedInClearsItsWorker(t *testing.T) {
	for name, resident := range map[string]bool{"under the lock": false, "resident": true} {
		t.Run(name, func(t *testing.T) {
			checking(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
				b.NoReset = true
				p := start(t, reg, b, pool.Options{Size: 3})
				lease := take(t, t.Context(), p)
				if resident {
					lease.Checkin()
					lease = take(t, t.Context(), p)
				}
				var others []int
				for i := range 3 {
					if i != lease.Slot().Index {
						others = append(others, i)
					}
				}
				b.Always(pooltest.Script{StartAfter: ms}) // both are dead before either is replaced
				for _, slot := range others {
					pooltest.KillWorker(p, slot)
				}
				time.Sleep(ms)
				settle(t, p)
				require.True(t, lease.Checkin())
				again := take(t, t.Context(), p)
				require.Same(t, lease.Worker(), again.Worker())
				require.Zero(t, again.Worker().Checks())
				again.Checkin()
				require.False(t, suspicious(t, p, b))
			})
		})
	}
}

func TestALeaseThatIsRevokedClearsNobody(t *testing.T) {
	checking(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.NoReset = true
		p := start(t, reg, b, pool.Options{Size: 3, MaxHold: time.Minute, Reclaim: pool.ReclaimReuse})
		take(t, t.Context(), p).Checkin() // it has served
		lease := take(t, t.Context(), p)
		for i := range 3 {
			if i != lease.Slot().Index {
				pooltest.KillWorker(p, i)
			}
		}
		time.Sleep(2 * time.Minute)
		settle(t, p)
		require.Error(t, lease.Err())
		require.True(t, suspicious(t, p, b))
		require.Equal(t, 1, lease.Worker().Checks())
	})
}

func TestAWorkerInItsResetIsSuspectToo(t *testing.T) {
	checking(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.Always(pooltest.Script{ResetAfter: time.Second})
		p := start(t, reg, b, pool.Options{Size: 3})
		lease := take(t, t.Context(), p)
		lease.Checkin()
		for i := range 3 {
			if i != lease.Slot().Index {
				pooltest.KillWorker(p, i)
			}
		}
		time.Sleep(time.Second)
		settle(t, p)
		require.True(t, suspicious(t, p, b))
		require.Equal(t, 1, lease.Worker().Checks())
	})
}

func TestSuspectsAreCheckedForAsManyAsWait(t *testing.T) {
	checking(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.Always(pooltest.Script{CheckAfter: time.Second})
		p := start(t, reg, b, pool.Options{Size: 8})
		b.Always(pooltest.Script{Start: pooltest.Hang})
		pooltest.KillWorker(p, 0)
		pooltest.KillWorker(p, 1)
		settle(t, p)
		require.Equal(t, 6, p.Stats().Idle)
		served := make(chan int, 3)
		for range 3 {
			go func() {
				if lease, err := p.Checkout(t.Context()); err == nil {
					served <- lease.Worker().Checks()
				}
			}()
		}
		synctest.Wait()
		require.Equal(t, 3, p.Stats().Tending)
		_, err := p.TryCheckout(t.Context())
		require.ErrorIs(t, err, pool.ErrFull)
		settle(t, p)
		require.Equal(t, 3, p.Stats().Tending, "those who wait come first")
		time.Sleep(time.Second)
		settle(t, p)
		for range 3 {
			require.Equal(t, 1, <-served)
		}
		require.Equal(t, 3, p.Stats().Idle)

		_, err = p.TryCheckout(t.Context())
		require.ErrorIs(t, err, pool.ErrFull)
		require.Equal(t, 1, p.Stats().Tending, "for the next")
		waiting := inBackground(func() error { _, err := p.Checkout(t.Context()); return err })
		require.Equal(t, 1, p.Stats().Tending)
		time.Sleep(time.Second)
		require.NoError(t, <-waiting, "its check is not called off")
		settle(t, p)
	})
}

func TestWhenSuspectsFailTheNextAreCheckedForThoseWhoWait(t *testing.T) {
	for name, act := range map[string]pooltest.Act{"they fail": pooltest.Fail, "they hang": pooltest.Hang} {
		t.Run(name, func(t *testing.T) {
			checking(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
				b.Always(pooltest.Script{Check: act})
				p := start(t, reg, b, pool.Options{Size: 10, CheckTimeout: time.Second})
				b.Always(pooltest.Script{Start: pooltest.Hang})
				pooltest.KillWorker(p, 0)
				pooltest.KillWorker(p, 1)
				settle(t, p)
				waiting := inBackground(func() error {
					_, err := pool.Call(t.Context(), p, func(context.Context, *pooltest.Worker) (int, error) { return 0, nil })
					return err
				})
				for range 8 {
					settle(t, p)
					time.Sleep(time.Second)
				}
				settle(t, p)
				require.EqualValues(t, 10, p.Stats().Crashes, "all were tried")
				require.Empty(t, waiting)
				require.NoError(t, p.Stop(cancelled))
				require.ErrorIs(t, <-waiting, pool.ErrStopped)
			})
		})
	}
}

func TestASuspectThatFailsIsReplaced(t *testing.T) {
	checking(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.Always(pooltest.Script{Check: pooltest.Hang})
		p := start(t, reg, b, pool.Options{Size: 3, CheckTimeout: time.Second})
		b.Always(pooltest.Script{StartAfter: 10 * time.Second})
		pooltest.KillWorker(p, 0)
		pooltest.KillWorker(p, 1)
		synctest.Wait()
		before := time.Now()
		lease := take(t, t.Context(), p)
		require.Equal(t, 10*time.Second, time.Since(before), "a new one")
		require.Equal(t, 1, at(b, 2).Stops())
		require.EqualValues(t, 3, p.Stats().Crashes)
		lease.Checkin()
		settle(t, p)
	})
}

func TestTheSuspicionOfAnEpochEndsWithIt(t *testing.T) {
	checking(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 3})
		pooltest.KillWorker(p, 0)
		pooltest.KillWorker(p, 1)
		settle(t, p)
		pooltest.KillManager(p, pooltest.AtLocked)
		settle(t, p)
		require.False(t, suspicious(t, p, b))
	})
}

func TestACheckThatRunsWhenTheSuspicionIsRaisedIsWaitedFor(t *testing.T) {
	checking(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.Always(pooltest.Script{CheckAfter: 4 * time.Second})
		p := start(t, reg, b, pool.Options{Size: 3, CheckEvery: time.Minute})
		b.Always(pooltest.Script{Start: pooltest.Hang})
		time.Sleep(time.Minute + time.Second)
		synctest.Wait()
		for _, s := range p.Inspect().Slots {
			if s.State == pool.SlotIdle {
				pooltest.KillWorker(p, s.Index)
			}
		}
		before := time.Now()
		lease := take(t, t.Context(), p)
		require.Equal(t, 3*time.Second, time.Since(before))
		require.Equal(t, 1, lease.Worker().Checks())
		lease.Checkin()
		settle(t, p)
	})
}

func TestWorkersThatAreLentWithoutTheLockAreSuspectedToo(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.Checks, b.NoReset = true, true
		p := start(t, reg, b, pool.Options{Size: 3})
		var all []fakeLease
		for range 3 {
			all = append(all, take(t, t.Context(), p))
		}
		for _, l := range all {
			require.True(t, l.Checkin())
		}
		for _, l := range all[:2] {
			require.True(t, pooltest.KillWorker(p, l.Slot().Index))
		}
		for range 3 {
			take(t, t.Context(), p)
		}
		require.Equal(t, 1, all[2].Worker().Checks(), "it was there when the others crashed")
		settle(t, p)
	})
}
