/**
 * Stubs of our objects. No other file makes them, so that all objects are in the same jurisdiction.
 *
 * The same name under another jurisdiction is another object, and an object without a jurisdiction cannot be moved
 * into one: https://developers.cloudflare.com/durable-objects/reference/data-location/. A stub that is made in
 * another way would reach an empty object. ESLint forbids that elsewhere.
 *
 * @module
 */
/** What is needed of the environment to find an object. */
export type StubEnv = Pick<
  Env,
  'ACTIVATION_SESSION' | 'MAIL_GATE' | 'WEBHOOK_ENDPOINT' | 'DATA_JURISDICTION'
>;

/** The session's object. A stub writes nothing: an unknown id makes no object. */
export function sessionStub(
  env: StubEnv,
  sessionId: string,
): ReturnType<Env['ACTIVATION_SESSION']['getByName']> {
  return inJurisdiction(env.ACTIVATION_SESSION, env).getByName(sessionId);
}

/**
 * A session's object by the id that Cloudflare's API lists it under.
 *
 * @throws when it is no id of an object of ours
 */
export function sessionStubById(
  env: StubEnv,
  objectId: string,
): ReturnType<Env['ACTIVATION_SESSION']['getByName']> {
  const namespace = inJurisdiction(env.ACTIVATION_SESSION, env);
  return namespace.get(namespace.idFromString(objectId));
}

/** The object of a mail account, which gives the permits. */
export function mailGateStub(env: StubEnv, account: string): ReturnType<Env['MAIL_GATE']['getByName']> {
  return inJurisdiction(env.MAIL_GATE, env).getByName(account);
}

/** The object of a foreign CRM's account, which gives the permits: its time line is that of a mail account. */
export function crmGateStub(env: StubEnv, account: string): ReturnType<Env['MAIL_GATE']['getByName']> {
  return mailGateStub(env, `crm:${account}`);
}

/** The object of an endpoint that gets events. */
export function endpointStub(
  env: StubEnv,
  endpointId: string,
): ReturnType<Env['WEBHOOK_ENDPOINT']['getByName']> {
  return inJurisdiction(env.WEBHOOK_ENDPOINT, env).getByName(endpointId);
}

/** The jurisdiction of all data, chosen by the first `npm run deploy`; null: none. */
export function dataJurisdiction({ DATA_JURISDICTION }: Pick<Env, 'DATA_JURISDICTION'>): string | null {
  return DATA_JURISDICTION || null;
}

function inJurisdiction<T extends Rpc.DurableObjectBranded>(
  namespace: DurableObjectNamespace<T>,
  env: Pick<Env, 'DATA_JURISDICTION'>,
): DurableObjectNamespace<T> {
  const jurisdiction = dataJurisdiction(env);
  // A value that Cloudflare does not know throws here, and no object is looked for elsewhere.
  return jurisdiction === null
    ? namespace
    : namespace.jurisdiction(jurisdiction as DurableObjectJurisdiction);
}
