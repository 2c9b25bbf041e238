package agenda_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/pooltender/pool/internal/agenda"
)

type thing struct {
	at   int64
	void bool
}

func newAgenda() *agenda.Agenda[*thing] {
	return &agenda.Agenda[*thing]{IsVoid: func(t *thing) bool { return t.void }}
}

func TestTheEarliestComesFirst(t *testing.T) {
	t.Parallel()
	a := newAgenda()
	_, ok := a.Next()
	assert.False(t, ok)
	_, ok = a.Take()
	assert.False(t, ok)
	for _, at := range []int64{5, 3, 8, 3, 1} {
		a.Add(at, &thing{at: at})
	}
	var order []int64
	for a.Len() > 0 {
		at, ok := a.Next()
		require.True(t, ok)
		next, ok := a.Take()
		require.True(t, ok)
		require.Equal(t, at, next.at)
		order = append(order, at)
	}
	assert.Equal(t, []int64{1, 3, 3, 5, 8}, order)
}

// The model is a plain slice.
func TestTheAgendaIsASortedListWithoutTheVoid(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a := newAgenda()
		var model []*thing
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				one := &thing{at: rapid.Int64Range(0, 50).Draw(t, "at")}
				a.Add(one.at, one)
				model = append(model, one)
			},
			"add many": func(*rapid.T) {
				for at := range int64(40) {
					one := &thing{at: at}
					a.Add(at, one)
					model = append(model, one)
				}
			},
			"void": func(t *rapid.T) {
				for range min(len(model), rapid.IntRange(1, 30).Draw(t, "how many")) {
					i := rapid.IntRange(0, len(model)-1).Draw(t, "which")
					model[i].void = true
					model = slices.Delete(model, i, i+1)
					a.Void()
				}
			},
			"take": func(t *rapid.T) {
				got, ok := a.Take()
				require.Equal(t, len(model) > 0, ok)
				if ok {
					require.False(t, got.void)
					i := slices.Index(model, got)
					require.GreaterOrEqual(t, i, 0, "once")
					model = slices.Delete(model, i, i+1)
					for _, other := range model {
						require.LessOrEqual(t, got.at, other.at)
					}
				}
			},
			"clear": func(*rapid.T) {
				a.Clear()
				model = nil
			},
			"": func(t *rapid.T) {
				require.NoError(t, a.Check())
				require.Equal(t, len(model), a.Len())
				var all []*thing
				for at, one := range a.All() {
					require.Equal(t, one.at, at)
					all = append(all, one)
				}
				require.ElementsMatch(t, model, all)
				at, ok := a.Next()
				require.Equal(t, len(model) > 0, ok)
				for _, one := range model {
					require.LessOrEqual(t, at, one.at)
				}
			},
		})
	})
}

func TestTheVoidDoNotPileUp(t *testing.T) {
	t.Parallel()
	a := newAgenda()
	a.Add(0, &thing{})
	for at := range int64(100_000) {
		one := &thing{at: at + 1}
		a.Add(one.at, one)
		one.void = true
		a.Void()
	}
	assert.Equal(t, 1, a.Len())
	assert.LessOrEqual(t, a.Entries(), 64)
}

func TestOfManyThatBecomeVoidHalfAreKeptAtMost(t *testing.T) {
	t.Parallel()
	a := newAgenda()
	all := make([]*thing, 1000)
	for at := range all {
		all[at] = &thing{at: int64(at)}
		a.Add(int64(at), all[at])
	}
	for left, one := range slices.Backward(all) { // the latest first, which Next would not come by
		one.void = true
		a.Void()
		require.Equal(t, left, a.Len())
		require.LessOrEqual(t, a.Entries(), max(2*a.Len(), a.Len()+16))
	}
}

func TestCheckNoticesDamage(t *testing.T) {
	t.Parallel()
	a := newAgenda()
	first, second := &thing{at: 1}, &thing{at: 2}
	a.Add(1, first)
	a.Add(2, second)
	require.NoError(t, a.Check())
	second.void = true
	assert.EqualError(t, a.Check(), "agenda: 1 entries are void, 0 were noted")
	a.Void()
	require.NoError(t, a.Check())
	a.Reverse()
	assert.EqualError(t, a.Check(), "agenda: entry 1 is due at 1, the one above it at 2")
}
