package main

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// together lets clients work at the same time. Each warms up with a few; the
// watch runs from the moment when all begin until the last has done its share.
func together(clients []func(n int), few, share int, w *watch) {
	warm, begin := newLine(len(clients)), newLine(len(clients))
	var working atomic.Int64
	var done sync.WaitGroup
	working.Store(int64(len(clients)))
	for _, client := range clients {
		done.Go(func() {
			client(few)
			warm.pass(w.count)
			begin.pass(func() { w.began = time.Now() }) // another line, because counting stops the world
			client(share)
			if working.Add(-1) == 0 {
				w.stop()
			}
		})
	}
	done.Wait()
}

// A line is passed by all when the last of them has come to it.
type line struct {
	missing atomic.Int64
	opened  atomic.Bool
	open    chan struct{}
	spins   bool
}

// newLine makes a line for n goroutines. As many as there are processors wait
// running, so that each has one when the line opens: a processor that sleeps may
// need longer to notice that there is work than all of the work takes.
func newLine(n int) *line {
	l := &line{open: make(chan struct{}), spins: n <= runtime.GOMAXPROCS(0)}
	l.missing.Store(int64(n))
	return l
}

// pass waits for the others. The last calls first, before anybody passes.
func (l *line) pass(first func()) {
	if l.missing.Add(-1) == 0 {
		first()
		l.opened.Store(true)
		close(l.open)
		return
	}
	for l.spins && !l.opened.Load() {
	}
	<-l.open
}
