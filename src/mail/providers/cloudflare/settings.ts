/** Cloudflare Email Service has no settings of its own: its binding EMAIL is in wrangler.toml. @module */
import type { Setting } from '../../../shared/setting.ts';

export const settings: readonly Setting[] = [];
