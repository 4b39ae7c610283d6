package main

import (
	"strings"
	"testing"
)

func TestShellThatGetsNamesAsCode(t *testing.T) {
	t.Parallel()

	for command, want := range map[string]bool{
		"sh|-c|wc {}":                          true,
		"/bin/dash|-ec|wc '{}' >>out":          true,
		"bash|-c|-e|wc {}":                     true,
		"bash|--norc|-c|wc {}":                 true,
		"env|A=1|nice|-n|5|sh|-c|wc {}":        true,
		"sh|-c|wc \"$1\"|sh|{}":                false,
		"sh|-c|wc \"$1\"|sh|--file={}":         false,
		"sh|load.sh|-c|{}":                     false,
		"sh|{}":                                false,
		"sh|-e|{}":                             false,
		"bash|--rcfile|x|-c":                   false,
		"sh":                                   false,
		"cut|-c|{}":                            false,
		"psql|-c|copy t from '{}'":             false,
		"flock|lock|sh|-c|exec load \"$0\"|{}": false,
	} {
		if got := adviseShell(strings.Split(command, "|")) != ""; got != want {
			t.Errorf("%s: advice %t, want %t", command, got, want)
		}
	}
}
