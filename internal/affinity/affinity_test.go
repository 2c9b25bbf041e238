package affinity_test

import (
	"hash/maphash"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/pooltender/pool/internal/affinity"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func always(int) bool { return true }

func hashes(n int) []uint64 {
	seed := maphash.MakeSeed()
	all := make([]uint64, n)
	for i := range all {
		all[i] = maphash.String(seed, "key "+strconv.Itoa(i))
	}
	return all
}

func TestAKeyHasOneSlotAndSlotsHaveAboutAsManyKeys(t *testing.T) {
	t.Parallel()
	const slots, keys = 10, 10_000
	count := make([]int, slots)
	for _, hash := range hashes(keys) {
		slot := affinity.Slot(hash, slots, always)
		require.Equal(t, slot, affinity.Slot(hash, slots, always))
		count[slot]++
	}
	for slot, n := range count {
		require.InDelta(t, keys/slots, n, 200, "slot %d", slot)
	}
}

func TestOnlyTheKeysOfASlotThatIsDownMoveAndTheySpread(t *testing.T) {
	t.Parallel()
	const slots, keys, down = 10, 10_000, 3
	up := func(slot int) bool { return slot != down }
	count := make([]int, slots)
	for _, hash := range hashes(keys) {
		before, now := affinity.Slot(hash, slots, always), affinity.Slot(hash, slots, up)
		if before != down {
			require.Equal(t, before, now)
			continue
		}
		count[now]++
	}
	require.Zero(t, count[down])
	for slot, n := range count {
		if slot != down {
			require.InDelta(t, keys/slots/(slots-1), n, 70, "slot %d", slot)
		}
	}
}

func TestGrowthByOneSlotMovesItsShareAndOnlyThere(t *testing.T) {
	t.Parallel()
	const slots, keys = 9, 10_000
	moved := 0
	for _, hash := range hashes(keys) {
		before, now := affinity.Slot(hash, slots, always), affinity.Slot(hash, slots+1, always)
		if before != now {
			require.Equal(t, slots, now)
			moved++
		}
	}
	require.InDelta(t, keys/(slots+1), moved, 200)
}

func TestTheLastSlotThatIsUpIsFoundAndNoneIsNone(t *testing.T) {
	t.Parallel()
	const slots = 1000
	for _, hash := range hashes(100) {
		require.Equal(t, 777, affinity.Slot(hash, slots, func(slot int) bool { return slot == 777 }))
		require.Equal(t, -1, affinity.Slot(hash, slots, func(int) bool { return false }))
		require.Equal(t, -1, affinity.Slot(hash, 0, always))
		require.Zero(t, affinity.Slot(hash, 1, always))
	}
}

// What others have computed by the same paper.
func TestTheSlotOfAHashIsThatOfThePublishedFunction(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		hash     uint64
		n, index int
	}{
		{0, 1 << 20, 0}, {1, 1, 0}, {42, 57, 43}, {256, 1024, 520}, {0xDEAD10CC, 1, 0}, {0xDEAD10CC, 666, 361},
	} {
		require.Equal(t, row.index, affinity.Slot(row.hash, row.n, always), "%+v", row)
	}
}
