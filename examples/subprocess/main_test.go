package main

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if os.Getenv(workerEnv) != "" {
		serve(os.Stdin, os.Stdout)
		return
	}
	goleak.VerifyTestMain(m)
}

func TestNoRequestIsLostWhileProcessesAreKilled(t *testing.T) {
	t.Setenv("GORACE", "atexit_sleep_ms=0") // or each process takes a second to end
	r, err := run(t.Context(), config{workers: 3, clients: 8, requests: 1000, kills: 10, seed: 1})
	require.NoError(t, err)
	t.Logf("\n%v", r)
	require.EqualValues(t, 1000, r.answered.Load())
	require.Zero(t, r.wrong.Load())
	require.Zero(t, r.lost.Load())
	require.Positive(t, r.crashed+r.retired)
	require.Positive(t, r.retried.Load(), "a request met the process that hung")
	require.GreaterOrEqual(t, r.herd.started, 3+int(r.restarts)+r.stillborn)
	require.Zero(t, r.herd.left())
	require.True(t, r.good())
}

func TestWrongFlagsAreRefused(t *testing.T) {
	_, err := run(t.Context(), config{workers: 1, clients: 1})
	require.ErrorContains(t, err, "must be positive")
}
