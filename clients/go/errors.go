package goldthread

import (
	"fmt"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Kind says what a caller can do about an error; the same nine as in every client.
type Kind string

// Kinds of errors.
const (
	// Invalid requests break rules; all of them are in Violations.
	Invalid Kind = "invalid"
	// NotAllowed means no credential, or one that may not do this.
	NotAllowed Kind = "not-allowed"
	// NotFound means an id that was never given out.
	NotFound Kind = "not-found"
	// Conflict means an event id or request id that was used with other content.
	Conflict Kind = "conflict"
	// Refused means that the state of things is against it; Reason says what.
	Refused Kind = "refused"
	// Busy means too much at once, or a spent budget: again after RetryAfter.
	Busy Kind = "busy"
	// Unavailable means that nobody answers: never that a customer is unknown. A register goes on offline.
	Unavailable Kind = "unavailable"
	// Deadline means no answer in time; a write may have been done, and repeating it is harmless.
	Deadline Kind = "deadline"
	// Server means a fault of the service; RequestID finds it in its log.
	Server Kind = "server"
)

var kindOf = map[codes.Code]Kind{
	codes.InvalidArgument:    Invalid,
	codes.OutOfRange:         Invalid,
	codes.Unauthenticated:    NotAllowed,
	codes.PermissionDenied:   NotAllowed,
	codes.NotFound:           NotFound,
	codes.AlreadyExists:      Conflict,
	codes.FailedPrecondition: Refused,
	codes.Aborted:            Refused,
	codes.ResourceExhausted:  Busy,
	codes.Unavailable:        Unavailable,
	// A server that stops gives up calls that reach it in that moment.
	codes.Canceled:         Unavailable,
	codes.DeadlineExceeded: Deadline,
}

// Violation is a broken rule: the field's path in the request, and the rule. Never a value.
type Violation struct {
	Field, Description string
}

// Error is what a call failed with; find it with errors.As.
type Error struct {
	Code codes.Code
	Kind Kind
	// Reason is the service's own word (google.rpc.ErrorInfo), stable; empty if the service was not reached.
	Reason     string
	Metadata   map[string]string
	Violations []Violation
	RetryAfter time.Duration
	RequestID  string
	Message    string
}

// Error shows reason and message; they hold no value of the request.
func (e *Error) Error() string {
	reason := e.Reason
	if reason == "" {
		reason = e.Code.String()
	}
	return fmt.Sprintf("goldthread: %s: %s", reason, e.Message)
}

// GRPCStatus lets status.Code and status.FromError understand the error.
func (e *Error) GRPCStatus() *status.Status {
	return status.New(e.Code, e.Message)
}

func typed(err error) error {
	if err == nil {
		return nil
	}
	failed := status.Convert(err)
	found := &Error{Code: failed.Code(), Kind: Server, Message: failed.Message()}
	if kind, ok := kindOf[failed.Code()]; ok {
		found.Kind = kind
	}
	for _, detail := range failed.Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			found.Reason, found.Metadata = detail.GetReason(), detail.GetMetadata()
		case *errdetails.BadRequest:
			for _, one := range detail.GetFieldViolations() {
				found.Violations = append(found.Violations, Violation{one.GetField(), one.GetDescription()})
			}
		case *errdetails.RetryInfo:
			found.RetryAfter = detail.GetRetryDelay().AsDuration()
		case *errdetails.RequestInfo:
			found.RequestID = detail.GetRequestId()
		}
	}
	return found
}
