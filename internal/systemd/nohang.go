//go:build !hang

package systemd

// hang does nothing: only a test build can make a loop hang.
func hang(string) {}
