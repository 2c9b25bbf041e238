package main

import (
	"fmt"
	"go/ast"
	"go/token"
)

// statement makes the faults of a statement as a whole: it is left out, or counts
// the wrong way.
func (m *mutator) statement(s ast.Stmt, stack []ast.Node) {
	switch s := s.(type) {
	case *ast.ExprStmt:
		if !isPanic(s.X) {
			m.leaveOut(s)
		}
	case *ast.AssignStmt:
		m.assignment(s)
	case *ast.IncDecStmt:
		other := map[token.Token]string{token.INC: "--", token.DEC: "++"}[s.Tok]
		m.turnAround(s, m.of(s.X)+other)
	case *ast.DeferStmt, *ast.GoStmt, *ast.SendStmt, *ast.RangeStmt:
		m.leaveOut(s)
	case *ast.IfStmt:
		if s.Else != nil && s.Init == nil && !returns(s) {
			m.leaveOut(s)
		}
	case *ast.BranchStmt:
		if s.Tok == token.BREAK || s.Tok == token.CONTINUE {
			m.leaveOut(s)
		}
	case *ast.ReturnStmt:
		if signature(stack).Results == nil {
			m.leaveOut(s)
		}
	}
}

func (m *mutator) assignment(s *ast.AssignStmt) {
	switch s.Tok {
	case token.DEFINE:
	case token.ADD_ASSIGN:
		m.turnAround(s, m.of(s.Lhs[0])+" -= "+m.of(s.Rhs[0]))
	case token.SUB_ASSIGN:
		m.turnAround(s, m.of(s.Lhs[0])+" += "+m.of(s.Rhs[0]))
	default:
		m.leaveOut(s)
	}
}

func (m *mutator) leaveOut(s ast.Stmt) {
	m.wrap(s, fmt.Sprintf("if !mutant.On(%d) { ", m.add(s, "")), " }")
}

// turnAround is leaveOut with another fault: the statement does the opposite.
func (m *mutator) turnAround(s ast.Stmt, opposite string) {
	m.wrap(s, fmt.Sprintf("if mutant.On(%d) { %s } else if !mutant.On(%d) { ", m.add(s, opposite), opposite, m.add(s, "")), " }")
}

func isPanic(e ast.Expr) bool {
	call, ok := e.(*ast.CallExpr)
	if !ok {
		return false
	}
	name, ok := call.Fun.(*ast.Ident)
	return ok && name.Name == "panic"
}

// returns reports whether there is a return in a statement: then what follows may
// not be reached without it, and does not compile.
func returns(s ast.Stmt) (found bool) {
	ast.Inspect(s, func(n ast.Node) bool {
		switch n.(type) {
		case *ast.ReturnStmt:
			found = true
		case *ast.FuncLit:
			return false
		}
		return true
	})
	return found
}

// signature is that of the innermost function around a node.
func signature(stack []ast.Node) *ast.FuncType {
	for i := len(stack) - 1; ; i-- {
		switch f := stack[i].(type) {
		case *ast.FuncLit:
			return f.Type
		case *ast.FuncDecl:
			return f.Type
		}
	}
}
