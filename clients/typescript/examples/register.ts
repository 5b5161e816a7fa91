// A register asks who is there: `npx tsx register.ts phone "+1 415 555 2671"`. GOLDTHREAD_TARGET says where the service is.
import { Client, GoldthreadError, identifier, LookupOutcome, QuestionKind, Tier } from "@goldthread/client";
import type { IdentifierKind, LookupResponse } from "@goldthread/client";

function shown({ outcome, card, question }: LookupResponse): string {
  const who = card?.maskedName || "a customer";
  const ask = `please ask for the ${QuestionKind[question?.kind ?? 0]?.replace("QUESTION_KIND_", "").toLowerCase()}`;
  switch (outcome) {
    case LookupOutcome.LOOKUP_OUTCOME_FOUND:
      return `FOUND ${who}, ${Tier[card?.tier ?? 0]?.replace("TIER_", "").toLowerCase()}`;
    case LookupOutcome.LOOKUP_OUTCOME_NEEDS_CONFIRMATION:
      return `FOUND ${who}, ${ask}`;
    case LookupOutcome.LOOKUP_OUTCOME_AMBIGUOUS:
      return `SEVERAL people, ${ask}`;
    default:
      return "NOBODY we know";
  }
}

const [kind, value] = process.argv.slice(2) as [IdentifierKind, string];
const target = process.env["GOLDTHREAD_TARGET"] ?? "127.0.0.1:50051";
const client = new Client({ target, token: process.env["GOLDTHREAD_TOKEN"] ?? "" });
try {
  console.log(shown(await client.lookup(identifier(kind, value))));
} catch (error) {
  if (!(error instanceof GoldthreadError)) throw error;
  const fields = error.violations.map((violation) => violation.field).join(", ");
  console.log(error.kind === "invalid" ? `REFUSED ${fields}` : `OFFLINE ${error.reason || error.kind}`);
} finally {
  client.close();
}
