//go:build !race

package e2e_test

// buildFlags are for the daemon's binary.
func buildFlags() []string { return nil }
