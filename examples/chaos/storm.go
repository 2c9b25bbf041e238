package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/pooltender/pool"
)

// config is what the flags say.
type config struct {
	duration time.Duration
	seed     uint64
	pools    int
	verbose  bool
}

// storm is a registry full of pools, all that happens to them, and what is known
// of it.
type storm struct {
	config
	display *display
	checker *checker
	reg     *pool.Registry
	houses  []*house
	group   *pool.Group[*worker]
	quiet   *quiet
	soak    *soak

	operations, outcomes, ends, faults tally
}

const clientsPerPool = 6

func (c config) validate() error {
	switch {
	case c.duration < time.Second:
		return fmt.Errorf("-duration is %v: it must be a second at least", c.duration)
	case c.pools < 1 || c.pools > 1000:
		return fmt.Errorf("-pools is %d: it must be 1 to 1000", c.pools)
	}
	return nil
}

// run is the whole storm, from quiet to quiet. The config is valid.
func (c config) run(ctx context.Context, d *display) (*report, error) {
	before := takeStock()
	s := &storm{
		config: c, display: d, checker: new(checker), group: pool.NewGroup[*worker](),
		reg: pool.NewRegistry(pool.RegistryOptions{Logger: slog.New(slog.NewTextHandler(io.Discard, nil))}),
	}
	defer s.reg.Close()
	if c.verbose {
		s.reg.Subscribe(d.tell)
	}
	began := time.Now()
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	for n := uint64(0); time.Since(began) < c.duration && ctx.Err() == nil; n++ {
		if err := s.blow(ctx, n); err != nil {
			return nil, err
		}
		if err := s.calm(); err != nil {
			return nil, err
		}
		if s.soak != nil {
			s.soak.sample(takeStock())
		}
	}
	r := &report{storm: s, took: time.Since(began)}
	return r, s.end(r, before)
}

// begin starts everything, the quiet pool first.
func (s *storm) begin(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	if s.quiet, err = newQuiet(ctx, s.reg); err != nil {
		return err
	}
	alone, end := context.WithTimeout(ctx, min(3*time.Second, s.duration/5))
	defer end()
	if err := s.quiet.measure(alone, &s.quiet.alone); err != nil {
		return err
	}
	if s.duration >= time.Minute {
		s.soak = new(soak)
	}
	s.houses = newHouses(s.pools, s.reg, s.checker)
	for _, h := range s.houses {
		if !h.kind.process {
			h.group = s.group
		}
		if err := h.open(ctx, false); err != nil {
			return err
		}
	}
	return nil
}

// end stops everything and looks at what is left.
func (s *storm) end(r *report, before stock) error {
	inside := s.quiet.pool.Inspect()
	if inside.Epoch != 1 || inside.Stats.Crashes+inside.Stats.Restarts+inside.Stats.Shed > 0 {
		s.checker.violated("the storm has reached the quiet pool: %+v", inside.Stats)
	}
	for _, h := range s.houses {
		if err := h.close(patience); err != nil {
			s.checker.violated("%s: Stop says %v", h.name, err)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.reg.Shutdown(ctx); err != nil {
		s.checker.violated("Shutdown says %v", err)
	}
	r.left = before
	eventually(func() bool {
		r.left = takeStock().since(before)
		return r.left.none()
	})
	if !r.left.none() {
		s.checker.violated("left are %v\n%s", r.left, stacks())
	}
	if _, left := s.checker.workers(); left > 0 {
		s.checker.violated("left are %d workers", left)
	}
	if _, left := s.houses[0].herd.count(); left > 0 {
		s.checker.violated("left are %d processes", left)
	}
	return nil
}

// errStuck ends a storm after which nothing can be said of the rest.
var errStuck = errors.New("chaos: somebody waits for ever")

func (s *storm) stuck() error {
	wrong, _ := s.checker.violations()
	return fmt.Errorf("%w: %s\n%s", errStuck, strings.Join(wrong, "\n"), stacks())
}
