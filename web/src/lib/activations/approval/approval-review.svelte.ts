/**
 * What an approver looks at before a decision, and the decision.
 *
 * @module
 */
import type { Progress } from '../../../../../src/shared/progress.ts';
import type { ApprovalRequest } from '../../../../../src/shared/schemas/approval.ts';
import type { SessionManifest } from '../../../../../src/shared/schemas/manifest.ts';
import { api, type Answer, type Refusal } from '../../api/client.ts';

export class ApprovalReview {
  readonly #sessionId: string;
  readonly #decided: (progress: Progress) => void;
  #request = $state.raw<ApprovalRequest | null>(null);
  #kept = $state.raw<SessionManifest | null>(null);
  #loadRefusal = $state.raw<Refusal | null>(null);
  #refusal = $state.raw<Refusal | null>(null);
  #sampleIndex = $state(0);
  #busy = $state(false);

  /** @param decided - gets the activation after the decision */
  constructor(sessionId: string, decided: (progress: Progress) => void) {
    this.#sessionId = sessionId;
    this.#decided = decided;
  }

  get request(): ApprovalRequest | null {
    return this.#request;
  }
  get manifest() {
    return this.#kept?.manifest ?? null;
  }
  get hash(): string {
    return this.#kept?.hash ?? '';
  }
  get loadRefusal(): Refusal | null {
    return this.#loadRefusal;
  }
  /** Why the last decision was refused. */
  get refusal(): Refusal | null {
    return this.#refusal;
  }
  get busy(): boolean {
    return this.#busy;
  }
  get sampleIndex(): number {
    return this.#sampleIndex;
  }
  get mail() {
    return this.#request?.sample[this.#sampleIndex] ?? null;
  }
  /** What is looked at is what the hash stands for, and nothing has changed since. */
  get mayApprove(): boolean {
    const { request } = this;
    return (
      !this.#busy &&
      request !== null &&
      request.manifestHash === this.#kept?.hash &&
      request.differences.length === 0
    );
  }

  async load(): Promise<void> {
    this.#loadRefusal = null;
    const [request, kept] = await Promise.all([
      api.approval(this.#sessionId),
      api.manifestOf(this.#sessionId),
    ]);
    if (request.ok && kept.ok) {
      this.#request = request.value;
      this.#kept = kept.value;
      this.#sampleIndex = 0;
    } else if (!request.ok) this.#loadRefusal = request.refusal;
    else if (!kept.ok) this.#loadRefusal = kept.refusal;
  }

  turn(step: 1 | -1): void {
    const count = this.#request?.sample.length ?? 0;
    if (count > 0) this.#sampleIndex = (this.#sampleIndex + step + count) % count;
  }

  /** @returns true when it was approved */
  approve(): Promise<boolean> {
    return this.mayApprove
      ? this.#decide((hash) => api.approve(this.#sessionId, hash))
      : Promise.resolve(false);
  }

  /** @returns true when it was rejected */
  reject(reason: string): Promise<boolean> {
    return this.#decide((hash) => api.reject(this.#sessionId, hash, reason));
  }

  clear(): void {
    this.#refusal = null;
  }

  async #decide(send: (hash: string) => Promise<Answer<Progress>>): Promise<boolean> {
    const hash = this.#request?.manifestHash;
    if (this.#busy || hash === undefined) return false;
    this.#busy = true;
    this.#refusal = null;
    const answer = await send(hash);
    this.#busy = false;
    if (!answer.ok) {
      this.#refusal = answer.refusal;
      // Somebody may have decided, or the world has moved: what is shown is to be what is.
      await this.load();
      return false;
    }
    this.#decided(answer.value);
    return true;
  }
}
