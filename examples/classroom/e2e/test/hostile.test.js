import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Stage } from './support/stage.js';

const IMG = '<img src=x onerror=alert(1)>';
const SCRIPT = '<script>alert(2)</script>';

test('names and words that are markup stay text', async (t) => {
  const stage = await Stage.open(t);
  const [teacher, ada, eve] = await Promise.all([`Ms ${SCRIPT}`, IMG, 'Eve'].map((name) => stage.person(name)));
  const channel = `Biology ${IMG}`;
  const link = await teacher.opens(channel);
  await ada.joins(link);
  await ada.heading(channel);
  await eve.joins(link);
  await teacher.knows(IMG, 'online');
  await teacher.writes(`${IMG}${SCRIPT}`);
  await ada.reads(`${IMG}${SCRIPT}`);
  await ada.writes(`${SCRIPT}"'><b>bold</b>`);
  await teacher.reads(`${SCRIPT}"'><b>bold</b>`);
  await teacher.asks(`Is ${IMG} text?`, [`<b>Yes</b>`, SCRIPT]);
  await ada.answers(SCRIPT);
  await teacher.counts(`Is ${IMG} text?`, SCRIPT, 1);
  await teacher.removes(IMG, { reason: IMG });
  await ada.sees(`has removed you from the class: “${IMG}”`);
  for (const { page } of [teacher, ada]) {
    assert.equal(await page.locator('img, #page script, b').count(), 0);
  }
  stage.quiet();
});

test('a program that speaks nonsense does not harm the page', async (t) => {
  const stage = await Stage.open(t);
  const [teacher, ada] = await Promise.all(['Ms Okafor', 'Ada'].map((name) => stage.person(name)));
  const link = await teacher.opens('Biology 7b');
  await ada.page.goto(link);
  // Straight to the hub, from a page of the same origin.
  await ada.page.evaluate(async () => {
    const { Client } = await import('/lectern.js');
    const slave = await new Client('/ws').join('Biology 7b', 'Mallory');
    const long = 'x'.repeat(9000);
    for (const value of [null, 7, [], {}, { kind: 'text' }, { kind: 'text', id: 1, text: 'a' },
      { kind: 'text', id: 'a', text: { toString: 'b' } }, { kind: 'toString', id: 'a' }, { kind: '__proto__', id: 'a' },
      { kind: 'text', id: 'long', text: long }, { kind: 'question', id: 'q', text: 'mine?', choices: ['a', 'b'] },
      { kind: 'answer', id: 'q', choice: 99 }, new Uint8Array([1, 2, 3])]) {
      await slave.send(value);
    }
    await slave.send('Plain text is fine.');
    (async () => {
      for await (const message of slave.messages()) {
        if (message.requestId) {
          await message.reply({ kind: 'answer', id: message.json().id, choice: 5 });
        }
      }
    })();
  });
  await teacher.reads('Plain text is fine.');
  assert.equal(await teacher.log.getByRole('article').count(), 1);
  // An answer that is none is the end of that student's part, and counts for nothing.
  await teacher.asks('Ready?', ['Yes', 'No']);
  await teacher.sees('0 of 1 answered · closed');
  stage.quiet();
});
