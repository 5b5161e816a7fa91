import { status as Code, type ServiceError } from "@grpc/grpc-js";
import { BadRequest, ErrorInfo, RequestInfo, RetryInfo } from "./gen/google/rpc/error_details.js";
import { Status } from "./gen/google/rpc/status.js";

/** What a caller can do about it; the same nine as in every client. */
export type ErrorKind =
  | "invalid" // the request breaks rules; all of them are in `violations`
  | "not-allowed" // no credential, or one that may not do this
  | "not-found" // an id that was never given out
  | "conflict" // an event id or request id that was used with other content
  | "refused" // the state of things is against it; `reason` says what
  | "busy" // too much at once, or a spent budget: again after `retryAfterMs`
  | "unavailable" // nobody answers: never that a customer is unknown. A register goes on offline
  | "deadline" // no answer in time; a write may have been done, and repeating it is harmless
  | "server"; // a fault of the service; `requestId` finds it in its log

/** A broken rule: the field's path in the request, and the rule. Never a value. */
export interface Violation {
  readonly field: string;
  readonly description: string;
}

const KINDS: Partial<Record<Code, ErrorKind>> = {
  [Code.INVALID_ARGUMENT]: "invalid",
  [Code.OUT_OF_RANGE]: "invalid",
  [Code.UNAUTHENTICATED]: "not-allowed",
  [Code.PERMISSION_DENIED]: "not-allowed",
  [Code.NOT_FOUND]: "not-found",
  [Code.ALREADY_EXISTS]: "conflict",
  [Code.FAILED_PRECONDITION]: "refused",
  [Code.ABORTED]: "refused",
  [Code.RESOURCE_EXHAUSTED]: "busy",
  [Code.UNAVAILABLE]: "unavailable",
  // A server that stops gives up calls that reach it in that moment.
  [Code.CANCELLED]: "unavailable",
  [Code.DEADLINE_EXCEEDED]: "deadline",
};

/** A call failed. `reason` is the service's own word (google.rpc.ErrorInfo), stable; empty if the service was not reached. */
export class GoldthreadError extends Error {
  override readonly name = "GoldthreadError";
  readonly code: Code;
  readonly kind: ErrorKind;
  readonly reason: string = "";
  readonly metadata: Readonly<Record<string, string>> = {};
  readonly violations: readonly Violation[] = [];
  readonly retryAfterMs: number | undefined;
  readonly requestId: string = "";

  constructor(failed: ServiceError) {
    super(failed.details);
    this.code = failed.code;
    this.kind = KINDS[failed.code] ?? "server";
    const packed = failed.metadata?.get("grpc-status-details-bin")[0];
    if (!(packed instanceof Uint8Array)) {
      return;
    }
    for (const { typeUrl, value } of Status.decode(packed).details) {
      switch (typeUrl.slice(typeUrl.lastIndexOf("/") + 1)) {
        case "google.rpc.ErrorInfo": {
          const info = ErrorInfo.decode(value);
          this.reason = info.reason;
          this.metadata = info.metadata;
          break;
        }
        case "google.rpc.BadRequest":
          this.violations = BadRequest.decode(value).fieldViolations;
          break;
        case "google.rpc.RetryInfo": {
          const delay = RetryInfo.decode(value).retryDelay;
          this.retryAfterMs = delay && Number(delay.seconds) * 1_000 + delay.nanos / 1_000_000;
          break;
        }
        case "google.rpc.RequestInfo":
          this.requestId = RequestInfo.decode(value).requestId;
          break;
      }
    }
  }
}
