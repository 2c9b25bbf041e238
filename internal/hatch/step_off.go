//go:build !interleave

package hatch

// Interleaved reports whether a scheduler may order the steps.
const Interleaved = false

// At is a step. lock tells locks apart.
func At(step Step, lock any) {}
