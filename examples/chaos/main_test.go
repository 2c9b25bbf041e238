package main

import (
	"flag"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

var long = flag.Bool("long", false, "let the storm last a minute, as a soak")

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		echo(os.Stdin, os.Stdout)
		return
	}
	goleak.VerifyTestMain(m)
}

func TestAStormLeavesNothingBehind(t *testing.T) {
	t.Setenv("GORACE", "atexit_sleep_ms=0") // or each process takes a second to end
	c := config{duration: 2 * time.Second, seed: rand.Uint64N(1000), pools: len(kinds)}
	if *long {
		c.duration = time.Minute
	}
	t.Logf("seed %d", c.seed)
	var shown strings.Builder
	r, err := c.run(t.Context(), &display{out: &shown, every: 200 * ms, began: time.Now()})
	require.NoError(t, err)
	t.Logf("\n%v%v", &shown, r)
	require.Empty(t, r.problems())
	require.Equal(t, *long, r.soak != nil)
	require.True(t, r.left.none())
	require.Contains(t, shown.String(), "violations 0\n")
	require.Positive(t, r.outcomes.of("served"))
	require.Positive(t, len(r.quiet.beside.handOver.kept))
	for _, temper := range []string{"patient", "calling"} {
		require.Positive(t, r.operations.of(temper), temper)
	}
	require.Positive(t, r.faults.of("worker killed"))
	require.Zero(t, r.outcomes.of("unexpected"))
	require.Equal(t, r.operations.total(), r.outcomes.total())
}

func TestWrongFlagsAreRefusedByName(t *testing.T) {
	for name, wrong := range map[string]config{
		"-duration": {duration: time.Millisecond, pools: 1},
		"-pools":    {duration: time.Second},
	} {
		err := wrong.validate()
		require.ErrorContains(t, err, name)
	}
}

func TestASampleKeepsSomeOfMany(t *testing.T) {
	var s sample
	require.Zero(t, s.quantile(0.5))
	for i := range 4 * mostKept {
		s.add(time.Duration(i))
	}
	require.Len(t, s.kept, mostKept)
	require.InDelta(t, 2*mostKept, int(s.quantile(0.5)), 0.1*mostKept)
	require.InDelta(t, 0.99*4*mostKept, int(s.quantile(0.99)), 0.1*mostKept)
}

func TestEachIsDrawnAsOftenAsItIsToBe(t *testing.T) {
	r, n := rand.New(rand.NewPCG(1, 1)), make(map[int]int)
	for range 10000 {
		n[drawn(r, []int{1, 0, 3}, func(often int) int { return often })]++
	}
	require.Zero(t, n[0])
	require.InDelta(t, 2500, n[1], 300)
}
