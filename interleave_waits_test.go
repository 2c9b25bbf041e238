//go:build interleave

package pool_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/pooltender/pool"
)

// groupPlot has a client wait at two pools that may serve it at once.
func groupPlot() plot {
	return plot{
		name: "a client waits at two pools, and others behind it", limits: deep(3, 0), opts: pool.Options{Size: 1},
		play: func(s *stage) func() error {
			check := s.Check
			other := newStage(s.Run, pool.Options{Size: 1}, nil)
			checkOther := s.Check
			s.Check = func() error { return errors.Join(check(), checkOther()) }

			held := append(s.all(), other.all()...)
			ctx, cancel := context.WithCancel(context.Background())
			s.waiter("A", pool.NewGroup(s.pool, other.pool), ctx)
			s.waiter("B", s.pool, context.Background())
			other.waiter("C", other.pool, context.Background())
			s.back(held...)
			s.Go("cancel", cancel)
			return func() error {
				err := errors.Join(s.atRest(), other.atRest(), s.unharmed(), other.unharmed(), other.reg.Close())
				if len(s.served)+len(s.errs) != 2 || len(other.served) != 1 || s.errs["B"] != nil {
					err = errors.Join(err, errors.New("not all were answered, or not as they should"))
				}
				return err
			}
		},
	}
}

// keyPlot is about a client whose key has that slot, one that takes any, and the
// death of the first slot's worker.
func keyPlot(slot int) plot {
	return plot{
		name: fmt.Sprintf("who waits for the worker of a key, of slot %d, and who waits for any", slot), limits: deep(3, 0), opts: pool.Options{Size: 2},
		play: func(s *stage) func() error {
			s.back(s.all()...)
			s.clientOf("A", s.pool.With(pool.Terms{Key: pool.KeyOf(s.pool, slot)}), context.Background())
			s.client("B", context.Background())
			s.strike(0)
			return func() error { return s.whole() }
		},
	}
}
