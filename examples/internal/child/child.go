// Package child is an OS process as a worker: this very program, started again.
// The examples that lend processes share it.
package child

import (
	"context"
	"io"
	"os"
	"os/exec"
	"sync"
)

// Process is a program that reads In and writes Out, and ends when In does.
type Process struct {
	In  io.WriteCloser
	Out io.Reader

	process *os.Process
	wait    func() error
}

// Start starts the program again, with a variable set in its environment by which
// it knows what it is. ctx is the life of the worker: when it ends the process is
// killed, if it still runs. ended is called when it has, before any Wait returns.
func Start(ctx context.Context, variable string, ended func()) (*Process, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, program)
	cmd.Env = append(os.Environ(), variable+"=1")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	wait := sync.OnceValue(func() error {
		defer ended()
		return cmd.Wait()
	})
	return &Process{In: in, Out: out, process: cmd.Process, wait: wait}, nil
}

// Run waits for the process: whatever ends it, the pool knows.
func (p *Process) Run(context.Context) error { return p.wait() }

// Stop ends the input of the process and waits until it has ended in order. If
// ctx ends first it is killed.
func (p *Process) Stop(ctx context.Context) error {
	_ = p.In.Close() // an error: it has ended already
	defer context.AfterFunc(ctx, p.Kill)()
	return p.wait()
}

// Wait returns how the process ended, when it has.
func (p *Process) Wait() error { return p.wait() }

// Kill kills the process, if it has not ended.
func (p *Process) Kill() { _ = p.process.Kill() } // an error: it has ended already
