package restart_test

import (
	"testing"
	"time"

	"github.com/pooltender/pool/internal/restart"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// at is a moment d after the pool was started.
func at(d time.Duration) time.Time { return epoch.Add(d) }

func begun() *restart.Ledger {
	l := new(restart.Ledger)
	l.Begin(epoch)
	return l
}

// fail records n crashes of unproven workers, 1 ms apart from d on.
func fail(l *restart.Ledger, p restart.Policy, d time.Duration, n int) {
	for i := range n {
		l.Ended(p, at(d+time.Duration(i)*ms), restart.Crashed, false)
	}
}

func TestMoreThanMaxRestartsFailuresExhaust(t *testing.T) {
	t.Parallel()
	p := defaults(1)
	for _, ending := range []restart.Ending{restart.Crashed, restart.StartFailed} {
		l := begun()
		for i := range 6 {
			now := at(time.Duration(i) * ms)
			l.Ended(p, now, ending, false)
			assert.Equal(t, i+1, l.Failures(p, now))
			assert.False(t, l.Exhausted(p, now, 1, false), "after %d of 6", i+1)
		}
		l.Ended(p, at(6*ms), ending, false)
		assert.True(t, l.Exhausted(p, at(6*ms), 0, false))
		assert.True(t, l.Exhausted(p, at(6*ms), 1, false), "a live worker that is not proven does not help")
		assert.False(t, l.Exhausted(p, at(6*ms), 1, true), "a proven one does")
	}
}

func TestAFailureCountsForExactlyAWindow(t *testing.T) {
	t.Parallel()
	p := defaults(1)
	l := begun()
	fail(l, p, 0, 1)
	fail(l, p, time.Second, 6)

	edge := at(p.Window)
	assert.Equal(t, 7, l.Failures(p, edge), "exactly a window old")
	assert.True(t, l.Exhausted(p, edge, 1, false))
	assert.True(t, l.Unstable(p, edge))

	edge = edge.Add(1)
	assert.Equal(t, 6, l.Failures(p, edge), "1 ns older")
	assert.False(t, l.Exhausted(p, edge, 1, false))
	assert.False(t, l.Unstable(p, edge))

	assert.Equal(t, 1, l.Failures(p, at(time.Second+5*ms+p.Window)))
	assert.Zero(t, l.Failures(p, at(time.Second+5*ms+p.Window+1)))
}

func TestOnlyUnprovenEndsThatNobodyAskedForAreFailures(t *testing.T) {
	t.Parallel()
	p := defaults(1)
	for _, c := range []struct {
		name   string
		ending restart.Ending
		proven bool
		want   int // failures, after three before
	}{
		{"unproven crash", restart.Crashed, false, 4},
		{"failed start", restart.StartFailed, false, 4},
		{"unproven orderly end", restart.Orderly, false, 3},
		{"proven orderly end", restart.Orderly, true, 0},
		{"proven crash", restart.Crashed, true, 0},
	} {
		l := begun()
		fail(l, p, 0, 3)
		l.Ended(p, at(time.Second), c.ending, c.proven)
		assert.Equal(t, c.want, l.Failures(p, at(time.Second)), c.name)
	}
}

func TestFailuresCountAnewAfterAProvenWorkerEnded(t *testing.T) {
	t.Parallel()
	p := defaults(1)
	l := begun()
	fail(l, p, 0, 6)
	l.Ended(p, at(time.Second), restart.Crashed, true)
	fail(l, p, 2*time.Second, 6)
	assert.False(t, l.Exhausted(p, at(3*time.Second), 0, false))
	fail(l, p, 3*time.Second, 1)
	assert.True(t, l.Exhausted(p, at(3*time.Second), 0, false))
}

func TestNobodyAliveAndAFailedStartExhaust(t *testing.T) {
	t.Parallel()
	p := defaults(100)
	l := begun()
	_, ok := l.ExhaustedAt(p)
	require.False(t, ok, "no start has failed")
	assert.False(t, l.Exhausted(p, at(time.Hour), 0, false), "a start may take long")

	l.Ended(p, at(3*time.Second), restart.StartFailed, false)
	due, ok := l.ExhaustedAt(p)
	require.True(t, ok)
	assert.Equal(t, at(10*time.Second), due, "10 s since Begin")
	assert.False(t, l.Exhausted(p, due.Add(-1), 0, false))
	assert.True(t, l.Exhausted(p, due, 0, false))
	assert.False(t, l.Exhausted(p, due, 1, false), "somebody is alive")

	l.Alive(at(8 * time.Second))
	_, ok = l.ExhaustedAt(p)
	require.False(t, ok, "the start failed before somebody was alive")
	assert.False(t, l.Exhausted(p, at(time.Minute), 0, false))

	l.Ended(p, at(9*time.Second), restart.StartFailed, false)
	due, ok = l.ExhaustedAt(p)
	require.True(t, ok)
	assert.Equal(t, at(18*time.Second), due, "10 s since somebody was alive")
}

func TestAStartThatHangsExhaustsWhenItFails(t *testing.T) {
	t.Parallel()
	p := defaults(100)
	l := begun()
	l.Ended(p, at(30*time.Second), restart.StartFailed, false)
	due, ok := l.ExhaustedAt(p)
	require.True(t, ok)
	assert.Equal(t, at(10*time.Second), due, "already past")
	assert.True(t, l.Exhausted(p, at(30*time.Second), 0, false))
}

func TestACrashIsNoFailedStart(t *testing.T) {
	t.Parallel()
	p := defaults(100)
	l := begun()
	l.Alive(at(time.Second))
	l.Ended(p, at(time.Second), restart.Crashed, false)
	_, ok := l.ExhaustedAt(p)
	assert.False(t, ok)
	assert.False(t, l.Exhausted(p, at(time.Hour), 0, false))
}

func TestNegativeMaxRestartsNeverExhausts(t *testing.T) {
	t.Parallel()
	p := defaults(1)
	p.MaxRestarts = -3
	l := begun()
	for i := range 1000 {
		unstable := l.Ended(p, at(time.Duration(i)*time.Second), restart.StartFailed, false)
		require.False(t, unstable)
	}
	now := at(time.Hour)
	assert.False(t, l.Exhausted(p, now, 0, false))
	assert.False(t, l.Unstable(p, now))
	assert.Zero(t, l.Failures(p, now))
	_, ok := l.ExhaustedAt(p)
	assert.False(t, ok)
}

func TestZeroMaxRestartsAllowsNoFailure(t *testing.T) {
	t.Parallel()
	p := defaults(1)
	p.MaxRestarts = 0
	l := begun()
	assert.False(t, l.Exhausted(p, epoch, 0, false))
	fail(l, p, 0, 1)
	assert.True(t, l.Exhausted(p, epoch, 0, false))
}

func TestUnstableIsSaidOncePerWindow(t *testing.T) {
	t.Parallel()
	p := defaults(1)
	l := begun()
	var said []time.Duration
	for d := time.Duration(0); d <= 3*time.Minute; d += time.Second {
		proven := d/time.Second%2 == 0
		if l.Ended(p, at(d), restart.Crashed, proven) {
			said = append(said, d)
		}
		assert.Equal(t, d >= 6*time.Second, l.Unstable(p, at(d)), "after %v", d)
	}
	assert.Equal(t, []time.Duration{6 * time.Second, 67 * time.Second, 128 * time.Second}, said,
		"with the seventh end, and not again within a window of it")
}

func TestEndsThatWereAskedForAreNotUnstable(t *testing.T) {
	t.Parallel()
	p := defaults(1)
	l := begun()
	for i := range 100 {
		assert.False(t, l.Ended(p, at(time.Duration(i)*ms), restart.Orderly, i%2 == 0))
	}
	assert.False(t, l.Unstable(p, at(time.Second)))

	fail(l, p, time.Second, 6)
	assert.True(t, l.Ended(p, at(2*time.Second), restart.StartFailed, false), "a failed start was not asked for")
}

func TestBeginForgets(t *testing.T) {
	t.Parallel()
	p := defaults(1)
	l := begun()
	for i := range 7 {
		l.Ended(p, at(time.Duration(i)*ms), restart.StartFailed, false)
	}
	require.True(t, l.Exhausted(p, at(time.Second), 0, false))

	l.Begin(at(time.Second))
	assert.Zero(t, l.Failures(p, at(time.Second)))
	assert.False(t, l.Unstable(p, at(time.Second)))
	assert.False(t, l.Exhausted(p, at(time.Hour), 0, false))

	l.Ended(p, at(2*time.Second), restart.StartFailed, false)
	due, ok := l.ExhaustedAt(p)
	require.True(t, ok)
	assert.Equal(t, at(11*time.Second), due)
}

func TestMaxRestartsMayChange(t *testing.T) {
	t.Parallel()
	large, small := defaults(10), defaults(1)
	l := begun()
	fail(l, large, 0, 20)
	now := at(time.Second)
	assert.False(t, l.Exhausted(large, now, 1, false))
	assert.True(t, l.Exhausted(small, now, 1, false), "the goal was lowered")

	aged := begun()
	fail(aged, large, 0, 1)
	fail(aged, large, time.Second, 7)
	assert.True(t, aged.Exhausted(small, at(time.Second+large.Window), 1, false), "the newest ones decide")

	fail(l, small, time.Second, 1)
	assert.Equal(t, 7, l.Failures(small, now), "no more than needed is kept")
	assert.True(t, l.Exhausted(small, now, 1, false))

	fail(l, large, time.Second, 53)
	assert.False(t, l.Exhausted(large, at(2*time.Second), 1, false), "60 of 60")
	fail(l, large, 2*time.Second, 1)
	assert.True(t, l.Exhausted(large, at(2*time.Second), 1, false))
}

func TestTheLedgerKeepsNoMoreThanItNeeds(t *testing.T) {
	t.Parallel()
	p := defaults(1)
	l := begun()
	fail(l, p, 0, 10_000)
	assert.Equal(t, 7, l.Failures(p, at(10*time.Second)))
}
