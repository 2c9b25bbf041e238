// Package affinity gives keys their slots: one key the same slot, as long as that
// is up, and all slots about as many keys.
package affinity

// tries is how many slots a key is given by its hash before all are looked at.
const tries = 16

// Slot returns the slot of a key among n, by the key's hash; -1 if none is up.
// While a slot is down its keys, and no others, have other slots, spread over all.
// When n changes by one, one key in n moves.
//
// It costs O(log n), and n looks where hardly a slot is up.
func Slot(hash uint64, n int, up func(slot int) bool) int {
	var slot int
	for range tries {
		if slot = jump(hash, n); slot < 0 || up(slot) {
			return slot
		}
		hash = hash*knuth + 1
	}
	for i := range n {
		if other := (slot + i) % n; up(other) {
			return other
		}
	}
	return -1
}

// knuth is the multiplier of MMIX (Knuth, TAOCP 3.3.4).
const knuth = 6364136223846793005

// jump is the consistent hash of Lamping and Veach, "A Fast, Minimal Memory,
// Consistent Hash Algorithm" (2014), which suits buckets that are numbered and
// come and go at the end, as slots do.
func jump(key uint64, buckets int) int {
	bucket, next := int64(-1), int64(0)
	for next < int64(buckets) {
		bucket = next
		key = key*2862933555777941757 + 1
		next = int64(float64(bucket+1) * (float64(int64(1)<<31) / float64((key>>33)+1)))
	}
	return int(bucket)
}
