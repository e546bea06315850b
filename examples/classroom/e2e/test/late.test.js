import assert from 'node:assert/strict';
import { test } from 'node:test';

import { PHONE, Stage } from './support/stage.js';

async function asked(t) {
  const stage = await Stage.open(t);
  const [teacher, ada] = await Promise.all(['Ms Okafor', 'Ada'].map((name) => stage.person(name)));
  const link = await teacher.opens('Biology 7b');
  await ada.joins(link);
  await teacher.knows('Ada', 'online');
  await teacher.asks('Ready?', ['Yes', 'No']);
  await ada.sees('Ready?');
  return { stage, teacher, ada, link };
}

const radios = ({ page }) => page.getByRole('radio');

test('who comes while the teacher is away sees the question, and what is answered is kept until the teacher is back', async (t) => {
  const { stage, teacher, ada, link } = await asked(t);
  const ben = await stage.person('Ben', { viewport: PHONE });
  await teacher.page.goto('about:blank');
  await ada.sees('Ms Okafor is away. The class is over in');
  await ben.joins(link);
  // The question is what the page shows.
  await ben.page.getByLabel('No', { exact: true }).check();
  await ben.button('Send answer').click();
  await ben.sees('Your answer is kept until your teacher can take it.');
  await ben.page.reload();
  await ben.part('Question');
  await ben.sees('Your answer is kept until your teacher can take it.');
  assert.equal(await radios(ben).count(), 0);

  await teacher.page.goBack();
  await ben.sees('Your teacher has your answer.');
  await teacher.sees('1 of 2 answered · waiting for Ada');
  await teacher.counts('Ready?', 'No', 1);
  await ben.part('Talk');
  await ben.reads('Ready?');
  await ben.reads('No');
  await ada.answers('Yes');
  await teacher.sees('2 of 2 answered · everybody has');
  stage.quiet();
});

test('a question that is over is not there for who comes later', async (t) => {
  const { stage, teacher, ada, link } = await asked(t);
  const [ben, cleo] = await Promise.all(['Ben', 'Cleo'].map((name) => stage.person(name)));
  await teacher.button('Close the question').click();
  await ada.sees('The question is closed.');
  await ben.joins(link);
  await teacher.writes('That was it.');
  await ben.reads('That was it.');
  await ben.sees('There is no question right now.');

  // Also one that is over because everybody has answered.
  await teacher.button('Ask another').click();
  await teacher.asks('And now?', ['Yes', 'No']);
  await ada.answers('Yes');
  await ben.answers('No');
  await teacher.sees('2 of 2 answered · everybody has');
  await cleo.joins(link);
  await teacher.writes('On we go.');
  await cleo.reads('On we go.');
  await cleo.sees('There is no question right now.');
  assert.equal(await radios(cleo).count(), 0);
  stage.quiet();
});

test('an answer that is kept when the question is closed is said not to have arrived', async (t) => {
  const { stage, teacher, ada, link } = await asked(t);
  const [ben, cleo] = await Promise.all(['Ben', 'Cleo'].map((name) => stage.person(name)));
  // As if the page had closed the question and gone before the hub knew.
  await teacher.page.evaluate(() => {
    addEventListener('pagehide', () => {
      const kept = JSON.parse(sessionStorage.getItem('classroom'));
      Object.assign(kept.questions.at(-1), { open: false, told: false });
      sessionStorage.setItem('classroom', JSON.stringify(kept));
    });
  });
  await teacher.page.goto('about:blank');
  await ada.sees('Ms Okafor is away. The class is over in');
  for (const student of [ben, cleo]) {
    await student.joins(link);
    await student.page.getByLabel('No', { exact: true }).check();
  }
  await ben.button('Send answer').click();
  await ben.sees('Your answer is kept until your teacher can take it.');
  await teacher.page.goBack();
  await ben.reads('The question was closed before your answer arrived.');
  for (const student of [ada, ben, cleo]) {
    await student.sees('The question is closed.');
  }
  await teacher.sees('0 of 1 answered · closed');
  stage.quiet();
});

test('a question is the next one at once', async (t) => {
  const { stage, teacher, ada, link } = await asked(t);
  for (const text of ['First?', 'Second?', 'Third?']) {
    await teacher.button('Close the question').click();
    await teacher.button('Ask another').click();
    await teacher.asks(text, ['Yes', 'No']);
  }
  await ada.page.getByRole('group', { name: 'Third?' }).waitFor();
  const ben = await stage.person('Ben');
  await ben.joins(link);
  await ben.page.getByRole('group', { name: 'Third?' }).waitFor();
  assert.equal(await ben.log.getByText('Second?').count(), 0);
  await ada.answers('Yes');
  await ben.answers('No');
  await teacher.sees('2 of 2 answered · everybody has');
  stage.quiet();
});
