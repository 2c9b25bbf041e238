package pool_test

import "github.com/pooltender/pool"

// sight is what is seen of the pool when nothing moves any more.
type sight struct {
	info   pool.PoolInfo
	served map[*client]int // the slots of those who are served
	lines  map[*client]int // where the others wait
}

// look is what is to be seen of the pool.
func (w *world) look() *sight {
	now := &sight{info: w.p.Inspect(), served: map[*client]int{}, lines: map[*client]int{}}
	for _, c := range w.clients {
		if c.done.Load() && c.err == nil {
			now.served[c] = c.lease.Slot().Index
		}
		for _, waiter := range now.info.Waiters {
			if waiter.Owner == c.name {
				now.lines[c] = waiter.Slot
			}
		}
	}
	return now
}

func (s *sight) incarnation(i int) uint64 {
	if i < len(s.info.Slots) {
		return s.info.Slots[i].Incarnation
	}
	return 0
}

func (s *sight) state(i int) pool.SlotState {
	if i >= len(s.info.Slots) || s.info.Slots[i].State == pool.SlotBackingOff {
		return pool.SlotVacant
	}
	return s.info.Slots[i].State
}

func (s *sight) isDown(i int) bool { return s.state(i) == pool.SlotVacant }

func (s *sight) serves(c *client, i int) bool { slot, ok := s.served[c]; return ok && slot == i }
