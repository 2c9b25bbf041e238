package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// A report takes the results of one scenario after the other.
type report interface {
	scenario(s scenario, rows []row) error
}

// tables writes Markdown that can be read as it is.
type tables struct{ w io.Writer }

func (t tables) scenario(s scenario, rows []row) error {
	baseline := ""
	for _, r := range rows {
		if r.Baseline != "" {
			baseline = r.Baseline
		}
	}
	grid := [][]string{{""}}
	for _, c := range s.columns {
		grid[0] = append(grid[0], strings.ReplaceAll(c.head, "%s", baseline))
	}
	for _, r := range rows {
		line := []string{r.Name}
		for _, c := range s.columns {
			line = append(line, c.cell(r))
		}
		grid = append(grid, line)
	}
	if _, err := fmt.Fprintf(t.w, "\n### %s\n\n%s\n\n", s.name, s.about); err != nil {
		return err
	}
	return table(t.w, func(i int) bool { return i == 0 || s.columns[i-1].head == "" }, grid)
}

// table writes a Markdown table, the first line of which is the head. Columns
// are numbers where they are not words.
func table(w io.Writer, words func(column int) bool, grid [][]string) error {
	widths := make([]int, len(grid[0]))
	for _, line := range grid {
		for i, cell := range line {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell), 2)
		}
	}
	rule := make([]string, len(widths))
	for i, width := range widths {
		if rule[i] = strings.Repeat("-", width); !words(i) {
			rule[i] = rule[i][1:] + ":"
		}
	}
	lines := append([][]string{grid[0], rule}, grid[1:]...)
	for _, line := range lines {
		var b strings.Builder
		for i, cell := range line {
			padding := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if words(i) {
				b.WriteString("| " + cell + padding + " ")
			} else {
				b.WriteString("| " + padding + cell + " ")
			}
		}
		if _, err := fmt.Fprintln(w, b.String()+"|"); err != nil {
			return err
		}
	}
	return nil
}

// objects writes one JSON object a row.
type objects struct{ w io.Writer }

func (o objects) scenario(_ scenario, rows []row) error {
	encoder := json.NewEncoder(o.w)
	encoder.SetEscapeHTML(false)
	for _, r := range rows {
		if err := encoder.Encode(r.rounded()); err != nil {
			return err
		}
	}
	return nil
}
