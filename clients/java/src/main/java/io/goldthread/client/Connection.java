package io.goldthread.client;

import java.time.Duration;
import java.util.Objects;

/**
 * Where the service is and how it is called. Deadlines bound a call with all its retries.
 *
 * @param target host:port
 * @param token of the credential, if the service checks callers; else empty
 * @param tls whether to encrypt, against the certificates of the Java runtime
 * @param lookupTimeout for lookups, at which somebody waits at a till
 * @param callTimeout for all other calls
 */
public record Connection(String target, String token, boolean tls, Duration lookupTimeout, Duration callTimeout) {

  public Connection {
    Objects.requireNonNull(target, "target");
    Objects.requireNonNull(token, "token");
  }

  /** A connection without encryption and credential, with 2 s for lookups and 10 s for other calls. */
  public static Connection to(String target) {
    return new Connection(target, "", false, Duration.ofSeconds(2), Duration.ofSeconds(10));
  }

  /** The same with a credential. */
  public Connection withToken(String other) {
    return new Connection(target, other, tls, lookupTimeout, callTimeout);
  }

  /** The same with another time for lookups: the first of a cold JVM takes longer than all that follow. */
  public Connection withLookupTimeout(Duration other) {
    return new Connection(target, token, tls, other, callTimeout);
  }

  /** The same, encrypted. */
  public Connection withTls() {
    return new Connection(target, token, true, lookupTimeout, callTimeout);
  }

  /** Never shows the token. */
  @Override
  public String toString() {
    return "Connection[target=" + target + ", tls=" + tls + "]";
  }
}
