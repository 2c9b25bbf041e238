package queue_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool/internal/queue"
)

type node = queue.Node[string]

// filled returns a queue of n waiters and its nodes.
func filled(n int) (*queue.Queue[string], []*node) {
	q, nodes := new(queue.Queue[string]), make([]*node, n)
	for i := range nodes {
		nodes[i] = new(node)
		q.Push(nodes[i])
	}
	return q, nodes
}

func TestTheZeroQueueIsEmptyAndReady(t *testing.T) {
	t.Parallel()
	var q queue.Queue[string]
	assert.Zero(t, q.Len())
	assert.Nil(t, q.Head())
	assert.Empty(t, slices.Collect(q.All()))
	require.NoError(t, q.Check())

	n := &node{Value: "first"}
	assert.Zero(t, n.Ticket())
	assert.False(t, n.Queued())
	assert.False(t, q.Remove(n))
	q.Push(n)
	assert.EqualValues(t, 1, n.Ticket())
	assert.True(t, n.Queued())
	assert.Same(t, n, q.Head())
	assert.Equal(t, "first", q.Head().Value)
	require.NoError(t, q.Check())
}

func TestANewcomerStandsBehindTheQueue(t *testing.T) {
	t.Parallel()
	q, nodes := filled(3)
	assert.Equal(t, nodes, slices.Collect(q.All()))
	for i, n := range nodes {
		assert.EqualValues(t, i+1, n.Ticket())
	}
}

func TestAWaiterTakenInVainGoesBackToItsPlace(t *testing.T) {
	t.Parallel()
	for i := range 4 {
		q, nodes := filled(4)
		require.True(t, q.Remove(nodes[i]))
		require.False(t, nodes[i].Queued())
		q.Restore(nodes[i])
		assert.Equal(t, nodes, slices.Collect(q.All()))
		assert.EqualValues(t, i+1, nodes[i].Ticket())
		require.NoError(t, q.Check())
	}
}

func TestANodeUsedAgainIsANewcomer(t *testing.T) {
	t.Parallel()
	q, nodes := filled(2)
	require.True(t, q.Remove(nodes[0]))
	q.Push(nodes[0])
	assert.Equal(t, []*node{nodes[1], nodes[0]}, slices.Collect(q.All()))
	assert.EqualValues(t, 3, nodes[0].Ticket())
	require.NoError(t, q.Check())
}

func TestTheTicketOfAnotherQueueIsWorthNothing(t *testing.T) {
	t.Parallel()
	q, nodes := filled(3)
	other, others := filled(9)
	early, late, free := others[0], others[8], new(node)
	require.True(t, other.Remove(early))
	require.True(t, other.Remove(late))

	q.Push(late)
	q.Restore(early)
	q.Restore(free)
	assert.Equal(t, append(nodes, late, early, free), slices.Collect(q.All()))
	assert.EqualValues(t, 4, late.Ticket())
	assert.EqualValues(t, 5, early.Ticket())
	assert.EqualValues(t, 6, free.Ticket())
	require.NoError(t, q.Check())
	require.NoError(t, other.Check())
}

func TestAnotherQueueCannotTouchAWaiter(t *testing.T) {
	t.Parallel()
	q, nodes := filled(2)
	other, _ := filled(0)
	assert.False(t, other.Remove(nodes[0]))
	other.Push(nodes[0])
	other.Restore(nodes[0])
	assert.Zero(t, other.Len())
	assert.Equal(t, nodes, slices.Collect(q.All()))
	assert.EqualValues(t, 1, nodes[0].Ticket())
	require.NoError(t, q.Check())
	require.NoError(t, other.Check())
}

func TestALoopMayRemoveTheWaiterItWasGiven(t *testing.T) {
	t.Parallel()
	q, nodes := filled(5)
	var seen []*node
	for n := range q.All() {
		seen = append(seen, n)
		if n.Ticket()%2 == 1 {
			require.True(t, q.Remove(n))
			require.NoError(t, q.Check())
		}
	}
	assert.Equal(t, nodes, seen)
	assert.Equal(t, []*node{nodes[1], nodes[3]}, slices.Collect(q.All()))
}

func TestALoopMayEndEarly(t *testing.T) {
	t.Parallel()
	q, nodes := filled(3)
	for n := range q.All() {
		assert.Same(t, nodes[0], n)
		break
	}
}

func TestCheckNoticesDamage(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(q *queue.Queue[string], nodes []*node){
		"a ticket given twice":      func(q *queue.Queue[string], nodes []*node) { nodes[1].SetTicket(1) },
		"no ticket":                 func(q *queue.Queue[string], nodes []*node) { nodes[0].SetTicket(0) },
		"tickets in disorder":       func(q *queue.Queue[string], nodes []*node) { nodes[0].SetTicket(3) },
		"a ticket that is too high": func(q *queue.Queue[string], nodes []*node) { nodes[2].SetTicket(4) },
		"a link to no waiter":       func(q *queue.Queue[string], nodes []*node) { q.ForgetHead() },
		"a waiter overwritten":      func(q *queue.Queue[string], nodes []*node) { *nodes[1] = node{} },
		"a link to one that left":   func(q *queue.Queue[string], nodes []*node) { n := *nodes[1]; q.Remove(nodes[2]); *nodes[1] = n },
		"a copy of a waiter":        func(q *queue.Queue[string], nodes []*node) { q.Remove(nodes[1]); n := *nodes[1]; q.Restore(&n) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q, nodes := filled(3)
			require.NoError(t, q.Check())
			damage(q, nodes)
			assert.ErrorContains(t, q.Check(), "queue: ")
		})
	}
}

func TestTheQueueDoesNotAllocate(t *testing.T) {
	var q queue.Queue[string]
	var a, b, c node
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		q.Push(&a)
		q.Push(&b)
		q.Push(&c)
		q.Remove(&b)
		q.Restore(&b)
		for n := range q.All() {
			q.Remove(n)
		}
		_ = q.Check()
	}))
	assert.Zero(t, q.Len())
}
