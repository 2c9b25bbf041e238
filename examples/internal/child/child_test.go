package child_test

import (
	"context"
	"io"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/pooltender/pool/examples/internal/child"
)

const variable = "POOL_EXAMPLE_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(variable) != "" {
		_, _ = io.Copy(os.Stdout, os.Stdin) // it says what it is told
		return
	}
	goleak.VerifyTestMain(m)
}

func TestAProcessEndsWithItsInputAndSaysSoOnce(t *testing.T) {
	t.Setenv("GORACE", "atexit_sleep_ms=0") // or it takes a second to end
	ended := 0
	p, err := child.Start(t.Context(), variable, func() { ended++ })
	require.NoError(t, err)
	_, err = io.WriteString(p.In, "hello")
	require.NoError(t, err)
	said := make([]byte, 5)
	_, err = io.ReadFull(p.Out, said)
	require.NoError(t, err)
	require.Equal(t, "hello", string(said))
	require.NoError(t, p.Stop(t.Context()))
	require.NoError(t, p.Run(t.Context()))
	require.Equal(t, 1, ended)
}

func TestAProcessIsKilledWhenItsLifeEnds(t *testing.T) {
	life, end := context.WithCancel(t.Context())
	p, err := child.Start(life, variable, func() {})
	require.NoError(t, err)
	end()
	require.Error(t, p.Wait())
	p.Kill() // it has ended already
}
