import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Stage } from './support/stage.js';

// A page in the back/forward cache: its code does not run, and the browser would answer the
// hub's pings on for it.

// away leads a page into the back/forward cache, and back out of it.
async function away({ page }) {
  await page.evaluate(() => {
    addEventListener('pageshow', ({ persisted }) => {
      document.body.dataset.persisted = persisted;
    });
  });
  await page.goto('about:blank');
  return async () => {
    // The load event, which Playwright's goBack waits for, does not come again.
    await page.evaluate(() => {
      setTimeout(() => history.back());
    });
    await page.locator('body[data-persisted]').waitFor({ state: 'attached' });
    assert.equal(await page.locator('body').getAttribute('data-persisted'), 'true', 'it was in the cache');
  };
}

test('a teacher whose page is in the back/forward cache is away at once, and back with it', async (t) => {
  const stage = await Stage.open(t, { cache: true });
  const [teacher, ada] = await Promise.all(['Ms Okafor', 'Ada'].map((name) => stage.person(name)));
  await ada.joins(await teacher.opens('Biology 7b'));
  await teacher.knows('Ada', 'online');
  const back = await away(teacher);
  await ada.sees('Ms Okafor is away. The class is over in');
  await ada.writes('Where are you?');
  await back();
  await teacher.reads('Where are you?');
  await ada.sees('Ms Okafor is back.');
  await teacher.writes('Here.');
  await ada.reads('Here.');
  stage.quiet();
});

test('a student whose page is in the back/forward cache is away at once, and misses nothing', async (t) => {
  const stage = await Stage.open(t, { cache: true });
  const [teacher, ada] = await Promise.all(['Ms Okafor', 'Ada'].map((name) => stage.person(name)));
  await ada.joins(await teacher.opens('Biology 7b'));
  await teacher.knows('Ada', 'online');
  const back = await away(ada);
  await teacher.knows('Ada', 'away');
  await teacher.writes('Said meanwhile.');
  await back();
  await ada.reads('Said meanwhile.');
  await teacher.knows('Ada', 'online');
  stage.quiet();
});

test('a teacher who stays in the cache for longer than X finds the class over', async (t) => {
  const stage = await Stage.open(t, { cache: true, masterTimeout: '1s' });
  const [teacher, ada] = await Promise.all(['Ms Okafor', 'Ada'].map((name) => stage.person(name)));
  await ada.joins(await teacher.opens('Biology 7b'));
  await teacher.knows('Ada', 'online');
  const back = await away(teacher);
  await ada.heading('The class is over');
  await back();
  await teacher.heading('The class is over');
  stage.quiet();
});

test('what the page itself says as it goes arrives', async (t) => {
  const stage = await Stage.open(t, { cache: true });
  const [teacher, ada] = await Promise.all(['Ms Okafor', 'Ada'].map((name) => stage.person(name)));
  const link = await teacher.opens('Biology 7b');
  await ada.page.goto(link);
  await ada.page.evaluate(async () => {
    const { Client } = await import('/lectern.js');
    const [joined, closing] = [new Client('/ws'), new Client('/ws')];
    const ben = await joined.join('Biology 7b', 'Ben');
    await closing.join('Biology 7b', 'Cleo');
    addEventListener('pagehide', () => {
      ben.send('Bye.');
      closing.close();
    });
  });
  await teacher.knows('Cleo', 'online');
  await ada.page.goto('about:blank');
  await teacher.reads('Bye.');
  await teacher.knows('Ben', 'away');
  await teacher.knows('Cleo', 'left');
});
