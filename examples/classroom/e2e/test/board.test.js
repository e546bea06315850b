import assert from 'node:assert/strict';
import { test } from 'node:test';

import { NETWORK, PHONE, Stage } from './support/stage.js';

const TEXT = 'Leaves\n\n1. page 12\n2. tasks 3 to 5';

test('what is on the board is seen by all, who come later and who load their page again', async (t) => {
  const stage = await Stage.open(t);
  const [teacher, ada] = await Promise.all(['Ms Okafor', 'Ada'].map((name) => stage.person(name)));
  const [ben, cleo] = await Promise.all(['Ben', 'Cleo'].map((name) => stage.person(name, { viewport: PHONE })));
  const link = await teacher.opens('Biology 7b');
  await ada.joins(link);
  await ada.board('');
  await teacher.putsOnBoard(TEXT);
  await teacher.board(TEXT);
  await ada.board(TEXT);

  await t.test('who comes later', async () => {
    await ben.joins(link);
    // On a phone the part with the board says that there is something.
    await ben.page.getByRole('navigation').getByRole('button', { name: 'Board (new)' }).waitFor();
    await ben.board(TEXT);
    assert.equal(await ben.page.getByRole('navigation').getByRole('button', { name: 'Board', exact: true }).count(), 1);
  });

  await t.test('who loads the page again', async () => {
    for (const person of [ada, ben, teacher]) {
      await person.page.reload();
      await person.board(TEXT);
    }
  });

  await t.test('who comes while the teacher is away', async () => {
    await teacher.page.goto('about:blank');
    await ada.sees('Ms Okafor is away. The class is over in');
    await cleo.joins(link);
    await cleo.sees('Ms Okafor is away. The class is over in');
    await cleo.board(TEXT);
    await teacher.page.goBack();
    await teacher.board(TEXT);
  });

  await t.test('it is changed, and what was there is given to change', async () => {
    await teacher.button('Change the board').click();
    const field = teacher.page.getByLabel('On the board', { exact: true });
    assert.equal(await field.inputValue(), TEXT);
    await field.fill('Something else');
    await teacher.button('Cancel').click();
    await teacher.board(TEXT);
    await teacher.putsOnBoard('Tests are next week.');
    for (const person of [ada, ben, cleo, teacher]) {
      await person.board('Tests are next week.');
    }
  });

  await t.test('cleared, it is empty for all, and stays so', async () => {
    await teacher.button('Clear the board').click();
    for (const person of [ada, ben, cleo, teacher]) {
      await person.board('');
    }
    await ben.sees('There is nothing on the board.');
    for (const person of [ben, teacher]) {
      await person.page.reload();
      await person.sees(person === teacher ? 'You are here' : 'Ms Okafor is here');
      // What comes behind it tells that it would have been there.
      await teacher.writes(`Behind ${person.name}`);
      await ben.part('Talk');
      await ben.reads(`Behind ${person.name}`);
      await person.board('');
    }
    await cleo.leaves();
    await cleo.joinsAgain();
    await teacher.writes('To who is new.');
    await cleo.part('Talk');
    await cleo.reads('To who is new.');
    await cleo.board('');
  });
  stage.quiet();
});

test('the board is changed while the connection is lost, and by a page that goes before the hub has it', async (t) => {
  const stage = await Stage.open(t);
  const { relay, url } = await stage.relay();
  const teacher = await stage.person('Ms Okafor', { url });
  const ada = await stage.person('Ada');
  const link = await teacher.opens('Biology 7b');
  await ada.joins(new URL(new URL(link).search, stage.url).href);
  await teacher.knows('Ada', 'online');
  relay.bar();
  await teacher.sees('Connection lost. Trying to come back for');
  await teacher.putsOnBoard('First');
  await teacher.putsOnBoard('Second');
  await teacher.board('Second');
  await ada.board('');
  relay.bar(false);
  await ada.board('Second');

  // As if the page had gone before the hub's answer came.
  await teacher.page.evaluate(() => {
    const kept = JSON.parse(sessionStorage.getItem('classroom'));
    Object.assign(kept.own.board, { value: 'Third', sure: false });
    sessionStorage.setItem('classroom', JSON.stringify(kept));
  });
  await teacher.page.reload();
  await ada.board('Third');
  await teacher.board('Third');
  stage.quiet(NETWORK);
});

test('what was said last stays in sight when the board takes room', async (t) => {
  const stage = await Stage.open(t);
  const [teacher, ada] = await Promise.all(['Ms Okafor', 'Ada'].map((name) => stage.person(name)));
  await ada.joins(await teacher.opens('Biology 7b'));
  await teacher.knows('Ada', 'online');
  for (let number = 1; number <= 12; number++) {
    await teacher.writes(`Number ${number}.`);
  }
  const inSight = async ({ log }, text) => {
    const [around, entry] = await Promise.all([log.boundingBox(), log.getByText(text, { exact: true }).boundingBox()]);
    return entry.y >= around.y && entry.y + entry.height <= around.y + around.height;
  };
  await ada.reads('Number 12.');
  await teacher.putsOnBoard('line\n'.repeat(12));
  for (const person of [teacher, ada]) {
    await person.page.locator('.blackboard').waitFor();
    assert.equal(await inSight(person, 'Number 12.'), true, person.name);
  }
  // Who reads what was said before stays there.
  await ada.log.evaluate((log) => log.scrollTo(0, 0));
  await ada.page.waitForFunction(() => document.querySelector('.log').scrollTop === 0);
  await teacher.button('Clear the board').click();
  await ada.page.locator('.blackboard').waitFor({ state: 'hidden' });
  assert.equal(await inSight(ada, 'Number 1.'), true);
  stage.quiet();
});

test('the board takes as much as it has room for, and says so', async (t) => {
  const stage = await Stage.open(t);
  const [teacher, ada] = await Promise.all(['Ms Okafor', 'Ada'].map((name) => stage.person(name, { viewport: PHONE })));
  await ada.joins(await teacher.opens('Biology 7b'));
  await teacher.putsOnBoard('é'.repeat(1001));
  await teacher.sees('This has 1,001 characters, and 1,000 are possible. Please shorten it.');
  await ada.board('');
  const field = teacher.page.getByLabel('On the board', { exact: true });
  await field.fill('   ');
  await teacher.button('Put on the board').click();
  assert.equal(await field.isVisible(), true, 'nothing is nothing to put there');
  await field.fill('🍃'.repeat(1000));
  await teacher.button('Put on the board').click();
  await ada.board('🍃'.repeat(1000));
  await ada.accessible('a full board');
  await teacher.accessible('a full board');
  stage.quiet();
});
