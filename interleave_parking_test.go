//go:build interleave

package pool_test

import (
	"context"
	"time"

	"github.com/pooltender/pool"
)

// parkingPlot has a client lend itself a worker without the lock while the manager,
// which has found nothing for long enough, is about to sleep. If it did, nobody
// would ever take the worker back from that client, which is gone.
func parkingPlot() plot {
	return plot{
		name: "a client without the lock comes as the manager goes to sleep", limits: deep(3, 1), opts: pool.Options{Size: 1, ReclaimGrace: -1},
		play: func(s *stage) func() error {
			watched, forget := context.WithCancel(context.Background())
			lease, _ := s.pool.Checkout(watched)
			s.lent++
			lease.Checkin()                   // the manager is awake, so the worker may be lent to clients with a context
			time.Sleep(80 * time.Millisecond) // it looks at 0, 20 and 60 ms, and at 140 ms it would sleep
			gone, leave := context.WithCancel(context.Background())
			s.leaves("A", gone, leave)
			return func() error {
				forget()
				return s.whole()
			}
		},
	}
}
