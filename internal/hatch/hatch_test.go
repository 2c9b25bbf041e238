package hatch_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/pooltender/pool/internal/hatch"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAnArmedPointKillsItsHalfOnce(t *testing.T) {
	t.Parallel()
	var f hatch.Faults
	f.Hit(hatch.Manager, hatch.Idle)

	f.Arm(hatch.Manager, hatch.Locked)
	f.Arm(hatch.Supervisor, hatch.Locked)
	f.Hit(hatch.Manager, hatch.Idle)
	require.PanicsWithValue(t, hatch.Killed{Half: hatch.Manager, At: hatch.Locked}, func() { f.Hit(hatch.Manager, hatch.Locked) })
	f.Hit(hatch.Manager, hatch.Locked)
	require.Panics(t, func() { f.Hit(hatch.Supervisor, hatch.Locked) })
	f.Hit(hatch.Supervisor, hatch.Locked)
}

func TestAKillSaysWhatAndWhere(t *testing.T) {
	t.Parallel()
	require.Equal(t, `manager killed at "idle"`, hatch.Killed{Half: hatch.Manager, At: hatch.Idle}.Error())
}
