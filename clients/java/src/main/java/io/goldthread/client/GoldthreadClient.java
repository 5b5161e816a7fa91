package io.goldthread.client;

import com.google.gson.Gson;
import goldthread.v1.Event.CustomerEvent;
import goldthread.v1.Identity.Identifier;
import goldthread.v1.LookupServiceGrpc;
import goldthread.v1.LookupServiceOuterClass.BatchLookupRequest;
import goldthread.v1.LookupServiceOuterClass.BatchLookupResult;
import goldthread.v1.LookupServiceOuterClass.LookupRequest;
import goldthread.v1.LookupServiceOuterClass.LookupResponse;
import goldthread.v1.ProfileServiceGrpc;
import goldthread.v1.ResolverServiceGrpc;
import goldthread.v1.ResolverServiceOuterClass.ResolveRequest;
import goldthread.v1.ResolverServiceOuterClass.ResolveResponse;
import goldthread.v1.StewardServiceGrpc;
import io.grpc.ClientInterceptor;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.StatusRuntimeException;
import io.grpc.TlsChannelCredentials;
import io.grpc.stub.AbstractBlockingStub;
import io.grpc.stub.MetadataUtils;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;

/**
 * Who is this customer, and what happened. One connection, for any number of threads; made once and kept. UNAVAILABLE is retried
 * up to four times in all, with growing pauses.
 */
public final class GoldthreadClient implements AutoCloseable {
  private static final long CLOSE_SECONDS = 5;

  private final Connection connection;
  private final ManagedChannel channel;
  private final LookupServiceGrpc.LookupServiceBlockingStub lookup;
  private final ProfileServiceGrpc.ProfileServiceBlockingStub profiles;
  private final ResolverServiceGrpc.ResolverServiceBlockingStub resolver;
  private final StewardServiceGrpc.StewardServiceBlockingStub steward;

  /** Does not wait for the service: the first call connects. */
  public GoldthreadClient(Connection connection) {
    this.connection = connection;
    this.channel =
        Grpc.newChannelBuilder(
                connection.target(), connection.tls() ? TlsChannelCredentials.create() : InsecureChannelCredentials.create())
            .defaultServiceConfig(serviceConfig())
            .enableRetry()
            .keepAliveTime(1, TimeUnit.MINUTES)
            .intercept(credential(connection.token()))
            .build();
    this.lookup = LookupServiceGrpc.newBlockingStub(channel);
    this.profiles = ProfileServiceGrpc.newBlockingStub(channel);
    this.resolver = ResolverServiceGrpc.newBlockingStub(channel);
    this.steward = StewardServiceGrpc.newBlockingStub(channel);
  }

  /** Who an identifier belongs to. What can be expected is an outcome; everything else is a {@link GoldthreadException}. */
  public LookupResponse lookup(Identifier identifier) {
    return lookup(identifier, 0);
  }

  /** The same as of a version of the ledger or later, such as that of {@code ResolveResponse}. */
  public LookupResponse lookup(Identifier identifier, long minVersion) {
    LookupRequest request = LookupRequest.newBuilder().setIdentifier(identifier).setMinVersion(minVersion).build();
    return call(lookup, connection.lookupTimeout(), stub -> stub.lookup(request));
  }

  /** Up to 100 lookups in one call, answered in their order: each has a response, or a failure with its reason. */
  public List<BatchLookupResult> lookupMany(List<Identifier> identifiers) {
    BatchLookupRequest.Builder request = BatchLookupRequest.newBuilder();
    identifiers.forEach(one -> request.addRequests(LookupRequest.newBuilder().setIdentifier(one)));
    return call(lookup, connection.callTimeout(), stub -> stub.batchLookup(request.build())).getResultsList();
  }

  /** Takes an event and says whose it is. Durable once it returns; repeating it is harmless. */
  public ResolveResponse resolve(CustomerEvent event) {
    return resolve(ResolveRequest.newBuilder().setEvent(event).build());
  }

  /** The same with a preview, a request id, or what the customer answered to the question of a lookup. */
  public ResolveResponse resolve(ResolveRequest request) {
    return call(resolver, connection.callTimeout(), stub -> stub.resolve(request));
  }

  /** Any unary call of the profiles' service, with credential, deadline, retries and typed errors. */
  public <R> R profiles(Function<ProfileServiceGrpc.ProfileServiceBlockingStub, R> call) {
    return call(profiles, connection.callTimeout(), call);
  }

  /** Any call of the stewards' service, with credential, deadline, retries and typed errors. */
  public <R> R steward(Function<StewardServiceGrpc.StewardServiceBlockingStub, R> call) {
    return call(steward, connection.callTimeout(), call);
  }

  /** Ends the connection; calls under way are given a moment. */
  @Override
  public void close() {
    channel.shutdown();
    try {
      if (!channel.awaitTermination(CLOSE_SECONDS, TimeUnit.SECONDS)) {
        channel.shutdownNow();
      }
    } catch (InterruptedException interrupted) {
      channel.shutdownNow();
      Thread.currentThread().interrupt();
    }
  }

  private static <S extends AbstractBlockingStub<S>, R> R call(S stub, Duration timeout, Function<S, R> call) {
    try {
      return call.apply(stub.withDeadlineAfter(timeout));
    } catch (StatusRuntimeException failed) {
      throw new GoldthreadException(failed);
    }
  }

  private static ClientInterceptor credential(String token) {
    Metadata headers = new Metadata();
    if (!token.isEmpty()) {
      headers.put(Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER), "Bearer " + token);
    }
    return MetadataUtils.newAttachHeadersInterceptor(headers);
  }

  @SuppressWarnings("unchecked")
  private static Map<String, Object> serviceConfig() {
    try (var stream = GoldthreadClient.class.getResourceAsStream("service_config.json");
        var reader = new InputStreamReader(stream, StandardCharsets.UTF_8)) {
      return new Gson().fromJson(reader, Map.class);
    } catch (IOException failed) {
      throw new UncheckedIOException(failed);
    }
  }
}
