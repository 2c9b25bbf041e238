package main

import (
	"fmt"
	"go/ast"
	"go/constant"
	"go/token"
	"go/types"
)

// results makes the faults of what a function returns: a bool is wrong as a
// condition is, anything else is the zero value, and a whole number is one off.
func (m *mutator) results(s *ast.ReturnStmt, stack []ast.Node) {
	var declared []ast.Expr
	if fields := signature(stack).Results; fields != nil {
		for _, field := range fields.List {
			for range max(1, len(field.Names)) {
				declared = append(declared, field.Type)
			}
		}
	}
	if len(declared) != len(s.Results) {
		return // a call returns them all
	}
	for i, e := range s.Results {
		switch kind := m.info.Types[e]; {
		case kind.Value != nil || kind.IsNil() || isZero(e):
		case m.isBool(e):
			m.condition(e)
		default:
			m.result(e, m.info.Types[declared[i]].Type)
		}
	}
}

func (m *mutator) result(e ast.Expr, t types.Type) {
	name, ok := m.typeName(t)
	if !ok {
		return
	}
	m.wrap(e, fmt.Sprintf("mutant.Zero[%s](%d, ", name, m.add(e, "zero")), ")")
	if isWhole(t) {
		m.wrap(e, fmt.Sprintf("mutant.Up[%s](%d, ", name, m.add(e, m.of(e)+" + 1")), ")")
	}
}

// isZero reports whether e is a composite literal without values.
func isZero(e ast.Expr) bool {
	literal, ok := e.(*ast.CompositeLit)
	return ok && len(literal.Elts) == 0
}

// isWhole reports whether t is a type of whole numbers that are counted: not of
// durations.
func isWhole(t types.Type) bool {
	basic, ok := t.Underlying().(*types.Basic)
	return ok && basic.Info()&types.IsInteger != 0 && !isDuration(t)
}

func isDuration(t types.Type) bool { return t.String() == "time.Duration" }

// constant makes the faults of a constant: a number is one off, a duration twice
// as long, a bool the other one.
func (m *mutator) constant(e ast.Expr, kind types.TypeAndValue, parent ast.Node) {
	if pair, ok := parent.(*ast.KeyValueExpr); ok && pair.Key == e {
		return
	}
	name, ok := m.typeName(kind.Type)
	if !ok {
		return
	}
	switch text := m.of(e); kind.Value.Kind() {
	case constant.Bool:
		if text == "true" || text == "false" {
			m.wrap(e, fmt.Sprintf("(mutant.On(%d) != ", m.add(e, fmt.Sprint(!constant.BoolVal(kind.Value)))), ")")
		}
	case constant.Float:
		m.wrap(e, fmt.Sprintf("mutant.Twice[%s](%d, ", name, m.add(e, "2*"+text)), ")")
	case constant.Int:
		if !isWhole(kind.Type) {
			if constant.Sign(kind.Value) != 0 {
				m.wrap(e, fmt.Sprintf("mutant.Twice[%s](%d, ", name, m.add(e, "2*"+text)), ")")
			}
			return
		}
		up, down := directions(e, kind, parent)
		if up {
			m.wrap(e, fmt.Sprintf("mutant.Up[%s](%d, ", name, m.add(e, next(kind.Value, text, token.ADD))), ")")
		}
		if down {
			m.wrap(e, fmt.Sprintf("mutant.Down[%s](%d, ", name, m.add(e, next(kind.Value, text, token.SUB))), ")")
		}
	}
}

// next writes the number one off: a literal as the number, a name as a sum.
func next(v constant.Value, text string, op token.Token) string {
	if text == v.ExactString() {
		return constant.BinaryOp(v, op, constant.MakeInt64(1)).ExactString()
	}
	return fmt.Sprintf("(%s %s 1)", text, op)
}

// directions says which way a constant is one off. In a comparison one of the two
// is what another fault says already. Values of a named type are no numbers to
// count with: the next one will do.
func directions(e ast.Expr, kind types.TypeAndValue, parent ast.Node) (up, down bool) {
	up, down = true, true
	if _, named := types.Unalias(kind.Type).(*types.Named); named {
		down = false
	}
	if basic, ok := kind.Type.Underlying().(*types.Basic); ok && basic.Info()&types.IsUnsigned != 0 && constant.Sign(kind.Value) == 0 {
		down = false
	}
	comparison, ok := parent.(*ast.BinaryExpr)
	if !ok {
		return up, down
	}
	left := comparison.X == e
	switch comparison.Op {
	case token.EQL, token.NEQ:
		return up, false
	case token.GTR, token.LEQ:
		return !left, left
	case token.LSS, token.GEQ:
		return left, !left
	}
	return up, down
}
