package main

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
)

// A score counts judgements.
type score struct {
	faults, killed, survived, unreached, equivalent int
}

func (s *score) add(j judgement, explained bool) {
	s.faults++
	switch {
	case j.Verdict == killed:
		s.killed++
	case explained:
		s.equivalent++
	case j.Verdict == survived:
		s.survived++
	default:
		s.unreached++
	}
}

// percent is the part that was noticed of what could be.
func (s score) percent() float64 {
	if s.faults == s.equivalent {
		return 100
	}
	return 100 * float64(s.killed) / float64(s.faults-s.equivalent)
}

// report writes the scores of the files and of all, and the survivors.
func report(out io.Writer, all []judgement, known []explanation) error {
	var names []string
	var total score
	files := make(map[string]*score)
	for _, j := range all {
		if files[j.File] == nil {
			files[j.File] = new(score)
			names = append(names, j.File)
		}
		e := explained(j.fault, known)
		files[j.File].add(j, e)
		total.add(j, e)
	}
	slices.Sort(names)
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "file\tfaults\tkilled\tsurvived\tunreached\tequivalent\tscore\t")
	for _, name := range names {
		row(table, name, *files[name])
	}
	row(table, "all", total)
	if err := table.Flush(); err != nil {
		return err
	}
	return survivors(out, all, known)
}

func row(out io.Writer, name string, s score) {
	fmt.Fprintf(out, "%s\t%d\t%d\t%d\t%d\t%d\t%.1f %%\t\n", name, s.faults, s.killed, s.survived, s.unreached, s.equivalent, s.percent())
}

func survivors(out io.Writer, all []judgement, known []explanation) (err error) {
	for _, j := range all {
		if j.Verdict == killed || explained(j.fault, known) {
			continue
		}
		note := ""
		if j.Reason != "" {
			note = " (" + j.Reason + ")"
		}
		if _, failed := fmt.Fprintf(out, "%s%s\n  %s\n", j.Verdict, note, j.fault); failed != nil {
			err = failed
		}
	}
	return err
}
