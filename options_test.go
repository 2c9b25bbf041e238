package pool_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"math"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"
	"pgregory.net/rapid"

	"github.com/pooltender/pool"
)

const tooLong = 100*365*24*time.Hour + 1

// faultsOf takes apart what Validate joined.
func faultsOf(t *testing.T, err error) []*pool.OptionError {
	t.Helper()
	if err == nil {
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	require.True(t, ok, "%T is not joined", err)
	var faults []*pool.OptionError
	for _, err := range joined.Unwrap() {
		var fault *pool.OptionError
		require.ErrorAs(t, err, &fault)
		faults = append(faults, fault)
	}
	return faults
}

func fieldsOf(faults []*pool.OptionError) []string {
	var fields []string
	for _, fault := range faults {
		fields = append(fields, fault.Field)
	}
	return fields
}

// leaves calls fn with every field of options that is no struct itself.
func leaves(options *pool.Options, fn func(name string, value reflect.Value)) {
	var walk func(string, reflect.Value)
	walk = func(prefix string, v reflect.Value) {
		for i := range v.NumField() {
			name := prefix + v.Type().Field(i).Name
			if v.Field(i).Kind() == reflect.Struct {
				walk(name+".", v.Field(i))
				continue
			}
			fn(name, v.Field(i))
		}
	}
	walk("", reflect.ValueOf(options).Elem())
}

func isDuration(v reflect.Value) bool { return v.Type() == reflect.TypeFor[time.Duration]() }

func TestEveryFaultOfAFieldIsNamed(t *testing.T) {
	t.Parallel()
	tests := []struct {
		options pool.Options
		want    string
	}{
		{pool.Options{}, `pool: Size must be positive unless MaxOverflow is, got 0`},
		{pool.Options{MaxOverflow: -1}, `pool: Size must be positive unless MaxOverflow is, got 0`},
		{pool.Options{Size: -1}, `pool: Size must be positive, got -1`},
		{pool.Options{Size: -1, MaxOverflow: 1}, `pool: Size must be positive, got -1`},
		{pool.Options{Size: math.MinInt}, `pool: Size must be positive, got ` + number(math.MinInt)},
		{pool.Options{Size: 1<<24 + 1}, `pool: Size must be at most 16777216, got 16777217`},
		{pool.Options{MaxOverflow: 1<<24 + 1}, `pool: MaxOverflow must be at most 16777216 together with Size, got 16777217`},
		{pool.Options{Size: 1, MaxOverflow: 1 << 24}, `pool: MaxOverflow must be at most 16777216 together with Size, got 16777216`},
		{pool.Options{Size: 1, MaxOverflow: math.MaxInt}, `pool: MaxOverflow must be at most 16777216 together with Size, got ` + number(math.MaxInt)},
		{pool.Options{Size: 1, Order: "LIFO"}, `pool: Order must be "recent", "lifo" or "fifo", got "LIFO"`},
		{pool.Options{Size: 1, Reclaim: "reset"}, `pool: Reclaim must be "replace" or "reuse", got "reset"`},
		{pool.Options{Size: 1, WarnHold: time.Second, MaxHold: time.Second}, `pool: WarnHold must be less than MaxHold (1s), got 1s`},
		{pool.Options{Size: 1, QueueInterval: -1}, `pool: QueueInterval must not be negative, got -1ns`},
		{pool.Options{Size: 1, QueueTarget: 2, QueueInterval: 2}, `pool: QueueTarget must be less than QueueInterval (2ns), got 2ns`},
		{pool.Options{Size: 1, StopTimeout: -1}, `pool: StopTimeout must not be negative, got -1ns`},
		{pool.Options{Size: 1, RestartWindow: -time.Second}, `pool: RestartWindow must not be negative, got -1s`},
		{pool.Options{Size: 1, Backoff: pool.Backoff{Max: -1}}, `pool: Backoff.Max must not be negative, got -1ns`},
		{pool.Options{Size: 1, Backoff: pool.Backoff{Min: -1, Max: -1}}, `pool: Backoff.Max must not be negative, got -1ns`},
		{pool.Options{Size: 1, Backoff: pool.Backoff{Min: 2, Max: 1}}, `pool: Backoff.Max must not be less than Backoff.Min (2ns), got 1ns`},
		{pool.Options{Size: 1, MaxWait: math.MaxInt64}, `pool: MaxWait must be at most 876000h0m0s, got 2562047h47m16.854775807s`},
	}
	for _, test := range tests {
		assert.EqualError(t, test.options.Validate(), test.want)
	}
}

func number(n int) string {
	text, _ := json.Marshal(n)
	return string(text)
}

func TestNoDurationMayExceedAHundredYears(t *testing.T) {
	t.Parallel()
	var names []string
	leaves(new(pool.Options), func(name string, value reflect.Value) {
		if isDuration(value) {
			names = append(names, name)
		}
	})
	require.Len(t, names, 15)
	for _, long := range names {
		options := pool.Options{Size: 1}
		leaves(&options, func(name string, value reflect.Value) {
			if name == long {
				value.SetInt(int64(tooLong))
			}
		})
		faults := faultsOf(t, options.Validate())
		require.NotEmpty(t, faults, long)
		assert.Equal(t, long, faults[0].Field)
		assert.Equal(t, tooLong, faults[0].Value)

		leaves(&options, func(name string, value reflect.Value) {
			if name == long {
				value.SetInt(int64(tooLong - 1))
			}
		})
		assert.NoError(t, options.Validate(), long)
	}
}

func TestAllFaultsComeAtOnce(t *testing.T) {
	t.Parallel()
	faults := faultsOf(t, pool.Options{
		Size:          -1,
		MaxOverflow:   1 << 25,
		Order:         "any",
		Reclaim:       "any",
		ReclaimGrace:  tooLong,
		WarnHold:      2,
		MaxHold:       1,
		StopTimeout:   -1,
		RestartWindow: -1,
		Backoff:       pool.Backoff{Min: 2, Max: 1},
	}.Validate())
	assert.Equal(t, []string{
		"Size", "MaxOverflow", "Order", "Reclaim", "ReclaimGrace", "WarnHold", "StopTimeout", "RestartWindow", "Backoff.Max",
	}, fieldsOf(faults))
	assert.Equal(t, &pool.OptionError{Field: "Size", Value: -1, Reason: "must be positive"}, faults[0])
}

func TestWhatIsInRangeIsValid(t *testing.T) {
	t.Parallel()
	for _, options := range []pool.Options{
		{Size: 1},
		{MaxOverflow: 1},
		{Size: 1 << 24},
		{Size: 1, MaxOverflow: 1<<24 - 1},
		{Size: 1, WarnHold: time.Second},
		{Size: 1, WarnHold: time.Second, MaxHold: -1},
		{Size: 1, WarnHold: -1, MaxHold: -2},
		{Size: 1, WarnHold: time.Second, MaxHold: time.Second + 1},
		{Size: 1, Backoff: pool.Backoff{Min: time.Second, Max: time.Second}},
		{Size: 1, Backoff: pool.Backoff{Min: time.Hour}},
		{Size: 1, Backoff: pool.Backoff{Min: -1, Max: 1}},
	} {
		assert.NoError(t, options.Validate(), "%+v", options)
	}
	for _, order := range []pool.Order{"", "recent", "lifo", "fifo"} {
		assert.NoError(t, pool.Options{Size: 1, Order: order}.Validate())
	}
	for _, reclaim := range []pool.Reclaim{"", "replace", "reuse"} {
		assert.NoError(t, pool.Options{Size: 1, Reclaim: reclaim}.Validate())
	}
}

func TestANegativeValueIsOffUnlessItsFieldSaysOtherwise(t *testing.T) {
	t.Parallel()
	options := pool.Options{}
	leaves(&options, func(_ string, value reflect.Value) {
		if value.CanInt() {
			value.SetInt(-1)
		}
	})
	faults := faultsOf(t, options.Validate())
	assert.Equal(t, []string{"Size", "QueueInterval", "StopTimeout", "RestartWindow", "Backoff.Max"}, fieldsOf(faults))

	core := options.WithDefaults()
	assert.Zero(t, core.MaxOverflow)
	for _, count := range []int{core.MaxWaiting, core.MaxUses, core.MaxStarting, core.MaxPoolRestarts} {
		assert.Equal(t, math.MaxInt, count)
	}
	for _, off := range []time.Duration{
		core.OverflowLinger, core.MaxWait, core.QueueTarget, core.ReclaimGrace, core.WarnHold, core.MaxHold,
		core.MaxLifetime, core.CheckEvery,
		core.StartTimeout, core.CheckTimeout, core.Backoff.Min,
	} {
		assert.Negative(t, off)
	}
	assert.Negative(t, core.MaxRestartsOf(3))
}

// Each field's doc comment states the default that the field is given.
func TestTheDefaultsGivenAreTheDefaultsStated(t *testing.T) {
	t.Parallel()
	starting := min(max(runtime.GOMAXPROCS(0), 4), 16)
	tests := map[string]struct {
		stated string
		given  any
	}{
		"Size":            {"then 0 is a pool whose workers exist only while there is demand", 0},
		"MaxOverflow":     {"0 or negative: none.", 0},
		"OverflowLinger":  {"0: 5s.", 5 * time.Second},
		"Order":           {"Empty: OrderRecent.", pool.OrderRecent},
		"AsyncStart":      {"False: Start returns when Size workers are live", false},
		"MaxWaiting":      {"0 or negative: no limit.", math.MaxInt},
		"MaxWait":         {"0 or negative: no limit.", time.Duration(0)},
		"QueueTarget":     {"0 or negative: off", time.Duration(0)},
		"QueueInterval":   {"0: twenty times QueueTarget.", time.Duration(0)},
		"Reclaim":         {"Empty: ReclaimReplace.", pool.ReclaimReplace},
		"ReclaimGrace":    {"0: 1s.", time.Second},
		"WarnHold":        {"0 or negative: off.", time.Duration(0)},
		"MaxHold":         {"0 or negative: off.", time.Duration(0)},
		"TraceLeases":     {"0 or negative: off.", 0},
		"MaxLifetime":     {"0 or negative: no limit.", time.Duration(0)},
		"MaxUses":         {"0 or negative: no limit.", math.MaxInt},
		"CheckEvery":      {"0 or negative: off.", time.Duration(0)},
		"MaxStarting":     {"0: GOMAXPROCS, but at least 4 and at most 16.", starting},
		"StartTimeout":    {"0: 30s.", 30 * time.Second},
		"CheckTimeout":    {"0: 5s.", 5 * time.Second},
		"StopTimeout":     {"0: 5s.", 5 * time.Second},
		"MaxRestarts":     {"0: six for each of Size workers, and six when Size is 0.", 0},
		"RestartWindow":   {"0: 60s.", 60 * time.Second},
		"Backoff.Min":     {"0: 100ms, or Max where that is shorter.", 100 * time.Millisecond},
		"Backoff.Max":     {"0: 30s, or Min where that is longer.", 30 * time.Second},
		"MaxPoolRestarts": {"0 or negative: no limit.", math.MaxInt},
	}
	docs := fieldDocs(t)
	core := pool.Options{}.WithDefaults()
	leaves(&core, func(name string, value reflect.Value) {
		test, ok := tests[name]
		if assert.True(t, ok, "%s is not tested", name) {
			assert.Contains(t, docs[name], test.stated, name)
			assert.Equal(t, test.given, value.Interface(), name)
		}
	})
	assert.Equal(t, core, core.WithDefaults(), "a second call changes something")
	core.Size = 1
	assert.NoError(t, core.Validate())
}

// fieldDocs returns the doc comments of the fields of Options and Backoff, each
// on one line.
func fieldDocs(t *testing.T) map[string]string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "options.go", nil, parser.ParseComments)
	require.NoError(t, err)
	docs := map[string]string{}
	for _, prefix := range []string{"Options", "Backoff"} {
		fields := file.Scope.Lookup(prefix).Decl.(*ast.TypeSpec).Type.(*ast.StructType).Fields.List
		for _, field := range fields {
			name := field.Names[0].Name
			if prefix == "Backoff" {
				name = "Backoff." + name
			}
			docs[name] = strings.Join(strings.Fields(field.Doc.Text()), " ")
		}
	}
	return docs
}

func TestWhatIsSetIsNoDefault(t *testing.T) {
	t.Parallel()
	set := pool.Options{
		Size: 2, MaxOverflow: 3, OverflowLinger: 4, Order: pool.OrderFIFO, AsyncStart: true, MaxWaiting: 5, MaxWait: 6,
		Reclaim: pool.ReclaimReuse, ReclaimGrace: 7, WarnHold: 8, MaxHold: 9, TraceLeases: 19, MaxStarting: 10, StartTimeout: 11,
		CheckTimeout: 12, StopTimeout: 13, MaxRestarts: 14, RestartWindow: 15, Backoff: pool.Backoff{Min: 16, Max: 17},
		MaxPoolRestarts: 18, QueueTarget: 19, QueueInterval: 20,
		MaxLifetime: 21, MaxUses: 22, CheckEvery: 23,
	}
	leaves(&set, func(name string, value reflect.Value) { assert.False(t, value.IsZero(), name) })
	assert.Equal(t, set, set.WithDefaults())
}

func TestBackoffsDefaultsGiveWayToWhatIsSet(t *testing.T) {
	t.Parallel()
	for set, want := range map[pool.Backoff]pool.Backoff{
		{}:                            {Min: 100 * time.Millisecond, Max: 30 * time.Second},
		{Min: time.Minute}:            {Min: time.Minute, Max: time.Minute},
		{Max: time.Millisecond}:       {Min: time.Millisecond, Max: time.Millisecond},
		{Min: -1}:                     {Min: -1, Max: 30 * time.Second},
		{Min: time.Second, Max: 1e10}: {Min: time.Second, Max: 1e10},
	} {
		assert.Equal(t, want, pool.Options{Backoff: set}.WithDefaults().Backoff)
	}
}

func TestTheDefaultOfMaxRestartsFollowsSize(t *testing.T) {
	t.Parallel()
	for size, want := range map[int]int{0: 6, 1: 6, 2: 12, 100: 600} {
		assert.Equal(t, want, pool.Options{}.MaxRestartsOf(size))
		assert.Equal(t, 5, pool.Options{MaxRestarts: 5}.MaxRestartsOf(size))
		assert.Negative(t, pool.Options{MaxRestarts: -1}.MaxRestartsOf(size))
	}
}

func TestOptionsAreComparable(t *testing.T) {
	t.Parallel()
	known := map[pool.Options]bool{{Size: 1}: true}
	assert.True(t, known[pool.Options{Size: 1}])
	assert.False(t, known[pool.Options{Size: 2}])
}

// anyOptions draws each field by itself: zero, and else anything of its type.
func anyOptions(t *rapid.T) pool.Options {
	var options pool.Options
	leaves(&options, func(name string, value reflect.Value) {
		if rapid.Bool().Draw(t, name+" is zero") {
			return
		}
		switch value.Kind() {
		case reflect.Bool:
			value.SetBool(true)
		case reflect.String:
			value.SetString(rapid.StringMatching(`[a-z ]*`).Draw(t, name))
		case reflect.Int, reflect.Int64:
			value.Set(reflect.ValueOf(rapid.Int().Draw(t, name)).Convert(value.Type()))
		default:
			t.Fatalf("%s is a %s", name, value.Type())
		}
	})
	return options
}

func TestOptionsComeBackFromJSON(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		options := anyOptions(t)
		text, err := json.Marshal(options)
		require.NoError(t, err)
		var got pool.Options
		require.NoError(t, json.Unmarshal(text, &got), "%s", text)
		require.Equal(t, options, got, "%s", text)
	})
}

func TestOptionsComeBackFromYAML(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		options := anyOptions(t)
		text, err := yaml.Marshal(options)
		require.NoError(t, err)
		var got pool.Options
		require.NoError(t, yaml.Unmarshal(text, &got), "%s", text)
		require.Equal(t, options, got, "%s", text)
	})
}

func TestJSONAndYAMLSayTheSame(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		options := anyOptions(t)
		text, err := json.Marshal(options)
		require.NoError(t, err)
		var got pool.Options
		require.NoError(t, yaml.Unmarshal(text, &got), "%s", text) // JSON is YAML
		require.Equal(t, options, got, "%s", text)
	})
}

func TestEveryFieldHasItsNameInSnakeCase(t *testing.T) {
	t.Parallel()
	for _, v := range []any{pool.Options{}, pool.Backoff{}} {
		for _, field := range reflect.VisibleFields(reflect.TypeOf(v)) {
			for _, format := range []string{"json", "yaml"} {
				name, option, _ := strings.Cut(field.Tag.Get(format), ",")
				assert.Equal(t, snake(field.Name), name)
				assert.Contains(t, []string{"omitempty", "omitzero"}, option, field.Name)
			}
		}
	}
}

func snake(name string) string {
	var b strings.Builder
	for i, r := range name {
		if r < 'a' && i > 0 {
			b.WriteByte('_')
		}
		b.WriteRune(r)
	}
	return strings.ToLower(b.String())
}

func TestEveryDurationIsAStringInJSON(t *testing.T) {
	t.Parallel()
	var options pool.Options
	leaves(&options, func(_ string, value reflect.Value) {
		if isDuration(value) {
			value.SetInt(int64(90 * time.Second))
		}
	})
	text, err := json.Marshal(&options)
	require.NoError(t, err)
	assert.JSONEq(t, `{
		"queue_target": "1m30s", "queue_interval": "1m30s", "overflow_linger": "1m30s", "max_wait": "1m30s", "reclaim_grace": "1m30s", "warn_hold": "1m30s", "max_hold": "1m30s",
		"max_lifetime": "1m30s", "check_every": "1m30s", "start_timeout": "1m30s", "check_timeout": "1m30s", "stop_timeout": "1m30s", "restart_window": "1m30s",
		"backoff": {"min": "1m30s", "max": "1m30s"}
	}`, string(text))

	empty, err := json.Marshal(pool.Options{})
	require.NoError(t, err)
	assert.Equal(t, `{}`, string(empty))

	small, err := json.Marshal(pool.Options{Size: 1, MaxWait: 1500 * time.Nanosecond, Backoff: pool.Backoff{Min: -1}})
	require.NoError(t, err)
	assert.Equal(t, `{"size":1,"max_wait":"1.5µs","backoff":{"min":"-1ns"}}`, string(small))
}

func TestWhatJSONDoesNotNameStaysAsItWas(t *testing.T) {
	t.Parallel()
	for text, change := range map[string]func(*pool.Options){
		`{}`:                                    func(*pool.Options) {},
		`null`:                                  func(*pool.Options) {},
		`{"max_wait": null, "size": null}`:      func(*pool.Options) {},
		`{"max_wait": 0}`:                       func(o *pool.Options) { o.MaxWait = 0 },
		`{"max_wait": "0"}`:                     func(o *pool.Options) { o.MaxWait = 0 },
		`{"max_wait": -1}`:                      func(o *pool.Options) { o.MaxWait = -1 },
		`{"max_wait": 5000000000}`:              func(o *pool.Options) { o.MaxWait = 5 * time.Second },
		`{"MAX_WAIT": "1h", "Size": 9}`:         func(o *pool.Options) { o.MaxWait, o.Size = time.Hour, 9 },
		`{"max_wait": "5\u0073"}`:               func(o *pool.Options) { o.MaxWait = 5 * time.Second },
		`{"backoff": {"min": "2s"}}`:            func(o *pool.Options) { o.Backoff.Min = 2 * time.Second },
		`{"backoff": null, "backoff": {}}`:      func(*pool.Options) {},
		` { "backoff" : { "max" : 7 } } `:       func(o *pool.Options) { o.Backoff.Max = 7 },
		`{"order": "lifo", "reclaim": "reuse"}`: func(o *pool.Options) { o.Order, o.Reclaim = pool.OrderLIFO, pool.ReclaimReuse },
	} {
		got := pool.Options{Size: 3, MaxWait: time.Second, Backoff: pool.Backoff{Min: 1, Max: 2}}
		want := got
		change(&want)
		require.NoError(t, json.Unmarshal([]byte(text), &got), text)
		assert.Equal(t, want, got, text)
	}
}

func TestAMisspeltOptionIsAnError(t *testing.T) {
	t.Parallel()
	o := pool.Options{Size: 3}
	for _, text := range []string{`{"size": 4, "max_waiting_time": 1}`, `{"size": 4, "backoff": {"mininum": "1s"}}`} {
		require.ErrorContains(t, json.Unmarshal([]byte(text), &o), "unknown field")
		require.Equal(t, pool.Options{Size: 3}, o)
	}
}

func TestABadDurationIsNamed(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`"5 s"`:  `got "5 s"`,
		`"5"`:    `got "5"`,
		`""`:     `got ""`,
		`1.5`:    `got 1.5`,
		`1e30`:   `got 1e+30`,
		`true`:   `got true`,
		`["5s"]`: `got [5s]`,
	} {
		got := pool.Options{Size: 3}
		err := json.Unmarshal([]byte(`{"size": 4, "backoff": {"max": `+text+`}}`), &got)
		assert.EqualError(t, err, `pool: Backoff.Max must be a duration, such as "5s", or whole nanoseconds, `+want)
		assert.Equal(t, pool.Options{Size: 3}, got)
	}

	leaves(new(pool.Options), func(name string, value reflect.Value) {
		if !isDuration(value) {
			return
		}
		text := `{"` + snake(name) + `": "soon"}`
		if outer, inner, nested := strings.Cut(name, "."); nested {
			text = `{"` + snake(outer) + `": {"` + snake(inner) + `": "soon"}}`
		}
		faults := faultsOf(t, json.Unmarshal([]byte(text), new(pool.Options)))
		assert.Equal(t, []string{name}, fieldsOf(faults))
	})

	faults := faultsOf(t, json.Unmarshal([]byte(`{"max_wait": "x", "max_hold": "y"}`), new(pool.Options)))
	assert.Equal(t, []string{"MaxWait", "MaxHold"}, fieldsOf(faults))
}

func TestAValueOfAnotherTypeIsNamed(t *testing.T) {
	t.Parallel()
	var config struct {
		Reports pool.Options `json:"reports"`
	}
	err := json.Unmarshal([]byte(`{"reports": {"max_waiting": "many"}}`), &config)
	assert.EqualError(t, err, "pool: json: cannot unmarshal string into Go struct field Options.max_waiting of type int")
	assert.Zero(t, config)
}
