/**
 * The bindings of the workerd tests beyond those of the Worker (vitest.config.ts).
 */
declare namespace Cloudflare {
  interface Env {
    TEST_MIGRATIONS: import('cloudflare:test').D1Migration[];
    MAIL_API_KEY: string;
    ADDRESS_HASH_KEY: string;
    RECEIPT_SIGNING_KEY: string;
    CHAOS_CRASHES: string;
    EVENT_COUNT: string;
    EVENT_KILLS: string;
    FEW_REQUESTS_PER_PERSON: RateLimit;
    CRM_FAULTS: string;
    CRM_KILLS: string;
    FUZZ_REQUESTS: string;
    RECEIPT_LEADS: string;
    FUZZ_SEED: string;
  }
}

/** A page of docs/ as text. */
declare module '*.md?raw' {
  const text: string;
  export default text;
}
