package main

import (
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/pooltender/pool"
	"github.com/pooltender/pool/examples/internal/child"
)

// workerEnv is set in the environment of a worker process.
const workerEnv = "POOL_EXAMPLE_BATCH_WORKER"

// answer is what a worker process says about a file.
type answer struct {
	Sum          string
	Size, Packed int64
	Problem      string // why there is no sum

	path string
	slot int   // of the worker
	lost error // the process ended before it answered
}

// serve is the worker process: a path in, an answer out. It ends with its input,
// so it does not outlive its parent.
func serve(in io.Reader, out io.Writer) {
	paths, answers := json.NewDecoder(in), json.NewEncoder(out)
	for packer := gzip.NewWriter(nil); ; {
		var path string
		if paths.Decode(&path) != nil || answers.Encode(examine(path, packer)) != nil {
			return
		}
	}
}

// examine reads a file once and hashes and compresses it on the way. The packer
// is what makes a worker worth keeping: a new one costs more than most files.
func examine(path string, packer *gzip.Writer) (a answer) {
	file, err := os.Open(path)
	if err != nil {
		return answer{Problem: err.Error()}
	}
	defer file.Close()
	hash, packed := sha256.New(), new(counter)
	packer.Reset(packed)
	a.Size, err = io.Copy(io.MultiWriter(hash, packer), file)
	if err == nil {
		err = packer.Close()
	}
	if err != nil {
		return answer{Problem: err.Error()}
	}
	a.Sum, a.Packed = hex.EncodeToString(hash.Sum(nil)), int64(*packed)
	return a
}

// counter counts what is written to it.
type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

// Worker is this side of a worker process.
type Worker struct {
	*child.Process
	slot    int
	paths   *json.Encoder
	answers *json.Decoder
}

// Start starts a process.
func Start(ctx context.Context) (*Worker, error) {
	p, err := child.Start(ctx, workerEnv, func() {})
	if err != nil {
		return nil, err
	}
	slot, _ := pool.SlotFrom(ctx)
	return &Worker{p, slot.Index, json.NewEncoder(p.In), json.NewDecoder(p.Out)}, nil
}

// ask has a worker examine a file. If its process ends meanwhile the answer says
// so, which is no error: it concerns this file and not the batch.
func ask(ctx context.Context, w *Worker, j job) (answer, error) {
	if j.kill {
		w.Kill()
	}
	defer context.AfterFunc(ctx, w.Kill)() // a process cannot be made to forget a question
	a := answer{path: j.path, slot: w.slot}
	err := w.paths.Encode(j.path)
	if err == nil {
		err = w.answers.Decode(&a)
	}
	if err != nil {
		w.Kill()
		<-ctx.Done() // the pool knows that the worker is gone
		a.lost = fmt.Errorf("%s: %w", j.path, context.Cause(ctx))
	}
	return a, nil
}
