/**
 * What the person who is signed in may do. Screens hide what the server would refuse; the server itself
 * enforces it.
 *
 * The role of the last visit is remembered, so that controls do not flash or jump while the server is asked
 * again. Before the very first answer nothing is hidden, and pages that not everybody may see wait for it.
 *
 * @module
 */
import { can, roles, type Ability, type Role } from '../../../../src/shared/roles.ts';

const key = 'lead-activation:role';

/** `asking`: not answered yet, and never before. `noRole`: signed in, and without any role. */
type Eligibility = Role | 'asking' | 'unanswered' | 'noRole';

export class Access {
  readonly #storage: Pick<Storage, 'getItem' | 'setItem'> | null;
  #state = $state.raw<Eligibility>('asking');

  /** @param storage - where the role is remembered; may be missing, throw, or hold what others wrote */
  constructor(storage: Pick<Storage, 'getItem' | 'setItem'> | null) {
    this.#storage = storage;
    try {
      const stored = storage?.getItem(key);
      this.#state = roles.find((role) => role === stored) ?? 'asking';
    } catch {
      // Without storage each page load asks before it shows.
    }
  }

  get role(): Role | null {
    return roles.find((role) => role === this.#state) ?? null;
  }
  /** It is known, or will not be known for now, what this person may do. */
  get isSettled(): boolean {
    return this.#state !== 'asking';
  }
  get hasNoRole(): boolean {
    return this.#state === 'noRole';
  }

  /** The server has said who is there. */
  learn(role: Role): void {
    this.#state = role;
    try {
      this.#storage?.setItem(key, role);
    } catch {
      // Then it is asked for on the next page load.
    }
  }

  /** The server did not say: `forbidden` where it knows the person and gives them no role. */
  setUnavailable(why: 'forbidden' | 'unanswered'): void {
    if (why === 'forbidden') this.#state = 'noRole';
    // What was remembered holds until the server says otherwise.
    else if (this.#state === 'asking') this.#state = 'unanswered';
  }

  can(ability: Ability): boolean {
    if (this.hasNoRole) return false;
    const { role } = this;
    return role === null || can(role, ability);
  }
}
