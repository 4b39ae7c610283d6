package config_test

import (
	"strings"
	"testing"
	"time"

	"importerd/internal/config"

	"github.com/bmatcuk/doublestar/v4"
)

// What is allowed is matched in bounded time; what people write is allowed.
func TestPatternsAreCheap(t *testing.T) {
	t.Parallel()

	groups := func(n int) string { return strings.Repeat("{a,a}", n) }

	for pattern, good := range map[string]bool{
		"*.csv":                      true,
		"{orders,items}-*.{csv,txt}": true,
		`\{*[,{}]\}`:                 true,
		strings.Repeat("a", 256):     true,
		"*.{csv,txt,xml,json,yaml,pdf,jpg,png,zip,gz,bz2,xz,tar,doc,docx,xls,xlsx,ppt,odt,ods}": true,
		"*" + groups(6): true,
		"*" + groups(4) + strings.Repeat("a", 200) + "b": true,
		strings.Repeat("*", 255) + "b":                   true,
		"[":                                              false, "{a": false, `a\`: false,
		strings.Repeat("a", 257):                            false,
		groups(40) + "b":                                    false,
		"*" + groups(6) + strings.Repeat("a", 200):          false,
		strings.Repeat("{a,", 40) + strings.Repeat("}", 40): false,
	} {
		err := config.CheckPattern(pattern)
		if (err == nil) != good {
			t.Errorf("%q: %v", pattern, err)
		}

		if err != nil {
			continue
		}

		began := time.Now()
		doublestar.MatchUnvalidated(pattern, strings.Repeat("a", 255))

		// What is not bounded takes years; what is, some ms.
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("%q: matching took %v", pattern, took)
		}
	}
}
