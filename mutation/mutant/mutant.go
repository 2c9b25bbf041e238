// Package mutant is what mutated source calls: it says which fault is on. The
// command compiles it into the mutated module, where nothing else is of it.
//
// Of all faults that are compiled in at most one is on, for the life of the
// process: the one whose number the environment says. So a test binary is built
// once for all of them.
package mutant

import (
	"os"
	"strconv"
	"syscall"
)

// The environment of a process with faults.
const (
	OnVariable      = "MUTANT"         // the number of the fault that is on; none: no fault is
	ReachedVariable = "MUTANT_REACHED" // a file with a byte for each fault, which is set when it is reached
	MemoryVariable  = "MUTANT_MEMORY"  // the most bytes of address space: a fault may well be a loop that allocates
	CPUVariable     = "MUTANT_CPU"     // the most seconds of processor time: or one that does not
)

var (
	on      = number(OnVariable, -1)
	reached = marks(os.Getenv(ReachedVariable))
)

func init() {
	bound(syscall.RLIMIT_AS, MemoryVariable)
	bound(syscall.RLIMIT_CPU, CPUVariable)
}

// bound limits what the process may use, as the environment says.
func bound(resource int, variable string) {
	most := number(variable, -1)
	if most < 0 {
		return
	}
	limit := syscall.Rlimit{Cur: uint64(most), Max: uint64(most) + 1} // at the second one nobody is asked
	if err := syscall.Setrlimit(resource, &limit); err != nil {
		panic(err)
	}
}

func number(variable string, otherwise int) int {
	text := os.Getenv(variable)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		panic(err)
	}
	return n
}

// marks maps the file, so that what is marked is there however the process ends.
func marks(path string) []byte {
	if path == "" {
		return nil
	}
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		panic(err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		panic(err)
	}
	mapped, err := syscall.Mmap(int(file.Fd()), 0, int(info.Size()), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		panic(err)
	}
	return mapped
}

// On reports whether a fault is on.
func On(fault int) bool {
	if reached != nil {
		reached[fault] = 1
	}
	return fault == on
}

// Integer is any type of whole numbers.
type Integer interface {
	~int | ~int8 | ~int16 | ~int32 | ~int64 | ~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64 | ~uintptr
}

// Number is any type with a sum.
type Number interface {
	Integer | ~float32 | ~float64
}

// Plus is a + b, or a - b.
func Plus[T Number](fault int, a, b T) T {
	if On(fault) {
		return a - b
	}
	return a + b
}

// Minus is a - b, or a + b.
func Minus[T Number](fault int, a, b T) T {
	if On(fault) {
		return a + b
	}
	return a - b
}

// Up is v, or one more.
func Up[T Number](fault int, v T) T {
	if On(fault) {
		return v + 1
	}
	return v
}

// Down is v, or one less.
func Down[T Number](fault int, v T) T {
	if On(fault) {
		return v - 1
	}
	return v
}

// Twice is v, or twice as much.
func Twice[T Number](fault int, v T) T {
	if On(fault) {
		return 2 * v
	}
	return v
}

// Zero is v, or the zero value.
func Zero[T any](fault int, v T) T {
	if On(fault) {
		var zero T
		return zero
	}
	return v
}
