package main

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"regexp"
	"strings"
)

// silent are the functions that only say something: no test need hold a pool to
// how it puts things.
var silent = regexp.MustCompile(`^(String|GoString|Error|MarshalText|LogValue)$`)

// steps are calls that do nothing but in a build of their own.
var steps = regexp.MustCompile(`^hatch\.At$`)

// A mutator compiles faults into one file: each is there at once, and switched on
// by its number.
type mutator struct {
	*source
	fset     *token.FileSet
	first    int // the number of the first fault
	faults   []fault
	edits    edits
	function string
	decided  map[ast.Expr]bool // conditions: how they can be wrong as a whole is said already
	alike    map[place]int
}

// mutate returns the file with its faults, whose numbers begin with first.
func (s *source) mutate(fset *token.FileSet, first int, runtime string) ([]byte, []fault) {
	m := &mutator{source: s, fset: fset, first: first, decided: make(map[ast.Expr]bool), alike: make(map[place]int)}
	for _, decl := range s.syntax.Decls {
		if f, ok := decl.(*ast.FuncDecl); ok && f.Body != nil && !silent.MatchString(f.Name.Name) {
			m.function = nameOf(f)
			ast.PreorderStack(f.Body, []ast.Node{f}, m.visit)
		}
	}
	if len(m.faults) > 0 {
		end := m.offset(s.syntax.Name.End())
		m.edits.replace(end, end, fmt.Sprintf("; import mutant %q", runtime))
	}
	return m.edits.apply(s.text), m.faults
}

// nameOf is the name of a function with that of its receiver: core.take.
func nameOf(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return f.Name.Name
	}
	receiver := types.ExprString(f.Recv.List[0].Type)
	receiver, _, _ = strings.Cut(strings.TrimPrefix(receiver, "*"), "[")
	return receiver + "." + f.Name.Name
}

// visit makes the faults of one node, and reports whether to look into it.
func (m *mutator) visit(n ast.Node, stack []ast.Node) bool {
	parent := stack[len(stack)-1]
	if e, ok := n.(ast.Expr); ok {
		switch kind := m.info.Types[e]; {
		case kind.IsType():
			return false
		case kind.Value != nil:
			m.constant(e, kind, parent)
			return false
		}
	}
	switch n := n.(type) {
	case *ast.ExprStmt:
		if call, ok := n.X.(*ast.CallExpr); ok && steps.MatchString(m.of(call.Fun)) {
			return false
		}
	case *ast.GenDecl:
		return n.Tok == token.VAR
	case *ast.IfStmt:
		if m.isNever(n.Cond) {
			return false
		}
		m.condition(n.Cond)
	case *ast.ForStmt:
		m.loop(n.Cond)
	case *ast.SwitchStmt:
		m.cases(n)
	case *ast.ReturnStmt:
		m.results(n, stack)
	case *ast.BinaryExpr:
		m.operator(n)
	case *ast.CallExpr:
		m.instants(n)
	}
	if s, ok := n.(ast.Stmt); ok && isListed(s, parent) {
		m.statement(s, stack)
	}
	return true
}

// isListed reports whether a statement is one of a sequence.
func isListed(s ast.Stmt, parent ast.Node) bool {
	switch parent := parent.(type) {
	case *ast.BlockStmt:
		return true
	case *ast.CaseClause:
		return true // what else it has are expressions
	case *ast.CommClause:
		return s != parent.Comm
	}
	return false
}

func (m *mutator) offset(p token.Pos) int { return m.fset.Position(p).Offset }

// of is the text of a node.
func (m *mutator) of(n ast.Node) string { return string(m.text[m.offset(n.Pos()):m.offset(n.End())]) }

// add notes a fault and returns the number by which it is switched on: n reads
// after then.
func (m *mutator) add(n ast.Node, after string) int {
	from, to := m.offset(n.Pos()), m.offset(n.End())
	line := m.fset.Position(n.Pos()).Line
	head, tail := m.lineAround(from, to)
	f := fault{
		File: m.name, Function: m.function, Line: line, number: m.first + len(m.faults),
		Before: brief(head + string(m.text[from:to]) + tail), After: deleted,
	}
	if after != "" {
		f.After = brief(head + after + tail)
	}
	alike := f.place()
	f.Nth = m.alike[alike]
	m.alike[alike]++
	m.faults = append(m.faults, f)
	return f.number
}

// wrap puts text around a node.
func (m *mutator) wrap(n ast.Node, before, after string) {
	m.edits.around(m.offset(n.Pos()), m.offset(n.End()), before, after)
}

// lineAround returns what stands in the same line before a part of the text and
// after it, without the comment.
func (m *mutator) lineAround(from, to int) (head, tail string) {
	begin := strings.LastIndexByte(string(m.text[:from]), '\n') + 1
	end := to + strings.IndexByte(string(m.text[to:])+"\n", '\n')
	for _, group := range m.syntax.Comments {
		if at := m.offset(group.Pos()); to <= at && at < end {
			end = at
		}
	}
	return string(m.text[begin:from]), string(m.text[to:end])
}

// brief puts a few lines into one, of which the first says enough if they are many.
func brief(text string) string {
	if lines := strings.Split(strings.TrimSpace(text), "\n"); len(lines) > 4 {
		text = lines[0] + " …"
	}
	return strings.Join(strings.Fields(text), " ")
}
