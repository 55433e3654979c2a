package delivery

import (
	"errors"

	"firstpass.internal/internal/jml"
)

// system names this package in a Fault that no channel caused.
const system = "delivery"

// refuse is the Fault of a message that can't be sent as it is.
func refuse(op, code string, reason jml.BlockReason) *jml.Fault {
	return &jml.Fault{System: system, Op: op, Kind: jml.FaultRefused, Code: code, Reason: reason}
}

func faultOf(err error) *jml.Fault {
	var f *jml.Fault
	_ = errors.As(err, &f)
	return f
}
