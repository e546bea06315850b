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
  await teacher.putsOnBoard(`${IMG}\n${SCRIPT}`);
  await ada.board(`${IMG}\n${SCRIPT}`);
  await ada.raisesHand();
  await teacher.hands(IMG);
  await teacher.button('Close the question').click();
  await teacher.button('Ask another').click();
  await teacher.asks(`And ${IMG}?`, [IMG, SCRIPT]);
  const late = await stage.person(`<b>late</b>`);
  await late.joins(link);
  await late.board(`${IMG}\n${SCRIPT}`);
  await late.page.getByLabel(IMG, { exact: true }).waitFor();
  await late.raisesHand();
  await teacher.hands(IMG, '<b>late</b>');
  await teacher.button('Lower hand of <b>late</b>').click();
  await late.reads(`Ms ${SCRIPT} has lowered your hand.`);
  await teacher.removes(IMG, { reason: IMG });
  await ada.sees(`has removed you from the class: “${IMG}”`);
  for (const { page } of [teacher, ada, late]) {
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
      { kind: 'answer', id: 'q', choice: 99 }, { kind: 'lower hand', id: 'h' }, { kind: 'answered', id: 'q' }, new Uint8Array([1, 2, 3])]) {
      await slave.send(value);
    }
    await slave.send('Plain text is fine.');
    await slave.setAttribute('hand', { up: ['down'] });
    await slave.setAttribute('<b>other</b>', new Uint8Array([1, 2, 3]));
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
  await teacher.hands('Mallory');
  // An answer that is none is the end of that student's part, and counts for nothing.
  await teacher.asks('Ready?', ['Yes', 'No']);
  await teacher.sees('0 of 1 answered · closed');
  stage.quiet();
});

test('a teacher’s program that speaks nonsense does not harm the page', async (t) => {
  const stage = await Stage.open(t);
  const [mallory, ada] = await Promise.all(['Mallory', 'Ada'].map((name) => stage.person(name)));
  await mallory.page.goto(stage.url);
  await mallory.page.evaluate(async () => {
    const { Client } = await import('/lectern.js');
    const master = await new Client('/ws').create('Biology 7b', 'Mallory');
    globalThis.says = async (board, question) => {
      await master.setAttribute('board', board);
      await master.setAttribute('question', question);
      await master.setAttribute('other', question);
      await master.deleteAttribute('other');
      await master.broadcast('.');
    };
    globalThis.asksBack = () => master.broadcast({ kind: 'lower hand', id: 'a' });
  });
  await ada.joins(new URL('?class=Biology+7b&with=Mallory', stage.url).href);
  let told = 0;
  for (const [board, question] of [[7, 7], [null, null], [{ toString: 'a' }, { kind: 'question', id: 'q' }], [[], 'question'],
    ['', { kind: 'question', id: 'q', text: 'mine?', choices: ['a', { toString: 'b' }] }],
    [{ kind: 'text', id: 'a', text: 'b' }, { kind: 'answer', id: 'q', choice: 1 }], [{}, { kind: '__proto__', id: 'q' }]]) {
    await mallory.page.evaluate((values) => globalThis.says(...values), [board, question]);
    told++;
    await ada.reads('.', told);
    await ada.board('');
    await ada.sees('There is no question right now.');
  }
  await mallory.page.evaluate(() => globalThis.says('x'.repeat(9000), { kind: 'question', id: 'q', text: 'Mine?', choices: ['a', 'b'] }));
  await ada.board(`${'x'.repeat(4000)} … (there was more)`);
  await ada.page.getByRole('group', { name: 'Mine?' }).waitFor();
  // A hand that is not up is not lowered, and nothing is said of it.
  await mallory.page.evaluate(() => globalThis.asksBack());
  await ada.raisesHand();
  await mallory.page.evaluate(() => globalThis.asksBack());
  await ada.button('Raise hand').waitFor();
  await ada.reads('Mallory has lowered your hand.');
  stage.quiet();
});
