/**
 * The entry of the Worker: the app, the crons, and the Durable Object classes, which the platform looks for here.
 *
 * @module
 */
import { createApp } from './app.ts';
import { runNightlyCleanup, sweep } from './operations/scheduled-cleanup.ts';

export { ActivationSession } from '../durable/activation-session.ts';
export { MailGate } from '../durable/mail-gate.ts';
export { WebhookEndpoint } from '../durable/webhook-endpoint.ts';

/** The cron of the sweep, as in wrangler.toml. */
const sweepCron = '* * * * *';

const app = createApp();

export default {
  fetch: (request: Request, env: Env, ctx: ExecutionContext) => app.fetch(request, env, ctx),
  scheduled: ({ cron }: ScheduledController, env: Env) =>
    cron === sweepCron ? sweep(env) : runNightlyCleanup(env),
} satisfies ExportedHandler<Env>;
