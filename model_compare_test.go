package pool_test

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

// standing is what is to be the same in the pool and in the model.
type standing struct {
	Slots   []pool.SlotState
	Holders []string // by slot
	Uses    []int
	Old     []bool
	Waiting []string // by priority, and then in order
	Counts  tally
	Up      bool
}

const mostSlots = 8

// settle lets everything come to rest and sees that the pool is as the model.
func (w *world) settle() {
	for try := 1; ; try++ {
		synctest.Wait()
		now := w.look()
		m := w.model.clone()
		m.flow(now)
		want, got := w.expected(&m), w.seen(now)
		restless := w.opts.Backoff.Min > 0 || w.stalled // growth takes its time as well
		if try > 10 || !restless || slices.Equal(want.Slots, got.Slots) && slices.Equal(want.Waiting, got.Waiting) && want.Counts == got.Counts && got.Up {
			require.Equal(w.t, want, got, "%s", w.journal)
			m.unrest = false
			for i := range m.posts {
				m.posts[i].worker = now.incarnation(i)
			}
			w.model = m
			w.examine(now)
			return
		}
		time.Sleep(backoff)
	}
}

func (w *world) expected(m *model) standing {
	s := standing{Counts: m.tally, Up: true, Slots: make([]pool.SlotState, mostSlots), Holders: make([]string, mostSlots), Uses: make([]int, mostSlots), Old: make([]bool, mostSlots)}
	for i := range mostSlots {
		s.Slots[i] = pool.SlotVacant
		if i >= len(m.posts) {
			continue
		}
		p := m.posts[i]
		s.Slots[i], s.Uses[i] = p.state, p.uses
		s.Old[i] = p.old || m.spent(i)
		if p.holder != nil {
			s.Holders[i] = p.holder.name
		}
	}
	places := slices.Clone(m.line.places)
	slices.SortStableFunc(places, func(a, b place) int { return cmp.Compare(b.client.class(), a.client.class()) })
	for _, p := range places {
		s.Waiting = append(s.Waiting, waits(p.client.name, p.slot))
	}
	return s
}

func waits(name string, slot int) string { return fmt.Sprintf("%s for %d", name, slot) }

func (w *world) seen(now *sight) standing {
	stats := now.info.Stats
	s := standing{Slots: make([]pool.SlotState, mostSlots), Holders: make([]string, mostSlots), Uses: make([]int, mostSlots), Old: make([]bool, mostSlots)}
	s.Counts = tally{len(w.b.Workers()), int(stats.Checkouts), int(stats.Crashes), int(stats.Shed)}
	s.Up = w.stalled || w.draining || stats.State == pool.StateReady || stats.State == pool.StateDegraded
	for i := range mostSlots {
		s.Slots[i] = now.state(i)
		if now.isDown(i) {
			continue
		}
		slot := now.info.Slots[i]
		s.Uses[i], s.Old[i] = int(slot.Uses), slot.Old
		if slot.Lease != nil {
			s.Holders[i] = slot.Lease.Owner
		}
	}
	for _, waiter := range now.info.Waiters {
		s.Waiting = append(s.Waiting, waits(waiter.Owner, waiter.Slot))
	}
	return s
}

// examine sees that everybody else knows what the pool says of itself.
func (w *world) examine(now *sight) {
	t := w.t
	pooltest.Check(t, w.p, w.others)
	stats := now.info.Stats
	require.Equal(t, w.surplus(), stats.Overflow)
	require.Equal(t, [2]int{w.idle(), w.count(pool.SlotLeased)}, [2]int{stats.Idle, stats.Leased})
	if !w.draining {
		require.ErrorIs(t, w.p.WaitReady(cancelled, w.live()+1), context.Canceled)
		require.True(t, w.live() == 0 || w.p.WaitReady(cancelled, w.live()) == nil, "%d are live", w.live())
	}

	alive := w.alive()
	grouped := 0
	for i := range w.posts {
		c := w.posts[i].holder
		if c == nil {
			continue
		}
		require.True(t, c.done.Load(), "%v is served", c.name)
		require.NoError(t, c.err)
		require.NoError(t, c.lease.Err())
		require.Equal(t, i, c.lease.Slot().Index)
		require.Contains(t, alive, c.lease.Worker())
	}
	for _, c := range w.line.clients() {
		require.False(t, c.done.Load(), "%v is not served", c.name)
		if c.group {
			grouped++
		}
	}
	for _, l := range w.past {
		require.Error(t, l.Err())
	}
	require.Len(t, alive, w.live())
	for _, worker := range w.b.Workers() {
		switch slot := worker.Slot; {
		case slices.Contains(alive, worker):
			require.Equal(t, slot.Incarnation, now.incarnation(slot.Index))
			require.Equal(t, w.posts[slot.Index].uses, worker.Uses(), "what was not delivered does not count")
		case slices.Contains(w.detached, worker):
			require.Zero(t, worker.Stops(), "it belongs to the client")
		default:
			require.True(t, w.b.NoStop || worker.Stops() == 1, "%v is told to stop", worker)
		}
		require.LessOrEqual(t, worker.Resets(), worker.Uses(), "what was not used is not reset")
	}
	require.NoError(t, w.other.Err())
	others := w.others.Stats()
	require.Equal(t, [2]int{1, grouped}, [2]int{others.Leased, others.Waiting})
}

// alive returns the workers that the pool has.
func (w *world) alive() []*pooltest.Worker {
	return slices.DeleteFunc(w.b.Alive(), func(worker *pooltest.Worker) bool { return slices.Contains(w.detached, worker) })
}
