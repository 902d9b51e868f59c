/**
 * Worlds that once broke a promise; each is run for ever.
 *
 * A seed means other events after the world or the product has changed. The planted faults (mutants/) are what shows
 * that a kind of fault is still found; these lines cost little and remember what was found.
 *
 * @module
 */
export const seeds: readonly { seed: number; found: string }[] = [
  { seed: 67, found: 'An erasure that broke off left a session that no list names.' },
  { seed: 965, found: 'A death after delivery events of an ended session left the list outdated.' },
  { seed: 1059, found: 'A refused command noticed that the clock was set back, and the list was not told.' },
  {
    seed: 1000148,
    found: "A probe that the day's cap held back was tried every two seconds until midnight.",
  },
  { seed: 1000099, found: 'A flip that arrived after its leads were given back left them active.' },
  {
    seed: 1000715,
    found: 'An erasure that arrived late deleted the line of a session that had listed itself again.',
  },
  {
    seed: 1000434,
    found:
      'A new provider paused a session that had just begun to wait for an approval again; resumed, it woke for nothing.',
  },
  {
    seed: 1004,
    found:
      'A session in waves that waited for its provider had no mail to ask it with: it woke for nothing, and never went on.',
  },
  {
    seed: 40246,
    found:
      'An endpoint was switched on while its object could not be reached: its events waited for the next change.',
  },
  {
    seed: 5706,
    found: 'A taking back that was refused noticed that the clock was set back, and the list was not told.',
  },
  {
    seed: 300002626,
    found:
      'Times were changed after *start now* and approved anew: it began at once, and not at the time that was approved.',
  },
  {
    seed: 300016374,
    found:
      'One that began in time lost its alarm before its first mail, and began by itself eleven hours later.',
  },
  {
    seed: 300001539,
    found: 'An event that somebody sent again named leads of before the endpoint was added.',
  },
  {
    seed: 700007598,
    found:
      "A probe took a batch that the day's cap held back, and not the repeat that needs nothing of it: it woke in vain until midnight.",
  },
  {
    seed: 600008951,
    found: 'A lead that was activated and given back while it was erased stayed in that session.',
  },
  {
    seed: 2200020193,
    found:
      'A session that was being erased was in no list when a person was erased, died before its rows were deleted, and kept the person.',
  },
  {
    seed: 2200020645,
    found:
      'A probe that had no batch to ask with until midnight kept leads active, and woke every two seconds to give them back.',
  },
  {
    seed: 2500023659,
    found:
      'The list said that a session waits for an approval, which had ended: its last record and its alarm were lost, and the sweep calls nobody who waits.',
  },
  {
    seed: 3000000832,
    found:
      'A check that waited for the sending window kept leads active, and woke every two seconds to give them back.',
  },
  {
    seed: 3400033969,
    found:
      'The clock was set back by a day while a slice ran, which then died: its watchdog was a day ahead, and nobody found that too late.',
  },
  {
    seed: 3600010556,
    found:
      'A flip of the version before, which kept no number, arrived after its clock had been set back by an hour, and counted as newer than the giving back.',
  },
  {
    seed: 3700034447,
    found:
      'A batch that was sent again at a risk was split, and a lead that had been erased in it was undecided again: the numbers went back.',
  },
  {
    seed: 4500025822,
    found:
      'An endpoint’s turn ended at a fault of its storage while another event of it was on its way; the next turn sent that as well, and the end of an activation was never told.',
  },
  {
    seed: 4800010015,
    found:
      'With the day’s mails used up, all senders held batches that wait for tomorrow, and a repeat, which needs none of them, waited all day behind them.',
  },
];
