package main

import (
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestPeersLendAWorkerToOneClientAtATime(t *testing.T) {
	for _, p := range peers {
		t.Run(p.name, func(t *testing.T) {
			l := p.open(few)
			defer l.close()
			var held sync.Map
			var done sync.WaitGroup
			for range 5 * few {
				done.Go(func() {
					left := 200
					l.visits(context.Background(),
						func() bool { left--; return left >= 0 },
						func(w *worker) {
							_, twice := held.LoadOrStore(w, true)
							assert.False(t, twice)
							w.uses++ // a race, if it is lent twice
							held.Delete(w)
						})
				})
			}
			done.Wait()
			assert.Equal(t, []int{few, 5 * few * 200}, census(l, few))
		})
	}
}

func TestEveryWayOfLendingGivesAllWorkersBack(t *testing.T) {
	for _, p := range peers {
		t.Run(p.name, func(t *testing.T) {
			l := p.open(workers)
			defer l.close()
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			l.pairs(ctx, 100)
			l.fresh(100)
			l.nests(ctx, 10*nested)
			counted := census(l, workers)
			assert.Equal(t, workers, counted[0])
			if p.name != "database/sql" { // does not touch them
				assert.Equal(t, 200+10*nested, counted[1])
			}
		})
	}
}

// census takes all workers at once, and returns how many there are and how
// often they were used together. It hangs if one has not come back.
func census(l lender, workers int) []int {
	var mu sync.Mutex
	uses := make(map[*worker]int)
	var all, done sync.WaitGroup
	all.Add(workers)
	for range workers {
		done.Go(func() {
			first := true
			l.visits(context.Background(),
				func() bool { was := first; first = false; return was },
				func(w *worker) {
					mu.Lock()
					uses[w] = w.uses
					mu.Unlock()
					all.Done()
					all.Wait()
				})
		})
	}
	done.Wait()
	sum := 0
	for _, n := range uses {
		sum += n
	}
	return []int{len(uses), sum}
}

func TestAKilledWorkerIsReplacedByAnother(t *testing.T) {
	for _, k := range keepers {
		for name, die := range map[string]func() error{
			"error": func() error { return errKilled },
			"panic": func() error { panic(errKilled) },
		} {
			t.Run(k.name+" "+name, func(t *testing.T) {
				n := k.open(die)
				defer n.close()
				seen := make(map[*mortal]bool)
				for range 20 {
					m := n.next()
					assert.False(t, seen[m])
					seen[m] = true
					m.killed <- struct{}{}
				}
				n.next()
			})
		}
	}
}

func TestExecutorsRunWhatTheyAreGiven(t *testing.T) {
	for _, e := range executors {
		t.Run(e.name, func(t *testing.T) {
			x := e.open(2)
			defer x.close()
			var done sync.WaitGroup
			for range 10 {
				done.Go(func() { x.client()(50) })
			}
			done.Wait()
		})
	}
}
