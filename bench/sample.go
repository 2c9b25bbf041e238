package main

import (
	"math"
	"slices"
)

// sample is what was measured, in the order of the rounds.
type sample []float64

// quantile returns the value below which the part q of the sample lies,
// interpolated. An empty sample has none: NaN.
func (s sample) quantile(q float64) float64 {
	if len(s) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(s))
	at := q * float64(len(sorted)-1)
	below := int(at)
	if below+1 == len(sorted) {
		return sorted[below]
	}
	return sorted[below] + (at-float64(below))*(sorted[below+1]-sorted[below])
}

func (s sample) median() float64 { return s.quantile(0.5) }

// spread is the distance between the quartiles, as a part of the median.
func (s sample) spread() float64 {
	if m := s.median(); m > 0 {
		return (s.quantile(0.75) - s.quantile(0.25)) / m
	}
	return 0
}

// over returns the median of the ratios, each of two values of one round: what
// slows a round down slows both.
func (s sample) over(baseline sample) float64 {
	var ratios sample
	for i := range min(len(s), len(baseline)) {
		if baseline[i] > 0 {
			ratios = append(ratios, s[i]/baseline[i])
		}
	}
	return ratios.median()
}

// fairness is Jain's index of what each of several clients got: 1 if all got
// the same, 1/n if one of n got everything.
func fairness(shares []int) float64 {
	var sum, squares float64
	for _, share := range shares {
		sum += float64(share)
		squares += float64(share) * float64(share)
	}
	if squares == 0 {
		return 1
	}
	return sum * sum / (float64(len(shares)) * squares)
}
