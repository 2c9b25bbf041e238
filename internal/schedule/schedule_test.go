//go:build interleave

package schedule_test

import (
	"errors"
	"math"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/pooltender/pool/internal/hatch"
	"github.com/pooltender/pool/internal/schedule"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var everything = schedule.Limits{Delays: math.MaxInt}

func TestEveryOrderIsMadeOnce(t *testing.T) {
	orders := map[string]int{}
	result, err := schedule.Explore(t, everything, func(r *schedule.Run) func() error {
		order := ""
		for _, name := range []string{"a", "b", "c"} {
			r.Go(name, func() {
				order += name
				hatch.At(hatch.Claim, nil)
				order += name
			})
		}
		return func() error { orders[order]++; return nil }
	})
	require.NoError(t, err)
	require.Equal(t, 90, result.Runs, "6!/(2!2!2!)")
	require.Len(t, orders, 90)
}

func TestDelaysBoundTheSearch(t *testing.T) {
	for delays, runs := range []int{1, 3, 5, 6} { // of two steps each
		result, err := schedule.Explore(t, schedule.Limits{Delays: delays}, func(r *schedule.Run) func() error {
			for range 2 {
				r.Go("", func() { hatch.At(hatch.Claim, nil) })
			}
			return func() error { return nil }
		})
		require.NoError(t, err)
		require.Equal(t, runs, result.Runs, "%d delays", delays)
	}
}

// guarded makes its two steps under a lock, as a pool does.
func guarded(mu *sync.Mutex, fn func()) {
	hatch.At(hatch.Lock, mu)
	mu.Lock()
	fn()
	hatch.At(hatch.Recall, mu)
	fn()
	mu.Unlock()
	hatch.At(hatch.Unlock, mu)
}

func TestNobodyEntersALockThatIsHeld(t *testing.T) {
	_, err := schedule.Explore(t, everything, func(r *schedule.Run) func() error {
		var mu sync.Mutex
		order := ""
		for _, name := range []string{"a", "b"} {
			r.Go(name, func() { guarded(&mu, func() { order += name }) })
		}
		return func() error {
			if order != "aabb" && order != "bbaa" {
				return errors.New(order)
			}
			return nil
		}
	})
	require.NoError(t, err)
}

func TestTimePassesWhenEverybodyWaitsAndWhereItMay(t *testing.T) {
	for passes, want := range []map[string]bool{{"ab": true, "ba": true}, {"ab": true, "ba": true, "tab": true, "tba": true, "atb": true, "bta": true}} {
		got := map[string]bool{}
		_, err := schedule.Explore(t, schedule.Limits{Delays: math.MaxInt, Passes: passes}, func(r *schedule.Run) func() error {
			order := ""
			timer := time.AfterFunc(time.Millisecond, func() {
				hatch.At(hatch.Wake, nil)
				order += "t"
			})
			for _, name := range []string{"a", "b"} {
				r.Go(name, func() { order += name })
			}
			return func() error {
				timer.Stop()
				time.Sleep(time.Minute)
				got[order] = true
				return nil
			}
		})
		require.NoError(t, err)
		for order := range want {
			require.True(t, got[order], "%q with %d passes", order, passes)
		}
	}
}

func TestALostUpdateIsFound(t *testing.T) {
	_, err := schedule.Explore(t, everything, func(r *schedule.Run) func() error {
		count := 0
		for _, name := range []string{"a", "b"} {
			r.Go(name, func() {
				seen := count
				hatch.At(hatch.Claim, nil)
				count = seen + 1
			})
		}
		return func() error {
			if count != 2 {
				return errors.New("one was lost")
			}
			return nil
		}
	})
	require.ErrorContains(t, err, "one was lost")
	require.ErrorContains(t, err, "b          claim", "the steps are told")
}

func TestALostWakeUpIsFound(t *testing.T) {
	_, err := schedule.Explore(t, schedule.Limits{Delays: 1}, func(r *schedule.Run) func() error {
		ready, wake := false, make(chan struct{})
		r.Go("waits", func() {
			if !ready {
				hatch.At(hatch.Wake, nil)
				<-wake
			}
		})
		r.Go("wakes", func() {
			ready = true
			select {
			case wake <- struct{}{}:
			default:
			}
		})
		return func() error { close(wake); return nil }
	})
	require.ErrorIs(t, err, schedule.ErrStuck)
}

func TestWhatHoldsOnlyBetweenStepsIsChecked(t *testing.T) {
	broken := errors.New("broken")
	_, err := schedule.Explore(t, everything, func(r *schedule.Run) func() error {
		whole := true
		r.Check = func() error {
			if !whole {
				return broken
			}
			return nil
		}
		r.Go("a", func() {
			whole = false
			hatch.At(hatch.Claim, nil)
			whole = true
		})
		return func() error { return nil }
	})
	require.ErrorIs(t, err, broken)
}
