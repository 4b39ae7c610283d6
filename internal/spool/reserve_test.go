package spool_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func TestReserveIsReallyAllocated(t *testing.T) {
	t.Parallel()

	s := open(t)
	blocks := func() int64 {
		info, err := os.Stat(filepath.Join(s.Dir(), ".importerd", "reserve"))
		if err != nil {
			t.Fatal(err)
		}

		return info.Sys().(*syscall.Stat_t).Blocks * 512
	}

	for range 2 { // filling twice changes nothing
		if err := s.FillReserve(); err != nil {
			t.Fatal(err)
		}
	}

	if got := blocks(); got < 4<<20 {
		t.Errorf("%d bytes are allocated", got)
	}

	if err := s.SpendReserve(); err != nil || blocks() != 0 {
		t.Errorf("after spending %d bytes are allocated: %v", blocks(), err)
	}
}

func TestSetAsideOwn(t *testing.T) {
	t.Parallel()

	s := open(t)
	own := filepath.Join(s.Dir(), ".importerd")

	if err := os.WriteFile(filepath.Join(own, "journal.db"), []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}

	kept, err := s.SetAsideOwn("journal.db")
	if err != nil {
		t.Fatal(err)
	}

	if text, err := os.ReadFile(filepath.Join(own, kept)); err != nil || string(text) != "damaged" {
		t.Errorf("%s holds %q, %v", kept, text, err)
	}

	if _, err := s.SetAsideOwn("journal.db"); err == nil {
		t.Error("what is not there was set aside")
	}
}
