package protocol_test

import (
	"slices"

	"github.com/pooltender/pool/internal/word"
)

// canonical gives a state the one form of all that differ in nothing that matters:
// numbers that are only compared are replaced by their ranks, what nobody reads is
// zero, and clients of one kind are sorted.
func (w *world) canonical() {
	s := w.state
	for i := range int8(mostSlots) {
		s.rankWords(i)
	}
	s.rankOffers()
	s.rankOf(func(c *client) *uint8 { return &c.ticket })
	s.rankOf(func(c *client) *uint8 { return &c.came })
	s.sort(len(w.crowd))
	if s.most = min(s.most, uint8(s.occupied())); int(s.most) <= w.limit() {
		s.most = 0
	}
}

// rankWords makes the generations of a worker as low as they can be.
func (s *state) rankWords(i int8) {
	var words [mostClients + 2]*uint16
	all := append(words[:0], &s.slots[i].word)
	if (s.at == sweeping || s.at == watching) && s.slot == i {
		all = append(all, &s.word)
	}
	for n := range s.clients {
		if cl := &s.clients[n]; cl.slot == i+1 {
			all = append(all, &cl.word)
		}
	}
	for i := 1; i < len(all); i++ {
		for k := i; k > 0 && *all[k] < *all[k-1]; k-- {
			all[k], all[k-1] = all[k-1], all[k]
		}
	}
	var rank, last word.Word
	for k, at := range all {
		w := word.Word(*at)
		if k > 0 && !w.Same(last) {
			rank = rank.Next()
		}
		last = w
		*at = uint16(rank | (w - w.Recall()))
	}
}

// rankOffers does so with the numbers of offers.
func (s *state) rankOffers() {
	var numbers [2*mostClients + mostSlots]*uint8
	all := numbers[:0]
	for n := range s.clients {
		all = append(all, &s.clients[n].offer, &s.clients[n].read)
	}
	for i := range s.slots {
		all = append(all, &s.slots[i].offer)
	}
	s.offers = rank(all)
}

func (s *state) rankOf(of func(*client) *uint8) {
	var numbers [mostClients]*uint8
	for n := range s.clients {
		numbers[n] = of(&s.clients[n])
	}
	rank(numbers[:])
}

// rank replaces numbers by their ranks among those that are not 0, and returns the
// highest.
func rank(numbers []*uint8) uint8 {
	var taken uint64
	for _, at := range numbers {
		if *at > 0 {
			taken |= 1 << *at
		}
	}
	if taken == 0 {
		return 0
	}
	var ranks [64]uint8
	highest := uint8(0)
	for i := range ranks {
		if taken&(1<<i) != 0 {
			highest++
			ranks[i] = highest
		}
	}
	for _, at := range numbers {
		*at = ranks[*at]
	}
	return highest
}

// sort puts clients of one kind in order; who they are does not matter.
func (s *state) sort(clients int) {
	var order [mostClients]int8 // of the old names
	for n := range order {
		order[n] = int8(n)
	}
	sorted := true
	for i := 1; i < clients; i++ {
		for k := i; k > 0 && s.before(k, k-1, order); k-- {
			s.clients[k], s.clients[k-1] = s.clients[k-1], s.clients[k]
			order[k], order[k-1] = order[k-1], order[k]
			sorted = false
		}
	}
	if sorted {
		return
	}
	var renamed [mostClients + 1]int8
	for now, was := range order {
		renamed[was+1] = int8(now) + 1
	}
	for i := range s.slots {
		w := &s.slots[i]
		w.record, w.done, w.waiter, w.holder = renamed[w.record], renamed[w.done], renamed[w.waiter], renamed[w.holder]
	}
	if s.who <= mostClients {
		s.who = renamed[s.who]
	}
}

// before compares two clients, given who they were.
func (s *state) before(i, k int, order [mostClients]int8) bool {
	a := s.clients[i].key(s.who == order[i]+1)
	b := s.clients[k].key(s.who == order[k]+1)
	return slices.Compare(a[:], b[:]) < 0
}

func (c *client) key(locks bool) [3]uint64 {
	flags := uint64(0)
	for _, flag := range [...]bool{locks, c.ended, c.over, c.again, c.queued, c.failed, c.token, c.poked} {
		flags <<= 1
		if flag {
			flags |= 1
		}
	}
	return [3]uint64{
		uint64(c.kind)<<32 | uint64(c.at)<<24 | uint64(c.trips)<<16 | uint64(uint8(c.slot))<<8 | uint64(uint8(c.beside)),
		uint64(c.word)<<32 | flags,
		uint64(c.offer)<<24 | uint64(c.read)<<16 | uint64(c.ticket)<<8 | uint64(c.came),
	}
}
