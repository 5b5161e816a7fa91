import goldthread.v1.LookupServiceOuterClass.LookupResponse;
import io.goldthread.client.Connection;
import io.goldthread.client.GoldthreadClient;
import io.goldthread.client.GoldthreadException;
import io.goldthread.client.Identifiers;
import java.time.Duration;
import java.util.Map;

/** A register asks who is there: its arguments are a kind and a value. GOLDTHREAD_TARGET says where the service is. */
public final class Register {
  private static String shown(LookupResponse answer) {
    String name = answer.getCard().getMaskedName().isEmpty() ? "a customer" : answer.getCard().getMaskedName();
    String ask = "please ask for the " + answer.getQuestion().getKind().name().replace("QUESTION_KIND_", "").toLowerCase();
    return switch (answer.getOutcome()) {
      case LOOKUP_OUTCOME_FOUND ->
          "FOUND " + name + ", " + answer.getCard().getTier().name().replace("TIER_", "").toLowerCase();
      case LOOKUP_OUTCOME_NEEDS_CONFIRMATION -> "FOUND " + name + ", " + ask;
      case LOOKUP_OUTCOME_AMBIGUOUS -> "SEVERAL people, " + ask;
      default -> "NOBODY we know";
    };
  }

  public static void main(String[] arguments) {
    Map<String, String> environment = System.getenv();
    Connection connection =
        Connection.to(environment.getOrDefault("GOLDTHREAD_TARGET", "127.0.0.1:50051"))
            .withToken(environment.getOrDefault("GOLDTHREAD_TOKEN", ""))
            .withLookupTimeout(Duration.ofSeconds(20)); // a cold JVM has only this one lookup
    try (GoldthreadClient client = new GoldthreadClient(connection)) {
      System.out.println(shown(client.lookup(Identifiers.of(arguments[0], arguments[1]))));
    } catch (GoldthreadException failed) {
      boolean invalid = failed.kind() == GoldthreadException.Kind.INVALID;
      String why = failed.reason().isEmpty() ? failed.kind().name() : failed.reason();
      System.out.println(invalid ? "REFUSED " + failed.violations() : "OFFLINE " + why);
    }
  }
}
