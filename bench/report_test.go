package main

import (
	"bytes"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestTablesAreMarkdownThatCanBeRead(t *testing.T) {
	s := scenario{name: "crowd/yield", about: "Many.", columns: []column{timeColumn, spreadColumn, ratioColumn, allocsColumn, noteColumn}}
	rows := []row{
		{Name: "channel", NS: 30.44, Spread: 0.031, Baseline: "channel", Ratio: 1},
		{Name: "möglich", NS: 1_234_567, Baseline: "channel", Ratio: 1234.5, Allocs: 2.96, Note: "slow"},
		{Name: "broken", NS: math.NaN(), Baseline: "channel"},
	}
	var out bytes.Buffer
	assert.NoError(t, tables{&out}.scenario(s, rows))
	assert.Equal(t, `
### crowd/yield

Many.

|         | time/op | spread | × channel | allocs/op |      |
| ------- | ------: | -----: | --------: | --------: | ---- |
| channel | 30.4 ns |    3 % |      1.00 |       0.0 |      |
| möglich | 1.23 ms |      – |      1234 |       3.0 | slow |
| broken  |       – |      – |         – |       0.0 |      |
`, out.String())
}

func TestJSONHasNoMoreDigitsThanMeanSomething(t *testing.T) {
	var out bytes.Buffer
	assert.NoError(t, objects{&out}.scenario(scenario{}, []row{
		{Scenario: "s", Name: "a & b", NS: 123.456789, Baseline: "a", Ratio: math.NaN(), Spread: math.Inf(1), P50: 3},
	}))
	assert.Equal(t, `{"scenario":"s","name":"a & b","ns":123.5,"allocs":0,"baseline":"a","ratio":0,"p50":3}`+"\n", out.String())
}

func TestDurationsHaveThreeDigits(t *testing.T) {
	for ns, want := range map[float64]string{
		0.5: "0.50 ns", 9.99: "9.99 ns", 9.999: "10.0 ns", 99.99: "100 ns", 999: "999 ns", 999.7: "1.00 µs",
		1000: "1.00 µs", 45_678: "45.7 µs", 1e6: "1.00 ms", 2e9: "2.00 s", 3e11: "300 s", 0: "–",
	} {
		assert.Equal(t, want, duration(ns))
	}
}

func TestRowsAreComparedToTheBaselineByRoundsWhereThereAreSome(t *testing.T) {
	rows := against("a", []row{
		{Name: "a", NS: 10, rounds: sample{10, 100, 1}},
		{Name: "b", NS: 20, rounds: sample{20, 200, 2}},
		{Name: "c", NS: 40},
	})
	assert.Equal(t, []float64{1, 2, 4}, []float64{rows[0].Ratio, rows[1].Ratio, rows[2].Ratio})

	rows = against("nobody", []row{{Name: "a", NS: 10}})
	assert.Empty(t, rows[0].Baseline)
	assert.Zero(t, rows[0].Ratio)
}
