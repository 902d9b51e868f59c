import { describe, expect, it } from 'vitest';
import type { AuditEntry } from '../../src/shared/schemas/audit.ts';
import { can } from '../../src/shared/roles.ts';
import { routeRules } from '../../src/worker/auth/route-permissions.ts';
import { actorName, auditSentence, isKnownAction } from '../../web/src/lib/audit/sentence.ts';
import { stepsFor, type FirstRunFacts } from '../../web/src/lib/shell/first-run.ts';
import { paletteItemsFor, type PaletteItem } from '../../web/src/lib/shell/palette-items.ts';
import { Shortcuts } from '../../web/src/lib/shell/shortcuts.ts';
import { readAddressLines } from '../../web/src/lib/suppressions/address-list.ts';
import { suppressionsMessages } from '../../web/src/lib/messages/suppressions.ts';

describe('the keys of the app', () => {
  const press = (key: string, change: object = {}) => ({
    key,
    ctrlKey: false,
    metaKey: false,
    altKey: false,
    ...change,
  });

  it('go to a page after g, open the palette with Ctrl or ⌘ and K, and mean nothing else', () => {
    const shortcuts = new Shortcuts();
    expect(shortcuts.read(press('g'), 0)).toBeNull();
    expect(shortcuts.read(press('l'), 400)).toEqual({ kind: 'go', href: '/leads' });
    expect(shortcuts.read(press('l'), 500)).toBeNull();
    expect(shortcuts.read(press('k', { metaKey: true }), 600)).toEqual({ kind: 'palette' });
    expect(shortcuts.read(press('K', { ctrlKey: true }), 600)).toEqual({ kind: 'palette' });
    expect(shortcuts.read(press('/'), 700)).toEqual({ kind: 'search' });
    expect(shortcuts.read(press('?'), 800)).toEqual({ kind: 'keys' });
    expect(shortcuts.read(press('/', { ctrlKey: true }), 900)).toBeNull();
    expect(shortcuts.read(press('toString'), 900)).toBeNull();
  });

  it('forget a g that nothing followed', () => {
    const shortcuts = new Shortcuts();
    shortcuts.read(press('g'), 0);
    expect(shortcuts.read(press('a'), 5_000)).toBeNull();
  });
});

describe('the palette', () => {
  const item = (group: PaletteItem['group'], label: string, keywords = ''): PaletteItem => ({
    id: label,
    group,
    label,
    hint: '',
    keywords,
    run: () => undefined,
  });
  const items = [
    item('pages', 'Leads'),
    item('pages', 'Settings'),
    item('actions', 'Import leads', 'csv'),
    item('actions', 'Activate leads'),
    item('leads', 'Zoë Müller'),
  ];
  const labels = (query: string): string[] => paletteItemsFor(items, query).map(({ label }) => label);

  it('finds by the beginnings of words, accents or not, and leaves found leads alone', () => {
    expect(labels('lead')).toEqual(['Leads', 'Import leads', 'Activate leads', 'Zoë Müller']);
    expect(labels('IMP l')).toEqual(['Import leads', 'Zoë Müller']);
    expect(labels('csv')).toEqual(['Import leads', 'Zoë Müller']);
    expect(labels('')).toHaveLength(5);
  });
});

describe('the audit', () => {
  const entry = (change: Partial<AuditEntry>): AuditEntry => ({
    id: 1,
    at: 0,
    actor: 'ana.sousa@example.com',
    role: 'admin',
    action: 'activation.cancel',
    target: 'activation_1704123456789_a7bc3d2f1',
    targetName: 'November sign-ups',
    country: null,
    requestId: '1',
    detail: null,
    ...change,
  });
  const said = (change: Partial<AuditEntry>): string => {
    const { who, before, object, after } = auditSentence(entry(change));
    const name = object.name === null ? '' : `“${object.name}”`;
    return [who, before, object.text, name, after].filter((part) => part !== '').join(' ');
  };

  it('has words for every action that the server records', () => {
    const actions = Object.values(routeRules).flatMap(({ action }) => (action === null ? [] : [action]));
    expect(actions).toContain('activation.undo');
    expect(actions.filter((action) => !isKnownAction(action))).toEqual([]);
  });

  it('is sentences with names and links', () => {
    expect(said({})).toBe('Ana Sousa cancelled the activation “November sign-ups”');
    expect(auditSentence(entry({})).object.href).toBe('/activations/activation_1704123456789_a7bc3d2f1');
    expect(
      said({ action: 'lead.edit', target: 'lead:7', targetName: null, detail: { fields: ['firstName'] } }),
    ).toBe('Ana Sousa edited lead 7 (first name)');
    expect(
      said({ action: 'suppression.add', target: null, targetName: null, detail: { addedCount: 2 } }),
    ).toBe('Ana Sousa suppressed 2 addresses');
    expect(said({ action: 'GET /crm/new', target: null, targetName: null })).toBe(
      'Ana Sousa did GET /crm/new',
    );
  });

  it('does not link to what was erased', () => {
    const erased = entry({ action: 'activation.erase', targetName: null });
    expect(auditSentence(erased).object).toEqual({ text: 'an activation', name: null, href: null });
    const lead = entry({ action: 'lead.erase', target: 'lead:7', targetName: null });
    expect(auditSentence(lead).object.href).toBeNull();
  });

  it('names a person by the address and a service token by its label', () => {
    expect(actorName('ana@example.com')).toBe('Ana');
    expect(actorName('nightly import')).toBe('nightly import');
  });
});

describe('the first steps', () => {
  const facts: FirstRunFacts = {
    isTestMode: true,
    isReady: true,
    leadCount: 3,
    suppressionCount: 0,
    testCount: null,
    isActivated: false,
  };

  it('are those that a person may do, and are done by what the product holds', () => {
    expect(stepsFor(facts, (ability) => can('operator', ability))).toEqual([
      { step: 'leads', isDone: true },
      { step: 'activate', isDone: false },
    ]);
    const all = stepsFor({ ...facts, isTestMode: false, testCount: 1 }, () => true);
    expect(all.filter(({ isDone }) => isDone).map(({ step }) => step)).toEqual(['provider', 'leads', 'test']);
  });
});

describe('pasted addresses', () => {
  it('tell the lines without one, and take a header for what it is', () => {
    const text =
      'Name;Email\nAna;ana@example.com\n\n"Zoe" <zoe@example.com>\nnobody at all\r\nzoe@example.com';
    const { addresses, badLines } = readAddressLines(text);
    expect(addresses).toEqual(['ana@example.com', 'zoe@example.com']);
    expect(badLines).toEqual(['nobody at all']);
    expect(suppressionsMessages.bad(badLines)).toBe('1 line is not an address: nobody at all');
    expect(suppressionsMessages.bad(['a', 'b', 'c', 'd'])).toBe(
      '4 lines are not addresses: a, b, c and 1 more',
    );
  });
});
