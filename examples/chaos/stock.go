package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/metrics"
	"runtime/pprof"
	"strings"
	"time"
)

// stock is what the process holds at a moment.
type stock struct {
	heap, objects, goroutines, files, children, cleanups int
}

// takeStock collects garbage and counts. What the system does not tell is 0.
func takeStock() stock {
	collect()
	read := []metrics.Sample{
		{Name: "/gc/heap/live:bytes"}, {Name: "/gc/heap/objects:objects"},
		{Name: "/gc/cleanups/queued:cleanups"}, {Name: "/gc/cleanups/executed:cleanups"},
		{Name: "/gc/finalizers/queued:finalizers"}, {Name: "/gc/finalizers/executed:finalizers"},
	}
	metrics.Read(read)
	value := func(i int) int { return int(read[i].Value.Uint64()) }
	return stock{
		heap: value(0), objects: value(1), goroutines: runtime.NumGoroutine(), files: openFiles(), children: children(),
		cleanups: value(2) - value(3) + value(4) - value(5),
	}
}

// collect collects until what a collection finds has been dealt with, too: a
// cleanup runs after it, on a goroutine of its own.
func collect() {
	for range 3 {
		runtime.GC()
		time.Sleep(ms)
	}
}

func openFiles() int {
	files, _ := os.ReadDir("/proc/self/fd") // an error: another system
	return len(files)
}

// children counts the processes whose parent is this one.
func children() (n int) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		text, _ := os.ReadFile(path) // an error: it has just ended
		_, rest, _ := strings.Cut(string(text), ") ")
		var state string
		var parent int
		if _, err := fmt.Sscan(rest, &state, &parent); err == nil && parent == os.Getpid() {
			n++
		}
	}
	return n
}

// since is what there is more of than before, of what may not be left over.
func (s stock) since(before stock) stock {
	return stock{
		goroutines: s.goroutines - before.goroutines,
		files:      s.files - before.files,
		children:   s.children - before.children,
	}
}

func (s stock) none() bool { return s.goroutines <= 0 && s.files <= 0 && s.children <= 0 }

func (s stock) String() string {
	return fmt.Sprintf("goroutines %d, open files %d, processes %d", s.goroutines, s.files, s.children)
}

// stacks are those of all goroutines, alike ones together.
func stacks() string {
	var b strings.Builder
	_ = pprof.Lookup("goroutine").WriteTo(&b, 1) // a Builder takes everything
	return b.String()
}
