package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"time"

	"github.com/jackc/puddle/v2"
	"github.com/pooltender/pool"
	"github.com/thejerf/suture/v4"
)

// Names of those that start workers.
const (
	bare    = "goroutines, each with a channel"
	passive = "pool of passive workers"
	running = "pool of workers with Run"
)

// starters start so many workers and return what keeps them alive. A worker
// itself takes no memory, but one that runs has a goroutine and a channel.
var starters = []struct {
	name, note string
	most       int // what they are asked for
	start      func(n int) any
}{
	{bare, "", 100_000, startGoroutines},
	{"suture", "", 100_000, startSuture},
	{running, "", 100_000, startRunning},
	{"channel of pointers", "no goroutines", 1_000_000, startChannel},
	{"puddle", "no goroutines", 1_000_000, startPuddle},
	{passive, "no goroutines", 1_000_000, startPassive},
}

// starts are many workers at once.
func starts(p plan) []scenario {
	var all []scenario
	for _, s := range p.starts {
		all = append(all, scenario{
			name:    fmt.Sprintf("start/%d", s.workers),
			about:   "Many workers start; the time until all are up and the memory they take, a worker. Each measurement is a process of its own.",
			columns: []column{timeColumn, spreadColumn, ratioColumn, bytesColumn, noteColumn},
			run:     func(plan) []row { return launch(s) },
		})
	}
	return all
}

// A cost is what one start took, a worker.
type cost struct{ NS, Bytes float64 }

func launch(s start) []row {
	ns, sizes := make([]sample, len(starters)), make([]sample, len(starters))
	for round := range s.rounds {
		for i := range starters {
			turn := (i + round) % len(starters)
			if s.workers <= starters[turn].most {
				c := startApart(turn, s.workers)
				ns[turn], sizes[turn] = append(ns[turn], c.NS), append(sizes[turn], c.Bytes)
			}
		}
	}
	var rows []row
	for i, starter := range starters {
		if len(ns[i]) > 0 {
			rows = append(rows, row{
				Name: starter.name, Note: starter.note, NS: ns[i].median(), Spread: ns[i].spread(),
				Bytes: sizes[i].median(), rounds: ns[i],
			})
		}
	}
	return against(rows[0].Name, rows)
}

// order is the environment variable that makes this program start workers,
// write a cost and end: Go keeps for later what a goroutine took, so that only
// the first start in a process shows what it costs.
const order = "BENCH_START"

// startApart has another process start workers.
func startApart(starter, workers int) cost {
	program, err := os.Executable()
	must(err)
	child := exec.Command(program)
	child.Env = append(os.Environ(), fmt.Sprintf("%s=%d %d", order, starter, workers))
	child.Stderr = os.Stderr
	out, err := child.Output()
	must(err)
	var c cost
	must(json.Unmarshal(out, &c))
	return c
}

// obey does what startApart ordered and reports whether there was an order.
func obey() bool {
	text, ordered := os.LookupEnv(order)
	if !ordered {
		return false
	}
	var starter, workers int
	_, err := fmt.Sscan(text, &starter, &workers)
	must(err)

	before := inUse()
	began := time.Now()
	alive := starters[starter].start(workers)
	elapsed := time.Since(began)
	after := inUse()
	runtime.KeepAlive(alive)
	must(json.NewEncoder(os.Stdout).Encode(cost{
		NS:    float64(elapsed) / float64(workers),
		Bytes: (after - before) / float64(workers),
	}))
	return true
}

// inUse is the memory in use by objects and stacks.
func inUse() float64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc + m.StackInuse)
}

// nothing is the worker of those that do not run.
type nothing struct{}

func startChannel(n int) any {
	idle := make(chan *nothing, n)
	for range n {
		idle <- new(nothing)
	}
	return idle
}

func startPuddle(n int) any {
	p, err := puddle.NewPool(&puddle.Config[*nothing]{
		Constructor: func(context.Context) (*nothing, error) { return new(nothing), nil },
		Destructor:  func(*nothing) {},
		MaxSize:     int32(n),
	})
	must(err)
	for range n {
		must(p.CreateResource(context.Background()))
	}
	return p
}

func startPassive(n int) any {
	return begin(pool.Spec[*nothing]{
		Start: func(context.Context) (*nothing, error) { return new(nothing), nil },
	}, n)
}

func startRunning(n int) any {
	return begin(pool.Spec[*mortal]{
		Start: func(context.Context) (*mortal, error) { return newMortal(), nil },
		Run:   func(m *mortal, ctx context.Context) error { return m.live(ctx, survive) },
	}, n)
}

func begin[W any](spec pool.Spec[W], n int) any {
	started, err := pool.Start(context.Background(), pool.NewRegistry(), "bench", spec, pool.Options{Size: n})
	must(err)
	return started
}

func startGoroutines(n int) any {
	all := make([]*mortal, n)
	var up sync.WaitGroup
	up.Add(n)
	for i := range all {
		m := newMortal()
		all[i] = m
		go func() {
			up.Done()
			<-m.killed
		}()
	}
	up.Wait()
	return all
}

func startSuture(n int) any {
	var up sync.WaitGroup
	up.Add(n)
	supervisor := suture.New("bench", suture.Spec{EventHook: func(suture.Event) {}})
	supervisor.ServeBackground(context.Background())
	for range n {
		supervisor.Add(service{&up})
	}
	up.Wait()
	return supervisor
}

// service says when it is up.
type service struct{ up *sync.WaitGroup }

// Serve implements [suture.Service].
func (s service) Serve(ctx context.Context) error {
	m := newMortal()
	s.up.Done()
	return m.live(ctx, survive)
}

func survive() error { return nil }
