// Subprocess lends long-lived OS processes: this very program, started again as
// a worker that reads requests from its standard input and answers on its
// standard output. While clients send requests, worker processes are killed at
// random and one is made to hang. What fails is asked again, of another worker;
// nothing is lost, and in the end no process is left.
//
//	go run ./examples/subprocess
//	go run ./examples/subprocess -workers 8 -requests 20000 -kills 200
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pooltender/pool"
)

func main() {
	if os.Getenv(workerEnv) != "" {
		serve(os.Stdin, os.Stdout)
		return
	}
	var c config
	flag.IntVar(&c.workers, "workers", 4, "worker processes")
	flag.IntVar(&c.clients, "clients", 16, "clients at a time")
	flag.IntVar(&c.requests, "requests", 5000, "requests of all clients together")
	flag.IntVar(&c.kills, "kills", 25, "how often a worker process is killed")
	flag.Uint64Var(&c.seed, "seed", 1, "seed of the random numbers that say when and whom to kill")
	flag.Parse()
	fmt.Printf("%d clients send %d requests to %d worker processes. %d are killed, 1 is made to hang.\n\n",
		c.clients, c.requests, c.workers, c.kills)
	r, err := run(context.Background(), c)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(r)
	if !r.good() {
		os.Exit(1)
	}
}

type config struct {
	workers, clients, requests, kills int
	seed                              uint64
}

// patience is how long a client waits for an answer.
const patience = 500 * time.Millisecond

func run(ctx context.Context, c config) (*report, error) {
	if c.workers < 1 || c.clients < 1 || c.requests < 1 || c.kills < 0 {
		return nil, errors.New("workers, clients and requests must be positive, kills not negative")
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	r := &report{config: c}
	began := time.Now()

	reg := pool.NewRegistry()
	defer reg.Close()
	reg.Subscribe(r.count)
	workers, err := pool.Start(ctx, reg, "hashers",
		pool.Spec[*Worker]{Start: r.herd.Start, Run: (*Worker).Run, Stop: (*Worker).Stop},
		pool.Options{Size: c.workers})
	if err != nil {
		return nil, err
	}

	requests := make(chan int)
	var clients sync.WaitGroup
	for range c.clients {
		clients.Go(func() {
			for n := range requests {
				r.ask(ctx, workers, n)
			}
		})
	}
	random := rand.New(rand.NewPCG(c.seed, 0))
	kills := make(map[int]int)
	for range c.kills {
		kills[random.IntN(c.requests)]++
	}
	for n := range c.requests {
		for range kills[n] {
			r.herd.killOne(ctx, random)
		}
		requests <- n
	}
	close(requests)
	clients.Wait()

	if err := workers.WaitReady(ctx, c.workers); err != nil {
		return nil, err
	}
	if err := reg.Shutdown(ctx); err != nil {
		return nil, err
	}
	r.restarts = workers.Stats().Restarts
	r.took = time.Since(began)
	return r, nil
}

// ask sends one request, as often as it takes.
func (r *report) ask(ctx context.Context, workers *pool.Pool[*Worker], n int) {
	text := fmt.Sprint("request ", n)
	line := hashIt + text
	if n == r.requests/2 {
		line = hangUp
	}
	for {
		answer, err := pool.Call(ctx, workers, func(ctx context.Context, w *Worker) (string, error) {
			ctx, cancel := context.WithTimeout(ctx, patience)
			defer cancel()
			if line == hangUp {
				r.herd.spare(w)
			}
			answer, err := w.Ask(ctx, line)
			return answer, pool.Retire(err) // half an answer may be on its way
		})
		switch {
		case err == nil && answer == hash(text):
			r.answered.Add(1)
			return
		case err == nil:
			r.wrong.Add(1)
			return
		case ctx.Err() != nil, errors.Is(err, pool.ErrStopped):
			r.lost.Add(1)
			return
		}
		r.retried.Add(1)
		line = hashIt + text
		if refused, ok := errors.AsType[*pool.CheckoutError](err); ok {
			time.Sleep(refused.RetryAfter) // every worker is gone, for the moment
		}
	}
}

// report is what the example counts and prints.
type report struct {
	config
	herd                           herd
	answered, wrong, retried, lost atomic.Int64
	crashed, retired, stillborn    int
	restarts                       uint64
	took                           time.Duration
}

// count is told of everything that happens in the registry. When Shutdown has
// returned it has been told all.
func (r *report) count(e pool.Event) {
	switch {
	case e.Kind == pool.EventWorkerCrashed:
		r.crashed++
	case e.Kind == pool.EventLeaseEnded && e.Reason == pool.EndRetired:
		r.retired++
	case e.Kind == pool.EventStartFailed:
		r.stillborn++
	}
}

func (r *report) good() bool {
	return r.answered.Load() == int64(r.requests) && r.herd.left() == 0
}

func (r *report) String() string {
	return fmt.Sprintf(`requests answered and verified     %6d
answers that were wrong            %6d
attempts that failed, and repeated %6d
requests lost for good             %6d

crashes that the pool saw          %6d
workers that clients retired       %6d
processes that did not start       %6d
replacements                       %6d

processes started                  %6d
processes left                     %6d
time                               %6v
`, r.answered.Load(), r.wrong.Load(), r.retried.Load(), r.lost.Load(),
		r.crashed, r.retired, r.stillborn, r.restarts,
		r.herd.started, r.herd.left(), r.took.Round(time.Millisecond))
}
