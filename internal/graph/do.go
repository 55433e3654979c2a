package graph

import (
	"context"
	"errors"

	"firstpass.internal/internal/jml"
	"firstpass.internal/internal/outbound"
)

// do runs one operation of the SDK and answers with what the last reply said
// and, if the operation failed, a Fault.
//
// What call returns is a failure even if the SDK calls it none: a redirect, for
// one, comes back as an empty success.
func (c *Client) do(ctx context.Context, op string, call func(context.Context) error) (ex *exchange, err error) {
	ex = &exchange{op: op}
	defer func() {
		// The SDK dereferences what a reply leaves out in more than one place,
		// and the recovered value may quote that reply: it is dropped.
		if recover() != nil {
			err = &jml.Fault{System: system, Op: op, Kind: jml.FaultUnavailable,
				Status: ex.status, Code: "sdkPanic", RequestID: ex.requestID}
		}
	}()
	err = call(context.WithValue(ctx, exchangeKey{}, ex))
	var own *jml.Fault
	switch {
	case errors.As(err, &own):
		own.Op = op
		if own.System == system && own.Status == 0 {
			own.Status, own.RequestID = ex.status, ex.requestID
		}
		return ex, err
	case err != nil, ex.status >= 300:
		return ex, outbound.Told(ctx, ex.fault(err))
	}
	return ex, nil
}

// bad is the Fault of a reply that says something Graph never says: the state
// of the tenant is unknown, and asking again may tell. do fills in the rest.
func bad(code string) *jml.Fault {
	return &jml.Fault{System: system, Kind: jml.FaultUnavailable, Code: code}
}

// refuse is the Fault of a call that is not made.
func refuse(op, code string, reason jml.BlockReason) *jml.Fault {
	return &jml.Fault{System: system, Op: op, Kind: jml.FaultRefused, Code: code, Reason: reason}
}
