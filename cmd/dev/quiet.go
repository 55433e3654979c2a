package main

import (
	"log/slog"

	sdklog "go.temporal.io/sdk/log"
)

// quietSDK keeps a Temporal client from writing to the terminal; what goes
// wrong comes back as an error anyway.
func quietSDK() sdklog.Logger {
	return sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler))
}
