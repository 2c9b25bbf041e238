package codel

// Slow reports whether the last interval that was judged was slow.
func (c *Controller) Slow() bool { return c.slow }
