/**
 * Stands for the platform's module `cloudflare:workers` in a simulation.
 *
 * @module
 */
export class DurableObject<Env> {
  protected readonly ctx: DurableObjectState;
  protected readonly env: Env;

  constructor(ctx: DurableObjectState, env: Env) {
    this.ctx = ctx;
    this.env = env;
  }
}
