package main

import (
	"io"
	"math"
	"testing"
	"time"

	"github.com/pooltender/pool"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// tiny is enough to see that something works.
var tiny = plan{
	rounds: 1, turn: 10 * time.Microsecond, clients: 30,
	watches: 1, watched: 5 * time.Millisecond,
	samples: 3, held: time.Millisecond,
	starts: []start{{100, 1}},
}

func scenarioOf(t *testing.T, name string) scenario {
	for _, s := range scenarios(tiny) {
		if s.name == name {
			return s
		}
	}
	require.Fail(t, "no such scenario", name)
	return scenario{}
}

func TestEveryScenarioGivesRowsWithNumbers(t *testing.T) {
	for _, s := range scenarios(tiny) {
		t.Run(s.name, func(t *testing.T) {
			rows := s.measure(tiny)
			require.NotEmpty(t, rows)
			seen := make(map[string]bool)
			for _, r := range rows {
				assert.Equal(t, s.name, r.Scenario)
				assert.False(t, seen[r.Name], "two rows %q", r.Name)
				seen[r.Name] = true
				assert.Greater(t, r.NS, 0.0, r.Name)
				assert.GreaterOrEqual(t, r.Allocs, 0.0, r.Name)
				if r.Name == r.Baseline {
					assert.Equal(t, 1.0, r.Ratio)
				}
			}
			assert.True(t, seen[rows[0].Baseline], "baseline %q", rows[0].Baseline)
			assert.NoError(t, tables{io.Discard}.scenario(s, rows))
			assert.NoError(t, objects{io.Discard}.scenario(s, rows))
		})
	}
}

func TestAStormIsOne(t *testing.T) {
	quiet := supervise(pool.Options{Size: 1})
	defer quiet.close()
	end := storm(quiet.registry)
	defer end()
	stormy, err := quiet.registry.Pool("stormy")
	require.NoError(t, err)
	for stormy.Stats().Crashes < 100 {
		quiet.pairs(t.Context(), 1)
	}
}

func TestEveryTargetFindsWhatItNeeds(t *testing.T) {
	p := tiny
	p.starts = []start{{10_000, 1}}
	results := make(map[string][]row)
	for _, target := range targets() {
		if results[target.scenario] == nil {
			for _, s := range scenarios(p) {
				if s.name == target.scenario {
					results[s.name] = s.measure(p)
				}
			}
		}
		value, ok := target.measured(results[target.scenario])
		assert.True(t, ok && !math.IsNaN(value), "%s: %s", target.scenario, target.about)
		assert.NotEmpty(t, target.unit(value))
	}
}
