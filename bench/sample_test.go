package main

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestQuantilesLieBetweenValues(t *testing.T) {
	s := sample{4, 1, 3, 2, 5}
	assert.Equal(t, 1.0, s.quantile(0))
	assert.Equal(t, 3.0, s.median())
	assert.Equal(t, 4.5, s.quantile(0.875))
	assert.Equal(t, 5.0, s.quantile(1))
	assert.Equal(t, sample{4, 1, 3, 2, 5}, s, "in the order of the rounds, still")
	assert.Equal(t, 7.0, sample{7}.quantile(0.99))
	assert.True(t, math.IsNaN(sample{}.median()))
}

func TestSpreadIsAPartOfTheMedian(t *testing.T) {
	assert.Equal(t, 2.0/3, sample{1, 2, 3, 4, 5}.spread())
	assert.Zero(t, sample{3, 3, 3}.spread())
	assert.Zero(t, sample{}.spread())
}

func TestARatioIsTheMedianOfThoseOfTheRounds(t *testing.T) {
	baseline := sample{10, 100, 10} // something disturbed the second round
	assert.Equal(t, 2.0, sample{20, 200, 20}.over(baseline))
	assert.True(t, math.IsNaN(sample{}.over(baseline)))
	assert.Equal(t, 3.0, sample{1, 3}.over(sample{0, 1}), "nothing is divided by 0")
}

func TestFairnessIsOneIfAllGotTheSame(t *testing.T) {
	assert.Equal(t, 1.0, fairness([]int{5, 5, 5, 5}))
	assert.Equal(t, 0.25, fairness([]int{0, 9, 0, 0}))
	assert.Equal(t, 1.0, fairness(nil))
}

func TestHistogramKnowsQuantilesToItsPrecision(t *testing.T) {
	var h histogram
	var exact sample
	for range 10_000 {
		d := time.Duration(math.Exp(25 * rand.Float64())) // 1 ns to 72 s
		h.record(d)
		exact = append(exact, float64(d))
	}
	for _, q := range []float64{0, 0.01, 0.5, 0.9, 0.99, 0.999} {
		sorted := slices.Sorted(slices.Values(exact))
		want := sorted[int(q*float64(len(sorted)))]
		assert.InEpsilon(t, want, float64(h.quantile(q)), 1.0/64, "%v", q)
	}
	assert.Equal(t, slices.Max(exact), float64(h.quantile(1)))
	assert.Zero(t, new(histogram).quantile(0.5))
}

func TestEveryDurationHasABucketThatBeginsBelowIt(t *testing.T) {
	for _, d := range []time.Duration{0, 1, 63, 64, 127, 128, 129, 255, 256, 1e3, 1e6, 1e9, 1e12, math.MaxInt64, -5} {
		index := bucket(d)
		low := lowest(index)
		assert.LessOrEqual(t, low, max(d, 0))
		assert.LessOrEqual(t, float64(max(d, 0)-low), float64(low)/64)
		assert.Equal(t, index, bucket(low))
	}
	assert.Equal(t, len(new(histogram).counts)-1, bucket(math.MaxInt64))
}
