package pool

// WithDefaults lets the external tests see what the core reads.
func (o Options) WithDefaults() Options { return o.withDefaults() }

// MaxRestartsOf does the same for the limit that follows Size.
func (o Options) MaxRestartsOf(size int) int { return o.maxRestarts(size) }
