package main

import (
	"fmt"
	"strings"

	"github.com/pooltender/pool"
)

const legend = "█ busy  ░ idle  + starting   digits: clients that wait for a worker (9: or more)"

// mark is what stands for a worker of a pool: the busy ones come first.
func mark(s pool.Stats, worker int) rune {
	switch {
	case worker <= s.Leased:
		return '█'
	case worker <= s.Leased+s.Idle:
		return '░'
	case worker <= workers(s):
		return '+'
	}
	return ' '
}

func workers(s pool.Stats) int { return s.Leased + s.Idle + s.Starting }

// now is the pool at one moment, in a few columns.
func (p *panel) now(s pool.Stats) string {
	line := p.name + " "
	for n := range most {
		line += string(mark(s, n+1))
	}
	if s.Waiting == 0 {
		return line + "        "
	}
	return line + fmt.Sprintf(" %2d wait", s.Waiting)
}

// draw prints a row for each worker that the pool may have, one for the clients
// that wait, and what somebody did to the pool.
func (p *panel) draw(b *strings.Builder) {
	size := fmt.Sprint("Size ", p.options.Size)
	if p.options.MaxOverflow > 0 {
		size += fmt.Sprint(", MaxOverflow ", p.options.MaxOverflow)
	}
	fmt.Fprintf(b, "%s (%s): %s\n", p.name, size, p.about)
	for n := most; n > 0; n-- {
		p.row(b, fmt.Sprint(n), func(s pool.Stats) rune { return mark(s, n) })
	}
	p.row(b, "waiting", func(s pool.Stats) rune {
		if s.Waiting == 0 {
			return ' '
		}
		return '0' + rune(min(s.Waiting, 9))
	})
	var resizes notes
	for n, s := range p.seen[1:] {
		if s.Size != p.seen[n].Size {
			resizes.add(n+1, fmt.Sprintf("↑Resize(%d)", s.Size))
		}
	}
	resizes.print(b)
}

func (p *panel) row(b *strings.Builder, label string, mark func(pool.Stats) rune) {
	line := fmt.Sprintf("%7s │", label)
	for _, s := range p.seen {
		line += string(mark(s))
	}
	fmt.Fprintln(b, strings.TrimRight(line, " "))
}

// axis prints the seconds, and when the bursts came.
func (r *report) axis(b *strings.Builder) {
	line := "        └"
	var seconds, bursts notes
	for n := range r.panels[0].seen {
		if n%10 > 0 {
			line += "─"
			continue
		}
		line += "┴"
		seconds.add(n, fmt.Sprintf("%d s", n/10))
	}
	fmt.Fprintln(b, line)
	seconds.print(b)
	for n := range r.bursts {
		at, clients := r.burst(n)
		bursts.add(at, fmt.Sprintf("↑burst of %d", clients))
	}
	bursts.print(b)
}

// notes is a line of texts, each below the column it is about.
type notes []rune

func (l *notes) add(column int, text string) {
	for len(*l) < column {
		*l = append(*l, ' ')
	}
	*l = append(*l, []rune(text)...)
}

func (l notes) print(b *strings.Builder) {
	line := fmt.Sprintf("%9s%s", "", string(l))
	fmt.Fprintln(b, strings.TrimRight(line, " "))
}
