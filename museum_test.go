package pool_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The table says which test tells a bug: a test that is gone or has another name
// is missed here, and so is a story that the table does not have.
func TestEveryBugInTheMuseumIsTold(t *testing.T) {
	t.Parallel()
	museum, err := os.ReadFile("testdata/museum.md")
	require.NoError(t, err)
	quoted := regexp.MustCompile("`(Test\\w+)`")
	told := map[string]bool{}
	rows := 0
	for row := range strings.Lines(string(museum)) {
		tests := quoted.FindAllStringSubmatch(row, -1)
		for _, test := range tests {
			told[test[1]] = true
		}
		if strings.HasPrefix(row, "|") && !strings.HasPrefix(row, "|---") && !strings.HasPrefix(row, "| what") {
			rows++
			require.NotEmpty(t, tests, "nothing tells it: %s", row)
		}
	}
	require.Greater(t, rows, 70)

	there := map[string]bool{}
	require.NoError(t, filepath.WalkDir(".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for line := range strings.Lines(string(text)) {
			test, parameters, _ := strings.Cut(strings.TrimPrefix(line, "func "), "(")
			if !strings.HasPrefix(line, "func Test") || parameters == "" {
				continue
			}
			there[test] = true
			if strings.HasPrefix(path, "issue_") {
				require.True(t, told[test], "%s is not in the museum", test)
			}
		}
		return err
	}))
	for test := range told {
		require.True(t, there[test], "%s does not exist", test)
	}
}
