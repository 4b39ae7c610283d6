package journal_test

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if done := childMain(); done {
		return
	}

	goleak.VerifyTestMain(m)
}
