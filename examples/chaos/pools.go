package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pooltender/pool"
)

// kind is a sort of pool that the storm goes over.
type kind struct {
	name                    string
	runs, process           bool // its workers have a Run; are OS processes
	checks, resets, careful bool // they have those hooks; hooks do not outlast their timeouts
	options                 pool.Options
}

const ms = time.Millisecond

var kinds = []kind{
	{name: "active", runs: true, options: pool.Options{Size: 4}},
	{name: "passive", resets: true, options: pool.Options{Size: 3, Order: pool.OrderFIFO, MaxUses: 20}},
	{name: "processes", runs: true, process: true, checks: true, careful: true, options: pool.Options{
		Size: 2, CheckEvery: 100 * ms, StartTimeout: 20 * time.Second, CheckTimeout: 5 * time.Second, StopTimeout: 5 * time.Second,
	}},
	{name: "overflowing", runs: true, options: pool.Options{Size: 1, MaxOverflow: 3, OverflowLinger: 30 * ms, Order: pool.OrderLIFO}},
	{name: "keyed", runs: true, checks: true, options: pool.Options{Size: 4, CheckEvery: 50 * ms}},
	{name: "aging", runs: true, resets: true, options: pool.Options{Size: 3, MaxLifetime: 2 * time.Second, MaxUses: 200, WarnHold: 5 * ms, MaxHold: 15 * ms}},
	{name: "shedding", options: pool.Options{Size: 2, QueueTarget: 2 * ms, MaxWaiting: 6, MaxWait: 50 * ms}},
	{name: "traced", runs: true, options: pool.Options{Size: 3, TraceLeases: 1}},
	{name: "shared", runs: true, resets: true, options: pool.Options{Size: 2, Reclaim: pool.ReclaimReuse, ReclaimGrace: -1}},
	{name: "fragile", runs: true, checks: true, options: pool.Options{Size: 0, MaxOverflow: 3, OverflowLinger: -1, MaxRestarts: 3, RestartWindow: 5 * time.Second, MaxPoolRestarts: 3}},
}

// hurried are the options with times that a storm has.
func (k kind) hurried() pool.Options {
	o := k.options
	o.Backoff = pool.Backoff{Min: 5 * ms, Max: 200 * ms}
	if o.MaxRestarts == 0 {
		o.MaxRestarts = -1
	}
	if o.ReclaimGrace == 0 {
		o.ReclaimGrace = 20 * ms
	}
	if !k.careful {
		o.StartTimeout, o.CheckTimeout, o.StopTimeout = 250*ms, 250*ms, 250*ms
	}
	return o
}

// house is a pool and what is known of it from outside, whatever life it is in.
type house struct {
	name     string
	kind     kind
	options  pool.Options
	reg      *pool.Registry
	checker  *checker
	herd     *herd
	group    *pool.Group[*worker] // that it belongs to, or nil
	orders   chan act             // how the Run of one of its workers is to end
	mischief atomic.Pointer[mischief]
	stops    atomic.Int64 // odd while there is no pool, or one that is stopping

	changing sync.Mutex // held from Stop to Start
	lodger   atomic.Pointer[lodger]
}

// lodger is the pool that has the name for the moment.
type lodger struct {
	pool *pool.Pool[*worker]
	era  *era
}

func (h *house) pool() *pool.Pool[*worker] { return h.lodger.Load().pool }

func newHouses(n int, reg *pool.Registry, c *checker) (houses []*house) {
	herd := new(herd)
	for i := range n {
		k := kinds[i%len(kinds)]
		name := k.name
		if i >= len(kinds) {
			name += fmt.Sprint(" ", 1+i/len(kinds))
		}
		houses = append(houses, &house{name: name, kind: k, options: k.hurried(), reg: reg, checker: c, herd: herd, orders: make(chan act)})
	}
	return houses
}

// open starts the pool.
func (h *house) open(ctx context.Context, async bool) error {
	e := h.checker.newEra(h.options.Reclaim == pool.ReclaimReuse, h.options.MaxUses)
	spec := pool.Spec[*worker]{Start: h.start(e), Stop: (*worker).Stop}
	if h.kind.runs {
		spec.Run = (*worker).Run
	}
	if h.kind.checks {
		spec.Check = (*worker).Check
	}
	if h.kind.resets {
		spec.Reset = (*worker).Reset
	}
	o := h.options
	o.AsyncStart = async
	p, err := pool.Start(ctx, h.reg, h.name, spec, o)
	if err != nil {
		e.stopped(zombies(err))
		return err
	}
	h.lodger.Store(&lodger{p, e})
	if h.group != nil {
		return h.group.Add(p, 1)
	}
	return nil
}

// move stops the pool, with some patience for those who have a worker, and starts
// another under its name. A start that mischief spoils is repeated.
func (h *house) move(patience time.Duration) error {
	h.changing.Lock()
	defer h.changing.Unlock()
	h.stops.Add(1)
	defer h.stops.Add(1)
	if err := h.close(patience); err != nil {
		return err
	}
	for {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		err := h.open(ctx, false)
		cancel()
		if !spoiled(err) {
			return err
		}
	}
}

// close stops the pool. What it leaves behind it has to name.
func (h *house) close(patience time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	l := h.lodger.Load()
	if h.group != nil {
		h.group.Remove(l.pool)
	}
	err := l.pool.Stop(ctx)
	left := zombies(err)
	l.era.stopped(left)
	if left > 0 {
		return nil
	}
	return err
}

// resizeBack asks for as many workers as in the beginning, and does not wait.
func (h *house) resizeBack() {
	over, cancel := context.WithCancel(context.Background())
	cancel()
	_ = h.pool().Resize(over, h.options.Size) // an error: nobody waits, and the goal stands
}

// zombies counts those that a Stop has named.
func zombies(err error) int {
	var stop *pool.StopError
	if errors.As(err, &stop) {
		return len(stop.Zombies)
	}
	return 0
}

// spoiled reports whether a start failed as hooks and faults make it fail.
func spoiled(err error) bool {
	var start *pool.StartError
	var crash *pool.CrashError
	return errors.As(err, &start) || errors.As(err, &crash)
}
