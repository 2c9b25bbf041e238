package main

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
)

// header says where this was measured and who takes part.
func header(w io.Writer) error {
	_, err := fmt.Fprintf(w, "%s, %s/%s, %s, %d processors, GOMAXPROCS %d\n\n",
		runtime.Version(), runtime.GOOS, runtime.GOARCH, processor(), runtime.NumCPU(), runtime.GOMAXPROCS(0))
	if err != nil {
		return err
	}
	versions := make(map[string]string)
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, d := range info.Deps {
			versions[d.Path] = d.Version
		}
	}
	grid := [][]string{{"who lends", "version", "what it lacks"}}
	for _, p := range peers {
		version := "of Go"
		if p.module != "" {
			version = cmp.Or(versions[p.module], "unknown")
		}
		if p.name == ours {
			version = "this one"
		}
		grid = append(grid, []string{p.name, version, cmp.Or(p.lacks, "–")})
	}
	if err := table(w, func(int) bool { return true }, grid); err != nil {
		return err
	}
	var others []string
	for _, path := range []string{
		"github.com/thejerf/suture/v4", "github.com/panjf2000/ants/v2", "github.com/alitto/pond/v2", "golang.org/x/sync",
	} {
		others = append(others, path+" "+cmp.Or(versions[path], "unknown"))
	}
	_, err = fmt.Fprintf(w, "\nOthers that take part: %s.\n", strings.Join(others, ", "))
	return err
}

// processor is the name of the processor, where the system tells.
func processor() string {
	file, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return "unknown processor"
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if key, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown processor"
}
