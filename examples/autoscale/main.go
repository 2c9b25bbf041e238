// Autoscale sends the same bursts of clients to three pools whose workers take a
// moment to start, and draws how many workers each pool has over time: one that
// grows beyond its Size while clients wait; one that has workers only while there
// are clients; and one that is resized, to 0, which pauses it, and up.
//
//	go run ./examples/autoscale
//	go run ./examples/autoscale -bursts 4 -clients 12
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"sync"
	"time"

	"github.com/pooltender/pool"
)

func main() {
	var c config
	flag.IntVar(&c.bursts, "bursts", 3, "bursts of clients, 1 to 4; each is larger than the one before")
	flag.IntVar(&c.clients, "clients", 8, "clients of the last burst, 1 to 12")
	flag.Parse()
	live := func(string) {}
	if info, err := os.Stdout.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
		live = func(line string) { fmt.Printf("\r%s\x1b[K", line) }
	}
	r, err := c.run(context.Background(), live)
	live("")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(r)
	if !r.good() {
		os.Exit(1)
	}
}

type config struct{ bursts, clients int }

func (c config) validate() error {
	switch {
	case c.bursts < 1 || c.bursts > 4:
		return fmt.Errorf("-bursts is %d: it must be 1 to 4, or the chart is too wide", c.bursts)
	case c.clients < 1 || c.clients > 12:
		return fmt.Errorf("-clients is %d: it must be 1 to 12, or the chart is too wide", c.clients)
	}
	return nil
}

const (
	tick   = 100 * time.Millisecond // a column of the chart
	before = 4                      // ticks until the first burst
	period = 15                     // ticks from a burst to the next
)

// burst says at which tick a burst begins, and how many clients come.
func (c config) burst(n int) (at, clients int) {
	return before + n*period, max(1, (n+1)*c.clients/c.bursts)
}

// run is the whole show. A line for each tick goes to live.
func (c config) run(ctx context.Context, live func(string)) (*report, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	reg := pool.NewRegistry()
	defer reg.Close()
	r := &report{config: c}
	for _, k := range kinds {
		p, err := k.start(ctx, reg)
		if err != nil {
			return nil, err
		}
		r.panels = append(r.panels, p)
	}
	r.began = time.Now()
	over := make(chan error, 1)
	go func() { over <- r.play(ctx) }()
	if err := r.watch(ctx, over, live); err != nil {
		return nil, err
	}
	return r, reg.Shutdown(ctx)
}

// play sends the load to all pools, until everybody has been served.
func (r *report) play(ctx context.Context) error {
	errs := make([]error, len(r.panels))
	var all sync.WaitGroup
	for n, p := range r.panels {
		all.Go(func() { p.load(ctx, r) })
		all.Go(func() { errs[n] = p.operate(ctx, r) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// watch looks at the pools in the middle of every tick, until all is over and no
// pool has more workers than its Size.
func (r *report) watch(ctx context.Context, over <-chan error, live func(string)) error {
	ended := false
	for n := 0; ; n++ {
		time.Sleep(time.Until(r.at(n).Add(tick / 2)))
		line, surplus := fmt.Sprintf("%4.1f s", (time.Duration(n)*tick).Seconds()), 0
		for _, p := range r.panels {
			s := p.pool.Stats()
			p.seen = append(p.seen, s)
			surplus += s.Overflow
			line += "   " + p.now(s)
		}
		live(line)
		select {
		case err := <-over:
			if err != nil {
				return err
			}
			ended = true
		case <-ctx.Done():
			return context.Cause(ctx)
		default:
		}
		if ended && surplus == 0 {
			return nil
		}
	}
}
