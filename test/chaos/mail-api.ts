/**
 * The kill test's mail API, with the provider's key rules and a record of whom it mailed.
 *
 * Owns what was taken, under which key and when, and what each call was answered. Does not judge the caller.
 * Invariants: only acceptance is recorded, whatever is answered; a call whose body did not arrive whole is not taken; a
 * call that arrived is taken also when its caller was killed.
 *
 * Key rules as Resend documents them (https://resend.com/docs/dashboard/emails/idempotency-keys): a key is remembered
 * for 24 hours; the same payload gets the first answer again, another payload a 409; while the first call is being
 * worked on, a 409 too. What is not documented is an option: whether content is checked before keys, and whether an
 * error is remembered under its key.
 *
 * @module
 */
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises';
import { retryAfterHeader } from '../support/fault-proxy.ts';
import {
  drawFault,
  foreignAnswer,
  nameOfFault,
  nameOfOutage,
  ownRefusal,
  ownSuccess,
  type Fault,
  type Outage,
  type Provider,
  type WireAnswer,
} from './mail-faults.ts';

/** One call, as the mail API saw it. */
export interface Call {
  /** Place in the order of arrival. */
  index: number;
  /** When its head arrived, epoch milliseconds. */
  at: number;
  key: string | null;
  provider: Provider;
  /** Of the mails' tags; empty while the body has not arrived. */
  sessionId: string;
  leadIds: number[];
  addresses: string[];
  fault: string;
  /** `taken`: mails were sent. `replayed`: they had been before, under this key. */
  effect: 'none' | 'taken' | 'replayed';
  /** Mails that this call sent. */
  takenLeadIds: number[];
  /** Leads whose mail the provider refused in its own words for what is in it. */
  refusedLeadIds: number[];
  /** What the caller can know: the provider said that it took it, that it did not, or neither. */
  answer: 'accepted' | 'refused' | 'doubt';
  status: number | null;
  /** When the answer, or the connection's end, left; null while it is open. */
  endedAt: number | null;
}

/** What providers differ in; may change between rounds. */
export interface MailApiRules {
  /** Look at addresses before keys: a repeat of what was taken may be refused for what is in it. */
  checksContentFirst?: boolean;
  /** A 5xx is remembered under its key and answered again for as long as a success is. */
  remembersErrors?: boolean;
  /**
   * The negative controls: keys mean nothing; or each attempt is seen under a key of its own, as if the product
   * made one.
   */
  control?: 'forget-keys' | 'key-per-attempt';
}

export interface MailApiOptions {
  /** Uniform numbers in [0, 1): which call meets what. */
  random: () => number;
  /** Epoch milliseconds. */
  now?: () => number;
}

const keyLifeMs = 24 * 60 * 60 * 1_000;

interface KnownKey {
  hash: string;
  at: number;
  /** Null while the first call is worked on. */
  answer: WireAnswer | null;
}

interface Mail {
  to: string;
  leadId: number;
  sessionId: string;
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/** The mails of a payload, in either provider's shape. */
function mailsOf(body: string): Mail[] {
  const parsed: unknown = JSON.parse(body);
  if (!Array.isArray(parsed)) return [];
  return (parsed as Record<string, unknown>[]).map((mail) => {
    const tags = Array.isArray(mail['tags'])
      ? Object.fromEntries((mail['tags'] as { name: string; value: string }[]).map((t) => [t.name, t.value]))
      : ((mail['Metadata'] ?? {}) as Record<string, unknown>);
    const to = mail['to'] ?? mail['To'];
    return {
      to: text(Array.isArray(to) ? to[0] : to),
      leadId: Number(tags['lead']),
      sessionId: text(tags['session']),
    };
  });
}

export class MailApi {
  readonly calls: Call[] = [];
  /** Connections refused by a closed port are not seen; everything else that broke a rule of the wire is. */
  readonly complaints: string[] = [];
  /** Addresses that are refused for good, in the provider's words. */
  readonly inactive = new Set<string>();
  /** Chance of a call to meet a drawn fault, 0 to 1. */
  faultChance = 0;
  /** Chance of a call that was taken and is in doubt to have an address that is refused from then on. */
  bounceChance = 0;
  /** How long answers take, at most; half of it before the call is taken. */
  latencyMs = 200;

  rules: MailApiRules = {};

  readonly #random: () => number;
  readonly #now: () => number;
  readonly #keys = new Map<string, KnownKey>();
  readonly #sockets = new Set<Socket>();
  #outage: Outage | null = null;
  #server: Server | null = null;
  #port = 0;
  #mailCount = 0;

  constructor(options: MailApiOptions) {
    this.#random = options.random;
    this.#now = options.now ?? Date.now;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  get outage(): string | null {
    return this.#outage === null ? null : nameOfOutage(this.#outage);
  }

  /**
   * A place in the order of arrival: calls with this index or a higher one were not on the wire yet.
   *
   * What a client has written before now is in our sockets already, because loopback delivers at once; a few
   * turns of the event loop accept and read all of it (a new connection takes two: accept, then read).
   */
  async position(): Promise<number> {
    for (let count = 0; count < 4; count++) await turn();
    return this.calls.length;
  }

  /** Calls of a session that have no answer yet. */
  openCount(sessionId: string): number {
    return this.calls.filter((call) => call.sessionId === sessionId && call.endedAt === null).length;
  }

  /** Calls by the fault they met. */
  faultCounts(): Map<string, number> {
    const counts = new Map<string, number>();
    for (const { fault } of this.calls) if (fault !== 'none') counts.set(fault, (counts.get(fault) ?? 0) + 1);
    return counts;
  }

  /** From here on every call meets this. */
  async begin(outage: Outage): Promise<void> {
    this.#outage = outage;
    if (outage.kind === 'refused') await this.#stopListening();
  }

  /** From here on all is well again; calls that hang go on hanging until their callers give up. */
  async recover(): Promise<void> {
    this.#outage = null;
    await this.listen();
  }

  async listen(): Promise<void> {
    if (this.#server !== null) return;
    const server = createServer((incoming, outgoing) => {
      this.#handle(incoming, outgoing).catch((error: unknown) => {
        this.complaints.push(String(error));
        incoming.socket.destroy();
      });
    });
    server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
      // Callers are killed; their connections are reset.
      socket.on('error', () => undefined);
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.#port, '127.0.0.1', resolve);
    });
    this.#port = (server.address() as AddressInfo).port;
    this.#server = server;
  }

  async close(): Promise<void> {
    await this.#stopListening();
  }

  async #stopListening(): Promise<void> {
    const server = this.#server;
    if (server === null) return;
    this.#server = null;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  async #handle(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const provider = incoming.url === '/email/batch' ? 'postmark' : 'resend';
    if (incoming.method !== 'POST' || (provider === 'resend' && incoming.url !== '/emails/batch')) {
      this.complaints.push(`${incoming.method ?? ''} ${incoming.url ?? ''} is no call of a mail API`);
      outgoing.writeHead(404).end();
      return;
    }
    const header = incoming.headers['idempotency-key'];
    const call: Call = {
      index: this.calls.length,
      at: this.#now(),
      key: provider === 'resend' && typeof header === 'string' ? header : null,
      provider,
      sessionId: '',
      leadIds: [],
      addresses: [],
      fault: 'none',
      effect: 'none',
      takenLeadIds: [],
      refusedLeadIds: [],
      answer: 'doubt',
      status: null,
      endedAt: null,
    };
    this.calls.push(call);
    outgoing.on('close', () => {
      call.endedAt ??= this.#now();
      // Not all of the answer left: its caller cannot know what it said.
      if (!outgoing.writableFinished) call.answer = 'doubt';
    });
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of incoming as AsyncIterable<Buffer>) chunks.push(chunk);
    } catch {
      return; // killed while it was sending
    }
    const body = Buffer.concat(chunks).toString();
    const mails = mailsOf(body);
    call.sessionId = mails[0]?.sessionId ?? '';
    call.leadIds = mails.map((mail) => mail.leadId);
    call.addresses = mails.map((mail) => mail.to.toLowerCase());
    this.#checkWire(call, incoming, mails);
    const answer = await this.#meet(call, body, mails);
    // Its caller died, or gave up, while it was worked on.
    if (outgoing.closed) call.answer = 'doubt';
    if (answer === 'hang') return;
    call.endedAt ??= this.#now();
    if (answer === 'drop' || answer === 'reset') {
      if (answer === 'drop') incoming.socket.destroy();
      else incoming.socket.resetAndDestroy();
      return;
    }
    call.status = answer.status;
    outgoing.writeHead(answer.status, {
      ...answer.headers,
      'content-length': String(Buffer.byteLength(answer.body)),
    });
    outgoing.end(answer.body);
  }

  /** What a provider would not say, but an operator wants to know. */
  #checkWire(call: Call, incoming: IncomingMessage, mails: readonly Mail[]): void {
    if (call.provider === 'resend' && call.key === null) this.complaints.push('a call without a key');
    if ((incoming.headers['user-agent'] ?? '') === '') this.complaints.push('a call without a User-Agent');
    if (/@/.test(`${call.key ?? ''}${incoming.url ?? ''}`))
      this.complaints.push('an address in a key or URL');
    if (new Set(mails.map((mail) => mail.sessionId)).size > 1)
      this.complaints.push('two sessions in one call');
  }

  /** Lets the call meet what is drawn for it. */
  async #meet(
    call: Call,
    body: string,
    mails: readonly Mail[],
  ): Promise<WireAnswer | 'hang' | 'drop' | 'reset'> {
    const random = this.#random;
    const outage = this.#outage;
    const isRepeated = this.#isRepeated(call);
    const fault: Fault | null =
      outage !== null && outage.kind !== 'refused'
        ? outage
        : random() < this.faultChance * (isRepeated ? 2 : 1)
          ? drawFault(random, isRepeated)
          : null;
    const latencyMs = random() * this.latencyMs;
    if (fault === null) return this.#take(call, body, mails, latencyMs);
    call.fault = nameOfFault(fault);
    const takeFirst = async (when: 'before' | 'after'): Promise<void> => {
      if (when === 'after') await this.#take(call, body, mails, latencyMs);
      // A mail that was taken bounces for good before the repeat comes: its address is refused from now on.
      const [bounced] = call.addresses;
      if (call.effect === 'taken' && bounced !== undefined && random() < this.bounceChance)
        this.inactive.add(bounced);
      // Whatever the provider said: its caller is told something else.
      call.answer = 'doubt';
      call.refusedLeadIds = [];
    };
    switch (fault.kind) {
      case 'error': {
        await takeFirst(fault.when);
        const answer = fault.isForeign
          ? foreignAnswer(fault.status)
          : ownRefusal(call.provider, {
              status: fault.status,
              name: 'internal_server_error',
              code: 500,
              message: 'Something went wrong.',
            });
        if (this.rules.remembersErrors === true && call.key !== null && !fault.isForeign)
          this.#remember(call.key, body, answer);
        return answer;
      }
      case 'drop':
      case 'reset':
      case 'hang':
        await takeFirst(fault.when);
        return fault.kind;
      case 'garbage':
        await takeFirst(fault.when);
        return foreignAnswer(200);
      case 'truncate': {
        const answer = await this.#take(call, body, mails, latencyMs);
        if (call.effect === 'none') return answer;
        call.answer = 'doubt';
        return { ...answer, body: answer.body.slice(0, answer.body.length / 2) };
      }
      case 'partial': {
        const answer = await this.#take(call, body, mails, latencyMs);
        if (call.effect === 'none' || mails.length < 2) return answer;
        call.answer = 'doubt';
        return ownSuccess(
          call.provider,
          mails.slice(1).map(({ to }) => ({ id: 'partial', to })),
        );
      }
      case 'edge':
        return foreignAnswer(fault.status);
      case 'throttle':
        call.answer = 'refused';
        return ownRefusal(
          call.provider,
          { status: 429, name: 'rate_limit_exceeded', code: 429, message: 'Too many requests.' },
          retryAfterHeader(fault.form, fault.seconds, this.#now()),
        );
      case 'quota':
        call.answer = 'refused';
        return ownRefusal(call.provider, {
          // Postmark has no daily quota; an account without credits is its 405.
          status: call.provider === 'resend' ? 429 : 422,
          name: `${fault.scope}_quota_exceeded`,
          code: 405,
          message: `You have reached your ${fault.scope} quota.`,
        });
      case 'auth':
        call.answer = 'refused';
        return ownRefusal(call.provider, {
          status: fault.status,
          name: fault.status === 401 ? 'missing_api_key' : 'invalid_api_key',
          code: 10,
          message: 'The API key is invalid.',
        });
      case 'invalid':
        return this.#refuseContent(call, call.leadIds, 'Invalid `to` field.');
      case 'slow':
        return this.#take(call, body, mails, fault.ms);
      default:
        return fault satisfies never;
    }
  }

  /** Whether an earlier call under this key ended in doubt. */
  #isRepeated({ key, index }: Call): boolean {
    return (
      key !== null &&
      this.calls.some((call) => call.key === key && call.index < index && call.answer === 'doubt')
    );
  }

  #refuseContent(call: Call, leadIds: number[], message: string): WireAnswer {
    call.answer = 'refused';
    call.refusedLeadIds = leadIds;
    return ownRefusal(call.provider, { status: 422, name: 'validation_error', code: 300, message });
  }

  /** The provider proper: keys, content, the book. */
  async #take(call: Call, body: string, mails: readonly Mail[], ms: number): Promise<WireAnswer> {
    const key =
      call.key !== null && this.rules.control === 'key-per-attempt'
        ? `${call.key} ${String(call.index)}`
        : call.key;
    const hash = createHash('sha256').update(body).digest('hex');
    if (this.rules.checksContentFirst === true) {
      const refused = this.#refusedContent(call, mails);
      if (refused !== null) return refused;
    }
    const known = key === null || this.rules.control === 'forget-keys' ? undefined : this.#keys.get(key);
    if (known !== undefined && this.#now() - known.at < keyLifeMs) {
      if (known.hash !== hash) {
        return ownRefusal(call.provider, {
          status: 409,
          name: 'invalid_idempotent_request',
          code: 409,
          message: 'The key was used with another payload.',
        });
      }
      if (known.answer === null) {
        return ownRefusal(call.provider, {
          status: 409,
          name: 'concurrent_idempotent_requests',
          code: 409,
          message: 'Another request with this key is in progress.',
        });
      }
      if (known.answer.status === 200) {
        call.effect = 'replayed';
        call.answer = 'accepted';
      }
      return known.answer;
    }
    if (this.rules.checksContentFirst !== true) {
      const refused = this.#refusedContent(call, mails);
      if (refused !== null) return refused;
    }
    const entry: KnownKey = { hash, at: this.#now(), answer: null };
    if (key !== null) this.#keys.set(key, entry);
    await sleep(ms / 2);
    const results = mails.map(({ to, leadId }) => {
      // Resend takes all or none; Postmark takes or refuses each by itself.
      if (call.provider === 'postmark' && this.inactive.has(to.toLowerCase())) {
        call.refusedLeadIds.push(leadId);
        return { id: null, to };
      }
      call.takenLeadIds.push(leadId);
      return { id: `mail-${String(++this.#mailCount)}`, to };
    });
    call.effect = 'taken';
    call.answer = 'accepted';
    entry.answer = ownSuccess(call.provider, results);
    await sleep(ms / 2);
    return entry.answer;
  }

  /** Resend's strict validation: one bad address refuses the call; sometimes it says which. */
  #refusedContent(call: Call, mails: readonly Mail[]): WireAnswer | null {
    if (call.provider === 'postmark') return null;
    const at = mails.findIndex(({ to }) => this.inactive.has(to.toLowerCase()));
    const bad = mails[at];
    if (bad === undefined) return null;
    const isNamed = this.#random() < 0.5;
    return this.#refuseContent(
      call,
      mails.filter(({ to }) => this.inactive.has(to.toLowerCase())).map(({ leadId }) => leadId),
      isNamed ? `Invalid \`emails[${String(at)}].to\` field.` : 'Invalid `to` field.',
    );
  }

  #remember(key: string, body: string, answer: WireAnswer): void {
    const hash = createHash('sha256').update(body).digest('hex');
    this.#keys.set(key, { hash, at: this.#now(), answer });
  }
}

/** Makes a mail API that listens. */
export async function startMailApi(options: MailApiOptions): Promise<MailApi> {
  const mailApi = new MailApi(options);
  await mailApi.listen();
  return mailApi;
}
