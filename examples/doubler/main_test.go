package main

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestTheStoryGoesAsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		require.NoError(t, tell(t.Context(), &out))
		rest := out.String()
		for _, next := range []string{
			"takes it back: 42.",
			"0.1 leased  1.1 leased  2.1 leased",
			"no worker is idle",
			"gives 1.1 back",
			"0.1 leased  1.1 idle    2.1 leased",
			"gets that very worker: 1.1.",
			"run panicked: twice 9223372036854775807 is too much",
			"Checkin says false",
			"0.2 idle    1.1 leased  2.1 leased",
			"goes away",
			"ended 400ms ago (context canceled)",
			"3.1 leased  4.1 leased  3 waiting",
			"add up to 56.",
			"3.1 idle    4.1 idle",
			"the pool keeps three workers",
			" -  ",
			"others    ready     ",
			"Checkin says false",
			`lease of "doublers" slot`,
			"twice 21 is 42",
			"Checkin says true",
			"stopped",
			"The name is free",
			"0.1 idle    1.1 idle    2.1 idle",
		} {
			_, after, found := strings.Cut(rest, next)
			require.True(t, found, "%q is missing in\n%s", next, out.String())
			rest = after
		}
	})
}
