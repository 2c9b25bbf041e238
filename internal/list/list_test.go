package list_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/pooltender/pool/internal/list"
)

type node = list.Node[int]

// filled returns a list of the values 0 to n-1 and its nodes.
func filled(n int) (*list.List[int], []*node) {
	l, nodes := new(list.List[int]), make([]*node, n)
	for i := range nodes {
		nodes[i] = &node{Value: i}
		l.PushBack(nodes[i])
	}
	return l, nodes
}

func TestTheZeroListIsEmptyAndReady(t *testing.T) {
	t.Parallel()
	var l list.List[int]
	assert.Zero(t, l.Len())
	assert.Nil(t, l.Front())
	assert.Nil(t, l.Back())
	assert.Empty(t, slices.Collect(l.All()))
	require.NoError(t, l.Check())

	n := &node{Value: 7}
	assert.False(t, n.Linked())
	assert.Nil(t, n.Next())
	assert.Nil(t, n.Prev())
	assert.False(t, l.Remove(n))
	assert.True(t, l.PushBack(n))
	assert.True(t, n.Linked())
	assert.Same(t, n, l.Front())
	assert.Same(t, n, l.Back())
	require.NoError(t, l.Check())
}

func TestAFreeNodeIsNotInTheNilList(t *testing.T) {
	t.Parallel()
	assert.False(t, new(node).In(nil))
}

func TestNothingIsInsertedBehindAMarkOfAnotherList(t *testing.T) {
	t.Parallel()
	l, nodes := filled(2)
	other, others := filled(1)
	free, mark := new(node), new(node)
	assert.False(t, l.InsertAfter(free, others[0]), "of another list")
	assert.False(t, l.InsertAfter(free, mark), "of no list")
	assert.False(t, l.InsertAfter(mark, mark), "itself, free")
	assert.False(t, l.InsertAfter(nodes[0], nodes[0]), "itself, linked")
	assert.False(t, free.Linked())
	assert.False(t, mark.Linked())
	assert.Equal(t, nodes, slices.Collect(l.All()))
	require.NoError(t, l.Check())
	require.NoError(t, other.Check())
}

func TestALoopMayRemoveTheNodeItWasGiven(t *testing.T) {
	t.Parallel()
	l, nodes := filled(5)
	var seen []*node
	for n := range l.All() {
		seen = append(seen, n)
		if n.Value%2 == 0 {
			require.True(t, l.Remove(n))
			require.NoError(t, l.Check())
		}
	}
	assert.Equal(t, nodes, seen)
	assert.Equal(t, []*node{nodes[1], nodes[3]}, slices.Collect(l.All()))
}

func TestALoopMayEndEarly(t *testing.T) {
	t.Parallel()
	l, nodes := filled(3)
	for n := range l.All() {
		assert.Same(t, nodes[0], n)
		break
	}
}

func TestTheListActsAsASlice(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		nodes := make([]*node, 6)
		for i := range nodes {
			nodes[i] = &node{Value: i}
		}
		var lists [2]list.List[int]
		var models [2][]*node
		draw := func(t *rapid.T) (l *list.List[int], model *[]*node, n *node) {
			which := rapid.IntRange(0, 1).Draw(t, "list")
			return &lists[which], &models[which], rapid.SampledFrom(nodes).Draw(t, "node")
		}
		free := func(n *node) bool {
			return !slices.Contains(models[0], n) && !slices.Contains(models[1], n)
		}
		t.Repeat(map[string]func(*rapid.T){
			"PushFront": func(t *rapid.T) {
				l, model, n := draw(t)
				want := free(n)
				require.Equal(t, want, l.PushFront(n))
				if want {
					*model = slices.Insert(*model, 0, n)
				}
			},
			"PushBack": func(t *rapid.T) {
				l, model, n := draw(t)
				want := free(n)
				require.Equal(t, want, l.PushBack(n))
				if want {
					*model = append(*model, n)
				}
			},
			"InsertAfter": func(t *rapid.T) {
				l, model, n := draw(t)
				mark := rapid.SampledFrom(nodes).Draw(t, "mark")
				at := slices.Index(*model, mark)
				want := free(n) && at >= 0
				require.Equal(t, want, l.InsertAfter(n, mark))
				if want {
					*model = slices.Insert(*model, at+1, n)
				}
			},
			"Remove": func(t *rapid.T) {
				l, model, n := draw(t)
				at := slices.Index(*model, n)
				require.Equal(t, at >= 0, l.Remove(n))
				if at >= 0 {
					*model = slices.Delete(*model, at, at+1)
				}
			},
			"": func(t *rapid.T) {
				for i := range lists {
					requireEqual(t, models[i], &lists[i])
					for _, n := range nodes {
						require.Equal(t, slices.Contains(models[i], n), n.In(&lists[i]))
					}
				}
				for _, n := range nodes {
					require.Equal(t, !free(n), n.Linked())
					if !n.Linked() {
						require.Nil(t, n.Next())
						require.Nil(t, n.Prev())
					}
				}
			},
		})
	})
}

// requireEqual compares l with want by every way to read it.
func requireEqual(t require.TestingT, want []*node, l *list.List[int]) {
	require.NoError(t, l.Check())
	require.Equal(t, len(want), l.Len())
	var all, forward, backward []*node
	for n := range l.All() {
		all = append(all, n)
	}
	for n := l.Front(); n != nil; n = n.Next() {
		forward = append(forward, n)
	}
	for n := l.Back(); n != nil; n = n.Prev() {
		backward = append(backward, n)
	}
	slices.Reverse(backward)
	for _, got := range [][]*node{all, forward, backward} {
		require.True(t, slices.Equal(want, got))
	}
}

func TestCheckNoticesDamage(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(l *list.List[int], nodes []*node){
		"a node of another list":         func(l *list.List[int], nodes []*node) { nodes[1].SetOwner(new(list.List[int])) },
		"a node of no list":              func(l *list.List[int], nodes []*node) { nodes[1].SetOwner(nil) },
		"a wrong link back":              func(l *list.List[int], nodes []*node) { nodes[2].SetPrev(nodes[0]) },
		"a first node with one before":   func(l *list.List[int], nodes []*node) { nodes[0].SetPrev(nodes[2]) },
		"a node left out":                func(l *list.List[int], nodes []*node) { nodes[0].SetNext(nodes[2]) },
		"a chain cut off":                func(l *list.List[int], nodes []*node) { nodes[1].SetNext(nil) },
		"a ring":                         func(l *list.List[int], nodes []*node) { nodes[2].SetNext(nodes[0]); nodes[0].SetPrev(nodes[2]) },
		"a count too high":               func(l *list.List[int], nodes []*node) { l.SetLen(4) },
		"a count too low":                func(l *list.List[int], nodes []*node) { l.SetLen(2) },
		"a negative count":               func(l *list.List[int], nodes []*node) { l.SetLen(-1) },
		"a last node not at the end":     func(l *list.List[int], nodes []*node) { l.SetBack(nodes[1]) },
		"no last node":                   func(l *list.List[int], nodes []*node) { l.SetBack(nil) },
		"no first node":                  func(l *list.List[int], nodes []*node) { l.SetFront(nil) },
		"an empty list with a last node": func(l *list.List[int], nodes []*node) { l.SetFront(nil); l.SetLen(0) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, nodes := filled(3)
			require.NoError(t, l.Check())
			damage(l, nodes)
			assert.ErrorContains(t, l.Check(), "list: ")
		})
	}
}

func TestTheListDoesNotAllocate(t *testing.T) {
	var l list.List[int]
	var a, b, c node
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		l.PushBack(&a)
		l.PushFront(&b)
		l.InsertAfter(&c, &a)
		for n := range l.All() {
			l.Remove(n)
		}
		_ = l.Check()
	}))
	assert.Zero(t, l.Len())
}
