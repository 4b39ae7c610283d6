package main

import (
	"errors"
	"fmt"
	"testing"

	"importerd/internal/app"
	"importerd/internal/job"
)

func TestCodeOfTheDisk(t *testing.T) {
	t.Parallel()

	for _, tt := range []struct {
		err  error
		want int
	}{
		{fmt.Errorf("outcomes could not be written: %w", job.ErrDisk), codeUntrusted},
		{errors.Join(job.ErrUntrusted, job.ErrDisk), codeUntrusted},
		{app.ErrUnfinished, codeNotSo},
		{nil, codeOK},
	} {
		if got := code(tt.err); got != tt.want {
			t.Errorf("code of %v is %d, want %d", tt.err, got, tt.want)
		}
	}
}
