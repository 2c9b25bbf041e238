// The command bench compares this library with its peers: the same job, in one
// program, in the same run. All it claims are ratios to a baseline that was
// measured side by side.
//
//	go run .                      # everything, as tables
//	go run . -quick               # less sure, in less than a minute
//	go run . -run 'crowd|wait'    # some scenarios
//	go run . -json                # one object a row
//	go run . -quick -gate         # fails if this library has lost its advantage
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"
)

func main() {
	if obey() {
		return
	}
	switch err := run(os.Args[1:], os.Stdout, os.Stderr); {
	case err == nil, errors.Is(err, flag.ErrHelp):
	case errors.Is(err, errMissed):
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	default:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(2)
	}
}

// errMissed says that the gate is closed.
var errMissed = errors.New("a target was missed")

// settings are what the flags say.
type settings struct {
	plan   plan
	chosen []scenario
	json   bool
	gate   bool
	slack  float64
}

// run is the program. Results go to stdout, all else to stderr.
func run(args []string, stdout, stderr io.Writer) error {
	s, err := parse(args, stderr)
	if err != nil {
		return err
	}
	return s.report(stdout, stderr)
}

// report measures what was chosen, tells about it, and holds it against the
// targets if that was asked for.
func (s settings) report(stdout, stderr io.Writer) error {
	var out report = tables{stdout}
	text := stdout
	if s.json {
		out, text = objects{stdout}, stderr
	}
	if err := header(text); err != nil {
		return err
	}
	results := make(map[string][]row)
	for _, chosen := range s.chosen {
		rows := chosen.measure(s.plan)
		results[chosen.name] = rows
		if err := out.scenario(chosen, rows); err != nil {
			return err
		}
	}
	if !s.gate {
		return nil
	}
	g := gate{targets(), s.slack, runtime.GOMAXPROCS(0), func(name string) []row {
		i := slices.IndexFunc(s.chosen, func(chosen scenario) bool { return chosen.name == name })
		return s.chosen[i].measure(s.plan)
	}}
	good, err := write(text, s.slack, g.judge(results))
	if err == nil && !good {
		err = errMissed
	}
	return err
}

// parse reads the flags. Its errors say what would be right.
func parse(args []string, stderr io.Writer) (settings, error) {
	s := settings{plan: full}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	brief := flags.Bool("quick", false, "measure less: everything in less than a minute")
	pattern := flags.String("run", "", "measure the scenarios whose names match this `regexp`")
	flags.BoolVar(&s.json, "json", false, "write one JSON object a row, and everything else to standard error")
	flags.BoolVar(&s.gate, "gate", false, "hold the results against the targets; exit 1 if one is missed")
	flags.Float64Var(&s.slack, "slack", 1.5, "how many times the limit of a target is still good")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			flags.SetOutput(stderr)
			flags.Usage()
			return s, err
		}
		return s, fmt.Errorf("%w (-help lists the flags)", err)
	}
	if flags.NArg() > 0 {
		return s, fmt.Errorf("unexpected argument %q: scenarios are chosen with -run", flags.Arg(0))
	}
	if !(s.slack >= 1) {
		return s, fmt.Errorf("-slack must be at least 1, got %v", s.slack)
	}
	if *brief {
		s.plan = quick
	}
	choice, err := regexp.Compile(*pattern)
	if err != nil {
		return s, fmt.Errorf("-run: %w", err)
	}
	s.chosen = matching(scenarios(s.plan), choice)
	if len(s.chosen) == 0 {
		return s, fmt.Errorf("-run %q matches none of: %s", *pattern, strings.Join(names(scenarios(s.plan)), ", "))
	}
	if s.gate && !aimed(s.chosen) {
		return s, fmt.Errorf("-gate: there is no target for %s", strings.Join(names(s.chosen), ", "))
	}
	return s, nil
}

func names(all []scenario) []string {
	var names []string
	for _, s := range all {
		names = append(names, s.name)
	}
	return names
}

// aimed reports whether there is a target for one of the scenarios.
func aimed(all []scenario) bool {
	for _, t := range targets() {
		for _, s := range all {
			if s.name == t.scenario {
				return true
			}
		}
	}
	return false
}
