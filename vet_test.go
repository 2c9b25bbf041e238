package pool_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

// Twenty workers are due at once and two can be checked at once: the others are
// checked when somebody wants them.
func TestAWorkerThatIsLongDueIsCheckedBeforeItIsLent(t *testing.T) {
	checking(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.Always(pooltest.Script{CheckAfter: 3 * time.Second})
		p := start(t, reg, b, pool.Options{Size: 20, CheckEvery: time.Minute})
		time.Sleep(time.Minute + time.Second)
		synctest.Wait()
		require.Equal(t, 2, p.Stats().Tending)
		before := time.Now()
		served := make(chan time.Duration, 5)
		for range 5 {
			go func() {
				if _, err := p.Checkout(t.Context()); err == nil {
					served <- time.Since(before)
				}
			}()
		}
		synctest.Wait()
		require.Len(t, served, 2, "of the two checks that were called off")
		require.Equal(t, 3, p.Stats().Waiting)
		require.Equal(t, 3, p.Stats().Tending, "as many as wait")
		pooltest.Check(t, p)
		time.Sleep(3 * time.Second)
		synctest.Wait()
		require.Len(t, served, 5)
		require.Zero(t, <-served)
		require.Zero(t, <-served)
		for range 3 {
			require.Equal(t, 3*time.Second, <-served)
		}
		settle(t, p)
	})
}

func TestWhoWaitsForACheckThatFailsKeepsItsPlace(t *testing.T) {
	checking(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.Next( // whoever is born first is checked first
			pooltest.Script{Check: pooltest.Ignore},
			pooltest.Script{Check: pooltest.Fail, CheckAfter: time.Second, StartAfter: ms},
		)
		p := start(t, reg, b, pool.Options{Size: 2, CheckEvery: time.Minute, CheckTimeout: -1})
		b.Always(pooltest.Script{StartAfter: time.Second})
		time.Sleep(time.Minute)
		synctest.Wait()
		order := make(chan int, 2)
		for n := range 2 {
			go func() {
				if lease, err := p.Checkout(t.Context()); err == nil {
					order <- n
					lease.Checkin()
				}
			}()
			synctest.Wait()
		}
		require.Empty(t, order)
		time.Sleep(2*time.Second - 1)
		settle(t, p)
		require.Empty(t, order)
		time.Sleep(time.Nanosecond)
		settle(t, p)
		require.Len(t, order, 2)
		require.Equal(t, []int{0, 1}, []int{<-order, <-order})
		require.EqualValues(t, 1, p.Stats().Crashes)
		b.Release()
		settle(t, p)
	})
}

func TestTryCheckoutHasAWorkerCheckedForTheNext(t *testing.T) {
	checking(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.Next(pooltest.Script{Check: pooltest.Ignore}, pooltest.Script{CheckAfter: time.Second})
		p := start(t, reg, b, pool.Options{Size: 2, CheckEvery: time.Minute, CheckTimeout: -1})
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Equal(t, 1, p.Stats().Idle, "one has not been checked, because the other is")
		try := func() error {
			lease, err := p.TryCheckout(t.Context())
			lease.Checkin()
			settle(t, p)
			return err
		}
		require.ErrorIs(t, try(), pool.ErrFull)
		require.Equal(t, 1, p.Stats().Tending, "and no more at once than otherwise")
		b.Release()
		settle(t, p)
		require.Equal(t, 1, p.Stats().Tending)
		require.NoError(t, try(), "the first")
		time.Sleep(time.Second)
		settle(t, p)
		require.Equal(t, 2, p.Stats().Idle)
		require.NoError(t, try())
	})
}

func TestTryCheckoutHasAWorkerCheckedThoughSomebodyWaitsForAnother(t *testing.T) {
	checking(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 2, CheckEvery: time.Minute})
		mine := keyed(p, keyOf(t, p, 0))
		lease := take(t, t.Context(), mine)
		waits := ask(t.Context(), mine)
		time.Sleep(2 * time.Minute)
		settle(t, p)
		_, err := p.TryCheckout(t.Context())
		require.ErrorIs(t, err, pool.ErrFull, "it has not been checked for two minutes")
		settle(t, p)
		other, err := p.TryCheckout(t.Context())
		require.NoError(t, err)
		require.Equal(t, 1, other.Slot().Index)
		waiting(t, waits)
		require.True(t, other.Checkin())
		require.True(t, lease.Checkin())
	})
}

func TestSurplusWorkersAreCheckedAndLingerNoLongerForIt(t *testing.T) {
	checking(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.NoReset = true
		p := start(t, reg, b, pool.Options{MaxOverflow: 1, OverflowLinger: 10 * time.Second, CheckEvery: 3 * time.Second})
		take(t, t.Context(), p).Checkin()
		born := time.Now()
		sleepUntil(born.Add(10*time.Second - 1))
		require.Equal(t, 1, p.Stats().Idle)
		require.Equal(t, 3, b.Workers()[0].Checks())
		sleepUntil(born.Add(10 * time.Second))
		require.Zero(t, p.Stats().Idle)
	})
}

func TestNoWorkerIsStartedForAClientWhoseWorkerIsBeingChecked(t *testing.T) {
	checking(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.Always(pooltest.Script{CheckAfter: time.Second})
		p := start(t, reg, b, pool.Options{Size: 12, MaxOverflow: 3, CheckEvery: time.Minute})
		time.Sleep(time.Minute)
		synctest.Wait()
		leases := []fakeLease{take(t, t.Context(), p)} // its check is called off
		leases = append(leases, take(t, t.Context(), p))
		require.Equal(t, 12, b.Starts())
		for _, lease := range leases {
			lease.Checkin()
		}
		settle(t, p)
	})
}

func TestAKeyWaitsForTheCheckOfItsWorker(t *testing.T) {
	checking(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.Always(pooltest.Script{CheckAfter: time.Second})
		p := start(t, reg, b, pool.Options{Size: 30, CheckEvery: time.Minute})
		time.Sleep(time.Minute)
		synctest.Wait()
		for i := range 30 {
			state, before := p.Inspect().Slots[i].State, time.Now()
			lease := take(t, t.Context(), p.With(pool.Terms{Key: pool.KeyOf(p, i)}))
			require.Equal(t, i, lease.Slot().Index)
			took := time.Since(before)
			lease.Checkin()
			settle(t, p)
			if state == pool.SlotIdle {
				require.Equal(t, time.Second, took, "it was overdue")
				return
			}
			require.Zero(t, took, "its check is called off")
		}
		require.Fail(t, "all were being checked")
	})
}

func TestEachVisitsWorkersThatHaveToBeChecked(t *testing.T) {
	checking(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.Always(pooltest.Script{CheckAfter: time.Second})
		p := start(t, reg, b, pool.Options{Size: 5, CheckEvery: time.Minute})
		time.Sleep(time.Minute)
		visited := map[int]bool{}
		require.NoError(t, p.Each(t.Context(), func(_ context.Context, w *pooltest.Worker) error {
			visited[w.ID] = true
			return nil
		}))
		require.Len(t, visited, 5)
		settle(t, p)
	})
}

func TestAKeyAndAnyOtherClientHaveTwoWorkersChecked(t *testing.T) {
	checking(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.Always(pooltest.Script{CheckAfter: time.Second})
		p := start(t, reg, b, pool.Options{Size: 4})
		b.Always(pooltest.Script{Start: pooltest.Hang})
		pooltest.KillWorker(p, 0)
		pooltest.KillWorker(p, 1)
		settle(t, p)
		keyed := p.With(pool.Terms{Key: pool.KeyOf(p, 2)})
		first := inBackground(func() error { _, err := keyed.Checkout(t.Context()); return err })
		second := inBackground(func() error { _, err := p.Checkout(t.Context()); return err })
		require.Equal(t, 2, p.Stats().Tending)
		time.Sleep(time.Second)
		require.NoError(t, <-first)
		require.NoError(t, <-second)
		settle(t, p)
	})
}

// Only a check that was called off, and says so, is no answer.
func TestAnErrorOfACheckIsTakenForWhatItIs(t *testing.T) {
	for name, check := range map[string]func(ctx context.Context) error{
		"cancelled by itself": func(context.Context) error { return context.Canceled },
		"called off, and sick": func(ctx context.Context) error {
			<-ctx.Done()
			return pooltest.ErrScripted
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
				spec := b.Spec()
				spec.Check = func(w *pooltest.Worker, ctx context.Context) error {
					if w.ID > 1 {
						return nil
					}
					return check(ctx)
				}
				p := pooltest.StartIn(t, reg, spec, pool.Options{Size: 1, CheckEvery: time.Minute})
				time.Sleep(time.Minute)
				synctest.Wait() // the check runs, or has ended
				lease := take(t, t.Context(), p)
				require.Equal(t, 2, lease.Worker().ID)
				require.EqualValues(t, 1, p.Stats().Crashes)
				lease.Checkin()
				settle(t, p)
			})
		})
	}
}
