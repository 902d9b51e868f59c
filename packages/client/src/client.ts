/**
 * The client: what a program does with Lead Activation, as functions. Every operation of the API is there by its path
 * ({@link LeadActivation.request}); the usual ones have a name.
 *
 * @module
 */
import type { Progress } from '../../../src/shared/progress.ts';
import { newSessionId } from '../../../src/shared/session-id.ts';
import type { components, operations, paths } from './api.ts';
import { follow, type FollowOptions } from './follow.ts';
import { systemClock, Transport, type Clock } from './transport.ts';

export type Schemas = components['schemas'];
/** What an activation is started with, without its id. */
export type ActivationRequest = Omit<Schemas['ActivationStartRequest'], 'sessionId'> & {
  /** Made when absent. Give one, and store it before, where a start must survive the end of this program. */
  sessionId?: string;
};
/** What would be done, and its hash, which a start is held to. */
export type Preview = Schemas['HashedManifest'];
export type LeadResult = Schemas['LeadResult'];
/** Which results are given: all where nothing is named. */
export type ResultFilter = Omit<
  NonNullable<operations['listActivationLeads']['parameters']['query']>,
  'cursor' | 'limit'
>;

export interface ClientOptions {
  /** Where the product is: `https://leads.example.com`. */
  url: string | URL;
  /** A service token of Cloudflare Access. Absent in local development, and where a browser has signed in. */
  token?: { clientId: string; clientSecret: string };
  /** Headers of each request, for a sign-in of another kind. */
  headers?: Readonly<Record<string, string>>;
  /** How long a request without an answer is repeated, in milliseconds; two minutes by default. */
  giveUpAfterMs?: number;
  fetch?: typeof fetch;
  clock?: Clock;
}

type Method = 'get' | 'post' | 'put' | 'patch' | 'delete';
/** The paths that have this method. */
export type PathOf<M extends Method> = {
  [P in keyof paths]: paths[P] extends { [Key in M]: { responses: object } } ? P : never;
}[keyof paths];
type OperationOf<M extends Method, P extends PathOf<M>> = paths[P][M & keyof paths[P]];
type JsonOf<T> = T extends { content: { 'application/json': infer Body } } ? Body : undefined;
type Success<T> = T extends { responses: infer Answers }
  ? {
      [Status in keyof Answers & (200 | 201 | 202 | 204)]: JsonOf<Answers[Status]>;
    }[keyof Answers & (200 | 201 | 202 | 204)]
  : never;
type QueryValue = string | number | boolean | null | undefined;
/** What has no properties. */
type None = Readonly<Record<string, never>>;
/** A part that an operation has not is `never` in its type. */
type OrNone<T> = [NonNullable<T>] extends [never] ? None : NonNullable<T>;
type ParametersOf<T, Kind extends 'path' | 'query'> = T extends {
  parameters: { [Key in Kind]?: infer Value };
}
  ? OrNone<Value>
  : None;
type BodyOf<T> = T extends { requestBody: { content: { 'application/json': infer Body } } }
  ? Body
  : undefined;
/** A property that is required where something in it is. */
type Part<Name extends string, Value> = None extends Value
  ? { [Key in Name]?: Value }
  : { [Key in Name]: Value };

/** What a request needs beside its path. */
export type RequestOptions<T> = Part<'params', ParametersOf<T, 'path'>> &
  Part<'query', ParametersOf<T, 'query'>> &
  (undefined extends BodyOf<T> ? { body?: None } : { body: BodyOf<T> }) & {
    headers?: Readonly<Record<string, string>>;
    signal?: AbortSignal;
    /** The same request twice is the same as once. True of every method but POST, where the caller says so. */
    isRepeatable?: boolean;
  };

/** The most that a page of results holds. */
const pageSize = 500;

/** Makes the id of an activation, for a program that stores it before it starts. */
export const makeSessionId = (): string =>
  newSessionId(Date.now(), (count) => crypto.getRandomValues(new Uint8Array(count)));

/** Makes a client of one installation. */
export function createClient(options: ClientOptions): LeadActivation {
  return new LeadActivation(options);
}

export class LeadActivation {
  readonly #transport: Transport;

  constructor({ url, token, headers, giveUpAfterMs = 120_000, fetch: send, clock }: ClientOptions) {
    // A program in JavaScript gives what its environment has, which may be nothing.
    if (!URL.canParse(String(url)))
      throw new TypeError(`url is ${String(url)}, and not an address like https://leads.example.com.`);
    if (token !== undefined && !(token.clientId && token.clientSecret)) {
      throw new TypeError('token needs clientId and clientSecret; without a sign-in, leave it out.');
    }
    this.#transport = new Transport({
      baseUrl: String(url).replace(/\/+$/, ''),
      headers: {
        ...(token === undefined
          ? {}
          : { 'cf-access-client-id': token.clientId, 'cf-access-client-secret': token.clientSecret }),
        ...headers,
      },
      // A browser's fetch wants to be called as a function of the window.
      send: send ?? ((input, init) => fetch(input, init)),
      clock: clock ?? systemClock,
      giveUpAfterMs,
    });
  }

  /**
   * Any operation of the API (`/docs` of the product), by its method and path.
   *
   * @returns the body of the answer; undefined where it has none
   * @throws RefusedError, SignedOutError, UnreachableError, and the reason of an aborted signal
   */
  request<M extends Method, P extends PathOf<M>>(
    method: M,
    path: P,
    ...[options]: None extends RequestOptions<OperationOf<M, P>>
      ? [RequestOptions<OperationOf<M, P>>?]
      : [RequestOptions<OperationOf<M, P>>]
  ): Promise<Success<OperationOf<M, P>>> {
    // The type of `options` depends on the operation; what is read here is what each may have.
    const { params, query, body, headers, signal, isRepeatable } = (options ?? {}) as {
      params?: Record<string, string | number>;
      query?: Record<string, QueryValue | readonly QueryValue[]>;
      body?: unknown;
      headers?: Record<string, string>;
      signal?: AbortSignal;
      isRepeatable?: boolean;
    };
    return this.#transport.request<Success<OperationOf<M, P>>>({
      method: method.toUpperCase(),
      path: fillPath(path, params ?? {}) + queryText(query ?? {}),
      body,
      ...(headers === undefined ? {} : { headers }),
      signal,
      isRepeatable: isRepeatable ?? method !== 'post',
    });
  }

  /**
   * What a start would do, by the server's present data. Changes nothing.
   *
   * @throws RefusedError - `empty_audience` where no lead matches
   */
  preview(request: Omit<ActivationRequest, 'sessionId'>, signal?: AbortSignal): Promise<Preview> {
    const { name, audience, templateId, schedule, window, waves } = request;
    return this.request('post', '/crm/activation/manifest', {
      body: {
        ...{ audience, templateId },
        ...(name === undefined ? {} : { name }),
        ...(schedule === undefined ? {} : { schedule }),
        ...(window === undefined ? {} : { window }),
        ...(waves === undefined ? {} : { waves }),
      },
      isRepeatable: true,
      ...signalOf(signal),
    });
  }

  /**
   * Starts an activation. The request is repeated until it is answered, and all repeats are one activation.
   *
   * @throws RefusedError - `manifest_changed` where `manifestHash` is given and something else would come out by now
   */
  start(request: ActivationRequest, signal?: AbortSignal): Promise<Schemas['StartedActivation']> {
    const { sessionId = makeSessionId() } = request;
    return this.request('post', '/crm/activation', {
      body: { ...request, sessionId },
      isRepeatable: true,
      ...signalOf(signal),
    });
  }

  /**
   * Each newer view of an activation until it has ended: by its stream, else by polling. One that is paused, held or
   * waits for an approval has not ended: look at `state` and `reason`, and stop following when you like.
   */
  follow(sessionId: string, options?: FollowOptions): AsyncGenerator<Progress, void, undefined> {
    return follow(this.#transport, sessionId, options);
  }

  progress(sessionId: string, signal?: AbortSignal): Promise<Schemas['Progress']> {
    return this.request('get', '/crm/activation/{sessionId}/progress', {
      params: { sessionId },
      ...signalOf(signal),
    });
  }

  /** What became of each lead, page by page. */
  async *results(
    sessionId: string,
    filter: ResultFilter = {},
    signal?: AbortSignal,
  ): AsyncGenerator<LeadResult, void, undefined> {
    let cursor: string | null = null;
    do {
      const page: Schemas['LeadResultPage'] = await this.request('get', '/crm/activation/{sessionId}/leads', {
        params: { sessionId },
        query: { ...filter, limit: pageSize, ...(cursor === null ? {} : { cursor }) },
        ...signalOf(signal),
      });
      yield* page.leads;
      cursor = page.nextCursor;
    } while (cursor !== null);
  }

  /** No call leaves after the answer. */
  pause(sessionId: string): Promise<Schemas['Progress']> {
    return this.#command(sessionId, 'pause');
  }
  resume(sessionId: string): Promise<Schemas['Progress']> {
    return this.#command(sessionId, 'resume');
  }
  /** Final. Whoever was not mailed becomes new again. */
  cancel(sessionId: string): Promise<Schemas['Progress']> {
    return this.#command(sessionId, 'cancel');
  }
  /** A cancel that is only possible before the first lead is touched. */
  undo(sessionId: string): Promise<Schemas['Progress']> {
    return this.#command(sessionId, 'undo');
  }
  /** Begins a scheduled activation now. */
  startNow(sessionId: string): Promise<Schemas['Progress']> {
    return this.#command(sessionId, 'start-now');
  }
  /** Asks the provider about mail in doubt. Mails nobody twice. */
  check(sessionId: string): Promise<Schemas['Progress']> {
    return this.#command(sessionId, 'check');
  }
  #command(
    sessionId: string,
    command: 'pause' | 'resume' | 'cancel' | 'undo' | 'start-now' | 'check',
  ): Promise<Schemas['Progress']> {
    return this.request('post', `/crm/activation/{sessionId}/${command}`, {
      params: { sessionId },
      body: {},
      isRepeatable: true,
    });
  }

  /**
   * Begins the next wave of an activation that is held, or whose wave is watched.
   *
   * @param after - number of the present wave: a repeat of the request never passes a second one
   * @param hold - `waveHeld.hold` of what the person has seen, 0 where the wave was not held: nothing that has held it
   *   since is gone on from
   */
  nextWave(sessionId: string, after: number, hold?: number): Promise<Schemas['Progress']> {
    return this.request('post', '/crm/activation/{sessionId}/next-wave', {
      params: { sessionId },
      body: { after, ...(hold === undefined ? {} : { hold }) },
      isRepeatable: true,
    });
  }

  /** Sends the mail that certainly did not leave. Mails nobody twice. Not repeated where it was not answered. */
  retryFailed(sessionId: string): Promise<Schemas['Progress']> {
    return this.request('post', '/crm/activation/{sessionId}/retry', {
      params: { sessionId },
      body: { outcome: 'failed' },
    });
  }

  /** The receipt of an activation that has ended, as lines of JSON; `npx lead-activation verify` checks it. */
  receipt(sessionId: string, signal?: AbortSignal): Promise<ReadableStream<Uint8Array>> {
    return this.#download(fillPath('/crm/activation/{sessionId}/receipt', { sessionId }), signal);
  }

  /** What became of each lead as CSV, safe to open in a spreadsheet. */
  resultsCsv(sessionId: string, signal?: AbortSignal): Promise<ReadableStream<Uint8Array>> {
    return this.#download(fillPath('/crm/activation/{sessionId}/leads.csv', { sessionId }), signal);
  }

  async #download(path: string, signal: AbortSignal | undefined): Promise<ReadableStream<Uint8Array>> {
    const { body } = await this.#transport.request({
      method: 'GET',
      path,
      headers: { accept: '*/*' },
      signal,
      isRepeatable: true,
      isLong: true,
      read: (response) => Promise.resolve(response),
    });
    if (body === null) throw new TypeError(`${path} has no body.`);
    return body;
  }
}

const signalOf = (signal: AbortSignal | undefined): { signal?: AbortSignal } =>
  signal === undefined ? {} : { signal };

function fillPath(path: string, params: Readonly<Record<string, string | number>>): string {
  return path.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = params[name];
    if (value === undefined) throw new TypeError(`${path} needs ${name}.`);
    return encodeURIComponent(String(value));
  });
}

/** A query of the values that are set; a list is a parameter that comes more than once. */
function queryText(values: Readonly<Record<string, QueryValue | readonly QueryValue[]>>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    for (const one of [value].flat()) {
      if (one !== null && one !== undefined) query.append(name, String(one));
    }
  }
  const text = query.toString();
  return text === '' ? '' : `?${text}`;
}
