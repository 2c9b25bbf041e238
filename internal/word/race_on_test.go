//go:build race

package word_test

// The model has one goroutine, in which the race detector finds nothing: it is
// explored as far as that takes a second or two.
const smallScenes = 3
