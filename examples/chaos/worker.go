package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/examples/internal/child"
)

// worker is what all pools lend: a goroutine, a value or a process.
type worker struct {
	witness
	house   *house
	orders  chan act // how its Run is to end
	process *process
}

// start is Spec.Start of one life of the pool.
func (h *house) start(e *era) func(context.Context) (*worker, error) {
	return func(ctx context.Context) (*worker, error) {
		if err := h.befall(ctx, "start"); err != nil {
			return nil, err
		}
		w := &worker{house: h, orders: make(chan act, 1)}
		if h.kind.process {
			var err error
			if w.process, err = h.herd.spawn(ctx); err != nil {
				return nil, err
			}
		}
		slot, _ := pool.SlotFrom(ctx)
		w.begin(e, slot)
		return w, nil
	}
}

func (w *worker) Run(ctx context.Context) error {
	defer w.run()()
	if w.process != nil {
		return w.process.Run(ctx)
	}
	select {
	case order := <-w.orders:
		return order.perform(ctx)
	case order := <-w.house.orders:
		return order.perform(ctx)
	case <-ctx.Done():
		return w.house.befall(ctx, "run")
	}
}

// crash makes Run end. A passive worker and a process do not hear it.
func (w *worker) crash(how act) {
	select {
	case w.orders <- how:
	default:
	}
}

func (w *worker) Check(ctx context.Context) error {
	defer w.enter("check")()
	if err := w.house.befall(ctx, "check"); err != nil || w.process == nil {
		return err
	}
	return w.process.ask(ctx)
}

func (w *worker) Reset(ctx context.Context) error {
	defer w.enter("reset")()
	return w.house.befall(ctx, "reset")
}

func (w *worker) Stop(ctx context.Context) error {
	defer w.stop()()
	if w.process != nil {
		defer func() { _ = w.process.Stop(ctx) }() // an error: it was killed
	}
	return w.house.befall(ctx, "stop")
}

// work is what clients do with a worker.
func (w *worker) work(ctx context.Context, d time.Duration) error {
	if w.process != nil {
		return w.process.ask(ctx)
	}
	return pause(ctx, d)
}

// childEnv is set in the environment of a worker process.
const childEnv = "POOL_EXAMPLE_CHAOS_WORKER"

// echo is the worker process: it says what it is told.
func echo(in io.Reader, out io.Writer) { _, _ = io.Copy(out, in) }

// process is this side of a worker process.
type process struct {
	*child.Process
	out *bufio.Reader
}

func newProcess(ctx context.Context, ended func()) (*process, error) {
	c, err := child.Start(ctx, childEnv, ended)
	if err != nil {
		return nil, err
	}
	return &process{Process: c, out: bufio.NewReader(c.Out)}, nil
}

const question = "are you there?"

// errNoAnswer is how clients find out that a process has ended, if they do before
// the pool does.
var errNoAnswer = errors.New("chaos: the process does not answer")

// ask waits for an answer. Who stops waiting gives up the process, for the answer
// may still come.
func (p *process) ask(ctx context.Context) error {
	defer context.AfterFunc(ctx, p.Kill)()
	if _, err := fmt.Fprintln(p.In, question); err != nil {
		return fmt.Errorf("%w: %w", errNoAnswer, err)
	}
	answer, err := p.out.ReadString('\n')
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w", errNoAnswer, err)
	case answer != question+"\n":
		return fmt.Errorf("the process said %q", answer)
	}
	return nil
}
