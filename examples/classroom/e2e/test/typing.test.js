import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Stage, classOf } from './support/stage.js';

const field = ({ page }) => page.getByRole('textbox', { name: /^(Message|Write to)/ });

test('Enter that ends the composing of an input method sends nothing', async (t) => {
  const { stage, teacher, students: [ada] } = await classOf(t, ['Ada']);
  const browser = await ada.context.newCDPSession(ada.page);
  const enter = (how) => browser.send('Input.dispatchKeyEvent', { type: 'rawKeyDown', key: 'Enter', code: 'Enter', ...how });
  await field(ada).click();
  await browser.send('Input.imeSetComposition', { text: 'にほ', selectionStart: 2, selectionEnd: 2 });
  await enter({ windowsVirtualKeyCode: 229 });
  await browser.send('Input.insertText', { text: '日本' });
  // Safari ends the composing before it tells of the key.
  await enter({ windowsVirtualKeyCode: 229 });
  assert.equal(await field(ada).inputValue(), '日本');
  await field(ada).pressSequentially('語');
  await field(ada).press('Enter');
  await teacher.reads('日本語');
  assert.equal(await teacher.log.getByRole('article').count(), 1);
  stage.quiet();
});

test('what is written from right to left has that base, and turns nothing around it', async (t) => {
  const stage = await Stage.open(t);
  const names = ['نور', 'עדה'];
  const [teacher, ada] = await Promise.all(names.map((name) => stage.person(name)));
  const channel = 'علم الأحياء 7';
  const link = await teacher.opens(channel);
  await ada.page.goto(link);
  const direction = (locator) => locator.evaluate((element) => getComputedStyle(element).direction);
  const name = ada.page.getByLabel('Your name');
  await name.fill('עדה');
  assert.equal(await direction(name), 'rtl');
  await ada.joins(link);
  await teacher.knows('עדה', 'online');
  await teacher.writes('صباح الخير!');
  await ada.reads('صباح الخير!');
  await ada.writes('Good morning!');
  await teacher.reads('Good morning!');
  await teacher.asks('هل أنتم جاهزون؟', ['نعم!', 'No.']);
  await ada.page.getByLabel('نعم!').waitFor();
  await ada.page.getByLabel('نعم!').focus();
  await teacher.putsOnBoard('صفحة 12\nPage 12');
  await ada.board('صفحة 12\nPage 12');
  await ada.raisesHand();
  await teacher.hands('עדה');

  for (const [person, text, expected] of [
    [ada, 'صباح الخير!', 'rtl'], [ada, 'Good morning!', 'ltr'], [teacher, 'صباح الخير!', 'rtl'],
  ]) {
    assert.equal(await direction(person.log.getByText(text, { exact: true }).first()), expected, text);
  }
  assert.equal(await direction(ada.page.getByRole('heading', { level: 1 })), 'rtl');
  assert.equal(await direction(ada.log.locator('.who').first()), 'rtl');
  assert.equal(await direction(teacher.page.getByRole('listitem').filter({ hasText: 'עדה' }).locator('bdi').first()), 'rtl');
  assert.equal(await direction(ada.page.locator('.blackboard-text')), 'rtl');
  assert.equal(await direction(teacher.page.locator('.blackboard-text')), 'rtl');
  assert.equal(await direction(teacher.button('Lower hand of עדה').locator('bdi')), 'rtl');
  assert.equal(await direction(teacher.page.getByRole('figure').locator('figcaption')), 'rtl');
  assert.equal(await direction(ada.page.locator('legend')), 'rtl');
  assert.equal(await direction(ada.page.getByText('نعم!').first()), 'rtl');
  // A sentence in English that begins with a name stays one.
  const state = ada.page.getByText('نور is here').first();
  assert.equal(await direction(state), 'ltr');
  assert.equal(await direction(state.locator('bdi')), 'rtl');
  await field(ada).fill('שלום');
  assert.equal(await direction(field(ada)), 'rtl');
  await field(ada).fill('hello');
  assert.equal(await direction(field(ada)), 'ltr');
  stage.quiet();
});

test('what is pasted and too long is said to be, and stays', async (t) => {
  const { stage, teacher, students: [ada] } = await classOf(t, ['Ada']);
  const long = 'word '.repeat(20_480).trim();
  await field(ada).click();
  await ada.page.keyboard.insertText(long);
  assert.equal((await field(ada).inputValue()).length, long.length);
  await ada.page.getByRole('alert').getByText('This has 102,399 characters, and 2,000 are possible. Please shorten it.').waitFor();
  await field(ada).press('Enter');
  assert.equal((await field(ada).inputValue()).length, long.length);
  await ada.page.reload();
  await ada.sees('Ms Okafor is here');
  assert.equal((await field(ada).inputValue()).length, long.length, 'also when the page is loaded again');
  await field(ada).fill('é'.repeat(2000));
  assert.equal(await ada.page.getByRole('alert').filter({ visible: true }).count(), 0);
  await field(ada).press('Enter');
  await teacher.reads('é'.repeat(2000));

  await teacher.part('Question');
  await teacher.asks('Why? '.repeat(80).trim(), ['Yes', 'No']);
  await teacher.sees('The question has 399 characters, and 300 are possible.');
  await teacher.page.getByLabel('Question for everybody').fill('Why?');
  await teacher.page.getByLabel('Choice 2', { exact: true }).fill('x'.repeat(121));
  await teacher.button('Ask').click();
  await teacher.sees('Choice 2 has 121 characters, and 120 are possible.');
  assert.equal(await ada.page.getByRole('radio').count(), 0);
  await teacher.more('Ada');
  await teacher.button('Remove Ada').click();
  const dialog = teacher.page.getByRole('dialog');
  await dialog.getByLabel('Reason').fill('r'.repeat(101));
  await dialog.getByRole('button', { name: 'Remove' }).click();
  await dialog.getByText('Reason (optional) has 101 characters, and 100 are possible.').waitFor();
  await dialog.getByRole('button', { name: 'Cancel' }).click();
  await teacher.knows('Ada', 'online');
  stage.quiet();
});

test('a name that is too long is said to be', async (t) => {
  const { stage, link } = await classOf(t, []);
  const ada = await stage.person('Ada');
  await ada.page.goto(link);
  await ada.page.getByLabel('Your name').fill('a'.repeat(100_000));
  await ada.button('Join the class').click();
  await ada.sees('Your name has 100,000 characters, and 128 are possible.');
  // The hub counts bytes.
  await ada.page.getByLabel('Your name').fill('é'.repeat(65));
  await ada.button('Join the class').click();
  await ada.sees('That name cannot be used');
  await ada.page.getByLabel('Your name').fill('é'.repeat(64));
  await ada.button('Join the class').click();
  await ada.sees('Ms Okafor is here');
  stage.quiet();
});

test('what cannot be seen in a name is not taken out without a word', async (t) => {
  const { stage, teacher, link } = await classOf(t, []);
  const ada = await stage.person('Ada');
  await ada.page.goto(link);
  await ada.page.getByLabel('Your name').fill('\u200eZoe\u00a0\u2003Ng\u200d ');
  await ada.button('Join the class').click();
  await teacher.knows('Zoe Ng', 'online');
  await ada.sees('You are in as “Zoe Ng”');
  await ada.sees('What cannot be seen was taken out of what was typed.');
  await ada.leaves();

  // A joiner within a word makes it another one: it goes to the hub, whose word counts.
  for (const name of ['می\u200cخواهم', 'ශ\u0dca\u200dරී', '👩\u200d🔬']) {
    await ada.page.goto(link);
    await ada.page.getByLabel('Your name').fill(name);
    await ada.button('Join the class').click();
    const refused = ada.page.getByRole('alert').getByText('That name cannot be used');
    const inside = ada.page.getByRole('log', { name: 'Conversation' });
    await refused.or(inside).first().waitFor();
    if (await inside.isVisible()) {
      const shown = await teacher.page.getByRole('region', { name: 'Students' }).locator('bdi').allTextContents();
      assert.ok(shown.includes(name), `${JSON.stringify(name)} is whole`);
      await ada.leaves();
    }
  }
  stage.quiet();
});
