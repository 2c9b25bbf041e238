package queue_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool/internal/queue"
)

func waiterOf(class uint8) *node { return &node{Class: class} }

func TestTheHigherClassIsServedFirstAndInAClassWhoCameFirst(t *testing.T) {
	t.Parallel()
	var q queue.Queue[string]
	var nodes []*node
	for _, class := range []uint8{1, 0, 3, 1, 2, 3, 0, 2} {
		n := waiterOf(class)
		nodes = append(nodes, n)
		q.Push(n)
	}
	want := []*node{nodes[2], nodes[5], nodes[4], nodes[7], nodes[0], nodes[3], nodes[1], nodes[6]}
	assert.Equal(t, want, slices.Collect(q.All()))
	for _, n := range want {
		require.Same(t, n, q.Head())
		require.Same(t, n, q.Next(nil))
		q.Serve(n, nil)
	}
	assert.Zero(t, q.Len())
	assert.Nil(t, q.Head())
}

func TestALowerClassIsPassedOverSixteenTimesAndThenServedOnce(t *testing.T) {
	t.Parallel()
	var q queue.Queue[string]
	lower := []*node{waiterOf(0), waiterOf(1), waiterOf(2)}
	for range 3 {
		for _, n := range lower {
			q.Push(n)
		}
		for range queue.Passes {
			n := waiterOf(3)
			q.Push(n)
			require.Same(t, n, q.Head())
			q.Serve(n, nil)
		}
		for _, n := range lower { // all of them are due; a crowd of the old holds up nobody
			q.Push(waiterOf(3))
			require.Same(t, n, q.Head())
			q.Serve(n, nil)
		}
		for q.Len() > 0 {
			require.EqualValues(t, 3, q.Head().Class)
			q.Serve(q.Head(), nil)
		}
	}
}

func TestOfTwoThatAreDueTheOnePassedOverMoreOftenIsServed(t *testing.T) {
	t.Parallel()
	var q queue.Queue[string]
	low, normal := waiterOf(0), waiterOf(1)
	q.Push(normal)
	pass(&q, nil, 1)
	q.Push(low)
	pass(&q, nil, queue.Passes-1)
	q.Push(waiterOf(3))
	require.Same(t, normal, q.Head())
	q.Serve(normal, nil)
	require.Same(t, low, q.Head(), "to be passed over for one that was due counts as well")
}

// pass serves n waiters of the highest class, who come for it.
func pass(q, beside *queue.Queue[string], n int) {
	for range n {
		higher := waiterOf(3)
		q.Push(higher)
		q.Serve(higher, beside)
	}
}

func TestAClassThatNobodyWaitedInHasNotBeenPassedOver(t *testing.T) {
	t.Parallel()
	var q queue.Queue[string]
	gone := waiterOf(0)
	q.Push(gone)
	pass(&q, nil, queue.Passes)
	require.True(t, q.Remove(gone))
	pass(&q, nil, 1)
	late, higher := waiterOf(0), waiterOf(3)
	q.Push(late)
	q.Push(higher)
	require.Same(t, higher, q.Head())
}

func TestWhoIsPutBackIsInItsPlaceInItsClass(t *testing.T) {
	t.Parallel()
	var q queue.Queue[string]
	var nodes []*node
	for i := range 8 {
		nodes = append(nodes, waiterOf(uint8(i%2)))
		q.Push(nodes[i])
	}
	want := slices.Collect(q.All())
	for _, n := range nodes {
		q.Serve(n, nil)
		q.Restore(n)
		require.Equal(t, want, slices.Collect(q.All()))
		require.NoError(t, q.Check())
	}
}

func TestAQueueBesideSharesTheTicketsAndNothingElse(t *testing.T) {
	t.Parallel()
	var main queue.Queue[string]
	beside := queue.Beside(&main)
	another := queue.Beside(beside) // beside the same
	nodes := []*node{waiterOf(1), waiterOf(1), waiterOf(1), waiterOf(1)}
	for i, q := range []*queue.Queue[string]{beside, &main, another, beside} {
		q.Push(nodes[i])
	}
	for i, n := range nodes {
		require.EqualValues(t, i+1, n.Ticket())
	}
	require.Equal(t, []int{1, 2, 1}, []int{main.Len(), beside.Len(), another.Len()})
	require.Same(t, nodes[0], main.Next(beside))
	require.Same(t, nodes[1], main.Next(another))
	require.Same(t, nodes[1], main.Next(nil))
	require.True(t, main.Waits(1, nil))
	require.False(t, main.Waits(0, beside))

	main.Serve(nodes[0], beside)
	require.Same(t, nodes[1], main.Next(beside))
	main.Serve(nodes[1], beside)
	require.Same(t, nodes[3], main.Next(beside))
	main.Restore(nodes[0]) // the places of the other are its places
	require.EqualValues(t, 1, nodes[0].Ticket())
	another.Restore(nodes[1])
	require.Equal(t, []*node{nodes[1], nodes[2]}, slices.Collect(another.All()))
	for _, q := range []*queue.Queue[string]{&main, beside, another} {
		require.NoError(t, q.Check())
	}
}

func TestPassingOverCountsInTheLineOfTheWorkerAndInTheMainOne(t *testing.T) {
	t.Parallel()
	var main queue.Queue[string]
	beside, elsewhere := queue.Beside(&main), queue.Beside(&main)
	low, lowBeside, lowElsewhere := waiterOf(0), waiterOf(0), waiterOf(0)
	elsewhere.Push(lowElsewhere)
	beside.Push(lowBeside)
	pass(&main, beside, queue.Passes)
	main.Push(low)
	main.Push(waiterOf(3))
	require.Same(t, lowBeside, main.Next(beside), "it is due")
	require.Same(t, main.Head(), main.Next(elsewhere), "no worker of its slot has passed it over")
	main.Serve(lowBeside, beside)
	require.EqualValues(t, 3, main.Next(beside).Class)
}

// Those who wait for a slot that goes down may be many, and find their places
// among many, under a lock. Were it quadratic, this test would not end.
func TestManyAreRestoredAtThePriceOfOneWalk(t *testing.T) {
	t.Parallel()
	var q queue.Queue[string]
	nodes := make([]node, 400_000)
	for i := range nodes {
		q.Push(&nodes[i])
	}
	for i := 0; i < len(nodes); i += 2 {
		require.True(t, q.Remove(&nodes[i]))
	}
	for i := 0; i < len(nodes); i += 2 {
		q.Restore(&nodes[i])
	}
	require.NoError(t, q.Check())
	require.Equal(t, len(nodes), q.Len())
}

func TestALoopOverAClassMayEndEarly(t *testing.T) {
	t.Parallel()
	var q queue.Queue[string]
	for _, class := range []uint8{0, 0, 1, 1} {
		q.Push(waiterOf(class))
	}
	for n := range q.All() {
		require.EqualValues(t, 3, n.Ticket())
		break
	}
	for n := range q.Class(0) {
		require.EqualValues(t, 1, n.Ticket())
		break
	}
	for n := range q.Latest(0) {
		require.EqualValues(t, 2, n.Ticket())
		break
	}
}

func TestCheckNoticesAWaiterWhoseClassHasChanged(t *testing.T) {
	t.Parallel()
	q, nodes := filled(3)
	nodes[1].Class = 2
	require.ErrorContains(t, q.Check(), "queue: ticket 2 of class 2 stands in class 0")
	nodes[1].Class = 0
	require.NoError(t, q.Check())
	q.Miscount()
	require.ErrorContains(t, q.Check(), "queue: 3 waiters in classes 1, but 4 in 1 were counted")
}

func TestServingDoesNotAllocate(t *testing.T) {
	var q queue.Queue[string]
	beside := queue.Beside(&q)
	a, b, c := waiterOf(0), waiterOf(3), waiterOf(1)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		q.Push(a)
		q.Push(b)
		beside.Push(c)
		for n := q.Next(beside); n != nil; n = q.Next(beside) {
			q.Serve(n, beside)
		}
	}))
}
