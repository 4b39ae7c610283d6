//go:build race

package e2e_test

// buildFlags are for the daemon's binary: it is watched for data races where the
// test is.
func buildFlags() []string { return []string{"-race"} }
