package scim

import (
	"strings"
	"testing"
)

func TestRFC7644_3_4_2_2_Filter(t *testing.T) {
	element := map[string]any{"type": "Work", "value": "o@example.com", "primary": true, "n": int64(3), "f": 1.5, "empty": "", "list": []any{"a"}}
	for filter, want := range map[string]bool{
		`type eq "work"`:                       true,
		`TYPE EQ "WORK"`:                       true,
		`type ne "work"`:                       false,
		`type ne "home"`:                       true,
		`missing ne "home"`:                    true,
		`missing eq null`:                      true,
		`type eq null`:                         false,
		`value co "EXAMPLE"`:                   true,
		`value sw "O@"`:                        true,
		`value sw "@"`:                         false,
		`value ew ".com"`:                      true,
		`value ew "o@"`:                        false,
		`value co 5`:                           false,
		`n co "3"`:                             false,
		`type pr`:                              true,
		`empty pr`:                             false,
		`missing pr`:                           false,
		`list pr`:                              true,
		`list eq "a"`:                          false,
		`primary eq true`:                      true,
		`primary eq "True"`:                    true,
		`primary eq "true" and type eq "home"`: false,
		`primary eq false`:                     false,
		`primary eq 1`:                         false,
		`n eq 3`:                               true,
		`n eq 3.0`:                             true,
		`n eq -3`:                              false,
		`n eq "3"`:                             false,
		`f eq 1.5`:                             true,
		`type eq true`:                         false,
		`not (type eq "work")`:                 false,
		`not(type eq "home")`:                  true,
		`type eq "home" and n eq 3 or primary eq true`:              true,
		`type eq "home" and (n eq 3 or primary eq true)`:            false,
		`primary eq true or type eq "home" and n eq 4`:              true,
		`value eq "o\u0040example.com"`:                             true,
		`urn:ietf:params:scim:schemas:core:2.0:User:type eq "work"`: true,
	} {
		c, err := parseFilter(filter)
		if err != nil {
			t.Errorf("%s: %v", filter, err)
			continue
		}
		if got := c.matches(element); got != want {
			t.Errorf("%s is %v", filter, got)
		}
	}
	for filter, want := range map[string]bool{`value eq "a"`: true, `type eq "a"`: false, `value pr`: true} {
		c, err := parseFilter(filter)
		if err != nil || c.matches("A") != want {
			t.Errorf("%s of a text: %v", filter, err)
		}
	}
}

func TestRFC7644_3_4_2_2_FilterRefused(t *testing.T) {
	for _, filter := range []string{
		"", " ", "a", "a eq", `a eq b`, `a eq "b`, `a eq "b\`, `a eq "\x"`, `a gt 1`, `a eq "b" and`, `and a eq "b"`, `a eq "b" c`, `(a eq "b"`, `a eq "b")`,
		`a[b eq "c"]`, `a eq 1x`, `a eq +1`, `a eq NaN`, `a eq Inf`, `a eq 0x1`, `a eq .`, "a eq \"\xff\"", "a\x00 pr", `not`, `not not`,
		strings.Repeat("(", 100) + `a pr` + strings.Repeat(")", 100), strings.Repeat("not ", 100) + "a pr", `a eq "` + strings.Repeat("x", filterLength) + `"`,
	} {
		if _, err := parseFilter(filter); err == nil {
			t.Errorf("%q is a filter", filter)
		}
	}
}
