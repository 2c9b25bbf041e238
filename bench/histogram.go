package main

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// A histogram counts durations in buckets, each at most 1/64 wide of what it
// holds. It allocates nothing and may be used by several goroutines at once.
type histogram struct {
	counts [64 * 58]atomic.Uint64
	max    atomic.Int64
}

func (h *histogram) record(d time.Duration) {
	h.counts[bucket(d)].Add(1)
	for {
		was := h.max.Load()
		if int64(d) <= was || h.max.CompareAndSwap(was, int64(d)) {
			return
		}
	}
}

// bucket returns the index for d: below 128 every value has its own, above each
// power of two has 64.
func bucket(d time.Duration) int {
	v := uint64(max(d, 0))
	shift := max(bits.Len64(v)-7, 0)
	return shift*64 + int(v>>shift)
}

// lowest returns the smallest duration of a bucket.
func lowest(index int) time.Duration {
	shift := max(index/64-1, 0)
	return time.Duration(index-shift*64) << shift
}

// quantile returns the duration that the part q of those recorded does not
// exceed, to the precision of the buckets.
func (h *histogram) quantile(q float64) time.Duration {
	var total uint64
	for i := range h.counts {
		total += h.counts[i].Load()
	}
	rank := uint64(q * float64(total))
	for i := range h.counts {
		n := h.counts[i].Load()
		if rank < n {
			return min(lowest(i), time.Duration(h.max.Load()))
		}
		rank -= n
	}
	return time.Duration(h.max.Load())
}
