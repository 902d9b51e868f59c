/**
 * Bindings that a deployment may have. wrangler.toml cannot declare a binding as optional, so `wrangler types` leaves
 * them out.
 */
interface __BaseEnv_Env {
  /** Signing secrets of Resend's webhook, `whsec_…`, with spaces between. */
  RESEND_WEBHOOK_SECRET?: string;
  /** Key of the connected CRM's API. */
  CRM_API_KEY?: string;
  /** `user:password` that Postmark sends as basic authentication. */
  POSTMARK_WEBHOOK_CREDENTIALS?: string;
  /** HTTP webhook signing key of Mailgun. */
  MAILGUN_WEBHOOK_SIGNING_KEY?: string;
  /** Local development only: the e-mail address of the person who needs no sign-in. */
  LOCAL_PERSON?: string;
  /** Local development only: 1 where events may go to addresses that are not public. */
  WEBHOOKS_ALLOW_LOCAL?: string;
  /** Headers for the collector of traces. */
  OTLP_HEADERS?: string;
  /** A dataset of Workers Analytics Engine, where METRICS_DATASET names one. */
  METRICS?: import('../runtime/metric-points.ts').PointDataset;
  /** Cloudflare's send_email binding, for MAIL_PROVIDER=cloudflare. */
  EMAIL?: import('../mail/providers/cloudflare/transport.ts').SendEmailBinding;
}
