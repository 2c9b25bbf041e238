package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/pooltender/pool/examples/internal/child"
)

// workerEnv is set in the environment of a worker process.
const workerEnv = "POOL_EXAMPLE_WORKER"

// What the two sides say to each other, in lines.
const (
	ready  = "ready"   // the first line of a worker
	hashIt = "hash "   // what follows is to be hashed
	hangUp = "hang up" // not to be answered, ever
)

// serve is the worker process: a line in, a line out. It ends with its input,
// so it does not outlive its parent.
func serve(in io.Reader, out io.Writer) {
	fmt.Fprintln(out, ready)
	for lines := bufio.NewScanner(in); lines.Scan(); {
		if lines.Text() == hangUp {
			time.Sleep(time.Hour)
		}
		fmt.Fprintln(out, hash(strings.TrimPrefix(lines.Text(), hashIt)))
	}
}

// hash is the work of the workers.
func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	for range 1000 {
		sum = sha256.Sum256(sum[:])
	}
	return hex.EncodeToString(sum[:])
}

// Worker is this side of a worker process.
type Worker struct {
	*child.Process
	out *bufio.Reader
}

// Start starts a process and waits until it is ready. ctx is the life of the
// worker: when it ends the process is killed, if it still runs.
func (h *herd) Start(ctx context.Context) (*Worker, error) {
	w := new(Worker)
	var err error
	if w.Process, err = child.Start(ctx, workerEnv, func() { h.remove(w) }); err != nil {
		return nil, err
	}
	w.out = bufio.NewReader(w.Out)
	h.add(w)
	if greeting, err := w.readLine(); err != nil || greeting != ready {
		return nil, fmt.Errorf("the process said %q: %w", greeting, w.failed(err))
	}
	return w, nil
}

// Ask sends a line and waits for the answer. A process cannot be made to forget
// a question: who stops waiting for the answer gives up the process.
func (w *Worker) Ask(ctx context.Context, line string) (string, error) {
	defer context.AfterFunc(ctx, w.Kill)()
	if _, err := fmt.Fprintln(w.In, line); err != nil {
		return "", w.failed(err)
	}
	answer, err := w.readLine()
	switch {
	case err == nil:
		return answer, nil
	case ctx.Err() != nil:
		return "", ctx.Err()
	}
	return "", w.failed(err)
}

func (w *Worker) readLine() (string, error) {
	line, err := w.out.ReadString('\n')
	return strings.TrimSuffix(line, "\n"), err
}

// failed adds to err how the process ended, which says more than "EOF".
func (w *Worker) failed(err error) error {
	w.Kill()
	return errors.Join(err, w.Wait())
}
