package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/pooltender/pool/mutation/mutant"
)

// memory bounds the address space of a process of tests.
const memory = 8 << 30

// A binary is the compiled tests of a package.
type binary struct {
	path string
	dir  string // where they run
	home string // that directory, below the module's root
}

// An outcome is how a process of tests ended.
type outcome struct {
	failed string // the test that failed first; empty: none is known
	reason string // if the process failed: what it said; empty: all is well
	cost   cost
}

// A cost is what a process takes: on a machine that others use, its own time is
// the one that tells.
type cost struct{ wall, own time.Duration }

func (c cost) plus(d cost) cost { return cost{c.wall + d.wall, c.own + d.own} }

// limit is the most that tests may take with a fault that take c without.
func (c cost) limit(patience time.Duration) cost {
	return cost{2*patience + 5*c.wall, patience + 3*c.own}
}

// list returns the names of the tests and examples.
func (b *binary) list() ([]string, error) {
	command := exec.Command(b.path, "-test.list", "^(Test|Example|Fuzz)")
	command.Dir = b.dir
	out, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("the tests of %s cannot be listed: %w", b.home, err)
	}
	return strings.Fields(string(out)), nil
}

// run runs tests until the first one fails, in a process of their own with more
// variables in its environment.
func (b *binary) run(pattern string, limit cost, environment ...string) outcome {
	ctx, cancel := context.WithTimeout(context.Background(), limit.wall)
	defer cancel()
	command := exec.CommandContext(ctx, b.path, "-test.v", "-test.failfast", "-test.count=1", "-test.run", pattern)
	command.Dir = b.dir
	command.Env = append(os.Environ(), environment...)
	command.Env = append(command.Env,
		fmt.Sprintf("%s=%d", mutant.MemoryVariable, memory),
		fmt.Sprintf("%s=%d", mutant.CPUVariable, 1+int(limit.own.Seconds())),
	)
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGKILL) }
	out, in := io.Pipe()
	command.Stdout, command.Stderr = in, in
	began := time.Now()
	if err := command.Start(); err != nil {
		return outcome{reason: err.Error()}
	}
	ended := make(chan error, 1)
	go func() {
		err := command.Wait()
		in.Close()
		ended <- err
	}()
	o := follow(out, cancel)
	err := <-ended
	o.cost = cost{time.Since(began), command.ProcessState.UserTime() + command.ProcessState.SystemTime()}
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		o.failed, o.reason = "", fmt.Sprintf("no end within %v", limit.wall)
	case err != nil && o.reason == "":
		o.reason = err.Error()
	}
	return o
}

// follow reads what the tests say, and stops them when one has failed.
func follow(out io.Reader, stop func()) (o outcome) {
	lines := bufio.NewReader(out)
	for {
		line, err := lines.ReadString('\n')
		switch {
		case o.reason != "":
		case strings.HasPrefix(line, "--- FAIL: "):
			o.failed = strings.Fields(line)[2]
			o.reason = "it fails"
			stop()
		case strings.HasPrefix(line, "panic: "), strings.HasPrefix(line, "fatal error: "), strings.HasPrefix(line, "goleak: "), strings.HasPrefix(line, "SIG"):
			o.reason = strings.TrimSpace(line)
			stop()
		}
		if err != nil {
			return o
		}
	}
}

// exactly is a pattern of these tests and no other.
func exactly(names []string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = regexp.QuoteMeta(name)
	}
	return "^(" + strings.Join(quoted, "|") + ")$"
}
