package codel_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestItDecidesAsElixirDoes has both live through the same random loads, which
// come and go, some of them with workers that hang, and compares what they have
// decided after every step.
func TestItDecidesAsElixirDoes(t *testing.T) {
	t.Parallel()
	const size = 3
	var slow, shed, served, emptied int
	for seed := range uint64(100) {
		random := rand.New(rand.NewPCG(seed, 1))
		e := newElixir(size, limits.Target, limits.Interval)
		l := &line{Limits: limits, idle: size}
		now := time.Duration(1)
		for range 2000 {
			now += time.Duration(1 + random.Int64N(int64(40*ms)))
			for e.pollAt < now {
				before := len(e.dropped)
				l.poll(e.pollAt)
				e.poll()
				shed += len(e.dropped) - before
				same(t, e, l)
			}
			// Within 4 s of 16 there is more load than can be served, in 4 s none is.
			phase := now / (4 * time.Second) % 4
			switch arrives := random.IntN(100) < []int{45, 60, 45, 60}[phase]; {
			case arrives:
				e.checkout(now)
				l.checkout(now)
			case e.idle < size && (phase != 3 || seed%2 == 0):
				e.checkin(now)
				if !l.checkin(now) {
					emptied++
				}
			}
			same(t, e, l)
			if l.Slow() {
				slow++
			}
		}
		served += len(l.served)
	}
	t.Logf("%d served, %d turned away by polls, %d steps slow, %d times nobody waited", served, shed, slow, emptied)
	for _, n := range []int{slow, shed, served, emptied} {
		require.Greater(t, n, 1000, "the story is not told")
	}
}

func same(t *testing.T, e *elixir, l *line) {
	t.Helper()
	require.Equal(t, e.idle, l.idle)
	require.Equal(t, e.slow, l.Slow())
	require.Equal(t, e.delay, l.Delay())
	require.True(t, slices.Equal(e.queue, l.queue))
	require.Len(t, l.served, len(e.served))
	require.Len(t, l.dropped, len(e.dropped))
}
