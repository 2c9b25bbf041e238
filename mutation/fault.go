package main

import "fmt"

// A fault is one small change of one place of the source.
type fault struct {
	File     string `json:"file"` // below the module's root
	Function string `json:"function"`
	Line     int    `json:"line"`
	Before   string `json:"before"` // the line as it is, without its comment
	After    string `json:"after"`
	Nth      int    `json:"nth"` // of those that read alike in the function

	number int // by which a process is told of it
}

// deleted is how a line reads that a fault leaves out.
const deleted = "(deleted)"

// A place tells faults apart, whatever lines are added around them.
type place struct {
	file, function, before, after string
	nth                           int
}

func (f fault) place() place { return place{f.File, f.Function, f.Before, f.After, f.Nth} }

func (f fault) String() string {
	return fmt.Sprintf("%s:%d %s: %s  →  %s", f.File, f.Line, f.Function, f.Before, f.After)
}
