package pool

// Miscount does damage to the lines of a pool: one waiter more stands beside the
// queue than there is.
func Miscount(p Control) {
	c := p.inside()
	c.must(func() { c.reserved++ })
}
