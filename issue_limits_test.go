package pool_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

// jackc/pgx#2560: the age of a connection was judged while it was idle, and in a
// pool that was busy none ever was.
func TestNoWorkerOutlivesItsLifetimeHoweverBusyItIs(t *testing.T) {
	for name, reset := range map[string]bool{"no reset": false, "reset": true} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
				const lifetime, work = 500 * time.Millisecond, 15 * time.Millisecond
				b.NoReset = !reset
				deaths := watchDeaths(reg)
				p := start(t, reg, b, pool.Options{Size: 2, MaxLifetime: lifetime})
				dismiss := crowd(4, func(int) {
					if lease, err := p.Checkout(t.Context()); assert.NoError(t, err) {
						time.Sleep(work)
						lease.Checkin()
					}
				})
				defer dismiss()
				time.Sleep(10 * lifetime)
				dismiss()
				settle(t, p)
				require.GreaterOrEqual(t, len(deaths.ages()), 2*9)
				for _, age := range deaths.ages() {
					require.LessOrEqual(t, age, lifetime+2*work, "both may come back at once, and one goes at a time")
				}
			})
		})
	}
}

// npgsql/npgsql#4193, #4373: after an outage connections that nobody used were
// not closed any more, for the timer that did it had been put off too often.
func TestSurplusWorkersGoWhateverHasHappenedBefore(t *testing.T) {
	for name, trouble := range map[string]func(t *testing.T, p fakes, b *pooltest.Backend){
		"nothing": func(*testing.T, fakes, *pooltest.Backend) {},
		"all crash": func(_ *testing.T, p fakes, _ *pooltest.Backend) {
			for slot := range 4 {
				pooltest.KillWorker(p, slot)
			}
		},
		"the backend is down": func(t *testing.T, p fakes, b *pooltest.Backend) {
			b.Always(pooltest.Script{Start: pooltest.Fail})
			for slot := range 4 {
				pooltest.KillWorker(p, slot)
			}
			time.Sleep(time.Minute)
			require.Equal(t, pool.StateCrashLoop, p.Stats().State)
			b.Always(pooltest.Script{})
		},
		"the manager dies":    func(_ *testing.T, p fakes, _ *pooltest.Backend) { pooltest.KillManager(p, pooltest.AtIdle) },
		"the supervisor dies": func(_ *testing.T, p fakes, _ *pooltest.Backend) { pooltest.KillSupervisor(p, pooltest.AtIdle) },
		"a restart":           func(t *testing.T, p fakes, _ *pooltest.Backend) { require.NoError(t, p.Restart(t.Context())) },
		"a resize": func(t *testing.T, p fakes, _ *pooltest.Backend) {
			require.NoError(t, p.Resize(t.Context(), 4))
			require.NoError(t, p.Resize(t.Context(), 1))
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
				const linger = 5 * time.Second
				p := start(t, reg, b, pool.Options{Size: 1, MaxOverflow: 3, OverflowLinger: linger})
				surge := func() {
					t.Helper()
					var line []<-chan answer
					for range 4 {
						line = append(line, ask(t.Context(), p))
					}
					time.Sleep(100 * time.Millisecond) // in which the pool grows
					for _, asked := range line {
						defer lentTo(t, asked).Checkin()
					}
					require.Equal(t, 3, p.Stats().Overflow)
				}
				for range 3 {
					surge()
					settle(t, p)
					trouble(t, p, b)
					time.Sleep(time.Minute)
					settle(t, p)
					require.NoError(t, p.WaitReady(t.Context(), 1))
					surge()
					time.Sleep(linger)
					settle(t, p)
					require.Equal(t, 1, p.Stats().Idle)
					require.Zero(t, p.Stats().Overflow)
				}
			})
		})
	}
}

// elixir-ecto/db_connection: the time for which a connection might be held began
// when its client queued, and who had waited that long lost it at once; or a
// timer came late, and ended the use of the next client.
func TestTheAgeOfALeaseBeginsWithIt(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.NoReset = true
		p := start(t, reg, b, pool.Options{Size: 1, MaxHold: time.Second})
		lease := take(t, t.Context(), p)
		for range 10 {
			waits := ask(t.Context(), p)
			time.Sleep(time.Second - time.Millisecond)
			require.True(t, lease.Checkin())
			lease = lentTo(t, waits)
		}
		require.True(t, lease.Checkin())
		for range 10 { // and without anybody who waits
			lease = take(t, t.Context(), p)
			time.Sleep(time.Second - time.Millisecond)
			require.True(t, lease.Checkin())
		}
		require.Equal(t, 1, b.Starts())
	})
}

// jackc/pgx#679, #1213: what was to be replaced was replaced before it was gone,
// and for a while there were twice as many connections as allowed.
func TestReplacementsMakeNoMoreWorkersThanAllowed(t *testing.T) {
	for name, replace := range map[string]func(t *testing.T, p fakes){
		"age": func(*testing.T, fakes) { time.Sleep(2 * time.Second) },
		"recycle": func(t *testing.T, p fakes) {
			require.NoError(t, p.Recycle(t.Context()))
		},
		"restart": func(t *testing.T, p fakes) {
			require.ErrorIs(t, p.Restart(cancelled), context.Canceled) // it does not wait, and so revokes what is lent
			time.Sleep(time.Second)
		},
		"the manager dies": func(t *testing.T, p fakes) {
			pooltest.KillManager(p, pooltest.AtIdle)
			time.Sleep(time.Second)
		},
		"resize": func(t *testing.T, p fakes) {
			require.NoError(t, p.Resize(t.Context(), 1))
			require.NoError(t, p.Resize(t.Context(), 3))
		},
		"retire and crash": func(t *testing.T, p fakes) {
			for range 5 {
				take(t, t.Context(), p).Retire(nil)
				pooltest.KillWorker(p, 0)
				time.Sleep(100 * time.Millisecond)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
				b.Always(pooltest.Script{StartAfter: 100 * time.Millisecond, StopAfter: 300 * time.Millisecond})
				p := pooltest.StartIn(t, reg, atMost(t, b, 3+2), pool.Options{Size: 3, MaxOverflow: 2, MaxLifetime: time.Second})
				dismiss := crowd(6, func(int) {
					if lease, err := p.Checkout(t.Context()); assert.NoError(t, err) {
						time.Sleep(30 * time.Millisecond)
						lease.Checkin()
					}
				})
				defer dismiss()
				for range 3 {
					time.Sleep(500 * time.Millisecond)
					replace(t, p)
				}
				dismiss()
				time.Sleep(time.Second)
				settle(t, p)
				require.Greater(t, b.Starts(), 2*5)
			})
		})
	}
}
