// Doubler tells the life of a pool of three workers, from its start to its end:
// it is filled, a worker dies in its client's hands, a client goes away without
// a word, a burst comes, the pool's own manager is killed. After each step it
// prints what the pool shows.
//
//	go run ./examples/doubler
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"strings"
	"time"

	"github.com/pooltender/pool"
)

func main() {
	if err := tell(context.Background(), os.Stdout); err != nil {
		log.Fatal(err)
	}
}

var (
	spec    = pool.Spec[*Doubler]{Start: NewDoubler, Run: (*Doubler).Run}
	options = pool.Options{
		Size:           3,
		MaxOverflow:    2,
		OverflowLinger: 400 * time.Millisecond,
		ReclaimGrace:   400 * time.Millisecond,
	}
)

type story struct {
	out      io.Writer
	reg      *pool.Registry
	doublers *pool.Pool[*Doubler]
}

// tell runs the story. The chapters leave every worker in the pool.
func tell(ctx context.Context, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	reg := pool.NewRegistry()
	defer reg.Close()
	doublers, err := pool.Start(ctx, reg, "doublers", spec, options)
	if err != nil {
		return err
	}
	s := &story{out, reg, doublers}
	s.say("Three doublers start. (1.2 would be the second worker of slot 1.)")
	s.show(doublers)
	for _, chapter := range []func(context.Context) error{
		s.oneCall, s.fullHouse, s.workerDies, s.clientLeaves, s.burst, s.managerDies, s.stop,
	} {
		time.Sleep(400 * time.Millisecond) // for the reader
		if err := chapter(ctx); err != nil {
			return err
		}
	}
	return reg.Shutdown(ctx)
}

func (s *story) say(format string, args ...any) {
	fmt.Fprintf(s.out, "\n"+format+"\n", args...)
}

func (s *story) quote(err error) {
	fmt.Fprintf(s.out, "    > %v\n", err)
}

// show prints a pool with its slots: which worker is there, and what it does.
func (s *story) show(pools ...pool.Control) {
	for _, p := range pools {
		info := p.Inspect()
		line := fmt.Sprintf("    %-9s %-9s", info.Name, info.Stats.State)
		for _, slot := range info.Slots {
			if slot.State == pool.SlotVacant {
				line += fmt.Sprintf(" %-11s", "-")
			} else {
				line += fmt.Sprintf(" %-11s", fmt.Sprintf("%d.%d %s", slot.Index, slot.Incarnation, slot.State))
			}
		}
		if n := len(info.Waiters); n > 0 {
			line += fmt.Sprintf(" %d waiting", n)
		}
		fmt.Fprintln(s.out, strings.TrimRight(line, " "))
	}
}

// until looks at the pool until it is as described. Clients never need this:
// they wait in Checkout, and whoever needs n workers up in WaitReady.
func (s *story) until(ctx context.Context, described func(pool.PoolInfo) bool) error {
	for !described(s.doublers.Inspect()) {
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("the story does not go on: %w", ctx.Err())
		}
	}
	return nil
}
