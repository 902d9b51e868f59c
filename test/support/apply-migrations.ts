/**
 * Setup of every workerd test file: brings that file's empty D1 database to the current schema.
 *
 * @module
 */
import { applyD1Migrations } from 'cloudflare:test';
import { env } from 'cloudflare:workers';

await applyD1Migrations(env.DB, env.TEST_MIGRATIONS);
