package pool_test

import (
	"fmt"

	"github.com/anishathalye/porcupine"
)

const (
	free = 0
	gone = -1
)

// aWorker is one worker: free, gone, or lent, and then the state is the lease. Once
// gone it is never lent.
var aWorker = porcupine.Model{
	Partition: func(all []porcupine.Operation) [][]porcupine.Operation {
		of := map[int][]porcupine.Operation{}
		for _, o := range all {
			if worker := o.Input.(act).worker; worker > 0 {
				of[worker] = append(of[worker], o)
			}
		}
		var parts [][]porcupine.Operation
		for _, part := range of {
			parts = append(parts, part)
		}
		return parts
	},
	Init: func() any { return free },
	Step: func(state, input, _ any) (bool, any) {
		a := input.(act)
		has := state == a.lease
		switch a.kind {
		case actTake, actTry:
			return state == free, a.lease
		case actTransfer:
			return has, a.next
		case actRetire:
			return has, gone
		case actLose:
			return has || state == gone, gone
		case actRestart:
			return true, gone
		}
		if a.ended {
			return has, free
		}
		return !has, state
	},
	DescribeOperation: describe,
}

func describe(input, _ any) string { return fmt.Sprintf("%+v", input) }

// tenure is who has which worker.
type tenure struct{ worker, lease int }

// shelf is the state of a pool whose workers do not die.
type shelf struct {
	goal, free int
	lent       [4]tenure // in the order of the workers, those that are none last
	reserved   uint8     // a bit for each client that gives up and has a worker yet
}

func (s shelf) workers() int {
	n := s.free
	for _, t := range s.lent {
		if t.lease != 0 {
			n++
		}
	}
	for bits := s.reserved; bits != 0; bits &= bits - 1 {
		n++
	}
	return n
}

// put adds a worker that comes back, unless it is one too many.
func (s shelf) put() shelf {
	if s.workers() < s.goal {
		s.free++
	}
	return s
}

func (s shelf) has(a act) (place int, ok bool) {
	for i, t := range s.lent {
		if t == (tenure{a.worker, a.lease}) {
			return i, true
		}
	}
	return 0, false
}

// lend adds a lease, or reports that the worker is lent.
func (s shelf) lend(t tenure) (shelf, bool) {
	s.free--
	for i, other := range s.lent {
		switch {
		case other.lease == 0:
			s.lent[i] = t
			return s, true
		case other.worker == t.worker:
			return s, false
		case other.worker > t.worker:
			s.lent[i], t = t, other
		}
	}
	return s, false
}

// take removes the lease at a place.
func (s shelf) take(place int) shelf {
	copy(s.lent[place:], s.lent[place+1:])
	s.lent[len(s.lent)-1] = tenure{}
	return s
}

// after are the states that an act may lead to.
func (s shelf) after(a act) []any {
	place, has := s.has(a)
	me := uint8(1) << a.client
	switch a.kind {
	case actTake, actTry:
		if a.worker == 0 {
			return only(s, s.free == 0) // it is refused only when none is free
		}
		next, lent := s.lend(tenure{a.worker, a.lease})
		return only(next, lent && s.free > 0)
	case actTransfer:
		s.lent[place].lease = a.next
		return only(s, has)
	case actReserve:
		if s.free == 0 {
			return []any{s}
		}
		next := s
		next.free--
		next.reserved |= me
		return []any{s, next}
	case actRestore:
		if s.reserved&me == 0 {
			return []any{s}
		}
		s.reserved &^= me
		return []any{s.put()}
	case actResize:
		grows := a.next > s.goal
		if s.goal = a.next; grows {
			return []any{s.put()}
		}
		if s.free > 0 && s.workers() > s.goal {
			s.free--
		}
		return []any{s}
	}
	if a.ended {
		return only(s.take(place).put(), has && a.kind == actGive)
	}
	return only(s, !has)
}

func only(s shelf, possible bool) []any {
	if !possible {
		return nil
	}
	return []any{s}
}

// aPool is a pool of so many workers that do not die: a client that does not wait
// is refused only when all of them are lent, and nobody keeps one that gives up.
func aPool(size int) porcupine.Model {
	model := porcupine.NondeterministicModel{
		Init:              func() []any { return []any{shelf{goal: size, free: size}} },
		Step:              func(state, input, _ any) []any { return state.(shelf).after(input.(act)) },
		DescribeOperation: describe,
	}
	return model.ToModel()
}
