package io.goldthread.client;

import goldthread.v1.Identity.Identifier;
import goldthread.v1.Identity.IdentifierType;
import java.util.Map;

/** Identifiers as typed or scanned; the service normalises them and keeps neither the value nor a bare digest of it. */
public final class Identifiers {
  private static final Map<String, IdentifierType> KINDS =
      Map.of(
          "email", IdentifierType.IDENTIFIER_TYPE_EMAIL,
          "phone", IdentifierType.IDENTIFIER_TYPE_PHONE,
          "loyalty_card", IdentifierType.IDENTIFIER_TYPE_LOYALTY_CARD,
          "crm_number", IdentifierType.IDENTIFIER_TYPE_CRM_NUMBER,
          "webshop_number", IdentifierType.IDENTIFIER_TYPE_WEBSHOP_NUMBER,
          "device", IdentifierType.IDENTIFIER_TYPE_DEVICE,
          "cookie", IdentifierType.IDENTIFIER_TYPE_COOKIE);

  private Identifiers() {}

  /** An identifier of a kind by the name that files and command lines have for it. */
  public static Identifier of(String kind, String value) {
    IdentifierType type = KINDS.get(kind);
    if (type == null) {
      throw new IllegalArgumentException("kind must be one of " + KINDS.keySet().stream().sorted().toList());
    }
    return Identifier.newBuilder().setType(type).setRaw(value).build();
  }
}
