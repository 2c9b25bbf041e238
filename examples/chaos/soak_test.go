package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// soaked is a soak of n samples.
func soaked(n int, of func(i int) stock) *soak {
	s := new(soak)
	for i := range n {
		s.sample(of(i))
	}
	return s
}

func TestWhatGrowsOnIsADrift(t *testing.T) {
	for name, of := range map[string]func(i int) stock{
		"heap, bytes":                     func(i int) stock { return stock{heap: 4<<20 + i*50<<10} },
		"heap, objects":                   func(i int) stock { return stock{objects: 10000 + i*300} },
		"goroutines":                      func(i int) stock { return stock{goroutines: 50 + i/4} },
		"open files":                      func(i int) stock { return stock{files: 10 + i/4} },
		"child processes":                 func(i int) stock { return stock{children: 2 + i/8} },
		"cleanups and finalizers not run": func(i int) stock { return stock{cleanups: i * 10} },
	} {
		t.Run(name, func(t *testing.T) {
			s := soaked(20, of)
			require.Len(t, s.drifts(), 1)
			require.Contains(t, s.drifts()[0], name+" drift")
			r := &report{storm: &storm{checker: new(checker), soak: s}}
			require.Len(t, r.problems(), 1)
			require.Contains(t, s.String(), "medians of 20 samples")
		})
	}
}

func TestWhatFillsUpOrComesAndGoesIsNone(t *testing.T) {
	s := soaked(40, func(i int) stock {
		return stock{heap: 1<<20 + min(i, 9)<<20, goroutines: 50 + i%2, files: 10 + 5*(i%7)/6, objects: 5000 + 100*(i%5)}
	})
	require.Empty(t, s.drifts())
}

func TestTheProcessKnowsItsFilesAndChildren(t *testing.T) {
	before := takeStock()
	require.Positive(t, before.goroutines)
	require.Positive(t, before.heap)
	if before.files == 0 {
		t.Skip("this system does not tell")
	}
	p, err := new(herd).spawn(t.Context())
	require.NoError(t, err)
	now := takeStock().since(before)
	require.Equal(t, 1, now.children)
	require.Positive(t, now.files)
	require.False(t, now.none())
	require.NoError(t, p.Stop(t.Context()))
	require.True(t, eventually(func() bool { return takeStock().since(before).none() }))
}
