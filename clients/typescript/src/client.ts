import { readFileSync } from "node:fs";
import { credentials, Metadata, type CallOptions, type ClientUnaryCall, type ServiceError } from "@grpc/grpc-js";
import { GoldthreadError } from "./errors.js";
import { SERVICE_CONFIG } from "./gen/service_config.js";
import type { CustomerEvent } from "./gen/goldthread/v1/event.js";
import type { Identifier } from "./gen/goldthread/v1/identity.js";
import {
  BatchLookupRequest,
  LookupRequest,
  LookupServiceClient,
  type BatchLookupResponse,
  type BatchLookupResult,
  type LookupResponse,
} from "./gen/goldthread/v1/lookup_service.js";
import { ProfileServiceClient } from "./gen/goldthread/v1/profile_service.js";
import { ResolverServiceClient, ResolveRequest, type Confirmation, type ResolveResponse } from "./gen/goldthread/v1/resolver_service.js";
import { StewardServiceClient } from "./gen/goldthread/v1/steward_service.js";

/** Where the service is and how it is called. Deadlines bound a call with all its retries. */
export interface Connection {
  /** `host:port`. */
  readonly target: string;
  /** The credential's token, if the service checks callers. */
  readonly token?: string;
  /** Encrypts; with `rootCertificates`, the path of a PEM file, instead of the system's. */
  readonly tls?: boolean | { readonly rootCertificates: string };
  /** Milliseconds for lookups, at which somebody waits at a till: 2,000. */
  readonly lookupMs?: number;
  /** Milliseconds for all other calls: 10,000. */
  readonly callMs?: number;
}

type Unary<Request, Response> = (
  request: Request,
  metadata: Metadata,
  options: Partial<CallOptions>,
  callback: (error: ServiceError | null, response: Response) => void,
) => ClientUnaryCall;

/** How an event is resolved; `confirmation` is what the customer answered to the question of a lookup. */
export interface ResolveOptions {
  readonly preview?: boolean;
  readonly confirmation?: Confirmation;
  readonly ms?: number;
}

/** One connection, made once and kept. UNAVAILABLE is retried up to four times in all, with growing pauses. */
export class Client {
  /** Stubs, for `call`. */
  readonly profiles: ProfileServiceClient;
  readonly resolver: ResolverServiceClient;
  readonly steward: StewardServiceClient;
  readonly #lookup: LookupServiceClient;
  readonly #metadata = new Metadata();
  readonly #lookupMs: number;
  readonly #callMs: number;

  constructor(connection: Connection | string) {
    const { target, token, tls, lookupMs, callMs } = typeof connection === "string" ? { target: connection } as Connection : connection;
    const roots = typeof tls === "object" ? readFileSync(tls.rootCertificates) : undefined;
    const encrypted = tls ? credentials.createSsl(roots) : credentials.createInsecure();
    const options = { "grpc.service_config": JSON.stringify(SERVICE_CONFIG), "grpc.keepalive_time_ms": 60_000 };
    this.#lookup = new LookupServiceClient(target, encrypted, options);
    const channelOverride = this.#lookup.getChannel();
    this.profiles = new ProfileServiceClient(target, encrypted, { channelOverride });
    this.resolver = new ResolverServiceClient(target, encrypted, { channelOverride });
    this.steward = new StewardServiceClient(target, encrypted, { channelOverride });
    if (token) {
      this.#metadata.set("authorization", `Bearer ${token}`);
    }
    this.#lookupMs = lookupMs ?? 2_000;
    this.#callMs = callMs ?? 10_000;
  }

  /** Who an identifier belongs to. What can be expected is an `outcome`; everything else rejects with a GoldthreadError. */
  lookup(identifier: Identifier, { minVersion = 0n, ms = this.#lookupMs } = {}): Promise<LookupResponse> {
    const lookup: Unary<LookupRequest, LookupResponse> = this.#lookup.lookup.bind(this.#lookup);
    return this.call(lookup, LookupRequest.fromPartial({ identifier, minVersion }), ms);
  }

  /** Up to 100 lookups in one call, answered in their order: each is a `response`, or a `failure` with its reason. */
  async lookupMany(identifiers: readonly Identifier[], { minVersion = 0n, ms = this.#callMs } = {}): Promise<BatchLookupResult[]> {
    const lookup: Unary<BatchLookupRequest, BatchLookupResponse> = this.#lookup.batchLookup.bind(this.#lookup);
    const request = BatchLookupRequest.fromPartial({ requests: identifiers.map((identifier) => ({ identifier, minVersion })) });
    return (await this.call(lookup, request, ms)).results;
  }

  /** Takes an event and says whose it is. Durable once it resolves; repeating it is harmless, with `preview` nothing is written. */
  resolve(event: CustomerEvent, { preview = false, confirmation, ms = this.#callMs }: ResolveOptions = {}): Promise<ResolveResponse> {
    const resolve: Unary<ResolveRequest, ResolveResponse> = this.resolver.resolve.bind(this.resolver);
    return this.call(resolve, ResolveRequest.fromPartial({ event, preview, confirmation }), ms);
  }

  /** Any unary call of a stub, bound to it, with credential, deadline, retries and typed errors. */
  call<Request, Response>(method: Unary<Request, Response>, request: Request, ms: number = this.#callMs): Promise<Response> {
    return new Promise((done, failed) => {
      method(request, this.#metadata, { deadline: Date.now() + ms }, (error, response) =>
        error ? failed(new GoldthreadError(error)) : done(response),
      );
    });
  }

  /** Ends the connection; calls under way fail. */
  close(): void {
    this.#lookup.close();
  }
}
