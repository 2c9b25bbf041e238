package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
)

// A record is a file of judgements, one a line: what is in it need not be judged
// again.
type record struct {
	mu    sync.Mutex
	file  *os.File // nil: nothing is kept
	known map[place]judgement
}

// resume reads a record, and goes on writing it. Without a path it keeps nothing.
func resume(path string) (*record, error) {
	r := &record{known: make(map[place]judgement)}
	if path == "" {
		return r, nil
	}
	if err := r.read(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	r.file = file
	return r, err
}

func (r *record) read(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for n := 1; lines.Scan(); n++ {
		var j judgement
		if err := json.Unmarshal(lines.Bytes(), &j); err != nil {
			return fmt.Errorf("%s:%d: %w", path, n, err)
		}
		r.known[j.place()] = j
	}
	return lines.Err()
}

// of returns what is known of a fault, with the line where it is now.
func (r *record) of(f fault) (judgement, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	j, ok := r.known[f.place()]
	j.fault = f
	return j, ok
}

// among are those of the faults of which something is known.
func (r *record) among(all []fault) (known []fault) {
	for _, f := range all {
		if _, ok := r.of(f); ok {
			known = append(known, f)
		}
	}
	return known
}

func (r *record) add(j judgement) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.known[j.place()] = j
	if r.file == nil {
		return nil
	}
	line, err := json.Marshal(j)
	if err != nil {
		return err
	}
	_, err = r.file.Write(append(line, '\n'))
	return err
}

func (r *record) close() error {
	if r.file == nil {
		return nil
	}
	return r.file.Close()
}
