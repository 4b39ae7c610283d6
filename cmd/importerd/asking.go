package main

import (
	"context"

	"github.com/spf13/cobra"
)

// asking are the options of a command that asks a daemon about jobs.
type asking struct {
	places
	api
}

// flags adds the options.
func (a *asking) flags(cmd *cobra.Command) {
	a.places.flags(cmd)
	a.api.flags(cmd)
}

// daemon finds the daemon: that of the spool if one is given. Otherwise nothing is asked
// yet, and the spool has no name.
func (a *asking) daemon(ctx context.Context) (*remote, error) {
	if a.spool != "" {
		return a.api.find(ctx, a.config, a.spool)
	}

	c, err := a.connect(a.config)
	if err != nil {
		return nil, err
	}

	return &remote{Client: c}, nil
}
