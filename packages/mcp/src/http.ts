/**
 * The server over HTTP, behind Cloudflare Access: a conversation per MCP session.
 *
 * Invariants: a request without a valid assertion of Access reaches no tool; a conversation is only its owner's; idle
 * ones end.
 *
 * @see https://modelcontextprotocol.io/specification/2025-06-18/basic/transports
 * @see https://developers.cloudflare.com/cloudflare-one/access-controls/applications/http-apps/authorization-cookie/validating-json/
 * @module
 */
import { WebStandardStreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js';
import type { LeadActivation } from '../../client/src/index.ts';
import { createServer } from './server.ts';

/** Who asks, or null where the assertion is missing or not valid. */
export type Authenticate = (assertion: string | null) => Promise<string | null>;

export interface HttpOptions {
  client: LeadActivation;
  authenticate: Authenticate;
  now: () => number;
}

/** Conversations at a time: each holds its previews in memory. */
export const maxConversationCount = 200;
/** A conversation that is not heard of for so long is over. */
export const maxIdleMs = 3_600_000;

interface Conversation {
  owner: string;
  transport: WebStandardStreamableHTTPServerTransport;
  heardAt: number;
}

const refused = (status: number, message: string): Response =>
  Response.json({ jsonrpc: '2.0', error: { code: -32_000, message }, id: null }, { status });

/** Answers the requests to `/mcp`. */
export function createHandler({
  client,
  authenticate,
  now,
}: HttpOptions): (request: Request) => Promise<Response> {
  const conversations = new Map<string, Conversation>();

  async function endIdle(): Promise<void> {
    for (const [id, { heardAt, transport }] of conversations) {
      if (now() - heardAt <= maxIdleMs) continue;
      conversations.delete(id);
      await transport.close();
    }
  }

  async function begin(owner: string): Promise<WebStandardStreamableHTTPServerTransport> {
    const transport: WebStandardStreamableHTTPServerTransport = new WebStandardStreamableHTTPServerTransport({
      sessionIdGenerator: () => crypto.randomUUID(),
      onsessioninitialized: (id) => {
        conversations.set(id, { owner, transport, heardAt: now() });
      },
      onsessionclosed: (id) => {
        conversations.delete(id);
      },
    });
    await createServer(client).connect(transport);
    return transport;
  }

  return async (request) => {
    if (new URL(request.url).pathname !== '/mcp') return refused(404, 'There is only /mcp.');
    const owner = await authenticate(request.headers.get('cf-access-jwt-assertion'));
    if (owner === null) return refused(401, 'Sign in through Cloudflare Access.');
    await endIdle();
    const id = request.headers.get('mcp-session-id');
    if (id === null) {
      if (conversations.size >= maxConversationCount)
        return refused(503, 'There are too many conversations.');
      return (await begin(owner)).handleRequest(request);
    }
    const conversation = conversations.get(id);
    // That of somebody else is as unknown as one that never was.
    if (conversation?.owner !== owner) return refused(404, 'This conversation is over. Begin a new one.');
    conversation.heardAt = now();
    return conversation.transport.handleRequest(request);
  };
}
