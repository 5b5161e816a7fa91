/** Client of Goldthread: who is this customer, and what happened. */
export { Client, type Connection } from "./client.js";
export { GoldthreadError, type ErrorKind, type Violation } from "./errors.js";
export { identifier, IDENTIFIER_KINDS, type IdentifierKind } from "./identifiers.js";
export { CustomerEvent, Purchase } from "./gen/goldthread/v1/event.js";
export { Identifier, IdentifierType } from "./gen/goldthread/v1/identity.js";
export { BatchLookupResult, LookupOutcome, LookupResponse, QuestionKind } from "./gen/goldthread/v1/lookup_service.js";
export { Card, Tier } from "./gen/goldthread/v1/profile.js";
export { Confirmation, ConfirmationAnswer, ConfirmationOutcome, Decision, ResolveResponse } from "./gen/goldthread/v1/resolver_service.js";
export * as profiles from "./gen/goldthread/v1/profile_service.js";
export * as steward from "./gen/goldthread/v1/steward_service.js";
