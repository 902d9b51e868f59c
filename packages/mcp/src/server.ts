/**
 * The tools of one conversation. Tools that read are free; what mails people, or takes an activation back, needs
 * the hash of a preview that this conversation has made. There is no tool that resumes or retries: a person does that in the app.
 *
 * @module
 */
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js';
import { z } from 'zod';
import {
  makeSessionId,
  type ActivationRequest,
  type LeadActivation,
  type Schemas,
  type TakeBackChoice,
} from '../../client/src/index.ts';
import { emailStates } from '../../../src/shared/progress.ts';
import { sessionIdPattern } from '../../../src/shared/session-id.ts';
import { takeBackChoices } from '../../../src/shared/take-back.ts';
import { productVersion } from '../../../src/shared/version.ts';
import { Previews } from './previews.ts';

const sessionId = z.string().regex(sessionIdPattern).describe('Id of an activation: activation_…');
const filter = z
  .strictObject({
    status: z.enum(['new', 'active']).optional(),
    search: z.string().max(100).optional().describe('Words of a name, company or address'),
    source: z.string().max(1_000).optional(),
    stage: z.string().max(1_000).optional(),
    importId: z.string().max(64).optional(),
  })
  .describe('Which leads; every field that is given must fit');
const audience = z.union([
  z.strictObject({ filter }),
  z.strictObject({ leadIds: z.array(z.int().min(1)).min(1).max(1_000) }),
]);
const manifestHash = z.string().regex(/^[0-9a-f]{64}$/);
const limit = z.int().min(1).max(100).default(20);

const reads = { readOnlyHint: true, openWorldHint: false } as const;
const stops = {
  readOnlyHint: false,
  destructiveHint: true,
  idempotentHint: true,
  openWorldHint: false,
} as const;

/** An answer that the assistant reads, and a program too. */
const answer = (value: unknown): CallToolResult => ({
  content: [{ type: 'text', text: JSON.stringify(value) }],
});
const refusal = (words: string): CallToolResult => ({
  content: [{ type: 'text', text: words }],
  isError: true,
});

const notPreviewed = (tool: string): string =>
  `This conversation has no preview with this hash. Call ${tool}, and show the person its numbers.`;

/** Without what is undefined, so that a field that is not given is not there. */
function given<T extends object>(value: T): { [Key in keyof T]: Exclude<T[Key], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, one]) => one !== undefined)) as {
    [Key in keyof T]: Exclude<T[Key], undefined>;
  };
}

/** What a person wants to hear of a view. */
function summary(progress: Schemas['Progress']) {
  const { name, state, reason, total, processed, activation, email } = progress;
  const { finishedAt, etaSeconds, waitingFor, lastError } = progress;
  return {
    ...{ sessionId: progress.sessionId, name, state, reason, total, processed, activation, email },
    ...{ finishedAt, etaSeconds, waitingFor, lastError },
  };
}

/** The server of one conversation. */
export function createServer(client: LeadActivation): McpServer {
  const server = new McpServer(
    { name: 'lead-activation', version: productVersion },
    {
      instructions:
        'Activating a lead sends it one email that cannot be recalled. Always show the person what preview_activation answers, and call start_activation only when they have agreed to these numbers.',
    },
  );
  /** Under one id however often it is asked for: it is the same start. */
  const starts = new Previews<ActivationRequest & { sessionId: string }>();
  const takeBacks = new Previews<{ sessionId: string; choice: TakeBackChoice }>();

  /** Runs a tool; a fault becomes words that the assistant can pass on. */
  async function attempt(work: () => Promise<CallToolResult>): Promise<CallToolResult> {
    try {
      return await work();
    } catch (error) {
      return refusal(error instanceof Error ? error.message : String(error));
    }
  }

  server.registerTool(
    'list_leads',
    {
      title: 'List leads',
      description: 'Leads that fit a filter, newest first, and how many there are.',
      inputSchema: { filter: filter.default({}), limit },
      annotations: reads,
    },
    ({ filter: wanted, limit: count }) =>
      attempt(async () => {
        const page = await client.request('get', '/crm/leads', { query: { ...given(wanted), limit: count } });
        return answer({
          total: page.total,
          isTotalExact: page.isTotalExact,
          leads: page.leads.map(({ id, email, firstName, lastName, company, status, stage, source }) => ({
            id,
            email,
            firstName,
            lastName,
            company,
            status,
            stage,
            source,
          })),
        });
      }),
  );
  server.registerTool(
    'list_templates',
    {
      title: 'List templates',
      description: 'The emails that an activation can send.',
      inputSchema: {},
      annotations: reads,
    },
    () =>
      attempt(async () => {
        const { templates } = await client.request('get', '/crm/templates');
        return answer(templates.map(({ id, name, description }) => ({ id, name, description })));
      }),
  );
  server.registerTool(
    'list_activations',
    {
      title: 'List activations',
      description: 'Activations, newest first.',
      inputSchema: { limit },
      annotations: reads,
    },
    ({ limit: count }) =>
      attempt(async () => {
        const { activations } = await client.request('get', '/crm/activation', { query: { limit: count } });
        return answer(activations);
      }),
  );
  server.registerTool(
    'get_activation',
    {
      title: 'Progress of an activation',
      description: 'Its state and its numbers now.',
      inputSchema: { sessionId },
      annotations: reads,
    },
    ({ sessionId: id }) => attempt(async () => answer(summary(await client.progress(id)))),
  );
  server.registerTool(
    'list_issues',
    {
      title: 'Issues of an activation',
      description: 'Why leads failed, are not confirmed or were skipped, with counts.',
      inputSchema: { sessionId },
      annotations: reads,
    },
    ({ sessionId: id }) =>
      attempt(async () =>
        answer(
          await client.request('get', '/crm/activation/{sessionId}/issues', { params: { sessionId: id } }),
        ),
      ),
  );
  server.registerTool(
    'list_results',
    {
      title: 'Results of an activation',
      description: 'What became of its leads.',
      inputSchema: { sessionId, email: z.enum(emailStates).optional(), limit },
      annotations: reads,
    },
    ({ sessionId: id, email, limit: count }) =>
      attempt(async () => {
        const leads: unknown[] = [];
        for await (const lead of client.results(id, email === undefined ? {} : { email })) {
          leads.push(lead);
          if (leads.length === count) break;
        }
        return answer(leads);
      }),
  );
  server.registerTool(
    'preview_activation',
    {
      title: 'Preview an activation',
      description:
        'What an activation would do: how many leads become active and get the email, how many are skipped and why. Changes nothing. Its hash is what start_activation needs.',
      inputSchema: { audience, templateId: z.string().max(64), name: z.string().min(1).max(120).optional() },
      annotations: reads,
    },
    ({ audience: whom, templateId, name }) =>
      attempt(async () => {
        const meant = 'filter' in whom ? { filter: given(whom.filter) } : whom;
        if ('filter' in meant && Object.keys(meant.filter).length === 0) {
          return refusal(
            'An empty filter means every lead. Ask the person who is meant, for example {"status": "new"}.',
          );
        }
        const request = { audience: meant, templateId, ...(name === undefined ? {} : { name }) };
        const preview = await client.preview(request);
        starts.add(preview.hash, (earlier) => ({
          ...request,
          sessionId: earlier?.sessionId ?? makeSessionId(),
        }));
        return answer(preview);
      }),
  );
  server.registerTool(
    'start_activation',
    {
      title: 'Start an activation',
      description:
        'Sends the emails of a preview. Only for a hash that preview_activation answered in this conversation, and only after the person agreed to its numbers. The same hash again is the same activation.',
      inputSchema: { manifestHash },
      annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: true },
    },
    ({ manifestHash: hash }) =>
      attempt(async () => {
        const request = starts.requestOf(hash);
        if (request === null) return refusal(notPreviewed('preview_activation'));
        return answer(summary(await client.start({ ...request, manifestHash: hash })));
      }),
  );
  server.registerTool(
    'pause_activation',
    {
      title: 'Pause an activation',
      description: 'No email leaves after the answer. A person resumes it in the app.',
      inputSchema: { sessionId },
      annotations: stops,
    },
    ({ sessionId: id }) => attempt(async () => answer(summary(await client.pause(id)))),
  );
  server.registerTool(
    'cancel_activation',
    {
      title: 'Cancel an activation',
      description: 'Final. Whoever was not emailed becomes new again.',
      inputSchema: { sessionId },
      annotations: stops,
    },
    ({ sessionId: id }) => attempt(async () => answer(summary(await client.cancel(id)))),
  );
  server.registerTool(
    'preview_take_back',
    {
      title: 'Preview taking an activation back',
      description:
        'How many leads of an activation that has ended would become new again, and how many would stay because something else has changed them since. Changes nothing. Its hash is what take_back_activation needs. `unmailed`: leads whose email certainly did not leave. `all`: those that were emailed too; no email is recalled.',
      inputSchema: { sessionId, choice: z.enum(takeBackChoices) },
      annotations: reads,
    },
    ({ sessionId: id, choice }) =>
      attempt(async () => {
        const preview = await client.previewTakeBack(id, choice);
        takeBacks.add(preview.hash, () => ({ sessionId: id, choice }));
        return answer(preview);
      }),
  );
  server.registerTool(
    'take_back_activation',
    {
      title: 'Take an activation back',
      description:
        'Makes the leads of a preview new again. Only for a hash that preview_take_back answered in this conversation, and only after the person agreed to its numbers.',
      inputSchema: { manifestHash },
      annotations: stops,
    },
    ({ manifestHash: hash }) =>
      attempt(async () => {
        const previewed = takeBacks.requestOf(hash);
        if (previewed === null) return refusal(notPreviewed('preview_take_back'));
        const { sessionId: id, choice } = previewed;
        const progress = await client.takeBack(id, { choice, manifestHash: hash });
        return answer({ ...summary(progress), takeBack: progress.takeBack });
      }),
  );
  return server;
}
