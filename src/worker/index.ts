/**
 * The entry of the Worker: the app, the crons, and the Durable Object classes, which the platform looks for here.
 *
 * @module
 */
import { createApp } from './app.ts';
import { judgeAlerts, storeSweep } from './operations/health.ts';
import { runNightlyCleanup, sweep } from './operations/scheduled-cleanup.ts';

export { ActivationSession } from '../durable/activation-session.ts';
export { MailGate } from '../durable/mail-gate.ts';
export { WebhookEndpoint } from '../durable/webhook-endpoint.ts';

/** The cron of the sweep, as in wrangler.toml. */
const sweepCron = '* * * * *';

const app = createApp();
/** Since when this isolate judges the alerts; epoch ms. */
let judgingSince = -Infinity;
/** It takes less; a call of it that never returns must not be the last one. */
const maxJudgingMs = 120_000;

export default {
  fetch: (request: Request, env: Env, ctx: ExecutionContext) => app.fetch(request, env, ctx),
  async scheduled({ cron }: ScheduledController, env: Env, ctx: ExecutionContext): Promise<void> {
    if (cron !== sweepCron) return runNightlyCleanup(env);
    const found = await sweep(env);
    if (found !== null) await storeSweep(env, found, Date.now());
    // Locally a sweep comes every four seconds.
    const nowMs = Date.now();
    if (Math.abs(nowMs - judgingSince) < maxJudgingMs) return;
    judgingSince = nowMs;
    // Sleeping costs a Worker nothing, and a cron may take 15 minutes
    // (https://developers.cloudflare.com/workers/platform/limits/#duration).
    ctx.waitUntil(
      judgeUntilNextSweep(env).finally(() => {
        if (judgingSince === nowMs) judgingSince = -Infinity;
      }),
    );
  },
} satisfies ExportedHandler<Env>;

/** A fault is told of within a minute: an alert itself waits 40 s at most, and the next check comes within 20. */
const judgeIntervalMs = 20_000;

/** Judges the alerts now and until the next sweep does. */
async function judgeUntilNextSweep(env: Env): Promise<void> {
  for (let check = 0; check < 3; check++) {
    if (check > 0) await new Promise((resolve) => setTimeout(resolve, judgeIntervalMs));
    await judgeAlerts(env, Date.now());
  }
}
