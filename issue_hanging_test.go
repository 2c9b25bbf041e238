package pool_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

// swaldman/c3p0#42, #53, #84: a few threads did all chores, and as many that hung
// held up every other. brettwooldridge/HikariCP#2161, dashbitco/nimble_pool#45,
// sneako/finch#392, epgsql/pooler#104: the one that makes or ends connections.
func TestHooksThatHangHoldUpNoOtherWorker(t *testing.T) {
	inBubble(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		const checked, cleaned, stopped, ran, restarted = 1, 2, 3, 4, 5
		b.Checks = true
		b.Next(
			pooltest.Script{Check: pooltest.Ignore},
			pooltest.Script{Reset: pooltest.Ignore},
			pooltest.Script{Stop: pooltest.Ignore},
			pooltest.Script{Run: pooltest.Ignore},
		)
		p := start(t, reg, b, pool.Options{
			Size: 8, MaxStarting: 2, CheckEvery: time.Minute,
			StartTimeout: time.Hour, CheckTimeout: time.Hour, StopTimeout: time.Hour,
		})
		lent := map[int]fakeLease{}
		for range 8 {
			lease := take(t, t.Context(), p)
			lent[lease.Worker().ID] = lease
		}
		require.True(t, lent[checked].Checkin())
		time.Sleep(time.Minute) // its check begins
		require.True(t, lent[cleaned].Checkin())
		require.True(t, lent[stopped].Retire(nil))
		require.True(t, lent[ran].Retire(nil))
		b.Next(pooltest.Script{Start: pooltest.Ignore})
		require.True(t, lent[restarted].Retire(nil))
		settle(t, p)
		for id := restarted + 1; id <= 8; id++ {
			require.True(t, lent[id].Checkin())
		}
		settle(t, p)
		began := time.Now()
		for i := range 30 {
			lease := take(t, t.Context(), p)
			switch i % 3 {
			case 0:
				lease.Checkin()
			case 1:
				lease.Retire(nil)
			case 2:
				lease.Worker().Crash(pooltest.ErrScripted)
			}
			settle(t, p)
		}
		require.Zero(t, time.Since(began))
		s := p.Stats()
		require.Equal(t, []int{3, 2, 2, 1}, []int{s.Idle, s.Tending, s.Stopping, s.Starting})
	})
}

// jackc/pgx#2394, oracle/python-oracledb#221: the ping of one connection that did
// not answer kept its client waiting, though another had come back.
func TestWhoWaitsForACheckThatHangsIsServedByWhateverComesFirst(t *testing.T) {
	checking(t, func(t *testing.T, reg *pool.Registry, b *pooltest.Backend) {
		b.Next(pooltest.Script{Check: pooltest.Ignore})
		p := start(t, reg, b, pool.Options{Size: 2, MaxStarting: 1, CheckEvery: time.Minute, StopTimeout: time.Second})
		hung, other := take(t, t.Context(), p), take(t, t.Context(), p)
		if hung.Worker().ID != 1 {
			hung, other = other, hung
		}
		hung.Checkin()
		time.Sleep(time.Minute) // the check begins
		first := ask(t.Context(), p)
		waiting(t, first)
		time.Sleep(time.Second)
		other.Checkin()
		require.Same(t, other.Worker(), lentTo(t, first).Worker())
		second := ask(t.Context(), p)
		time.Sleep(5*time.Second - 1) // CheckTimeout and StopTimeout since the check began
		waiting(t, second)
		time.Sleep(time.Nanosecond)
		require.Equal(t, 3, lentTo(t, second).Worker().ID)
		settle(t, p)
	})
}
