package entrasim

import (
	"encoding/json"
	"fmt"
	"time"
)

// duration is a time.Duration written as "1m30s" in JSON, which a person at the
// management listener can type.
type duration time.Duration

func (d duration) MarshalJSON() ([]byte, error) {
	return json.Marshal(time.Duration(d).String())
}

func (d *duration) UnmarshalJSON(raw []byte) error {
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return fmt.Errorf("a duration is a string such as \"90s\": %w", err)
	}
	v, err := time.ParseDuration(s)
	*d = duration(v)
	return err
}
