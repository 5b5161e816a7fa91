import { IdentifierType, type Identifier } from "./gen/goldthread/v1/identity.js";

/** Kinds by the names that files and command lines have for them. */
export const IDENTIFIER_KINDS = {
  email: IdentifierType.IDENTIFIER_TYPE_EMAIL,
  phone: IdentifierType.IDENTIFIER_TYPE_PHONE,
  loyalty_card: IdentifierType.IDENTIFIER_TYPE_LOYALTY_CARD,
  crm_number: IdentifierType.IDENTIFIER_TYPE_CRM_NUMBER,
  webshop_number: IdentifierType.IDENTIFIER_TYPE_WEBSHOP_NUMBER,
  device: IdentifierType.IDENTIFIER_TYPE_DEVICE,
  cookie: IdentifierType.IDENTIFIER_TYPE_COOKIE,
} as const;

export type IdentifierKind = keyof typeof IDENTIFIER_KINDS;

/**
 * An identifier as typed or scanned; the service normalises it and keeps neither the value nor a bare digest of it.
 * A namespace tells apart two loyalty programmes or the like. Throws a RangeError for a kind that there is not.
 */
export function identifier(kind: IdentifierKind, value: string, namespace = ""): Identifier {
  const type = Object.hasOwn(IDENTIFIER_KINDS, kind) ? IDENTIFIER_KINDS[kind] : undefined;
  if (type === undefined) {
    throw new RangeError(`kind must be one of ${Object.keys(IDENTIFIER_KINDS).join(", ")}`);
  }
  return { type, namespace, value: { $case: "raw", value } };
}
