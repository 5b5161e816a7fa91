package io.goldthread.client;

import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RequestInfo;
import com.google.rpc.RetryInfo;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** A call failed. */
public final class GoldthreadException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  /** What a caller can do about it; the same nine as in every client. */
  public enum Kind {
    /** The request breaks rules; all of them are in {@link #violations}. */
    INVALID,
    /** No credential, or one that may not do this. */
    NOT_ALLOWED,
    /** An id that was never given out. */
    NOT_FOUND,
    /** An event id or request id that was used with other content. */
    CONFLICT,
    /** The state of things is against it; {@link #reason} says what. */
    REFUSED,
    /** Too much at once, or a spent budget: again after {@link #retryAfter}. */
    BUSY,
    /** Nobody answers: never that a customer is unknown. A register goes on offline. */
    UNAVAILABLE,
    /** No answer in time; a write may have been done, and repeating it is harmless. */
    DEADLINE,
    /** A fault of the service; {@link #requestId} finds it in its log. */
    SERVER;

    static Kind of(Status.Code code) {
      return switch (code) {
        case INVALID_ARGUMENT, OUT_OF_RANGE -> INVALID;
        case UNAUTHENTICATED, PERMISSION_DENIED -> NOT_ALLOWED;
        case NOT_FOUND -> NOT_FOUND;
        case ALREADY_EXISTS -> CONFLICT;
        case FAILED_PRECONDITION, ABORTED -> REFUSED;
        case RESOURCE_EXHAUSTED -> BUSY;
        // A server that stops gives up calls that reach it in that moment.
        case UNAVAILABLE, CANCELLED -> UNAVAILABLE;
        case DEADLINE_EXCEEDED -> DEADLINE;
        default -> SERVER;
      };
    }
  }

  /** A broken rule: the field's path in the request, and the rule. Never a value. */
  public record Violation(String field, String description) {}

  private final transient Status.Code code;
  private final Kind kind;
  private final String reason;
  private final transient Map<String, String> metadata;
  private final transient List<Violation> violations;
  private final Duration retryAfter;
  private final String requestId;

  GoldthreadException(StatusRuntimeException failed) {
    super(failed.getStatus().getDescription());
    var details = StatusProto.fromThrowable(failed).getDetailsList();
    ErrorInfo info = find(details, ErrorInfo.class).orElse(ErrorInfo.getDefaultInstance());
    code = failed.getStatus().getCode();
    kind = Kind.of(code);
    reason = info.getReason();
    metadata = info.getMetadataMap();
    violations =
        find(details, BadRequest.class).orElse(BadRequest.getDefaultInstance()).getFieldViolationsList().stream()
            .map(one -> new Violation(one.getField(), one.getDescription()))
            .toList();
    retryAfter =
        find(details, RetryInfo.class)
            .map(one -> Duration.ofSeconds(one.getRetryDelay().getSeconds(), one.getRetryDelay().getNanos()))
            .orElse(null);
    requestId = find(details, RequestInfo.class).map(RequestInfo::getRequestId).orElse("");
  }

  /** The status code of gRPC. */
  public Status.Code code() {
    return code;
  }

  /** What a caller can do about it. */
  public Kind kind() {
    return kind;
  }

  /** The service's own word, stable; empty if the service was not reached. */
  public String reason() {
    return reason;
  }

  /** What the reason says more. */
  public Map<String, String> metadata() {
    return metadata;
  }

  /** Every broken rule, of an invalid request. */
  public List<Violation> violations() {
    return violations;
  }

  /** When to try again, where that may help. */
  public Optional<Duration> retryAfter() {
    return Optional.ofNullable(retryAfter);
  }

  /** Finds the call in the service's log. */
  public String requestId() {
    return requestId;
  }

  private static <M extends com.google.protobuf.Message> Optional<M> find(List<Any> details, Class<M> kind) {
    for (Any detail : details) {
      if (detail.is(kind)) {
        try {
          return Optional.of(detail.unpack(kind));
        } catch (InvalidProtocolBufferException broken) {
          return Optional.empty();
        }
      }
    }
    return Optional.empty();
  }
}
