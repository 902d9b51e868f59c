/** The desk of leads, without a browser: filters, order, selection, columns and keys. */
import { describe, expect, it } from 'vitest';
import { expectedMs } from '../../web/src/lib/leads/activate/describe-audience.ts';
import { readColumns } from '../../web/src/lib/leads/columns.ts';
import { describeFilter, describeView } from '../../web/src/lib/leads/describe-filter.ts';
import { timelineOf } from '../../web/src/lib/leads/lead-timeline.ts';
import { nextRow, rowKey } from '../../web/src/lib/leads/row-keys.ts';
import {
  nothing,
  notShownCount,
  rangeOf,
  readSelection,
  selectAll,
  setSelected,
  writeSelection,
} from '../../web/src/lib/leads/selection.ts';
import {
  appliedView,
  changeLeadView,
  filterOf,
  hasFilter,
  leadViewQuery,
  nextSort,
  parseLeadView,
  withoutFilter,
  type LeadView,
} from '../../web/src/lib/leads/view.ts';
import { viewOfFilter } from '../../web/src/lib/leads/view-of-filter.ts';
import type { LeadHistory } from '../../src/shared/schemas/activation.ts';
import type { LeadDetail } from '../../src/shared/schemas/leads.ts';

const viewOf = (query: string): LeadView => parseLeadView(new URLSearchParams(query));

describe('filters', () => {
  it('take several values, once each, and send one as it always was', () => {
    expect(filterOf(viewOf('source=Fair&source=Webinar&source=Fair&stage=Hot'))).toEqual({
      source: ['Fair', 'Webinar'],
      stage: 'Hot',
    });
  });

  it('read the last days as the midnight that begins them, today among them', () => {
    const now = new Date(2026, 10, 28, 17, 30).getTime();
    const from = (query: string): number | undefined => filterOf(viewOf(query), now).createdFrom;
    expect(from('createdWithin=1')).toBe(new Date(2026, 10, 28).getTime());
    expect(from('createdWithin=7')).toBe(new Date(2026, 10, 22).getTime());
    expect(from('createdWithin=30')).toBe(new Date(2026, 9, 30).getTime());
    // Only what is offered.
    expect(from('createdWithin=31')).toBeUndefined();
  });

  it('are taken out one by one', () => {
    const view = viewOf('search=ann&source=Fair&createdWithin=7&status=new');
    expect(hasFilter(view, 'created')).toBe(true);
    const less = changeLeadView(view, withoutFilter('created'));
    expect([hasFilter(less, 'created'), leadViewQuery(less)]).toEqual([
      false,
      '?search=ann&source=Fair&status=new',
    ]);
  });

  it('come back from the filter of a selection', () => {
    const view = viewOf('search=ann&source=Fair&source=Web&status=active&activatedFrom=5');
    expect(filterOf(changeLeadView(viewOf(''), viewOfFilter(filterOf(view))))).toEqual(filterOf(view));
  });

  it('are said in words', () => {
    expect(describeView(viewOf('search=ueller&status=active&source=A&source=B&source=C'))).toBe(
      '“ueller” · Status: Active · Source: A, +2',
    );
    expect(describeView(viewOf('createdWithin=7'))).toBe('Added: last 7 days');
    expect(describeFilter({ source: ['Fair', 'Webinar'] })).toEqual(['source "Fair" or "Webinar"']);
  });
});

describe('the order', () => {
  it('turns round at a second click, and begins with the newest or with A', () => {
    expect([nextSort('-id', 'lastName'), nextSort('lastName', 'lastName')]).toEqual([
      'lastName',
      '-lastName',
    ]);
    expect([nextSort('company', 'id'), nextSort('-id', 'id')]).toEqual(['-id', 'id']);
  });
});

describe('a saved view', () => {
  it('is the one that is shown, on whatever page', () => {
    const views = [{ query: '?search=ann' }, { query: '?search=bob&sort=company&limit=100' }];
    expect(appliedView(views, viewOf('search=bob&sort=company&cursor=x'))).toBe(views[1]);
    expect(appliedView(views, viewOf('search=bob'))).toBeNull();
  });
});

describe('a selection', () => {
  it('takes the rows between two clicks, in either direction', () => {
    expect([rangeOf([9, 7, 5, 3], 7, 3), rangeOf([9, 7, 5, 3], 3, 9)]).toEqual([
      [7, 5, 3],
      [9, 7, 5, 3],
    ]);
    expect([rangeOf([9, 7], null, 7), rangeOf([9, 7], 4, 7)]).toEqual([[7], [7]]);
  });

  it('counts who is not shown', () => {
    const picked = setSelected(nothing, [1, 2, 3], true);
    expect(notShownCount(picked, [3, 4])).toBe(2);
    expect(notShownCount(selectAll({}, 9), [3])).toBe(0);
  });

  it('comes back from the storage, and is nobody where that holds something else', () => {
    const picked = setSelected(nothing, [3, 1], true);
    const all = setSelected(selectAll({ search: 'a' }, 9, false), [2], false);
    for (const selection of [picked, all]) {
      expect(readSelection(writeSelection(selection))).toEqual(selection);
    }
    for (const text of [null, '', '{', '[]', 'null', '{"kind":"some","ids":["x"]}', '{"kind":"all"}']) {
      expect(readSelection(text)).toEqual(nothing);
    }
  });
});

describe('columns', () => {
  it('are those that were remembered, in their own order', () => {
    expect(readColumns('status phone')).toEqual(['phone', 'status']);
    expect(readColumns('gone')).toEqual(readColumns(null));
  });
});

describe('keys', () => {
  it('go from row to row and stop at the ends', () => {
    expect([
      nextRow(-1, 1, 5),
      nextRow(-1, -1, 5),
      nextRow(4, 1, 5),
      nextRow(0, -1, 5),
      nextRow(2, 1, 5),
    ]).toEqual([0, 4, 4, 0, 3]);
  });

  it('mean something else with Ctrl', () => {
    const press = { key: 'x', ctrlKey: false, metaKey: false, altKey: false };
    expect([rowKey(press), rowKey({ ...press, ctrlKey: true }), rowKey({ ...press, key: 'y' })]).toEqual([
      'select',
      null,
      null,
    ]);
  });
});

describe('how long an activation takes', () => {
  it('is its calls at so many a second', () => {
    expect(expectedMs(1_000, { callsPerSecond: 2, mailsPerCall: 100 })).toBe(5_000);
    expect(expectedMs(1, { callsPerSecond: 2, mailsPerCall: 100 })).toBe(500);
    expect(expectedMs(960, { callsPerSecond: 2, mailsPerCall: 1 })).toBe(480_000);
  });
});

describe('the timeline of a lead', () => {
  const lead = { createdAt: 10, suppression: null } as LeadDetail;

  it('is newest first, with the mail after the activation that sent it', () => {
    const history: LeadHistory = {
      imports: [{ importId: 'i', fileName: 'a.csv', owner: 'ana', line: 2, outcome: 'created', at: 10 }],
      edits: [{ at: 20, by: 'ana', fields: ['company'] }],
      activation: {
        sessionId: 's',
        name: 'Spring',
        owner: 'ana',
        at: 30,
        result: {
          leadId: 1,
          email: 'a@b.example',
          name: 'Ann',
          activation: 'activated',
          skipReason: null,
          emailState: 'bounced',
          code: null,
          message: null,
          messageId: null,
        },
        mail: null,
      },
      takenBack: null,
    };
    const suppression: LeadDetail['suppression'] = {
      reason: 'hard_bounce',
      createdAt: 40,
      addedBy: null,
      note: '',
      sessionId: 's',
    };
    expect(timelineOf({ ...lead, suppression }, history).map(({ kind }) => kind)).toEqual([
      'suppressed',
      'mail',
      'activated',
      'edited',
      'imported',
    ]);
  });

  it('begins with somebody who added the lead by hand, where no import did', () => {
    expect(timelineOf(lead, { imports: [], edits: [], activation: null, takenBack: null })).toEqual([
      { kind: 'created', at: 10 },
    ]);
  });
});
