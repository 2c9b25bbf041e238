package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"io"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if obey() {
		return
	}
	os.Setenv("GORACE", "atexit_sleep_ms=0")         // of the processes that start workers
	goleak.VerifyTestMain(m, goleak.IgnoreCurrent()) // ants has a pool of its own from the start
}

func TestFlagsThatMakeNoSenseSayWhatWould(t *testing.T) {
	for want, args := range map[string][]string{
		"flag provided but not defined: -quikc (-help lists the flags)":     {"-quikc"},
		`unexpected argument "crowd": scenarios are chosen with -run`:       {"crowd"},
		"-slack must be at least 1, got 0.5":                                {"-slack", "0.5"},
		"-slack must be at least 1, got NaN":                                {"-slack", "NaN"},
		"-run: error parsing regexp: missing closing ): `(`":                {"-run", "("},
		"-gate: there is no target for uncontended/nested, costs":           {"-gate", "-run", "nested|costs"},
		`-run "start/100000$" matches none of: uncontended/background, unc`: {"-quick", "-run", "start/100000$"},
	} {
		_, err := parse(args, io.Discard)
		assert.ErrorContains(t, err, want)
	}
}

func TestHelpNamesTheFlags(t *testing.T) {
	var text bytes.Buffer
	_, err := parse([]string{"-help"}, &text)
	assert.ErrorIs(t, err, flag.ErrHelp)
	for _, name := range []string{"-quick", "-json", "-run regexp", "-gate", "-slack"} {
		assert.Contains(t, text.String(), name)
	}
}

func TestFlagsChooseWhatIsMeasured(t *testing.T) {
	s, err := parse([]string{"-run", "^crash/", "-quick", "-gate", "-slack", "2"}, io.Discard)
	require.NoError(t, err)
	assert.Equal(t, []string{"crash/error", "crash/panic"}, names(s.chosen))
	assert.Equal(t, quick, s.plan)
	assert.True(t, s.gate)
	assert.Equal(t, 2.0, s.slack)

	s, err = parse(nil, io.Discard)
	require.NoError(t, err)
	assert.Equal(t, full, s.plan)
	assert.Greater(t, len(s.chosen), 20)
}

func TestJSONIsOneObjectARowAndNothingElse(t *testing.T) {
	var out, rest bytes.Buffer
	s := settings{plan: tiny, json: true, chosen: []scenario{
		scenarioOf(t, "uncontended/background"), scenarioOf(t, "storm"),
	}}
	require.NoError(t, s.report(&out, &rest))
	lines := bytes.Split(bytes.TrimSpace(out.Bytes()), []byte("\n"))
	require.Len(t, lines, len(peers)+len(neighbours))
	for _, line := range lines {
		var object map[string]any
		require.NoError(t, json.Unmarshal(line, &object), "%s", line)
		for _, key := range []string{"scenario", "name", "ns", "allocs", "baseline", "ratio"} {
			assert.Contains(t, object, key)
		}
	}
	assert.Contains(t, rest.String(), "GOMAXPROCS")
}

func TestAClosedGateIsAnError(t *testing.T) {
	var out bytes.Buffer
	rows := []row{{Name: floor, NS: 10}, {Name: ours, NS: 100, Allocs: 1}}
	s := settings{plan: tiny, gate: true, slack: 1.5, chosen: []scenario{{
		name: "uncontended/cancellable", run: func(plan) []row { return rows },
	}}}
	assert.ErrorIs(t, s.report(&out, io.Discard), errMissed)
	assert.Contains(t, out.String(), "MISSED")

	rows[1].NS, rows[1].Allocs = 7, 0
	assert.NoError(t, s.report(&out, io.Discard))

	s.slack = 1
	assert.ErrorIs(t, s.report(&out, io.Discard), errMissed)
}
