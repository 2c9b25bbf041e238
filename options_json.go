package pool

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"time"
)

// MarshalJSON writes o with its durations as strings: "5s". Fields that are
// zero are left out.
//
// A struct that embeds Options gets this method and UnmarshalJSON for itself,
// and loses its other fields in JSON; make Options a named field there.
func (o Options) MarshalJSON() ([]byte, error) {
	text := reflect.New(textual(reflect.TypeFor[Options]())).Elem()
	format(text, reflect.ValueOf(o))
	return json.Marshal(text.Interface())
}

// UnmarshalJSON reads what MarshalJSON writes; a duration may also be a whole
// number of nanoseconds. Fields not named in data keep their value, so that o
// can hold defaults of the caller's. A name that Options does not have is an
// error: a misspelt option is not silently dropped. A bad duration is an
// [*OptionError]; several are joined. After an error o is as it was. What is
// read is not validated: see Validate.
func (o *Options) UnmarshalJSON(data []byte) error {
	read := *o
	text := reflect.New(textual(reflect.TypeFor[Options]()))
	format(text.Elem(), reflect.ValueOf(read))
	strict := json.NewDecoder(bytes.NewReader(data))
	strict.DisallowUnknownFields()
	if err := strict.Decode(text.Interface()); err != nil {
		var mismatch *json.UnmarshalTypeError
		if errors.As(err, &mismatch) {
			mismatch.Struct = "Options"
		}
		// Bare, the decoder around us would put its own field into the error.
		return fmt.Errorf("pool: %w", err)
	}
	if faults := parse(reflect.ValueOf(&read).Elem(), text.Elem(), ""); faults != nil {
		return errors.Join(faults...)
	}
	*o = read
	return nil
}

// textual is the type t with every duration in it replaced by JSON text. It is
// derived, not written down, so that no field can be forgotten.
func textual(t reflect.Type) reflect.Type {
	switch {
	case t == reflect.TypeFor[time.Duration]():
		return reflect.TypeFor[json.RawMessage]()
	case t.Kind() == reflect.Struct:
		fields := reflect.VisibleFields(t)
		for i := range fields {
			fields[i].Type = textual(fields[i].Type)
		}
		return reflect.StructOf(fields)
	}
	return t
}

// format sets text, whose type is textual, to value.
func format(text, value reflect.Value) {
	switch {
	case text.Type() == value.Type():
		text.Set(value)
	case value.Kind() == reflect.Struct:
		for i := range value.NumField() {
			format(text.Field(i), value.Field(i))
		}
	case !value.IsZero():
		d := time.Duration(value.Int())
		text.SetBytes(strconv.AppendQuote(nil, d.String()))
	}
}

// parse sets value to text, whose type is textual, and returns what is wrong
// with its durations.
func parse(value, text reflect.Value, field string) (faults []error) {
	switch {
	case text.Type() == value.Type():
		value.Set(text)
	case value.Kind() == reflect.Struct:
		if field != "" {
			field += "."
		}
		for i := range value.NumField() {
			name := value.Type().Field(i).Name
			faults = append(faults, parse(value.Field(i), text.Field(i), field+name)...)
		}
	case text.Len() > 0:
		d, err := duration(text.Bytes(), time.Duration(value.Int()))
		if err != nil {
			var got any
			_ = json.Unmarshal(text.Bytes(), &got) // the decoder has seen that it is valid
			return []error{&OptionError{field, got, `must be a duration, such as "5s", or whole nanoseconds`}}
		}
		value.SetInt(int64(d))
	}
	return faults
}

// duration reads a duration from JSON. null leaves it as it is, as everywhere in
// encoding/json.
func duration(text []byte, is time.Duration) (time.Duration, error) {
	if text[0] != '"' {
		err := json.Unmarshal(text, &is)
		return is, err
	}
	var s string
	if err := json.Unmarshal(text, &s); err != nil {
		return 0, err
	}
	return time.ParseDuration(s)
}
