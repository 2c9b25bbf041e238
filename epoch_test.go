package pool_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

type workerLease = pool.Lease[*pooltest.Worker]

// requireRestarted expects that a change of epoch has ended the lease.
func requireRestarted(t *testing.T, l workerLease) {
	t.Helper()
	end, ok := errors.AsType[*pool.LeaseError](l.Err())
	require.True(t, ok, "%v", l.Err())
	require.Equal(t, pool.EndRestarted, end.Reason)
	require.False(t, l.Checkin())
	require.False(t, l.Retire(pooltest.ErrScripted))
	_, err := l.Transfer(t.Context())
	require.ErrorAs(t, err, &end)
	require.Equal(t, 1, l.Worker().Stops())
	require.Error(t, l.Worker().Context().Err())
}

// line is a queue of clients that each lend a worker and give it back. Who was
// served when is told by the events, for clients run on as they please.
type line struct {
	*seen
	mu   sync.Mutex
	errs map[int]error
	at   map[int]time.Time
}

func newLine(events *seen) *line {
	return &line{seen: events, errs: make(map[int]error), at: make(map[int]time.Time)}
}

// join adds a client and waits until it stands in the queue.
func (l *line) join(ctx context.Context, p fakes, terms pool.Terms, n int) {
	terms.Owner = fmt.Sprintf("%05d", n)
	go func() {
		lease, err := p.With(terms).Checkout(ctx)
		if err == nil {
			lease.Checkin()
			return
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		l.errs[n], l.at[n] = err, time.Now()
	}()
	synctest.Wait()
}

// served lists the clients in the order of their service.
func (l *line) served() (owners []string) {
	for _, e := range l.of(pool.EventLeaseStarted) {
		if e.Owner != "" {
			owners = append(owners, e.Owner)
		}
	}
	return owners
}

func TestAPoolSurvivesTheDeathOfEitherHalfAtEveryPoint(t *testing.T) {
	type scene struct {
		p      fakes
		b      *pooltest.Backend
		held   []workerLease // one lease of each slot, or none
		cancel func()        // of the first one's client
	}
	none := func(scene) {}
	crash := func(s scene) { pooltest.KillWorker(s.p, 1) }
	for _, row := range []struct {
		kill    func(pool.Control, pooltest.Point)
		half    string
		at      pooltest.Point
		provoke func(scene)
		idle    bool // only where nothing is leased
	}{
		{kill: pooltest.KillManager, half: "manager", at: pooltest.AtIdle, provoke: none},
		{kill: pooltest.KillManager, half: "manager", at: pooltest.AtLocked, provoke: none},
		{kill: pooltest.KillManager, half: "manager", at: pooltest.AtRevoke, provoke: func(s scene) { s.cancel() }},
		{kill: pooltest.KillManager, half: "manager", at: pooltest.AtRetire, idle: true, provoke: func(s scene) {
			all := []workerLease{}
			for range 4 {
				l, _ := s.p.Checkout(context.Background())
				all = append(all, l)
			}
			for _, l := range all {
				l.Checkin()
			}
		}},
		{kill: pooltest.KillSupervisor, half: "worker supervisor", at: pooltest.AtIdle, provoke: none},
		{kill: pooltest.KillSupervisor, half: "worker supervisor", at: pooltest.AtLocked, provoke: none},
		{kill: pooltest.KillSupervisor, half: "worker supervisor", at: pooltest.AtStart, provoke: crash},
		{kill: pooltest.KillSupervisor, half: "worker supervisor", at: pooltest.AtStarted, provoke: crash},
		{kill: pooltest.KillSupervisor, half: "worker supervisor", at: pooltest.AtDetach, provoke: func(s scene) { s.held[2].Retire(nil) }},
	} {
		for _, waiting := range []int{0, 20} {
			if row.idle && waiting > 0 {
				continue
			}
			t.Run(fmt.Sprintf("%s/%s/%d wait", row.half, row.at, waiting), func(t *testing.T) {
				inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
					events := observe(reg)
					other := start(t, reg, pooltest.NewBackend(t), pool.Options{Size: 2, MaxOverflow: 1})
					stays := take(t, t.Context(), other)
					untouched := other.Stats()

					overflow := 0
					if row.idle {
						overflow = 1
					}
					if row.at == pooltest.AtDetach {
						b.Always(pooltest.Script{Run: pooltest.Ignore})
					}
					p := start(t, reg, b, pool.Options{Size: 3, MaxOverflow: overflow, ReclaimGrace: -1, Order: pool.OrderFIFO})
					b.Always(pooltest.Script{})
					s := scene{p: p, b: b, cancel: func() {}}
					clients := newLine(events)
					if !row.idle {
						var ctx context.Context
						ctx, s.cancel = context.WithCancel(t.Context())
						s.held = append(s.held, take(t, ctx, p), take(t, t.Context(), p), take(t, t.Context(), p))
					}
					for n := range waiting {
						clients.join(t.Context(), p, pool.Terms{}, n)
					}
					before := p.Stats()

					row.kill(p, row.at)
					row.provoke(s)
					time.Sleep(time.Minute)
					settle(t, p, other)

					info := p.Inspect()
					require.EqualValues(t, 2, info.Epoch)
					died := events.of(pool.EventPoolDied)
					require.Len(t, died, 1)
					require.ErrorContains(t, died[0].Err, fmt.Sprintf("%s killed at %q", row.half, row.at))
					require.Equal(t, pool.StateReady, info.Stats.State)
					require.Equal(t, 3, info.Stats.Idle)
					require.GreaterOrEqual(t, info.Stats.Checkouts, before.Checkouts+uint64(waiting))
					for _, l := range s.held {
						require.Error(t, l.Err())
						require.False(t, l.Checkin())
					}
					if row.at == pooltest.AtIdle || row.at == pooltest.AtLocked {
						for _, l := range s.held {
							requireRestarted(t, l)
						}
					}
					require.Len(t, clients.served(), waiting)
					require.True(t, slices.IsSorted(clients.served()), "%v", clients.served())
					for _, w := range b.Workers() {
						if w.Context().Err() != nil {
							require.Equal(t, 1, w.Stops())
						}
					}
					require.Len(t, b.Alive(), 3)
					require.True(t, take(t, t.Context(), p).Checkin(), "the handle is good")

					require.Equal(t, untouched, other.Stats())
					require.True(t, stays.Checkin())
					b.Release()
					settle(t, p, other)
					require.Zero(t, p.Stats().Zombies)
				})
			})
		}
	}
}

func TestAChangeOfEpochKeepsAThousandWaitersInOrderAndTheirDeadlines(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		p := start(t, reg, b, pool.Options{Size: 3, StopTimeout: 2 * time.Second})
		var held []workerLease
		for range 3 {
			held = append(held, take(t, t.Context(), p))
		}
		began := time.Now()
		impatient, cancel := context.WithDeadline(t.Context(), began.Add(time.Second))
		defer cancel()
		clients := newLine(observe(reg))
		for n := range 1000 {
			switch n % 100 {
			case 50:
				clients.join(impatient, p, pool.Terms{}, n)
			case 51:
				clients.join(t.Context(), p, pool.Terms{MaxWait: 1500 * ms}, n)
			default:
				clients.join(t.Context(), p, pool.Terms{}, n)
			}
		}
		work := held[0].Context()
		b.Always(pooltest.Script{StartAfter: 2 * time.Second})
		pooltest.KillManager(p, pooltest.AtLocked)
		settle(t, p)
		for _, l := range held {
			requireRestarted(t, l)
		}
		require.ErrorContains(t, context.Cause(work), "restarts")
		waiters := p.Inspect().Waiters
		require.Len(t, waiters, 1000)
		require.True(t, slices.IsSortedFunc(waiters, func(a, b pool.WaiterInfo) int { return int(a.Ticket) - int(b.Ticket) }))
		clients.join(t.Context(), p, pool.Terms{}, 1000) // a newcomer
		time.Sleep(3 * time.Second)
		settle(t, p)
		require.Len(t, clients.served(), 981)
		require.True(t, slices.IsSorted(clients.served()))
		for n, err := range clients.errs {
			if n%100 == 50 {
				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.Equal(t, time.Second, clients.at[n].Sub(began))
			} else {
				require.ErrorIs(t, err, pool.ErrOverloaded)
				require.Equal(t, 1500*ms, clients.at[n].Sub(began))
			}
		}
		require.Len(t, clients.errs, 20)
	})
}

func TestAChangeOfEpochWithStartsAndResetsUnderWay(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.Next(pooltest.Script{Reset: pooltest.Hang}, pooltest.Script{}, pooltest.Script{})
		p := start(t, reg, b, pool.Options{Size: 3, MaxStarting: 1, Order: pool.OrderFIFO})
		resetting := take(t, t.Context(), p)
		resetting.Checkin()
		b.Next(pooltest.Script{StartAfter: 20 * time.Second}, pooltest.Script{StartAfter: 20 * time.Second})
		take(t, t.Context(), p).Retire(nil)
		settle(t, p)
		s := p.Stats()
		require.Equal(t, []int{1, 1, 1}, []int{s.Tending, s.Starting, s.Idle})

		pooltest.KillSupervisor(p, pooltest.AtIdle)
		elapsed := stopwatch()
		synctest.Wait()
		require.Equal(t, 1, resetting.Worker().Stops())
		require.Equal(t, pool.StateStarting, p.Stats().State)
		require.NoError(t, p.WaitReady(t.Context(), 3))
		require.Equal(t, 20*time.Second, elapsed(), "one slow start, and it was not repeated")
		settle(t, p)
		require.Zero(t, p.Stats().Crashes)
		require.Len(t, b.Alive(), 3)
		require.Equal(t, 3+1+3, b.Starts())
	})
}

func TestAFirstStartDuringWhichTheManagerDiesIsAnAnswerToo(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.Always(pooltest.Script{StartAfter: time.Second})
		time.AfterFunc(500*ms, func() {
			p, err := reg.Pool(t.Name())
			assert.NoError(t, err)
			pooltest.KillManager(p, pooltest.AtIdle)
		})
		elapsed := stopwatch()
		_, err := pool.Start(t.Context(), reg, t.Name(), b.Spec(), pool.Options{Size: 2})
		require.ErrorContains(t, err, `manager killed at "idle"`)
		require.Equal(t, 500*ms, elapsed())
		require.Empty(t, b.Workers())
		pooltest.NoGoroutines(t, t.Name())
		_, err = pool.Start(t.Context(), reg, t.Name(), b.Spec(), pool.Options{Size: 2})
		require.NoError(t, err, "the name is free")
	})
}
