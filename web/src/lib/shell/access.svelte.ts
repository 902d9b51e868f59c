/**
 * What the person who is signed in may do, as the server says: screens hide what it would refuse.
 *
 * Hiding is a courtesy; the refusal is the server's. Until it is known nothing is hidden, so that a page
 * does not jump for those who may do all.
 *
 * @module
 */
import { can, type Ability, type Role } from '../../../../src/shared/roles.ts';

export class Access {
  #role = $state.raw<Role | null>(null);

  get role(): Role | null {
    return this.#role;
  }

  /** The server has said who is there. */
  learn(role: Role): void {
    this.#role = role;
  }

  can(ability: Ability): boolean {
    return this.#role === null || can(this.#role, ability);
  }
}
