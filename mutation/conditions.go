package main

import (
	"fmt"
	"go/ast"
	"go/constant"
	"go/token"
	"go/types"
)

// condition makes the faults of a condition as a whole: it is taken for the
// opposite, for true, for false.
func (m *mutator) condition(e ast.Expr) {
	e = ast.Unparen(e)
	if !m.isBool(e) {
		return
	}
	m.decided[e] = true
	text := m.of(e)
	always, never, opposite := m.add(e, "true"), m.add(e, "false"), m.add(e, "!("+text+")")
	m.wrap(e, fmt.Sprintf("(mutant.On(%d) || !mutant.On(%d) && mutant.On(%d) != (", always, never, opposite), "))")
}

// isNever reports whether a condition is a constant false, or so in all but a build
// of its own.
func (m *mutator) isNever(e ast.Expr) bool {
	e = ast.Unparen(e)
	if both, ok := e.(*ast.BinaryExpr); ok && both.Op == token.LAND {
		return m.isNever(both.X)
	}
	value := m.info.Types[e].Value
	return value != nil && !constant.BoolVal(value)
}

// loop makes the faults of the condition of a loop: it never runs. One that always
// does would end no test but by its time.
func (m *mutator) loop(e ast.Expr) {
	if e == nil || !m.isBool(e) {
		return
	}
	e = ast.Unparen(e)
	m.decided[e] = true
	m.wrap(e, fmt.Sprintf("(!mutant.On(%d) && (", m.add(e, "false")), "))")
}

// cases makes the faults of a switch without a tag.
func (m *mutator) cases(s *ast.SwitchStmt) {
	if s.Tag != nil {
		return
	}
	for _, clause := range s.Body.List {
		for _, e := range clause.(*ast.CaseClause).List {
			m.condition(e)
		}
	}
}

// isBool reports whether the value of e is a bool, of no type of its own, that is
// not known before.
func (m *mutator) isBool(e ast.Expr) bool {
	kind := m.info.Types[e]
	return kind.Type != nil && kind.Value == nil && types.Default(kind.Type) == types.Typ[types.Bool]
}

var boundaries = map[token.Token]token.Token{
	token.LSS: token.LEQ, token.LEQ: token.LSS, token.GTR: token.GEQ, token.GEQ: token.GTR,
}

// operator makes the faults of what is between two operands.
func (m *mutator) operator(e *ast.BinaryExpr) {
	x, y := m.of(e.X), m.of(e.Y)
	switch e.Op {
	case token.LAND, token.LOR:
		other := map[token.Token]token.Token{token.LAND: token.LOR, token.LOR: token.LAND}[e.Op]
		n := m.add(e, fmt.Sprintf("%s %s %s", x, other, y))
		// By De Morgan: each operand is looked at no more than once.
		m.wrap(e, fmt.Sprintf("(mutant.On(%d) != (", n), "))")
		for _, operand := range []ast.Expr{e.X, e.Y} {
			m.operand(operand, n)
		}
	case token.EQL, token.NEQ:
		if !m.decided[e] && m.isBool(e) {
			other := map[token.Token]token.Token{token.EQL: token.NEQ, token.NEQ: token.EQL}[e.Op]
			m.wrap(e, fmt.Sprintf("(mutant.On(%d) != (", m.add(e, fmt.Sprintf("%s %s %s", x, other, y))), "))")
		}
	case token.LSS, token.LEQ, token.GTR, token.GEQ:
		n := m.add(e, fmt.Sprintf("%s %s %s", x, boundaries[e.Op], y))
		if e.Op == token.LSS || e.Op == token.GTR {
			m.wrap(e, "(", fmt.Sprintf(" || mutant.On(%d) && %s == %s)", n, x, y))
		} else {
			m.wrap(e, "(", fmt.Sprintf(" && !(mutant.On(%d) && %s == %s))", n, x, y))
		}
	case token.ADD, token.SUB:
		m.sum(e)
	}
}

// operand makes the fault of one side of && or ||, which is turned around while n
// is on.
func (m *mutator) operand(e ast.Expr, n int) {
	m.wrap(e, fmt.Sprintf("(mutant.On(%d) != (", n), "))")
	bare := ast.Unparen(e)
	if compound, ok := bare.(*ast.BinaryExpr); ok {
		switch compound.Op {
		case token.LAND, token.LOR, token.EQL, token.NEQ:
			return // it has faults of its own that say the same
		}
	}
	if m.isBool(bare) {
		m.wrap(e, fmt.Sprintf("(mutant.On(%d) != (", m.add(e, "!("+m.of(e)+")")), "))")
	}
}

// sum makes the fault of a sum or difference of numbers.
func (m *mutator) sum(e *ast.BinaryExpr) {
	basic, ok := m.info.Types[e].Type.Underlying().(*types.Basic)
	if !ok || basic.Info()&types.IsNumeric == 0 {
		return
	}
	call, other := "Plus", "-"
	if e.Op == token.SUB {
		call, other = "Minus", "+"
	}
	n := m.add(e, fmt.Sprintf("%s %s %s", m.of(e.X), other, m.of(e.Y)))
	m.wrap(e, fmt.Sprintf("mutant.%s(%d, ", call, n), ")")
	at := m.offset(e.OpPos)
	m.edits.replace(at, at+len(e.Op.String()), ",")
}

// instants makes the fault of a comparison of two times: where they are one.
func (m *mutator) instants(call *ast.CallExpr) {
	method, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || len(call.Args) != 1 || m.info.Types[method.X].Type == nil || m.info.Types[method.X].Type.String() != "time.Time" {
		return
	}
	other := map[string]string{"Before": "After", "After": "Before"}[method.Sel.Name]
	if other == "" {
		return
	}
	x, y := m.of(method.X), m.of(call.Args[0])
	n := m.add(call, fmt.Sprintf("!%s.%s(%s)", x, other, y))
	m.wrap(call, "(", fmt.Sprintf(" || mutant.On(%d) && %s.Equal(%s))", n, x, y))
}
