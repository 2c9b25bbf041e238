//go:build interleave

package pool_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/internal/hatch"
	"github.com/pooltender/pool/internal/schedule"
)

// unit is a worker that knows who uses it.
type unit struct {
	user    string
	crashed bool
	stopped bool
	crash   chan error
}

// stage is a pool whose clients are taken through many schedules. It watches
// what they get from outside: one user a worker, none after its end, no client
// without an answer.
type stage struct {
	*schedule.Run
	reg    *pool.Registry
	pool   *pool.Pool[*unit]
	inside hatch.Pool
	wrong  error
	lent   uint64           // how often, before the clients came
	served []string         // in this order
	errs   map[string]error // of those who were not
}

type unitLease = pool.Lease[*unit]

func newStage(r *schedule.Run, opts pool.Options, spec func(*pool.Spec[*unit])) *stage {
	s := &stage{Run: r, reg: pool.NewRegistry(), errs: make(map[string]error)}
	hooks := pool.Spec[*unit]{
		Start: func(context.Context) (*unit, error) { return &unit{crash: make(chan error, 1)}, nil },
		Stop: func(u *unit, _ context.Context) error {
			u.stopped = true
			return nil
		},
	}
	if spec != nil {
		spec(&hooks)
	}
	opts.MaxStarting = 1 // the first workers come in order
	var err error
	if s.pool, err = pool.Start(context.Background(), s.reg, "stage", hooks, opts); err != nil {
		panic(err)
	}
	s.inside = hatch.Open(s.pool)
	r.Check = func() error { return errors.Join(s.wrong, s.inside.CheckInvariants()) }
	return s
}

// running gives the workers a Run that lasts until it is told to crash.
func running(spec *pool.Spec[*unit]) {
	spec.Run = func(u *unit, ctx context.Context) error {
		select {
		case <-ctx.Done():
			return nil
		case err := <-u.crash:
			u.crashed = true
			return err
		}
	}
}

// resetting gives the workers a Reset.
func resetting(spec *pool.Spec[*unit]) {
	spec.Reset = func(u *unit, _ context.Context) error {
		hatch.At(hatch.Begin, nil)
		return nil
	}
}

var errUnit = errors.New("the unit has crashed")

// all checks out every worker.
func (s *stage) all() []unitLease {
	var leases []unitLease
	for {
		lease, err := s.pool.TryCheckout(context.Background())
		if err != nil {
			return leases
		}
		s.lent++
		leases = append(leases, lease)
	}
}

// warm has every worker come back once, so that it may be lent without the lock.
func (s *stage) warm() {
	for _, lease := range s.all() {
		lease.Checkin()
	}
}

// begin notes that a client uses its worker, and nobody else does. Whoever loses
// its lease to a crash may go on using the worker, which nobody gets any more.
func (s *stage) begin(name string, lease unitLease) {
	u := lease.Worker()
	if u.user != "" {
		s.wrong = errors.Join(s.wrong, fmt.Errorf("%s has a worker that %s uses", name, u.user))
	}
	u.user = name
}

// giveBack ends the use, and the lease if it is live: then its worker has not
// been stopped.
func (s *stage) giveBack(lease unitLease) {
	u := lease.Worker()
	name, stopped := u.user, u.stopped
	u.user = ""
	if lease.Checkin() && stopped {
		s.wrong = errors.Join(s.wrong, fmt.Errorf("the worker of %s was stopped before its lease ended", name))
	}
}

// lends is a pool or a group.
type lends interface {
	Checkout(ctx context.Context) (unitLease, error)
}

// checkout gets name a worker from p, or notes the error.
func (s *stage) checkout(name string, p lends, ctx context.Context) (unitLease, bool) {
	lease, err := p.Checkout(ctx)
	if err != nil {
		s.errs[name] = err
		return lease, false
	}
	s.served = append(s.served, name)
	s.begin(name, lease)
	return lease, true
}

// client takes a worker and returns it.
func (s *stage) client(name string, ctx context.Context) { s.clientOf(name, s.pool, ctx) }

func (s *stage) clientOf(name string, p lends, ctx context.Context) {
	s.Go(name, func() { s.use(name, p, ctx) })
}

// waiter is a client that waits already.
func (s *stage) waiter(name string, p lends, ctx context.Context) {
	s.Ahead(name, func() { s.use(name, p, ctx) })
}

func (s *stage) use(name string, p lends, ctx context.Context) {
	if lease, ok := s.checkout(name, p, ctx); ok {
		hatch.At(hatch.Begin, nil)
		s.giveBack(lease)
	}
}

// leaves takes a worker and never returns it: it has to be taken back when the
// context ends. Nobody uses it from then on.
func (s *stage) leaves(name string, ctx context.Context, cancel func()) {
	s.Go(name, func() {
		if lease, ok := s.checkout(name, s.pool, ctx); ok {
			hatch.At(hatch.Begin, nil)
			lease.Worker().user = ""
		}
		cancel()
	})
}

// back returns leases, one a goroutine.
func (s *stage) back(leases ...unitLease) {
	for i, lease := range leases {
		name := fmt.Sprintf("holder %d", i)
		s.begin(name, lease)
		s.Go(name, func() { s.giveBack(lease) })
	}
}

// strike crashes the worker of a slot.
func (s *stage) strike(slot int) {
	s.Go("crash", func() { s.inside.CrashWorker(slot, errUnit) })
}

// whole is the end that most plots share: in time the pool is at rest, its leases
// were counted, and every client was answered, with an error only if it may have one.
func (s *stage) whole(mayFail ...string) error {
	err := s.atRest()
	if counted, lent := s.pool.Stats().Checkouts, s.lent+uint64(len(s.served)); counted != lent {
		err = errors.Join(err, fmt.Errorf("%d checkouts were counted, there were %d", counted, lent))
	}
	for name, refused := range s.errs {
		if !slices.Contains(mayFail, name) {
			err = errors.Join(err, fmt.Errorf("%s: %w", name, refused))
		}
	}
	return err
}

// atRest fails unless in time all workers are idle and nobody waits.
func (s *stage) atRest() error {
	time.Sleep(schedule.Patience)
	stats := s.pool.Stats()
	err := s.Check()
	if stats.Leased != 0 || stats.Waiting != 0 || stats.Idle < stats.Size {
		err = errors.Join(err, fmt.Errorf("at the end: %+v", stats))
	}
	return err
}

// unharmed fails if a worker has ended: nobody has asked for that, nor taken one
// along.
func (s *stage) unharmed() error {
	if stats := s.pool.Stats(); stats.Crashes+stats.Restarts > 0 {
		return fmt.Errorf("%d crashes, %d restarts", stats.Crashes, stats.Restarts)
	}
	return nil
}

// inOrder fails if one of these clients was served before an earlier one.
func (s *stage) inOrder(names ...string) error {
	var got []string
	for _, name := range s.served {
		if slices.Contains(names, name) {
			got = append(got, name)
		}
	}
	if !slices.IsSortedFunc(got, func(a, b string) int { return slices.Index(names, a) - slices.Index(names, b) }) {
		return fmt.Errorf("served were %v, in turn %v", got, names)
	}
	return nil
}
