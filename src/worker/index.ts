/**
 * The Worker's entry: the app, what its clock rings for, and the Durable Object classes that the platform looks for here.
 *
 * @module
 */
import { createApp } from './app.ts';
import { keepHouseAtNight } from './housekeeping.ts';

export { ActivationSession } from '../durable/activation-session.ts';
export { MailGate } from '../durable/mail-gate.ts';

const app = createApp();

export default {
  fetch: (request: Request, env: Env, ctx: ExecutionContext) => app.fetch(request, env, ctx),
  scheduled: (_: ScheduledController, env: Env) => keepHouseAtNight(env),
} satisfies ExportedHandler<Env>;
