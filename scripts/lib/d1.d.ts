/**
 * The D1 types that src/crm takes from its platform's globals, for scripts, whose globals are Node's.
 */
type D1Database = import('@cloudflare/workers-types').D1Database;
type D1Result<T = unknown> = import('@cloudflare/workers-types').D1Result<T>;
type D1PreparedStatement = import('@cloudflare/workers-types').D1PreparedStatement;
