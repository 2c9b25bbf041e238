package main

import (
	"fmt"
	"os"
	"strings"
	"time"
)

// report is what the batch came to.
type report struct {
	share
	packed   int64
	shares   []share // of each slot
	problems []string
	again    int // files that were lost with their process
	began    time.Time
	took     time.Duration
}

type share struct {
	files int
	bytes int64
}

func (s *share) count(a answer) {
	s.files++
	s.bytes += a.Size
}

func (s share) String() string {
	return fmt.Sprintf("%6d files  %8.2f MB", s.files, float64(s.bytes)/1e6)
}

func (r *report) count(a answer) {
	if a.Problem != "" {
		r.problems = append(r.problems, a.Problem)
		return
	}
	r.share.count(a)
	r.shares[a.slot].count(a)
	r.packed += a.Packed
}

func (r *report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "all     %v, packed %.2f MB, in %v\n", r.share, float64(r.packed)/1e6, r.took.Round(time.Millisecond))
	for i, s := range r.shares {
		fmt.Fprintf(&b, "slot %-2d %v\n", i, s)
	}
	fmt.Fprintf(&b, "done again because their process ended: %d\n", r.again)
	for _, p := range r.problems {
		fmt.Fprintln(&b, "not read:", p)
	}
	return b.String()
}

// progress is a line on a terminal; on anything else it shows nothing.
type progress struct {
	terminal *os.File
	total    int
	shown    time.Time
}

func newProgress(f *os.File, total int) *progress {
	if info, err := f.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return &progress{}
	}
	return &progress{terminal: f, total: total}
}

const barWidth = 30

// show draws the line anew, ten times a second at most.
func (p *progress) show(r *report) {
	if p.terminal == nil || time.Since(p.shown) < 100*time.Millisecond {
		return
	}
	p.shown = time.Now()
	done := barWidth * r.files / p.total
	rate := float64(r.bytes) / 1e6 / time.Since(r.began).Seconds()
	fmt.Fprintf(p.terminal, "\r[%s%s] %d of %d files, %.1f MB/s  ",
		strings.Repeat("#", done), strings.Repeat(".", barWidth-done), r.files, p.total, rate)
}

// clear takes the line away.
func (p *progress) clear() {
	if p.terminal != nil {
		fmt.Fprint(p.terminal, "\r\x1b[K")
	}
}
