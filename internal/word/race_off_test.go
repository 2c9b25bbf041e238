//go:build !race

package word_test

const smallScenes = 0 // no limit
