package codel_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool/internal/codel"
)

// Nobody may come to judge an interval that has ended: then its waits say whether
// the queue stands.
func TestAnIntervalThatHasEndedCountsUnjudged(t *testing.T) {
	t.Parallel()
	l := codel.Limits{Target: 10, Interval: 100}
	begin := time.Unix(0, 0)
	at := func(n int) time.Time { return begin.Add(time.Duration(n)) }
	var c codel.Controller
	require.False(t, c.Stands(l, at(0)))
	require.False(t, c.Dequeue(l, at(0), 11))
	require.False(t, c.Stands(l, at(99)))
	require.True(t, c.Stands(l, at(100)))

	require.False(t, c.Dequeue(l, at(100), 11))
	c.Empty(l, at(150))
	require.True(t, c.Stands(l, at(199)), "until the interval ends")
	require.False(t, c.Stands(l, at(200)))
	require.True(t, c.Slow(), "though nobody has judged it")
}

func TestAnIntervalWhoseWaitsAreTheTargetDoesNotStand(t *testing.T) {
	t.Parallel()
	l := codel.Limits{Target: 10, Interval: 100}
	begin := time.Unix(0, 0)
	var c codel.Controller
	require.False(t, c.Dequeue(l, begin, 10))
	require.False(t, c.Stands(l, begin.Add(100)))
}
