// The command mutation asks whether tests notice: it puts small faults into the
// library, one at a time, and runs the tests.
//
//	go run .                       # a sample of the core
//	go run . -n 0 -json results.jsonl   # all of it; interrupted, it goes on where it was
//	go run . -json results.jsonl -again -tags interleave -tests Order
//	                               # do other tests notice what has survived?
//	go run . -files wait.go,offer.go -n 0
//	go run . -files '*.go,internal/*/*.go'
//	go run . -list                 # the faults there are
//	go run . -twins                # classic bugs, which the suite has to catch
//
// A condition is taken for its opposite, true or false; a comparison is moved at
// its boundary; && becomes ||, + becomes -; a number is one off, a duration doubled;
// a statement is left out; a result is the zero value. All faults are compiled into
// a copy of the module at once, and a process of tests is told which one is on. So
// the tests are built once; and each fault meets only the tests that reach it, the
// likeliest first, until one fails, and fails again, and then does not without the
// fault: some tests are about real time, and the machine may be busy. A panic, or tests
// that take far too long, twice, notice it too. A fault that no test notices survives. What
// survivors.md explains counts as equivalent, and not at all in the score.
//
// Functions that only put things into words have no faults. Tests that take longer
// than -slowest, or fail without a fault, are left out and named.
//
// The core is what decides who has which worker: the files of -files unless it is
// given.
package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
)

const core = "core.go,section.go,claim.go,resident.go,slot.go,incarnation.go,life.go," +
	"checkout.go,wait.go,offer.go,serve.go,lines.go,shed.go,refusal.go,checkin.go," +
	"perform.go,worker.go,ending.go,manager.go,supervisor.go,crashloop.go,keeper.go,epoch.go," +
	"goals.go,stop.go,age.go,health.go,suspicion.go,lease.go,pool.go,do.go,terms.go," +
	"internal/word/word.go,internal/queue/queue.go,internal/list/list.go,internal/idle/idle.go," +
	"internal/agenda/agenda.go,internal/burst/burst.go,internal/codel/codel.go," +
	"internal/affinity/affinity.go,internal/restart/*.go"

func main() {
	switch err := run(os.Args[1:], os.Stdout, os.Stderr); {
	case err == nil, errors.Is(err, flag.ErrHelp):
	case errors.Is(err, errUnnoticed):
		fmt.Fprintln(os.Stderr, "mutation:", err)
		os.Exit(1)
	default:
		fmt.Fprintln(os.Stderr, "mutation:", err)
		os.Exit(2)
	}
}

// errUnnoticed says that the suite has missed a bug.
var errUnnoticed = errors.New("a twin was not caught")

// settings are what the flags say.
type settings struct {
	root, files, record, explained string
	sample, atOnce                 int
	seed                           uint64
	tests, but                     *regexp.Regexp
	slowest, patience              time.Duration
	list, twins, again             bool
	tags                           string
}

func parse(args []string, stderr io.Writer) (s settings, err error) {
	flags := flag.NewFlagSet("mutation", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&s.root, "root", "..", "the `directory` of the module")
	flags.StringVar(&s.files, "files", core, "`patterns` of the files to put faults in, with commas between")
	flags.StringVar(&s.record, "json", "", "keep what was found out in this `file`, and do not find out again what is in it")
	flags.StringVar(&s.explained, "explained", "survivors.md", "the `file` that explains survivors")
	flags.IntVar(&s.sample, "n", 150, "how many faults to try, drawn by chance; 0: all")
	flags.Uint64Var(&s.seed, "seed", 1, "of that chance")
	flags.IntVar(&s.atOnce, "p", runtime.GOMAXPROCS(0), "how many processes to run at once")
	tests := flags.String("tests", ".", "run the tests whose names match this `regexp`")
	but := flags.String("skip", "^$", "but not those that match this `regexp`")
	flags.DurationVar(&s.slowest, "slowest", 10*time.Second, "leave out tests that take more time of a processor")
	flags.DurationVar(&s.patience, "timeout", 5*time.Second, "how much more of it tests may take than three times what they take without a fault")
	flags.StringVar(&s.tags, "tags", "", "build with these `tags`")
	flags.BoolVar(&s.again, "again", false, "draw no sample, but take the one in -json, and try those again that have survived")
	flags.BoolVar(&s.list, "list", false, "list the faults and try none")
	flags.BoolVar(&s.twins, "twins", false, "try the twins: classic bugs, written by hand")
	if err := flags.Parse(args); err != nil {
		return s, err
	}
	if flags.NArg() > 0 {
		return s, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if s.tests, err = regexp.Compile(*tests); err != nil {
		return s, fmt.Errorf("-tests: %w", err)
	}
	if s.but, err = regexp.Compile(*but); err != nil {
		return s, fmt.Errorf("-skip: %w", err)
	}
	return s, nil
}

// run is the program. What it finds goes to stdout, what it is about to stderr.
func run(args []string, stdout, stderr io.Writer) error {
	s, err := parse(args, stderr)
	if err != nil {
		return err
	}
	m, err := load(s.root, s.tags, strings.Split(s.files, ","))
	if err != nil {
		return err
	}
	w, err := open(m)
	if err != nil {
		return err
	}
	defer w.close()
	if s.twins {
		return tryTwins(stdout, w, twins, s)
	}
	return s.measure(stdout, stderr, m, w)
}

// measure tries a sample of the faults and reports.
func (s settings) measure(stdout, stderr io.Writer, m *module, w *workshop) error {
	all, err := w.mutate(m)
	if err != nil {
		return err
	}
	if s.list {
		return tell(stdout, all)
	}
	known, err := explanations(s.explained)
	if err != nil {
		return err
	}
	r, err := resume(s.record)
	if err != nil {
		return err
	}
	defer r.close()
	chosen := s.draw(all)
	if s.again { // the source may have changed since, and a draw from it be another
		chosen = r.among(all)
	}
	var open []fault
	for _, f := range chosen {
		if j, ok := r.of(f); !ok || s.again && j.Verdict != killed {
			open = append(open, f)
		}
	}
	if len(open) > 0 {
		if err := s.try(stderr, w, open, len(all), r); err != nil {
			return err
		}
	}
	var judged []judgement
	for _, f := range chosen {
		j, _ := r.of(f)
		judged = append(judged, j)
	}
	if err := report(stdout, judged, known); err != nil {
		return err
	}
	for _, e := range vain(known, all) {
		fmt.Fprintf(stdout, "%s:%d: it explains nothing any more\n", s.explained, e.line)
	}
	return nil
}

// draw takes a sample, in the order of the source. A larger one with the same seed
// has a smaller one in it.
func (s settings) draw(all []fault) []fault {
	if s.sample <= 0 || s.sample >= len(all) {
		return all
	}
	chosen := rand.New(rand.NewPCG(s.seed, 0)).Perm(len(all))[:s.sample]
	slices.Sort(chosen)
	var sample []fault
	for _, i := range chosen {
		sample = append(sample, all[i])
	}
	return sample
}

// try judges faults, a few at once, and keeps the judgements.
func (s settings) try(stderr io.Writer, w *workshop, open []fault, faults int, r *record) error {
	binaries, err := w.build(w.homes)
	if err != nil {
		return err
	}
	tests, err := survey(binaries, s.tests, s.but, faults, s.slowest, w.temp, s.atOnce)
	if err != nil {
		return err
	}
	for _, skipped := range tests.skipped {
		fmt.Fprintln(stderr, "left out:", skipped)
	}
	fmt.Fprintf(stderr, "%d of %d faults, %d tests\n", len(open), faults, len(tests.tests))
	j := &judge{suite: tests, patience: s.patience}
	var mu sync.Mutex
	var problem error
	inParallel(len(open), s.atOnce, func(i int) {
		judged := j.judge(open[i])
		err := r.add(judged)
		mu.Lock()
		defer mu.Unlock()
		problem = errors.Join(problem, err)
		fmt.Fprintf(stderr, "%-9s %5.1f s  %s  [%s]\n", judged.Verdict, judged.Seconds, judged.fault, cmp.Or(judged.By, judged.Reason))
	})
	return problem
}

func tell(out io.Writer, all []fault) (err error) {
	for _, f := range all {
		if _, failed := fmt.Fprintln(out, f); failed != nil {
			err = failed
		}
	}
	return err
}
