//go:build interleave

package schedule

import (
	"bytes"
	"fmt"
	"runtime"
	"strconv"
	"strings"

	"github.com/pooltender/pool/internal/hatch"
)

// thread is a goroutine that has come by a step.
type thread struct {
	goid   uint64
	name   string
	resume chan struct{}

	step hatch.Step // before which it stands
	lock any
	at   string // the function it stands in, if the run is traced
}

func (t *thread) String() string {
	if t.at == "" {
		return fmt.Sprintf("%s: %s", t.name, t.step)
	}
	return fmt.Sprintf("%-10s %-9s %s", t.name, t.step, t.at)
}

// goid is the number of this goroutine. The runtime tells it nowhere else.
func goid() uint64 {
	var buf [64]byte
	text := bytes.TrimPrefix(buf[:runtime.Stack(buf[:], false)], []byte("goroutine "))
	digits, _, _ := bytes.Cut(text, []byte(" "))
	id, err := strconv.ParseUint(string(digits), 10, 64)
	if err != nil {
		panic(err)
	}
	return id
}

// caller names the functions above a step, the innermost first.
func caller() string {
	var pcs [16]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(4, pcs[:])])
	var names []string
	for more := true; more && len(names) < 4; {
		var f runtime.Frame
		f, more = frames.Next()
		name := f.Function[strings.LastIndexByte(f.Function, '/')+1:]
		if !strings.HasPrefix(name, "hatch.") && !strings.Contains(name, ".lock") {
			names = append(names, name)
		}
	}
	return strings.Join(names, " < ")
}
