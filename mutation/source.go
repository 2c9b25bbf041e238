package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// A module is what is mutated: its files, with the types of what is in them.
type module struct {
	root  string
	tags  string
	path  string
	fset  *token.FileSet
	files []*source
}

// source is one file of those to mutate.
type source struct {
	name    string // below the module's root
	text    []byte
	syntax  *ast.File
	info    *types.Info
	pkg     *types.Package
	imports map[string]string // the names of packages in this file, by their paths
}

// listed is what go list says of a package.
type listed struct {
	ImportPath, Dir, Export, Name string
	GoFiles                       []string
	Module                        *struct{ Path, Dir string }
}

// load reads the files that match one of the patterns, which are relative to root, as
// they are built with some tags.
func load(root, tags string, patterns []string) (*module, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, err
	}
	m := &module{root: root, tags: tags, fset: token.NewFileSet()}
	names, err := m.matching(patterns)
	if err != nil {
		return nil, err
	}
	packages, err := m.list()
	if err != nil {
		return nil, err
	}
	exports := make(map[string]string)
	for _, p := range packages {
		exports[p.ImportPath] = p.Export
		if p.Module != nil && p.Module.Dir == root {
			m.path = p.Module.Path
		}
	}
	imports := importer.ForCompiler(m.fset, "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })
	for _, p := range packages {
		if err := m.check(p, names, imports); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// matching expands the patterns. One that matches nothing is a mistake.
func (m *module) matching(patterns []string) (names []string, err error) {
	for _, pattern := range patterns {
		found, err := filepath.Glob(filepath.Join(m.root, pattern))
		if err != nil {
			return nil, err
		}
		if len(found) == 0 {
			return nil, fmt.Errorf("no file of %s matches %q", m.root, pattern)
		}
		for _, path := range found {
			name, err := filepath.Rel(m.root, path)
			if err != nil {
				return nil, err
			}
			if !strings.HasSuffix(name, "_test.go") && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names, nil
}

// list asks go for the packages of the module and all they depend on, compiled.
func (m *module) list() (packages []listed, err error) {
	command := exec.Command("go", "list", "-export", "-deps", "-tags="+m.tags, "-json=ImportPath,Dir,Export,Name,GoFiles,Module", "./...")
	command.Dir = m.root
	var problems bytes.Buffer
	command.Stderr = &problems
	out, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w\n%s", err, &problems)
	}
	decoder := json.NewDecoder(bytes.NewReader(out))
	for {
		var p listed
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return packages, nil
		} else if err != nil {
			return nil, fmt.Errorf("go list: %w", err)
		}
		packages = append(packages, p)
	}
}

// check finds the types of a package, if one of its files is among the names, and
// keeps those files.
func (m *module) check(p listed, names []string, imports types.Importer) error {
	if p.Module == nil || p.Module.Dir != m.root {
		return nil
	}
	var all []*ast.File
	var kept []*source
	for _, file := range p.GoFiles {
		path := filepath.Join(p.Dir, file)
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		syntax, err := parser.ParseFile(m.fset, path, text, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		all = append(all, syntax)
		if name, _ := filepath.Rel(m.root, path); slices.Contains(names, name) {
			kept = append(kept, &source{name: name, text: text, syntax: syntax})
		}
	}
	if len(kept) == 0 {
		return nil
	}
	info := &types.Info{
		Types: make(map[ast.Expr]types.TypeAndValue),
		Defs:  make(map[*ast.Ident]types.Object),
	}
	pkg, err := (&types.Config{Importer: imports}).Check(p.ImportPath, m.fset, all, info)
	if err != nil {
		return err
	}
	for _, s := range kept {
		s.info, s.pkg = info, pkg
		s.imports = importNames(s.syntax, pkg)
	}
	m.files = append(m.files, kept...)
	return nil
}

// importNames are the names by which a file knows other packages.
func importNames(file *ast.File, pkg *types.Package) map[string]string {
	names := make(map[string]string)
	for _, spec := range file.Imports {
		path := strings.Trim(spec.Path.Value, `"`)
		if spec.Name != nil {
			names[path] = spec.Name.Name
			continue
		}
		for _, imported := range pkg.Imports() {
			if imported.Path() == path {
				names[path] = imported.Name()
			}
		}
	}
	return names
}

// typeName is how the file can write a type, or false: it cannot.
func (s *source) typeName(t types.Type) (string, bool) {
	known := true
	name := types.TypeString(t, func(p *types.Package) string {
		if p == s.pkg {
			return ""
		}
		name, ok := s.imports[p.Path()]
		known = known && ok
		return name
	})
	if named, ok := types.Unalias(t).(*types.Named); ok && named.Obj().Pkg() != nil && named.Obj().Pkg() != s.pkg {
		known = known && named.Obj().Exported()
	}
	return name, known && !strings.Contains(name, "untyped") && !strings.Contains(name, "struct{")
}

// homes are the directories of the packages that are mutated, after the root.
func (m *module) homes() []string {
	dirs := []string{"."}
	for _, s := range m.files {
		if dir := filepath.Dir(s.name); !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}
