package idle_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool/internal/idle"
)

type (
	set  = idle.Set[string]
	node = idle.Node[string]
)

// filled returns a set of the given size to which slots 0 to n-1 were added in
// that order, and its nodes.
func filled(size, n int) (*set, []*node) {
	s, nodes := new(set), make([]*node, n)
	s.Resize(size)
	for i := range nodes {
		nodes[i] = &node{Index: i}
		s.Add(nodes[i])
	}
	return s, nodes
}

// drain takes all and returns their indexes.
func drain(s *set) []int {
	indexes := []int{}
	for n := s.Take(); n != nil; n = s.Take() {
		indexes = append(indexes, n.Index)
	}
	return indexes
}

// listed returns the indexes of All.
func listed(s *set) []int {
	indexes := []int{}
	for n := range s.All() {
		indexes = append(indexes, n.Index)
	}
	return indexes
}

func TestTheZeroSetIsEmptyAndTakesTheMostRecentFirst(t *testing.T) {
	t.Parallel()
	var s set
	assert.Zero(t, s.Len())
	assert.Nil(t, s.Take())
	assert.Empty(t, listed(&s))
	require.NoError(t, s.Check())

	for i := range 3 {
		n := &node{Index: i, Value: "slot"}
		assert.False(t, s.Contains(n))
		assert.False(t, s.Remove(n))
		assert.True(t, s.Add(n))
		assert.True(t, s.Contains(n))
		assert.False(t, s.Add(n), "twice")
	}
	require.NoError(t, s.Check())
	assert.Equal(t, 3, s.Len())
	assert.Equal(t, []int{2, 1, 0}, listed(&s))
	assert.Equal(t, []int{2, 1, 0}, drain(&s))
	assert.Zero(t, s.Len())
}

func TestOldestTakesTheSlotAddedFirst(t *testing.T) {
	t.Parallel()
	s, _ := filled(3, 3)
	s.Oldest = true
	assert.Equal(t, []int{0, 1, 2}, listed(s))
	assert.Equal(t, []int{0, 1, 2}, drain(s))
}

func TestSlotsBeyondTheSizeAreTakenOnlyWhenNoOtherIsIdle(t *testing.T) {
	t.Parallel()
	s, _ := filled(2, 4)
	assert.Equal(t, []int{1, 0, 3, 2}, drain(s))

	s, _ = filled(2, 4)
	s.Oldest = true
	assert.Equal(t, []int{0, 1, 2, 3}, drain(s))
}

func TestResizeKeepsTheOrderOfAge(t *testing.T) {
	t.Parallel()
	s, nodes := filled(2, 4)
	require.True(t, s.Remove(nodes[0]))
	require.True(t, s.Add(nodes[0]))
	for _, c := range []struct {
		size int
		want []int
	}{
		{2, []int{0, 1, 3, 2}},
		{4, []int{0, 3, 2, 1}},
		{1, []int{0, 3, 2, 1}},
		{3, []int{0, 2, 1, 3}},
		{0, []int{0, 3, 2, 1}},
		{-1, []int{0, 3, 2, 1}},
		{2, []int{0, 1, 3, 2}},
	} {
		s.Resize(c.size)
		require.NoError(t, s.Check())
		assert.Equal(t, c.want, listed(s), "size %d", c.size)
	}
}

func TestAnotherSetCannotTouchASlot(t *testing.T) {
	t.Parallel()
	s, nodes := filled(1, 2)
	other, _ := filled(1, 0)
	for _, n := range nodes {
		assert.False(t, other.Contains(n))
		assert.False(t, other.Remove(n))
		assert.False(t, other.Add(n))
	}
	assert.Zero(t, other.Len())
	assert.Equal(t, []int{0, 1}, listed(s))
	require.NoError(t, s.Check())
	require.NoError(t, other.Check())
}

func TestALoopMayRemoveTheSlotItWasGiven(t *testing.T) {
	t.Parallel()
	for _, oldest := range []bool{false, true} {
		s, _ := filled(3, 6)
		s.Oldest = oldest
		want, seen := listed(s), []int{}
		for n := range s.All() {
			seen = append(seen, n.Index)
			if n.Index != 1 {
				require.True(t, s.Remove(n))
				require.NoError(t, s.Check())
			}
		}
		assert.Equal(t, want, seen)
		assert.Equal(t, []int{1}, listed(s))
	}
}

func TestALoopMayEndEarly(t *testing.T) {
	t.Parallel()
	for stop := range 4 {
		s, _ := filled(2, 4)
		steps := 0
		for range s.All() {
			if steps++; steps > stop {
				break
			}
		}
		assert.Equal(t, stop+1, steps)
	}
}

func TestCheckNoticesDamage(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(s *set, nodes []*node){
		"a slot within that belongs beyond": func(s *set, nodes []*node) { nodes[0].Index = 9 },
		"a slot beyond that belongs within": func(s *set, nodes []*node) { nodes[3].Index = 0 },
		"a slot put into the wrong list":    func(s *set, nodes []*node) { s.Misplace(nodes[1]) },
		"an age given twice":                func(s *set, nodes []*node) { nodes[1].SetAge(nodes[0].Age()) },
		"ages in disorder":                  func(s *set, nodes []*node) { nodes[2].SetAge(nodes[3].Age() + 1) },
		"an age never given":                func(s *set, nodes []*node) { nodes[3].SetAge(nodes[3].Age() + 1) },
		"no age":                            func(s *set, nodes []*node) { nodes[0].SetAge(0) },
		"a link to no slot":                 func(s *set, nodes []*node) { nodes[0].PointTo(nil) },
		"a link to another slot":            func(s *set, nodes []*node) { nodes[0].PointTo(nodes[1]) },
		"a link to a copy of the slot":      func(s *set, nodes []*node) { n := *nodes[0]; nodes[0].PointTo(&n) },
		"a link to a slot that left":        func(s *set, nodes []*node) { n := *nodes[0]; s.Remove(nodes[1]); *nodes[0] = n },
		"a slot within overwritten":         func(s *set, nodes []*node) { *nodes[1] = node{Index: 1} },
		"a slot beyond overwritten":         func(s *set, nodes []*node) { *nodes[2] = node{Index: 2} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, nodes := filled(2, 4)
			require.NoError(t, s.Check())
			damage(s, nodes)
			assert.ErrorContains(t, s.Check(), "idle: ")
		})
	}
}

func TestTheSetDoesNotAllocate(t *testing.T) {
	var s set
	a, b, c := node{Index: 0}, node{Index: 1}, node{Index: 2}
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		s.Add(&a)
		s.Add(&b)
		s.Add(&c)
		s.Resize(2)
		s.Remove(&b)
		s.Take()
		for n := range s.All() {
			s.Remove(n)
		}
		s.Resize(0)
		_ = s.Check()
	}))
	assert.Zero(t, s.Len())
}
