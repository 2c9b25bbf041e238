package pool_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

// tell writes an event as a word or two.
func tell(e pool.Event) string {
	text := fmt.Sprintf("%s %d.%d", e.Kind, e.Slot.Index, e.Slot.Incarnation)
	switch e.Kind {
	case pool.EventPoolDied, pool.EventUnstable:
		return string(e.Kind)
	case pool.EventLeaseStarted:
		return text + " " + e.Owner
	case pool.EventLeaseEnded:
		return text + " " + e.Owner + " " + string(e.Reason)
	}
	return text
}

// told lists everything but the states of the pool, which change beside it.
func (s *seen) told() (words []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.events {
		if e.Kind != pool.EventPoolState {
			words = append(words, tell(e))
		}
	}
	return words
}

func TestSubscribersAreToldOfALifeInOrder(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.NoReset = true
		events := observe(reg)
		p := start(t, reg, b, pool.Options{Size: 1})
		time.Sleep(time.Minute)
		l := take(t, t.Context(), p.With(pool.Terms{Owner: "ann"}))
		time.Sleep(time.Second)
		b.Next(pooltest.Script{Start: pooltest.Fail}, pooltest.Script{StartAfter: time.Second})
		l.Worker().Crash(pooltest.ErrScripted)
		time.Sleep(time.Second)
		settle(t, p)
		take(t, t.Context(), p.With(pool.Terms{Owner: "bob"})).Checkin()
		take(t, t.Context(), p.With(pool.Terms{Owner: "eve"})).Retire(pooltest.ErrScripted)
		settle(t, p)
		pooltest.KillManager(p, pooltest.AtIdle)
		settle(t, p)
		require.NoError(t, p.WaitReady(t.Context(), 1))
		settle(t, p)
		require.NoError(t, p.Stop(t.Context()))
		synctest.Wait()
		require.Equal(t, []string{
			"worker started 0.1",
			"lease started 0.1 ann",
			"worker crashed 0.1", "lease ended 0.1 ann crashed", "worker stopped 0.1",
			"start failed 0.2", "worker started 0.3",
			"lease started 0.3 bob", "lease ended 0.3 bob returned",
			"lease started 0.3 eve", "lease ended 0.3 eve retired", "worker stopped 0.3",
			"worker started 0.4",
			"pool died", "worker stopped 0.4", "worker started 0.5",
			"worker stopped 0.5",
		}, events.told())
		require.Equal(t, []pool.State{
			pool.StateReady, pool.StateDegraded, pool.StateReady,
			pool.StateRestarting, pool.StateStarting, pool.StateReady,
			pool.StateDraining, pool.StateStopped,
		}, events.states())

		var last uint64
		for _, e := range events.events {
			require.Equal(t, last+1, e.Seq, "numbered without a gap")
			last = e.Seq
			require.Equal(t, p.Name(), e.Slot.Pool)
			require.False(t, e.Time.IsZero())
			switch tell(e) {
			case "worker crashed 0.1":
				require.Equal(t, 61*time.Second, e.Elapsed, "its age")
				require.Equal(t, "run fail", hookEnd(e.Err))
			case "lease ended 0.1 ann crashed":
				require.Equal(t, time.Second, e.Elapsed)
				require.Equal(t, "run fail", hookEnd(e.Err))
			case "start failed 0.2":
				require.Equal(t, "start fail", hookEnd(e.Err))
			case "worker started 0.3":
				require.Equal(t, time.Second, e.Elapsed, "how long it took")
			case "pool died":
				require.ErrorContains(t, e.Err, "manager")
			}
		}
	})
}

func TestEveryLeaseHasExactlyOneStartedAndOneEndedEvent(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.Passive, b.NoReset = true, true
		events := observe(reg)
		p := start(t, reg, b, pool.Options{Size: 2, ReclaimGrace: -1, MaxHold: time.Minute})
		for owner, end := range map[string]func(l workerLease, cancel func()){
			"returned":  func(l workerLease, _ func()) { l.Checkin() },
			"retired":   func(l workerLease, _ func()) { l.Retire(nil) },
			"detached":  func(l workerLease, _ func()) { l.Detach() },
			"crashed":   func(l workerLease, _ func()) { pooltest.KillWorker(p, l.Slot().Index) },
			"abandoned": func(_ workerLease, cancel func()) { cancel(); time.Sleep(time.Second) },
			"overdue":   func(workerLease, func()) { time.Sleep(time.Minute + time.Second) },
			"restarted": func(workerLease, func()) { pooltest.KillManager(p, pooltest.AtLocked); time.Sleep(time.Second) },
		} {
			require.NoError(t, p.WaitReady(t.Context(), 2))
			ctx, cancel := context.WithCancel(t.Context())
			lease := take(t, ctx, p.With(pool.Terms{Owner: owner}))
			handed, err := lease.Transfer(ctx) // the same lease goes on
			require.NoError(t, err)
			end(handed, cancel)
			for _, l := range []workerLease{lease, handed} { // changes nothing
				l.Checkin()
				l.Retire(pooltest.ErrScripted)
			}
			cancel()
			settle(t, p)
		}
		require.NoError(t, p.WaitReady(t.Context(), 2))
		take(t, t.Context(), p.With(pool.Terms{Owner: "stopped"}))
		require.NoError(t, p.Stop(expired(t)))
		synctest.Wait()
		started, ended := map[string]int{}, map[string]int{}
		for _, e := range events.of(pool.EventLeaseStarted) {
			started[e.Owner]++
		}
		for _, e := range events.of(pool.EventLeaseEnded) {
			require.Equal(t, e.Owner, string(e.Reason))
			ended[e.Owner]++
		}
		require.Len(t, started, 8)
		require.Equal(t, started, ended)
		for owner, n := range started {
			require.Equal(t, 1, n, owner)
		}
	})
}

func TestABlockedReceiverHarmsNobodyButItself(t *testing.T) {
	inBubble(t, func(t *testing.T, _ *pool.Registry, b *pooltest.Backend) {
		reg := pooltest.NewRegistry()
		let := make(chan struct{})
		var got []pool.Event
		reg.Subscribe(func(e pool.Event) {
			<-let
			got = append(got, e)
		})
		reg.Subscribe(func(pool.Event) { panic("a bad receiver") })
		reg.Subscribe(func(pool.Event) { runtime.Goexit() })
		well := observe(reg)
		b.NoReset = true
		p := start(t, reg, b, pool.Options{Size: 1})
		const leases = 3000
		for range leases {
			require.True(t, take(t, t.Context(), p).Checkin())
			synctest.Wait()
		}
		require.Len(t, well.of(pool.EventLeaseStarted), leases)
		require.Len(t, well.of(pool.EventLeaseEnded), leases)
		require.Empty(t, well.of(pool.EventDropped))
		close(let)
		synctest.Wait()
		seq, dropped := uint64(0), 0
		for _, e := range got {
			seq += uint64(max(1, e.Dropped))
			require.Equal(t, seq, e.Seq, "a gap is told")
			dropped += e.Dropped
		}
		require.Equal(t, 2*leases+2, len(got)-1+dropped)
		require.Positive(t, dropped)
		pooltest.Close(t, reg)
	})
}

func TestAReceiverThatNeverReturnsIsNamedByShutdown(t *testing.T) {
	inBubble(t, func(t *testing.T, _ *pool.Registry, b *pooltest.Backend) {
		reg := pooltest.NewRegistry()
		let := make(chan struct{})
		defer close(let)
		reg.Subscribe(func(pool.Event) { <-let })
		p := start(t, reg, b, pool.Options{Size: 1})
		require.True(t, take(t, t.Context(), p).Checkin())
		elapsed := stopwatch()
		require.NoError(t, p.Stop(t.Context()), "the pool does not wait for it")
		require.Zero(t, elapsed())
		err := reg.Close()
		var stop *pool.StopError
		require.ErrorAs(t, err, &stop)
		require.Equal(t, 1, stop.Receivers)
		require.LessOrEqual(t, elapsed(), time.Second)
	})
}

func TestAReceiverMayUnsubscribeAndCallThePool(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		var unsubscribe func()
		calls := 0
		unsubscribe = reg.Subscribe(func(e pool.Event) {
			if e.Kind != pool.EventPoolState {
				return
			}
			calls++
			p, err := reg.Pool(e.Slot.Pool)
			assert.NoError(t, err)
			p.Inspect()
			unsubscribe()
		})
		p := start(t, reg, b, pool.Options{Size: 1})
		synctest.Wait()
		pooltest.KillManager(p, pooltest.AtIdle)
		settle(t, p)
		require.Equal(t, 1, calls)
		unsubscribe()
	})
}

// lines is a place for a JSON log.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) find(t *testing.T, message string) (found []map[string]any) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range bytes.Lines(l.buf.Bytes()) {
		var m map[string]any
		require.NoError(t, json.Unmarshal(line, &m))
		if m["msg"] == message {
			found = append(found, m)
		}
	}
	return found
}

func TestTheLogTellsOfTroubleWithItsPlaceAndCause(t *testing.T) {
	inBubble(t, func(t *testing.T, _ *pool.Registry, b *pooltest.Backend) {
		var log lines
		reg := pool.NewRegistry(pool.RegistryOptions{Logger: slog.New(slog.NewJSONHandler(&log, nil))})
		p := start(t, reg, b, pool.Options{Size: 2, Order: pool.OrderFIFO})
		one := func(message string) map[string]any {
			t.Helper()
			settle(t, p)
			found := log.find(t, message)
			require.NotEmpty(t, found, message)
			return found[len(found)-1]
		}
		l := take(t, t.Context(), p)
		b.Next(pooltest.Script{Start: pooltest.Fail})
		l.Worker().Panic("kaput")
		crash := one("pool: worker crashed")
		require.Equal(t, "WARN", crash["level"])
		require.Equal(t, p.Name(), crash["pool"])
		require.EqualValues(t, l.Slot().Index, crash["slot"])
		require.EqualValues(t, 1, crash["incarnation"])
		require.Contains(t, crash["error"], "run panicked: kaput")
		require.Contains(t, crash["stack"], "pooltest")
		failed := one("pool: worker did not start")
		require.Equal(t, p.Name(), failed["pool"])
		require.EqualValues(t, 2, failed["incarnation"])
		require.Contains(t, failed["error"], pooltest.ErrScripted.Error())

		b.Always(pooltest.Script{Stop: pooltest.Ignore})
		require.NoError(t, p.WaitReady(t.Context(), 2))
		require.NoError(t, p.Restart(t.Context()))
		take(t, t.Context(), p).Retire(nil)
		time.Sleep(5 * time.Second)
		zombie := one("pool: worker did not end")
		require.Equal(t, "ERROR", zombie["level"])
		require.Contains(t, zombie["error"], "stop of")

		pooltest.KillManager(p, pooltest.AtLocked)
		died := one("pool: died")
		require.Equal(t, "ERROR", died["level"])
		require.Equal(t, p.Name(), died["pool"])
		require.Contains(t, died["error"], `manager killed at "locked"`)
		require.Empty(t, log.find(t, "pool: lease ended"), "leases are no matter for the log")
		b.Release()
		settle(t, p)
		pooltest.Close(t, reg)
	})
}

// When the last worker that was missing is up: nothing else is to be done, but
// the pool says that it is ready, and at once.
func TestReadyIsSaidWhenTheLastWorkerIsUp(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		var mu sync.Mutex
		var states []pool.State
		var at time.Time
		reg.Subscribe(func(e pool.Event) {
			if e.Kind == pool.EventPoolState {
				mu.Lock()
				states, at = append(states, e.State), e.Time
				mu.Unlock()
			}
		})
		p := start(t, reg, b, pool.Options{Size: 2})
		time.Sleep(time.Minute)
		b.Next(pooltest.Script{StartAfter: 3 * time.Second})
		pooltest.KillWorker(p, 0)
		up := time.Now().Add(3 * time.Second)
		time.Sleep(time.Minute)
		mu.Lock()
		defer mu.Unlock()
		require.Equal(t, []pool.State{pool.StateDegraded, pool.StateReady}, states[len(states)-2:])
		require.Equal(t, up, at)
	})
}
