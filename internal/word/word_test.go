package word_test

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool/internal/word"
)

// freeToBind reports whether a client that has a context may claim the worker.
func freeToBind(w word.Word) bool { return w.Free() && w.Swept() }

// standing is what a word says beside its generation.
type standing struct {
	resident, leased, bound, binding, free, freeToBind bool
}

func of(w word.Word) standing {
	return standing{w.Resident(), w.Leased(), w.Bound(), w.Binding(), w.Free(), freeToBind(w)}
}

var (
	locked    = standing{}
	unlooked  = standing{resident: true, free: true}
	idle      = standing{resident: true, free: true, freeToBind: true}
	lent      = standing{resident: true, leased: true}
	lentBound = standing{resident: true, leased: true, bound: true}
	claiming  = standing{resident: true, leased: true, binding: true}
)

func resident(looked bool) word.Word { return word.Word(0).Next().Reside(looked) }

func TestEveryStepHasItsPlaceAndItsGeneration(t *testing.T) {
	t.Parallel()
	for name, step := range map[string]struct {
		from, to word.Word
		gives    standing
		moves    uint64
	}{
		"Next":                   {0, word.Word(0).Next(), locked, 1},
		"Reside":                 {0, word.Word(0).Reside(true), idle, 1},
		"Reside, not looked at":  {0, word.Word(0).Reside(false), unlooked, 1},
		"Claim":                  {resident(true), resident(true).Claim(), lent, 1},
		"Claim, not looked at":   {resident(false), resident(false).Claim(), lent, 1},
		"ClaimBound":             {resident(true), resident(true).ClaimBound(), lentBound, 1},
		"ClaimBinding":           {resident(true), resident(true).ClaimBinding(), claiming, 1},
		"Bind":                   {resident(true).ClaimBinding(), resident(true).ClaimBinding().Bind(), lentBound, 0},
		"Release":                {resident(true).Claim(), resident(true).Claim().Release(), idle, 1},
		"Release, not looked at": {resident(false).Claim(), resident(false).Claim().Release(), unlooked, 1},
		"Release of a bound one": {resident(true).ClaimBound(), resident(true).ClaimBound().Release(), idle, 1},
		"Recall of an idle one":  {resident(true), resident(true).Recall(), locked, 0},
		"Recall of a lent one":   {resident(true).ClaimBound(), resident(true).ClaimBound().Recall(), locked, 0},
		"Recall of one that binds": {
			resident(true).ClaimBinding(), resident(true).ClaimBinding().Recall(), locked, 0,
		},
	} {
		assert.Equal(t, step.gives, of(step.to), name)
		assert.Equal(t, step.from.Generation()+step.moves, step.to.Generation(), name)
		assert.Equal(t, step.moves == 0, step.from.Same(step.to), name)
		assert.NotEqual(t, step.from, step.to, name)
	}
}

func TestTheZeroWordIsUnderTheLock(t *testing.T) {
	t.Parallel()
	require.Equal(t, locked, of(word.Word(0)))
	require.Zero(t, word.Word(0).Generation())
}

func TestALeaseThatIsRecalledIsTheSameLease(t *testing.T) {
	t.Parallel()
	for _, l := range []word.Word{resident(true).Claim(), resident(true).ClaimBound(), resident(true).ClaimBinding(), resident(true).ClaimBinding().Bind()} {
		require.True(t, l.Same(l.Recall()))
		require.False(t, l.Same(l.Release()))
		require.False(t, l.Same(l.Recall().Next()))
	}
}

// turn takes one of the steps possible from w at random, and reports whether it
// began a lease.
func turn(w word.Word) (next word.Word, begun bool) {
	steps := []func() (word.Word, bool){func() (word.Word, bool) { return w.Claim(), true }}
	switch {
	case w.Binding():
		return w.Bind(), false
	case w.Leased():
		return w.Release(), false
	case freeToBind(w):
		steps = append(steps,
			func() (word.Word, bool) { return w.ClaimBound(), true },
			func() (word.Word, bool) { return w.ClaimBinding(), true })
	}
	return steps[rand.IntN(len(steps))]()
}

func TestNoWordComesTwiceAndEveryLeaseIsCounted(t *testing.T) {
	t.Parallel()
	seen := map[word.Word]bool{}
	w := word.Word(0)
	for range 1000 {
		from := w.Reside(rand.IntN(2) == 0)
		w = from
		seen[w] = true
		leases := uint64(0)
		for range rand.IntN(10) {
			next, begun := turn(w)
			if begun {
				leases++
			}
			require.False(t, seen[next], "%b", next)
			require.GreaterOrEqual(t, next.Generation(), w.Generation())
			seen[next], w = true, next
			require.Equal(t, leases, w.Leases(from))
		}
		w = w.Recall()
		require.Equal(t, leases, w.Leases(from), "recalled")
		w = w.Next()
	}
}

func TestASwapIsDoneOnlyFromTheWordThatWasRead(t *testing.T) {
	t.Parallel()
	var a word.Atomic
	require.Zero(t, a.Load())
	a.Store(resident(true))
	read := a.Load()
	require.True(t, a.CompareAndSwap(read, read.Claim()))
	require.False(t, a.CompareAndSwap(read, read.ClaimBound()))
	require.Equal(t, read.Claim(), a.Load())
}
