//go:build interleave

package pool_test

import (
	"context"
	"time"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/internal/hatch"
)

// killPlots has a pool die at every point of its own code where that leaves a change
// half done, amid a lease that has to be taken back, a crash, a surplus worker
// and clients that wait.
func killPlots() []plot {
	var all []plot
	for _, at := range []hatch.Killed{
		{Half: hatch.Manager, At: hatch.Idle}, {Half: hatch.Manager, At: hatch.Locked},
		{Half: hatch.Manager, At: hatch.Revoke}, {Half: hatch.Manager, At: hatch.Retire},
		{Half: hatch.Supervisor, At: hatch.Idle}, {Half: hatch.Supervisor, At: hatch.Locked},
		{Half: hatch.Supervisor, At: hatch.Start}, {Half: hatch.Supervisor, At: hatch.Started},
		{Half: hatch.Supervisor, At: hatch.Detach}, {Half: hatch.Worker, At: hatch.Report},
	} {
		opts := pool.Options{Size: 1, ReclaimGrace: -1}
		var spec func(*pool.Spec[*unit])
		switch at.At {
		case hatch.Retire:
			opts.MaxOverflow, opts.OverflowLinger = 1, time.Millisecond
		case hatch.Detach:
			opts.StopTimeout, spec = time.Millisecond, stoppingLate
		}
		deaths := 0
		all = append(all, plot{
			name: at.Error(), limits: deep(2, 0), opts: opts, spec: spec,
			met: func() bool { return deaths > 0 },
			play: func(s *stage) func() error {
				held := s.all()
				for range opts.MaxOverflow {
					lease, _ := s.pool.Checkout(context.Background())
					s.lent++
					held = append(held, lease)
				}
				s.back(held...)
				gone, leave := context.WithCancel(context.Background())
				s.leaves("A", gone, leave)
				s.client("B", context.Background())
				s.Go("kill", func() {
					s.inside.Kill(at.Half, at.At)
					time.Sleep(2 * (opts.OverflowLinger + opts.StopTimeout))
				})
				s.strike(0)
				return func() error {
					err := s.whole()
					if s.pool.Inspect().Epoch > 1 {
						deaths++
					}
					return err
				}
			},
		})
	}
	return all
}
