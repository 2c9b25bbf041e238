//go:build interleave

package pool_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/internal/hatch"
	"github.com/pooltender/pool/internal/schedule"
)

func deep(delays, passes int) schedule.Limits {
	return schedule.Limits{Delays: delays, Passes: passes}
}

func plots() []plot {
	background := context.Background()
	return append(append(killPlots(), groupPlot(), keyPlot(0), keyPlot(1), parkingPlot()), []plot{
		{
			name: "two clients of a worker that is lent without the lock", limits: deep(1000, 0), opts: pool.Options{Size: 1},
			play: func(s *stage) func() error {
				s.warm()
				s.client("A", background)
				s.client("B", background)
				return func() error { return errors.Join(s.whole(), s.unharmed()) }
			},
		},
		{
			name: "a waiter is cancelled as it is served, and another waits behind it", limits: deep(3, 0), opts: pool.Options{Size: 1},
			play: func(s *stage) func() error {
				held := s.all()
				ctx, cancel := context.WithCancel(background)
				s.waiter("A", s.pool, ctx)
				s.waiter("B", s.pool, background)
				s.client("C", background)
				s.back(held...)
				s.Go("cancel", cancel)
				return func() error { return errors.Join(s.whole("A"), s.inOrder("A", "B", "C"), s.unharmed()) }
			},
		},
		{
			name: "a crash, a cancellation and a client that is gone, of three clients with two workers", limits: deep(2, 1), opts: pool.Options{Size: 2, ReclaimGrace: -1},
			play: func(s *stage) func() error {
				s.warm()
				ctx, cancel := context.WithCancel(background)
				gone, leave := context.WithCancel(background)
				s.client("A", ctx)
				s.leaves("B", gone, leave)
				s.client("C", background)
				s.Go("cancel", cancel)
				s.strike(0)
				return func() error { return s.whole("A") }
			},
		},
		{
			name: "a worker dies while it is offered, and the one it was offered to keeps its place", limits: deep(3, 0), opts: pool.Options{Size: 1},
			spec: running,
			play: func(s *stage) func() error {
				held := s.all()
				s.waiter("A", s.pool, background)
				s.waiter("B", s.pool, background)
				s.client("C", background)
				s.back(held...)
				s.Go("crash", func() { held[0].Worker().crash <- errUnit })
				return func() error { return errors.Join(s.whole(), s.inOrder("A", "B", "C")) }
			},
		},
		{
			name: "a worker dies while it is offered, and another is idle", limits: deep(3, 0), opts: pool.Options{Size: 2},
			play: func(s *stage) func() error {
				held := s.all()
				s.waiter("A", s.pool, background)
				s.back(held...)
				s.strike(0)
				return func() error { return s.whole() }
			},
		},
		{
			name: "a worker dies, or is looked at, while a client without the lock says who it is", limits: deep(4, 0), opts: pool.Options{Size: 1},
			play: func(s *stage) func() error {
				s.warm()
				ctx, cancel := context.WithCancel(background)
				s.client("A", ctx)
				s.Go("look", func() { _ = s.pool.Stats() })
				s.strike(0)
				return func() error {
					cancel()
					return s.whole()
				}
			},
		},
		{
			name: "two ends of one lease that began without the lock", limits: deep(4, 0), opts: pool.Options{Size: 1},
			play: func(s *stage) func() error {
				s.warm()
				lease, _ := s.pool.TryCheckout(background)
				s.lent++
				ends := 0
				for _, end := range []func() bool{lease.Checkin, func() bool { return lease.Retire(nil) }} {
					s.Go("end", func() {
						if end() {
							ends++
						}
					})
				}
				s.client("A", background)
				return func() error {
					if ends != 1 {
						return fmt.Errorf("it was ended %d times", ends)
					}
					return s.whole()
				}
			},
		},
		{
			name: "a crash meets checkin, retirement and transfer", limits: deep(3, 0), opts: pool.Options{Size: 2},
			play: func(s *stage) func() error {
				held := s.all()
				s.back(held[0])
				s.Go("retire", func() { held[1].Retire(nil) })
				s.Go("transfer", func() {
					if next, err := held[1].Transfer(background); err == nil {
						hatch.At(hatch.Begin, nil)
						next.Checkin()
					}
				})
				s.strike(0)
				s.Go("crash 1", func() { s.inside.CrashWorker(1, errUnit) })
				return func() error { return s.whole() }
			},
		},
		{
			name: "a pool shrinks and grows while its workers come back and a client waits", limits: deep(3, 0), opts: pool.Options{Size: 2},
			play: func(s *stage) func() error {
				s.back(s.all()...)
				s.client("A", background)
				s.Go("resize", func() {
					_ = s.pool.Resize(background, 1)
					_ = s.pool.Resize(background, 2)
				})
				return func() error { return s.whole() }
			},
		},
		{
			name: "a worker beyond Size comes and goes", limits: deep(3, 1), opts: pool.Options{Size: 1, MaxOverflow: 1, OverflowLinger: time.Millisecond},
			play: func(s *stage) func() error {
				s.back(s.all()...)
				s.client("A", background)
				s.client("B", background)
				s.client("C", background)
				return func() error { return s.whole() }
			},
		},
		{
			name: "a pool restarts under its clients", limits: deep(3, 0), opts: pool.Options{Size: 2},
			play: func(s *stage) func() error {
				s.back(s.all()...)
				s.client("A", background)
				now, cancel := context.WithCancel(background)
				cancel()
				s.Go("restart", func() { _ = s.pool.Restart(now) })
				return func() error { return s.whole() }
			},
		},
		{
			name: "a pool stops under its clients", limits: deep(3, 0), opts: pool.Options{Size: 1},
			play: func(s *stage) func() error {
				s.back(s.all()...)
				s.client("A", background)
				s.client("B", background)
				s.Go("stop", func() {
					if err := s.pool.Stop(background); err != nil {
						s.wrong = errors.Join(s.wrong, err)
					}
				})
				return func() error {
					for name, err := range s.errs {
						if !errors.Is(err, pool.ErrStopped) {
							return fmt.Errorf("%s: %w", name, err)
						}
					}
					return s.Check()
				}
			},
		},
		{
			name: "the more important of those who wait is served first", limits: deep(3, 0), opts: pool.Options{Size: 1},
			play: func(s *stage) func() error {
				held := s.all()
				ctx, cancel := context.WithCancel(background)
				s.waiter("low", s.pool.With(pool.Terms{Priority: pool.PriorityLow}), background)
				s.waiter("high", s.pool.With(pool.Terms{Priority: pool.PriorityHigh}), ctx)
				s.waiter("normal", s.pool, background)
				s.Go("cancel", cancel)
				s.back(held...)
				s.strike(0)
				return func() error { return errors.Join(s.whole("high"), s.inOrder("high", "normal", "low")) }
			},
		},
		{
			name: "TryCheckout finds a worker where one is always free", limits: deep(3, 0), opts: pool.Options{Size: 2},
			play: func(s *stage) func() error {
				s.warm()
				s.client("A", background)
				s.Go("try", func() {
					lease, err := s.pool.TryCheckout(background)
					if err != nil {
						s.wrong = errors.Join(s.wrong, err)
						return
					}
					s.lent++
					hatch.At(hatch.Begin, nil)
					lease.Checkin()
				})
				s.Go("look", func() { _ = s.pool.Stats() })
				return func() error { return errors.Join(s.whole(), s.unharmed()) }
			},
		},
		{
			name: "workers are cleaned, used up and recycled while a client waits", limits: deep(3, 0), opts: pool.Options{Size: 1, MaxUses: 2},
			spec: resetting,
			play: func(s *stage) func() error {
				s.back(s.all()...)
				s.client("A", background)
				s.Go("recycle", func() { _ = s.pool.Recycle(background) })
				return func() error { return s.whole() }
			},
		},
		{
			name: "every worker is visited once while others use it", limits: deep(3, 0), opts: pool.Options{Size: 2},
			play: func(s *stage) func() error {
				s.warm()
				visited := map[*unit]int{}
				s.Go("each", func() {
					err := s.pool.Each(background, func(_ context.Context, u *unit) error {
						visited[u]++
						s.lent++
						return nil
					})
					if err != nil || len(visited) != 2 {
						s.wrong = fmt.Errorf("visited %d, %w", len(visited), err)
					}
				})
				s.client("A", background)
				return func() error { return s.whole() }
			},
		},
		{
			name: "a worker dies while it is offered, and no other starts", limits: deep(3, 0), opts: pool.Options{Size: 1, MaxRestarts: 1},
			spec: startingOnce,
			play: func(s *stage) func() error {
				held := s.all()
				s.waiter("A", s.pool, background)
				s.waiter("B", s.pool, background)
				s.back(held...)
				s.strike(0)
				return func() error {
					time.Sleep(schedule.Patience)
					for name, err := range s.errs {
						if !errors.Is(err, pool.ErrUnavailable) {
							return fmt.Errorf("%s: %w", name, err)
						}
					}
					return s.Check()
				}
			},
		},
	}...)
}

// startingOnce has the first start succeed and no other.
func startingOnce(spec *pool.Spec[*unit]) {
	start, started := spec.Start, false
	spec.Start = func(ctx context.Context) (*unit, error) {
		if started {
			return nil, errUnit
		}
		started = true
		return start(ctx)
	}
}

// stoppingLate has the first Stop return when it was given up, and no other.
func stoppingLate(spec *pool.Spec[*unit]) {
	stop, late := spec.Stop, time.Second
	spec.Stop = func(u *unit, ctx context.Context) error {
		defer time.Sleep(late)
		late = 0
		return stop(u, ctx)
	}
}
