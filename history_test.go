package pool_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/pooltest"
)

// act is what a client did, and to which worker.
type act struct {
	kind   string
	worker int // 0: none was had
	ended  bool
}

const (
	actTake   = "take"   // Checkout, which waits
	actTry    = "try"    // TryCheckout, which does not
	actGive   = "give"   // Checkin
	actAgain  = "again"  // Checkin of a lease that has ended
	actRetire = "retire" // Retire
	actLose   = "lose"   // the worker crashed while it was lent
)

// history is what several clients did, and when.
type history struct {
	began time.Time
	mu    sync.Mutex
	acts  []porcupine.Operation
}

func (h *history) now() int64 { return int64(time.Since(h.began)) }

func (h *history) note(client int, from int64, a act) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.acts = append(h.acts, porcupine.Operation{ClientId: client, Input: a, Call: from, Output: a, Return: h.now()})
}

// client borrows so many times, and, if it may, retires a worker now and then or
// has one crash, lent or idle.
func (h *history) client(ctx context.Context, id int, p fakes, times int, deadly bool) {
	r := rand.New(rand.NewPCG(uint64(id), rand.Uint64()))
	for range times {
		from := h.now()
		kind, checkout := actTake, p.Checkout
		if r.IntN(3) == 0 {
			kind, checkout = actTry, p.TryCheckout
		}
		lease, err := checkout(ctx)
		if err != nil {
			if errors.Is(err, pool.ErrFull) {
				h.note(id, from, act{kind: kind})
			}
			continue
		}
		worker := lease.Worker().ID
		h.note(id, from, act{kind: kind, worker: worker})
		had := h.now()
		if deadly && r.IntN(4) == 0 {
			pooltest.KillWorker(p, r.IntN(2))
		}
		end, how := lease.Checkin, actGive
		if deadly && r.IntN(8) == 0 {
			end, how = func() bool { return lease.Retire(nil) }, actRetire
		}
		if from := h.now(); end() {
			h.note(id, from, act{how, worker, true})
		} else {
			h.note(id, had, act{kind: actLose, worker: worker})
		}
		again := h.now()
		h.note(id, again, act{actAgain, worker, lease.Checkin()})
	}
}

// check fails the test unless the history could have come about one act after
// another.
func (h *history) check(t *testing.T, model porcupine.Model) {
	t.Helper()
	result, info := porcupine.CheckOperationsVerbose(model, h.acts, 20*time.Second)
	if result == porcupine.Ok {
		return
	}
	file := t.TempDir() + "/history.html"
	require.NoError(t, porcupine.VisualizePath(model, info, file))
	require.Failf(t, "the history is "+string(result), "it is drawn in %s, and there are %d acts", file, len(h.acts))
}

// aWorker is one worker: free, lent or gone, and once gone it is never lent.
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
	Init: func() any { return "free" },
	Step: func(state, input, _ any) (bool, any) {
		switch a := input.(act); a.kind {
		case actTake, actTry:
			return state == "free", "lent"
		case actGive:
			return state == "lent", "free"
		case actRetire, actLose:
			return state == "lent", "gone"
		default: // whoever comes again changes nothing
			return !a.ended, state
		}
	},
	DescribeOperation: func(input, _ any) string { return fmt.Sprint(input) },
}

// aPool is a pool of so many workers that do not die: a client that does not wait
// is refused only when all of them are lent.
func aPool(size int) porcupine.Model {
	all := uint64(1)<<size - 1
	return porcupine.Model{
		Init: func() any { return uint64(0) },
		Step: func(state, input, _ any) (bool, any) {
			lent, a := state.(uint64), input.(act)
			bit := uint64(1) << (max(a.worker, 1) - 1)
			switch {
			case a.worker == 0:
				return lent == all, lent
			case a.kind == actGive:
				return lent&bit != 0, lent &^ bit
			case a.kind == actAgain:
				return !a.ended, lent
			}
			return lent&bit == 0, lent | bit
		},
		DescribeOperation: func(input, _ any) string { return fmt.Sprint(input) },
	}
}

func TestTheHistoryOfAPoolIsThatOfOneLentStepByStep(t *testing.T) {
	t.Parallel()
	for _, order := range []pool.Order{pool.OrderRecent, pool.OrderLIFO} {
		t.Run(string(order), func(t *testing.T) {
			t.Parallel()
			for range rounds(40) {
				b := pooltest.NewBackend(t)
				b.NoReset, b.Passive = true, true
				p := pooltest.Start(t, b.Spec(), pool.Options{Size: 2, Order: order})
				h := &history{began: time.Now()}
				var clients sync.WaitGroup
				for id := range 3 {
					clients.Go(func() { h.client(t.Context(), id, p, 12, false) })
				}
				clients.Wait()
				h.check(t, aPool(2))
			}
		})
	}
}

func TestTheHistoryOfEveryWorkerIsOneOfLeasesAndOneEnd(t *testing.T) {
	t.Parallel()
	for range rounds(40) {
		b := pooltest.NewBackend(t)
		b.NoReset = true
		p := pooltest.Start(t, b.Spec(), pool.Options{Size: 2, MaxRestarts: -1, Backoff: pool.Backoff{Min: -1}})
		h := &history{began: time.Now()}
		var clients sync.WaitGroup
		for id := range 4 {
			clients.Go(func() { h.client(t.Context(), id, p, 30, true) })
		}
		clients.Wait()
		h.check(t, aWorker)
	}
}
