package main

import (
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
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

// tree is a directory with n files, and what the list should say of them.
func tree(t *testing.T, n int) (dir, list string) {
	t.Helper()
	t.Setenv("GORACE", "atexit_sleep_ms=0") // or each process takes a second to end
	dir = t.TempDir()
	for i := range n {
		path := filepath.Join(dir, fmt.Sprintf("%d", i/10), fmt.Sprintf("file %02d", i))
		text := strings.Repeat(path, 100*i)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
		list += fmt.Sprintf("%x  %s\n", sha256.Sum256([]byte(text)), path)
	}
	return dir, list
}

func TestEveryFileIsListedInOrder(t *testing.T) {
	dir, want := tree(t, 50)
	var list strings.Builder
	r, err := config{dir: dir, workers: 3}.run(t.Context(), &list, os.Stderr)
	require.NoError(t, err)
	require.Equal(t, want, list.String())
	require.Equal(t, 50, r.files)
	require.Zero(t, r.again)
	require.Less(t, r.packed, r.bytes)
	require.Equal(t, r.files, r.shares[0].files+r.shares[1].files+r.shares[2].files)
	require.Contains(t, r.String(), "50 files")
}

func TestAFileWhoseProcessIsKilledIsDoneAgain(t *testing.T) {
	dir, want := tree(t, 20)
	var list strings.Builder
	r, err := config{dir: dir, workers: 2, kill: true}.run(t.Context(), &list, os.Stderr)
	require.NoError(t, err)
	require.Equal(t, want, list.String())
	require.Equal(t, 1, r.again)
}

func TestWhatCannotBeReadIsReported(t *testing.T) {
	a := examine("no such file", gzip.NewWriter(nil))
	require.Contains(t, a.Problem, "no such file")
	r := &report{shares: make([]share, 1)}
	r.count(a)
	require.Zero(t, r.files)
	require.Contains(t, r.String(), "not read: open no such file")

	_, err := config{dir: "no such directory", workers: 1}.run(t.Context(), nil, os.Stderr)
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = config{dir: "."}.run(t.Context(), nil, os.Stderr)
	require.ErrorContains(t, err, "must be positive")
}
