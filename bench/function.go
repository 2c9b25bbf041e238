package main

import (
	"context"
	"runtime"

	"github.com/alitto/pond/v2"
	"github.com/panjf2000/ants/v2"
	"github.com/pooltender/pool"
	"golang.org/x/sync/errgroup"
)

// An executor runs functions on a limited number of workers. client makes one
// client of it; what that returns runs n functions and waits for each.
type executor struct {
	client func() (runs func(n int))
	close  func()
}

// executors do another job than lenders.
var executors = []struct {
	name, note string
	open       func(workers int) executor
}{
	{"go statement", "no limit", openGo},
	{"channel of functions", "goroutines that read it", openFunctions},
	{"errgroup.SetLimit", "", openErrgroup},
	{"ants", "", openAnts},
	{"pond", "", openPond},
	{"pool.Call", "a worker is lent, the client runs the function", openCall},
}

// functions are runs of a function on a worker.
func functions() []scenario {
	const about = "Another job: run a function on one of a limited number of workers and wait for its end. "
	columns := []column{timeColumn, spreadColumn, ratioColumn, allocsColumn, noteColumn}
	return []scenario{
		{"function/uncontended", about + "One client, 16 workers.", columns, func(p plan) []row { return execute(p, 1, workers) }},
		{"function/parallel", about + "One client a processor, 16 workers.", columns, func(p plan) []row { return execute(p, runtime.GOMAXPROCS(0), workers) }},
		{"function/crowd", about + "A thousand clients, ten workers.", columns, func(p plan) []row { return execute(p, p.clients, few) }},
	}
}

func execute(p plan, clients, workers int) []row {
	var entrants []entrant
	for _, e := range executors {
		x := e.open(workers)
		defer x.close()
		entrants = append(entrants, entrant{e.name, e.note, func(n int, w *watch) int {
			all := make([]func(int), clients)
			for i := range all {
				all[i] = x.client()
			}
			share := n/clients + 1
			together(all, nested, share, w)
			return share * clients
		}})
	}
	return compare(p, executors[0].name, entrants)
}

// submitting is the client of an executor that takes functions and tells
// nothing of their end.
func submitting(submit func(func())) func() func(int) {
	return func() func(int) {
		w, ended := new(worker), make(chan struct{}, 1)
		function := func() {
			w.uses++
			ended <- struct{}{}
		}
		return func(n int) {
			for range n {
				submit(function)
				<-ended
			}
		}
	}
}

func openGo(int) executor {
	return executor{submitting(func(f func()) { go f() }), func() {}}
}

func openFunctions(workers int) executor {
	functions := make(chan func())
	for range workers {
		go func() {
			for f := range functions {
				f()
			}
		}()
	}
	return executor{submitting(func(f func()) { functions <- f }), func() { close(functions) }}
}

func openErrgroup(workers int) executor {
	var group errgroup.Group
	group.SetLimit(workers)
	client := submitting(func(f func()) { group.Go(func() error { f(); return nil }) })
	return executor{client, func() { must(group.Wait()) }}
}

func openAnts(workers int) executor {
	p, err := ants.NewPool(workers)
	must(err)
	return executor{submitting(func(f func()) { must(p.Submit(f)) }), p.Release}
}

func openPond(workers int) executor {
	p := pond.NewPool(workers)
	client := func() func(int) {
		w := new(worker)
		function := func() { w.uses++ }
		return func(n int) {
			for range n {
				must(p.Submit(function).Wait())
			}
		}
	}
	return executor{client, p.StopAndWait}
}

func openCall(workers int) executor {
	s := supervise(pool.Options{Size: workers})
	client := func() func(int) {
		return func(n int) { calls(s, context.Background(), n) }
	}
	return executor{client, s.close}
}
