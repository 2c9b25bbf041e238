package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/pooltender/pool"
)

// display shows what happens while it does: on a terminal a line that is
// rewritten, elsewhere a line now and then.
type display struct {
	out           io.Writer
	terminal      bool
	every         time.Duration
	began, latest time.Time
}

func newDisplay(f *os.File, duration time.Duration) *display {
	d := &display{out: f, began: time.Now(), every: max(time.Second, duration/30)}
	if info, err := f.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
		d.terminal, d.every = true, 200*ms
	}
	return d
}

func (d *display) show(s *storm, now time.Time) {
	if now.Sub(d.latest) < d.every {
		return
	}
	d.latest = now
	var live, leased, waiting int
	for _, h := range s.houses {
		n := h.pool().Stats()
		live += n.Idle + n.Leased + n.Tending
		leased += n.Leased
		waiting += n.Waiting
	}
	_, wrong := s.checker.violations()
	begin, end := "", "\n"
	if d.terminal {
		begin, end = "\r", "\x1b[K"
	}
	fmt.Fprintf(d.out, "%s%4.0f s  operations %8d  faults %6d  workers %3d live %3d leased  clients waiting %3d  violations %d%s", begin,
		now.Sub(d.began).Seconds(), s.operations.total(), s.faults.total(), live, leased, waiting, wrong, end)
}

// clear takes the line away.
func (d *display) clear() {
	if d.terminal {
		fmt.Fprint(d.out, "\r\x1b[K")
	}
}

// tell tells of what happens to pools and workers; leases are too many.
func (d *display) tell(e pool.Event) {
	switch e.Kind {
	case pool.EventLeaseStarted, pool.EventLeaseEnded:
		return
	}
	d.clear()
	text := fmt.Sprintf("%s  %-15s slot %d.%d  %s", e.Time.Format("15:04:05.000"), e.Slot.Pool, e.Slot.Index, e.Slot.Incarnation, e.Kind)
	if e.State != "" {
		text += ": " + string(e.State)
	}
	if e.Err != nil {
		text += fmt.Sprintf(": %v", e.Err)
	}
	fmt.Fprintln(d.out, text)
}
