// Batch sends every file of a directory tree through a pool of OS processes: this
// very program, started again as a worker that hashes and compresses the files
// it is told. The results come in the order of the files, however long each
// takes, and go into a list that sha256sum -c can check. With -kill the process
// that has the middle file is killed; the file is done again.
//
//	go run ./examples/batch
//	go run ./examples/batch -dir "$(go env GOROOT)/src/net" -workers 8 -kill -o sums.txt
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"github.com/pooltender/pool"
)

func main() {
	if os.Getenv(workerEnv) != "" {
		serve(os.Stdin, os.Stdout)
		return
	}
	var c config
	flag.StringVar(&c.dir, "dir", ".", "directory whose files are read")
	flag.IntVar(&c.workers, "workers", runtime.GOMAXPROCS(0), "worker processes")
	flag.BoolVar(&c.kill, "kill", false, "kill the process that has the middle file")
	list := flag.String("o", "", "file for the list of checksums")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := c.write(ctx, *list); err != nil {
		stop()
		log.Fatal(err)
	}
}

type config struct {
	dir     string
	workers int
	kill    bool
}

// write runs the batch and writes the list to a file, if it has a name.
func (c config) write(ctx context.Context, name string) error {
	if name == "" {
		name = os.DevNull
	}
	list, err := os.Create(name)
	if err != nil {
		return err
	}
	r, err := c.run(ctx, list, os.Stderr)
	if err = errors.Join(err, list.Close()); err != nil {
		return err
	}
	fmt.Print(r)
	return nil
}

// maxTries is how many processes a file may take with it.
const maxTries = 3

// run writes a line for each file to list, in order, and its progress to
// display.
func (c config) run(ctx context.Context, list io.Writer, display *os.File) (*report, error) {
	if c.workers < 1 {
		return nil, errors.New("workers must be positive")
	}
	jobs, err := c.jobs()
	if err != nil {
		return nil, err
	}
	reg := pool.NewRegistry()
	defer reg.Close()
	workers, err := pool.Start(ctx, reg, "readers",
		pool.Spec[*Worker]{Start: Start, Run: (*Worker).Run, Stop: (*Worker).Stop},
		pool.Options{Size: c.workers})
	if err != nil {
		return nil, err
	}

	r := &report{began: time.Now(), shares: make([]share, c.workers)}
	line := newProgress(display, len(jobs))
	defer line.clear()
	for a, err := range pool.Map(ctx, workers, slices.Values(jobs), ask) {
		// The loop holds no worker, so it may wait for one: what got lost with
		// a process is done again here, in its turn.
		for tries := 1; err == nil && a.lost != nil; tries++ {
			if tries == maxTries {
				return nil, a.lost
			}
			r.again++
			a, err = pool.Call(ctx, workers, func(ctx context.Context, w *Worker) (answer, error) {
				return ask(ctx, w, job{path: a.path})
			})
		}
		if err != nil {
			return nil, err
		}
		r.count(a)
		line.show(r)
		if a.Problem != "" {
			continue
		}
		if _, err := fmt.Fprintf(list, "%s  %s\n", a.Sum, a.path); err != nil {
			return nil, err
		}
	}
	if err := reg.Shutdown(ctx); err != nil {
		return nil, err
	}
	r.took = time.Since(r.began)
	return r, nil
}

// job is a file to be read.
type job struct {
	path string
	kill bool // the process that gets it
}

// jobs are the regular files of the tree, but not what is hidden in it.
func (c config) jobs() (jobs []job, _ error) {
	err := filepath.WalkDir(c.dir, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && entry.Name()[0] == '.' && path != c.dir:
			return fs.SkipDir
		case entry.Type().IsRegular():
			jobs = append(jobs, job{path: path})
		}
		return nil
	})
	if c.kill && len(jobs) > 0 {
		jobs[len(jobs)/2].kill = true
	}
	return jobs, err
}
