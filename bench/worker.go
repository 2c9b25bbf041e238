package main

import "time"

// worker is what every peer lends. It fills a cache line, so that clients on
// two processors do not slow each other down by using two workers.
type worker struct {
	uses  int
	given time.Time // when its last client was about to give it back, where that is measured
	_     [32]byte
}

const (
	workers = 16 // of a pool without a crowd
	nested  = 8  // of them out at once, where one client holds several
	few     = 10 // workers of a crowd
)
