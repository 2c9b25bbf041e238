package main

import (
	"runtime"
	"sync"
	"time"
)

// spin computes for about d and looks at no clock.
func spin(d time.Duration) {
	compute(int(float64(d) * pace()))
}

// pace is how many steps of compute take a nanosecond, at best.
var pace = sync.OnceValue(func() float64 {
	const steps = 100_000
	best := time.Duration(1 << 62)
	for range 20 {
		began := time.Now()
		compute(steps)
		best = min(best, time.Since(began))
	}
	return steps / float64(best)
})

// compute takes a time proportional to steps.
//
//go:noinline
func compute(steps int) {
	x := uint64(steps) | 1
	for range steps {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
	}
	runtime.KeepAlive(x)
}
