import assert from 'node:assert/strict';
import { test } from 'node:test';

import { PHONE, Stage } from './support/stage.js';

test('a question goes on where its teacher’s page is loaded again', async (t) => {
  const stage = await Stage.open(t);
  const [teacher, ada, ben, cleo] = await Promise.all(
    ['Ms Okafor', 'Ada', 'Ben', 'Cleo'].map((name) => stage.person(name)));
  const link = await teacher.opens('Biology 7b');
  for (const student of [ada, ben, cleo]) {
    await student.joins(link);
    await teacher.knows(student.name, 'online');
  }
  await teacher.asks('Ready?', ['Yes', 'No']);
  await ada.answers('Yes');
  await teacher.sees('1 of 3 answered · waiting for Ben, Cleo');
  await ben.page.getByRole('radio', { name: 'No' }).check();
  await cleo.sees('Ready?');

  await t.test('who has left meanwhile is counted so', async () => {
    await teacher.page.goto('about:blank');
    await ben.sees('Ms Okafor is away. The class is over in');
    await cleo.leaves();
    await teacher.page.goBack();
    await teacher.sees('1 of 3 answered · 1 left before · waiting for Ben');
    await teacher.counts('Ready?', 'Yes', 1);
  });

  await t.test('nobody is asked twice, and a choice that is not sent yet stays', async () => {
    await ben.page.getByRole('status').getByText('Ms Okafor is here').waitFor();
    assert.equal(await ben.page.getByRole('radio', { name: 'No' }).isChecked(), true);
    await ben.reads('Ready?');
    await ada.reads('Ready?');
    await ada.sees('Your teacher has your answer.');
    await ben.button('Send answer').click();
    await teacher.sees('2 of 3 answered · 1 left before · closed');
    await teacher.counts('Ready?', 'No', 1);
    await ben.sees('Your teacher has your answer.');
  });

  await t.test('an answer that arrived while nobody was there is said again', async () => {
    await teacher.button('Ask another').click();
    await teacher.asks('And now?', ['Yes', 'No']);
    await ben.sees('And now?');
    await teacher.page.goto('about:blank');
    await ben.sees('Ms Okafor is away. The class is over in');
    await ben.answers('Yes');
    await teacher.page.goBack();
    await teacher.counts('And now?', 'Yes', 1);
    await ben.log.getByText('Yes', { exact: true }).waitFor();
    await ben.reads('And now?');
  });

  await t.test('one that was closed when the page went is told closed', async () => {
    // As if the page had gone before the hub's answer came.
    await teacher.page.evaluate(() => {
      const kept = JSON.parse(sessionStorage.getItem('classroom'));
      Object.assign(kept.questions.at(-1), { open: false, told: false });
      sessionStorage.setItem('classroom', JSON.stringify(kept));
    });
    await teacher.page.reload();
    await ada.sees('The question is closed.');
    await teacher.sees('1 of 2 answered · closed');
    await ben.sees('Your teacher has your answer.');
  });
  stage.quiet();
});

test('who comes while a question is open is asked too', async (t) => {
  const stage = await Stage.open(t);
  const [teacher, ada, ben, cleo] = await Promise.all(
    ['Ms Okafor', 'Ada', 'Ben', 'Cleo'].map((name) => stage.person(name)));
  const link = await teacher.opens('Biology 7b');
  await ada.joins(link);
  await teacher.knows('Ada', 'online');
  await cleo.joins(link);
  await teacher.knows('Cleo', 'online');
  await teacher.asks('Ready?', ['Yes', 'No']);
  await ben.joins(link);
  await teacher.sees('0 of 3 answered · waiting for Ada, Cleo, Ben');
  await ben.answers('No');
  await teacher.sees('1 of 3 answered · waiting for Ada, Cleo');

  // Who has answered, and comes anew, is not asked anew. Who has not, is.
  await ben.leaves();
  await teacher.knows('Ben', 'left');
  await ben.joinsAgain();
  await teacher.knows('Ben', 'online');
  await ada.leaves();
  await teacher.sees('1 of 3 answered · 1 left before · waiting for Cleo');
  await ada.joinsAgain();
  await teacher.sees('1 of 3 answered · waiting for Ada, Cleo');
  // He sees it, as everybody does, and that there is an answer of his.
  await ben.sees('Your teacher has your answer.');
  assert.equal(await ben.page.getByRole('radio').count(), 0);
  await ada.answers('Yes');
  await cleo.answers('Yes');
  await teacher.sees('3 of 3 answered · everybody has');
  await teacher.counts('Ready?', 'Yes', 2);
  stage.quiet();
});

test('a question does not take the page away from somebody who is writing', async (t) => {
  const stage = await Stage.open(t);
  const teacher = await stage.person('Ms Okafor');
  const ada = await stage.person('Ada', { viewport: PHONE });
  await ada.joins(await teacher.opens('Biology 7b'));
  await teacher.knows('Ada', 'online');
  const field = ada.page.getByRole('textbox', { name: 'Write to Ms Okafor' });
  await field.pressSequentially('I have not');
  await teacher.asks('Ready?', ['Yes', 'No']);
  await ada.page.getByRole('navigation').getByRole('button', { name: 'Question 1' }).waitFor();
  await ada.page.keyboard.type(' finished.');
  assert.equal(await field.inputValue(), 'I have not finished.');

  // What is written and not sent survives a reload.
  await ada.page.reload();
  await ada.sees('Ms Okafor is here');
  assert.equal(await field.inputValue(), 'I have not finished.');
  await field.press('Enter');
  await teacher.reads('I have not finished.');
  await ada.answers('No');
  await teacher.counts('Ready?', 'No', 1);
  stage.quiet();
});
