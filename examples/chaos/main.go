// Chaos is a storm over a registry full of pools: clients of every temper use
// them, while a saboteur kills workers, processes, managers, worker supervisors,
// clients and whole pools, and spoils their hooks. A checker that keeps books of
// its own looks for a worker with two holders, one that is lent after its end, one
// that outlives its pool, and clients that wait for ever. From time to time all
// harm ends, and the pools have to be as new. Beside the storm stands a quiet pool
// that must not notice it. Anything wrong, or left over, is exit code 1.
//
//	go run ./examples/chaos
//	go run ./examples/chaos -duration 10m -seed 7 -pools 20
//
// From a minute on it is a soak, too: in every calm it counts memory, goroutines,
// files and processes, which may not become more. The seed says what is done to
// whom; when is up to the scheduler, so no two storms are the same.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"time"
)

func main() {
	if os.Getenv(childEnv) != "" {
		echo(os.Stdin, os.Stdout)
		return
	}
	var c config
	flag.DurationVar(&c.duration, "duration", 15*time.Second, "how long it storms; from a minute on it is a soak")
	flag.Uint64Var(&c.seed, "seed", uint64(time.Now().UnixNano())%1e6, "seed of the random numbers that say what happens to whom")
	flag.IntVar(&c.pools, "pools", len(kinds), "pools, of ten kinds in turn")
	flag.BoolVar(&c.verbose, "v", false, "show events as they happen; then the quiet pool has a listener, and is slower")
	flag.Parse()
	if err := c.validate(); err != nil {
		log.Fatal(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	fmt.Printf("%d pools for %v, seed %d\n", c.pools, c.duration, c.seed)
	d := newDisplay(os.Stdout, c.duration)
	r, err := c.run(ctx, d)
	d.clear()
	stop()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("\n%v", r)
	if len(r.problems()) > 0 {
		os.Exit(1)
	}
}
