/**
 * The Worker's entry: the app, and the Durable Object classes that the platform looks for here.
 *
 * @module
 */
import { createApp } from './app.ts';

export { ActivationSession } from '../durable/activation-session.ts';
export { MailGate } from '../durable/mail-gate.ts';

export default createApp() satisfies ExportedHandler<Env>;
