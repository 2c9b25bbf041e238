package main

import (
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

//go:embed mutant/mutant.go
var runtimeSource []byte

// runtimeDir is where the mutated module has the package that its faults call.
const runtimeDir = "internal/mutant"

// A workshop is a copy of the module, in which files are changed and tests are run:
// what they leave behind is gone with it.
type workshop struct {
	dir   string // of the copied module
	temp  string
	tags  string
	path  string   // the import path of the package that faults call
	homes []string // the directories of the packages with faults, and the root, whose tests are held to notice all of them
}

func open(m *module) (w *workshop, err error) {
	w = &workshop{tags: m.tags, path: m.path + "/" + runtimeDir, homes: m.homes()}
	if w.temp, err = os.MkdirTemp("", "mutation"); err != nil {
		return nil, err
	}
	w.dir = filepath.Join(w.temp, "module")
	if err := copyModule(w.dir, m.root); err != nil {
		return nil, errors.Join(err, w.close())
	}
	if err := w.write(runtimeDir+"/mutant.go", runtimeSource); err != nil {
		return nil, errors.Join(err, w.close())
	}
	return w, nil
}

func (w *workshop) close() error { return os.RemoveAll(w.temp) }

// copyModule copies the files of a module, without other modules and without what
// begins with a dot.
func copyModule(to, from string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil || name == "." {
			return errors.Join(err, os.MkdirAll(to, 0o755))
		}
		target := filepath.Join(to, name)
		switch {
		case d.IsDir():
			_, err := os.Stat(filepath.Join(path, "go.mod"))
			if err == nil || strings.HasPrefix(d.Name(), ".") {
				return fs.SkipDir
			}
			return os.Mkdir(target, 0o755)
		case d.Type().IsRegular():
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			return os.WriteFile(target, text, 0o644)
		}
		return nil
	})
}

func (w *workshop) write(name string, text []byte) error {
	path := filepath.Join(w.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o644)
}

// mutate puts the faults of the module into the copy.
func (w *workshop) mutate(m *module) (all []fault, err error) {
	for _, s := range m.files {
		text, faults := s.mutate(m.fset, len(all), w.path)
		if err := w.write(s.name, text); err != nil {
			return nil, err
		}
		all = append(all, faults...)
	}
	return all, nil
}

// build compiles the tests of some packages, given by their directories. Those
// that have no tests are left out.
func (w *workshop) build(dirs []string) (built []*binary, err error) {
	for _, dir := range dirs {
		if tests, _ := filepath.Glob(filepath.Join(w.dir, dir, "*_test.go")); len(tests) == 0 {
			continue
		}
		b := &binary{dir: filepath.Join(w.dir, dir), path: filepath.Join(w.temp, strings.ReplaceAll(filepath.Clean(dir), "/", "-")+w.tags+".test"), home: dir}
		command := exec.Command("go", "test", "-c", "-tags="+w.tags, "-o", b.path, "./"+dir)
		command.Dir = w.dir
		if out, err := command.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("the tests of %s do not compile with faults: %w\n%s", dir, err, out)
		}
		built = append(built, b)
	}
	return built, nil
}
