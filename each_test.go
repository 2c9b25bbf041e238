package pool_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

// tour is a call of Each on a goroutine of its own: whom it has visited, and how
// it ended.
type tour struct {
	mu      sync.Mutex
	visited []int // slots
	err     error
	ended   bool
}

func (r *tour) visits() []int  { r.mu.Lock(); defer r.mu.Unlock(); return slices.Clone(r.visited) }
func (r *tour) outcome() error { r.mu.Lock(); defer r.mu.Unlock(); return r.err }
func (r *tour) over() bool     { r.mu.Lock(); defer r.mu.Unlock(); return r.ended }

// tourOf begins a tour and returns when it waits or has ended.
func tourOf(ctx context.Context, p fakes, fn func(context.Context, *pooltest.Worker) error) *tour {
	r := new(tour)
	go func() {
		err := p.Each(ctx, func(ctx context.Context, w *pooltest.Worker) error {
			r.mu.Lock()
			r.visited = append(r.visited, w.Slot.Index)
			r.mu.Unlock()
			if fn != nil {
				return fn(ctx, w)
			}
			return nil
		})
		r.mu.Lock()
		defer r.mu.Unlock()
		r.err, r.ended = err, true
	}()
	synctest.Wait()
	return r
}

func TestEachVisitsEveryWorkerOnceTheIdleOnesFirst(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 3, MaxOverflow: 1})
		var held []fakeLease
		for range 4 {
			held = append(held, take(t, t.Context(), p))
		}
		slices.SortFunc(held, func(a, b fakeLease) int { return a.Slot().Index - b.Slot().Index })
		held[2].Checkin()
		settle(t, p)
		tour := tourOf(t.Context(), p, nil)
		require.Equal(t, []int{2}, tour.visits())
		held[1].Checkin()
		held[3].Checkin()
		synctest.Wait()
		require.False(t, tour.over())
		held[0].Checkin()
		settle(t, p)
		require.True(t, tour.over())
		require.NoError(t, tour.outcome())
		require.ElementsMatch(t, []int{0, 1, 2, 3}, tour.visits())
	})
}

func TestTheLimitsOfWaitingAreNothingToEach(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{
			Size: 1, MaxWaiting: 1, MaxWait: time.Second, QueueTarget: time.Millisecond, QueueInterval: 10 * time.Millisecond,
		})
		held := take(t, t.Context(), p)
		only := ask(t.Context(), p.With(pool.Terms{MaxWait: -1, Priority: pool.PriorityLow}))
		tour := tourOf(t.Context(), p.With(low), nil)
		newcomer := ask(t.Context(), p.With(high))
		require.ErrorIs(t, refused(t, only), pool.ErrOverloaded, "it is not Each that makes room")
		time.Sleep(time.Minute)
		require.ErrorIs(t, refused(t, newcomer), pool.ErrOverloaded)
		settle(t, p)
		require.False(t, tour.over())
		held.Checkin()
		settle(t, p)
		require.Equal(t, []int{0}, tour.visits())
		require.NoError(t, tour.outcome())
	})
}

func TestEachLeavesOutAWorkerThatEndsBeforeItsTurnAndItsReplacement(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 4})
		var held []fakeLease
		for range 3 {
			held = append(held, take(t, t.Context(), p))
		}
		tour := tourOf(t.Context(), p, nil)
		first := tour.visits()[0]
		require.Equal(t, 1, p.Stats().Waiting)
		held[0].Worker().Crash(nil) // before its turn, and perhaps while it is waited for
		held[1].Retire(nil)
		held[2].Checkin()
		settle(t, p)
		require.True(t, tour.over())
		require.NoError(t, tour.outcome())
		require.Equal(t, []int{first, held[2].Slot().Index}, tour.visits())
		require.Equal(t, 4, p.Stats().Idle)
	})
}

func TestEachGoesOnAfterAnErrorAndJoinsAll(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 3})
		one, two := errors.New("one"), errors.New("two")
		tour := tourOf(t.Context(), p, func(_ context.Context, w *pooltest.Worker) error {
			return []error{one, pool.Retire(two), nil}[w.Slot.Index]
		})
		require.Len(t, tour.visits(), 3)
		require.ErrorIs(t, tour.outcome(), one)
		require.ErrorIs(t, tour.outcome(), two)
		settle(t, p)
		require.Equal(t, 4, b.Starts(), "the one that was no good is replaced")
		require.Equal(t, 3, p.Stats().Idle)

		defer func() {
			require.Equal(t, "as told", recover())
			settle(t, p)
			require.Equal(t, 5, b.Starts(), "so is the one in whose turn fn panicked")
			require.Equal(t, 3, p.Stats().Idle)
		}()
		_ = p.Each(t.Context(), func(context.Context, *pooltest.Worker) error { panic("as told") })
	})
}

func TestEachEndsEarlyWithItsContext(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 2})
		held := take(t, t.Context(), p)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		failed := errors.New("failed")
		tour := tourOf(ctx, p, func(context.Context, *pooltest.Worker) error { return failed })
		time.Sleep(time.Second)
		synctest.Wait()
		require.ErrorIs(t, tour.outcome(), context.DeadlineExceeded)
		require.ErrorIs(t, tour.outcome(), failed, "what fn said before is not lost")
		require.Equal(t, time.Second, refusal(t, tour.outcome()).Waited)
		require.Zero(t, p.Stats().Waiting)
		require.True(t, held.Checkin())

		require.ErrorIs(t, tourOf(cancelled, p, nil).err, context.Canceled)
		var none context.Context
		require.ErrorContains(t, p.Each(none, nil), "must not be nil")
		settle(t, p)
	})
}

func TestEachWaitsWhileThePoolStartsAndVisitsNoneThatComeLater(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.Always(pooltest.Script{StartAfter: time.Second})
		p := start(t, reg, b, pool.Options{Size: 2, AsyncStart: true})
		tour := tourOf(t.Context(), p, func(context.Context, *pooltest.Worker) error {
			go func() { _ = p.Resize(context.Background(), 4) }()
			time.Sleep(3 * time.Second)
			return nil
		})
		require.False(t, tour.over())
		require.Empty(t, tour.visits())
		time.Sleep(10 * time.Second)
		settle(t, p)
		require.True(t, tour.over())
		require.NoError(t, tour.outcome())
		require.Len(t, tour.visits(), 2)
		require.Equal(t, 4, p.Stats().Idle)
	})
}

// In the middle of Each the pool loses the workers that are still to be visited:
// they are left out. Only its end and the context's end Each early.
func TestEachWhenThePoolChangesMeanwhile(t *testing.T) {
	for name, test := range map[string]struct {
		change func(t *testing.T, p fakes, b *pooltest.Backend, held fakeLease)
		want   error
	}{
		"smaller": {func(t *testing.T, p fakes, _ *pooltest.Backend, held fakeLease) {
			_ = p.Resize(cancelled, 1) // it does not wait, but a worker may be gone at once
			held.Checkin()
		}, nil},
		"restart": {func(t *testing.T, p fakes, _ *pooltest.Backend, held fakeLease) {
			restarted := inBackground(func() error { return p.Restart(context.Background()) })
			held.Checkin()
			require.NoError(t, <-restarted)
		}, nil},
		"death": {func(_ *testing.T, p fakes, _ *pooltest.Backend, _ fakeLease) {
			pooltest.KillManager(p, pooltest.AtLocked)
		}, nil},
		"crash loop": {func(_ *testing.T, p fakes, b *pooltest.Backend, _ fakeLease) {
			b.Always(pooltest.Script{Start: pooltest.Fail})
			pooltest.KillWorker(p, 0)
			pooltest.KillWorker(p, 1)
			time.Sleep(time.Minute)
		}, nil},
		"stop": {func(_ *testing.T, p fakes, _ *pooltest.Backend, _ fakeLease) {
			_ = p.Stop(cancelled)
		}, pool.ErrStopped},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
				b.NoReset = true
				p := start(t, reg, b, pool.Options{Size: 2})
				held := take(t, t.Context(), p)
				tour := tourOf(t.Context(), p, nil)
				require.Len(t, tour.visits(), 1)
				test.change(t, p, b, held)
				settle(t, p)
				require.True(t, tour.over())
				if test.want == nil {
					require.NoError(t, tour.outcome())
				} else {
					require.ErrorIs(t, tour.outcome(), test.want)
				}
				require.Zero(t, p.Stats().Waiting)
			})
		})
	}
}

// The same while fn runs, so that those still to be visited are not yet waited for.
func TestEachWhenAllWorkersAreLostWhileItVisitsOne(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 3, MaxRestarts: 1})
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		tour := tourOf(ctx, p, func(context.Context, *pooltest.Worker) error {
			b.Always(pooltest.Script{Start: pooltest.Fail})
			for slot := range 3 {
				pooltest.KillWorker(p, slot)
			}
			time.Sleep(time.Minute)
			return nil
		})
		time.Sleep(time.Minute)
		settle(t, p)
		require.Equal(t, pool.StateCrashLoop, p.Stats().State)
		require.True(t, tour.over())
		require.Len(t, tour.visits(), 1)
		require.NoError(t, tour.outcome())
	})
}

func TestTwoToursMeetAndNobodyStarves(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 3})
		slowly := func(context.Context, *pooltest.Worker) error { time.Sleep(time.Second); return nil }
		first, second := tourOf(t.Context(), p, slowly), tourOf(t.Context(), p, slowly)
		var answers []<-chan answer
		for range 6 {
			answers = append(answers, ask(t.Context(), p))
		}
		for range 20 {
			time.Sleep(time.Second)
			settle(t, p)
			for i, a := range answers {
				select {
				case got := <-a:
					require.NoError(t, got.err)
					got.lease.Checkin()
					answers[i] = nil
				default:
				}
			}
		}
		for _, tour := range []*tour{first, second} {
			require.True(t, tour.over())
			require.NoError(t, tour.outcome())
			require.ElementsMatch(t, []int{0, 1, 2}, tour.visits())
		}
		require.Equal(t, 3, p.Stats().Idle)
		require.Zero(t, p.Stats().Waiting)
	})
}

func TestEachTakesNoRoomFromThoseWhoWait(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.NoReset = true
		p := start(t, reg, b, pool.Options{Size: 1, MaxWaiting: 1})
		held := take(t, t.Context(), p)
		done := inBackground(func() error {
			return p.Each(t.Context(), func(context.Context, *pooltest.Worker) error { return nil })
		})
		settle(t, p)
		client := ask(t.Context(), p)
		waiting(t, client)
		settle(t, p)
		held.Checkin()
		lentTo(t, client).Checkin()
		require.NoError(t, <-done)
		settle(t, p)
	})
}
