package journal_test

import (
	"flag"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if done := childMain(); done {
		return
	}

	_ = flag.Set("rapid.checks", "25") // each takes a quarter of a second; the command line may say otherwise

	goleak.VerifyTestMain(m)
}
