/**
 * Numbers that every schema of the contract uses.
 *
 * @module
 */
import { z } from 'zod';

/** A number of things. */
export const count = z.int().min(0);

/** A point in time. */
export const timeMs = z.int().min(0).meta({ description: 'Epoch milliseconds.' });
