// Package sample has one of everything that faults are made of.
package sample

import (
	"errors"
	"fmt"
	"time"
)

const most = 3

// Level is a named number.
type Level int

const (
	Low Level = iota
	High
)

func (l Level) String() string { return fmt.Sprint("level ", int(l)) }

// A Shelf holds up to three things.
type Shelf struct {
	things []string
	added  int
	closed bool
}

// ErrFull says that there is no room.
var ErrFull = errors.New("full")

// Add puts a thing on the shelf.
func (s *Shelf) Add(thing string) error {
	if s.closed || len(s.things) >= most { // no room
		return ErrFull
	}
	s.things = append(s.things, thing)
	s.added++
	return nil
}

// Level says how full the shelf is.
func (s *Shelf) Level() Level {
	switch {
	case len(s.things) > 1 &&
		!s.closed:
		return High
	}
	return Low
}

// Count adds up the lengths of the things.
func (s *Shelf) Count() (n int) {
	for _, thing := range s.things {
		n += len(thing)
	}
	return n
}

// Free is how many more there is room for.
func (s *Shelf) Free() int { return most - len(s.things) }

// Close is called by no test.
func (s *Shelf) Close() {
	s.closed = true
}

// Due reports whether a moment has come.
func Due(now, at time.Time) bool {
	if now.Before(at.Add(time.Second)) {
		return false
	}
	return true
}

const traced = false

// Trace does nothing in this build.
func Trace(n int) {
	if traced && n > 0 {
		fmt.Println(n)
	}
}

var kept int

// Keep keeps a number for nobody.
func Keep(n int) {
	kept = n
}
