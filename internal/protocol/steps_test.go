package protocol_test

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// outside are the steps that no code of the library takes.
var outside = []step{cancel, vanish}

func TestTheCodeNamesTheStepsOfTheModel(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../*.go")
	require.NoError(t, err)
	comment := regexp.MustCompile(`// step (\w+)\n`)
	inCode := map[string]bool{}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, found := range comment.FindAllStringSubmatch(string(text), -1) {
			inCode[found[1]] = true
		}
	}
	var inModel []string
	for s := range steps {
		if !slices.Contains(outside, s) {
			inModel = append(inModel, s.String())
		}
	}
	slices.Sort(inModel)
	require.Equal(t, inModel, slices.Sorted(maps.Keys(inCode)))
}
