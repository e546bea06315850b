import assert from 'node:assert/strict';
import { test } from 'node:test';

import { NETWORK, PHONE, Stage, classOf } from './support/stage.js';

test('hands go up and down, and the first one is the first in the list', async (t) => {
  const { stage, teacher, students: [ada, ben, cleo] } = await classOf(t, ['Ada', 'Ben', 'Cleo']);
  await teacher.hands();
  await cleo.raisesHand();
  await teacher.hands('Cleo');
  await ada.raisesHand();
  await ben.raisesHand();
  await teacher.hands('Cleo', 'Ada', 'Ben');

  await t.test('when the teacher’s page is loaded again', async () => {
    await teacher.page.reload();
    await teacher.hands('Cleo', 'Ada', 'Ben');
  });

  await t.test('when a student’s page is', async () => {
    await cleo.page.reload();
    await cleo.sees('Your hand is up.');
    await teacher.knows('Cleo', 'online');
    await teacher.hands('Cleo', 'Ada', 'Ben');
  });

  await t.test('who lowers and raises it again is the last', async () => {
    await cleo.lowersHand();
    await cleo.gone('Your hand is up.');
    await teacher.hands('Ada', 'Ben');
    await cleo.raisesHand();
    await teacher.hands('Ada', 'Ben', 'Cleo');
  });

  await t.test('one that goes up while the teacher is away', async () => {
    await ben.lowersHand();
    await teacher.hands('Ada', 'Cleo');
    await teacher.page.goto('about:blank');
    await ada.sees('Ms Okafor is away. The class is over in');
    await ben.raisesHand();
    await ada.lowersHand();
    await teacher.page.goBack();
    await teacher.hands('Cleo', 'Ben');
  });

  await t.test('the teacher has one lowered', async () => {
    await teacher.button('Lower hand of Cleo').click();
    await teacher.hands('Ben');
    await cleo.button('Raise hand').waitFor();
    await cleo.reads('Ms Okafor has lowered your hand.');
    await cleo.raisesHand();
    await teacher.hands('Ben', 'Cleo');
  });

  await t.test('who leaves takes it along, and comes anew without', async () => {
    await ben.leaves();
    await teacher.hands('Cleo');
    await ben.joinsAgain();
    await ben.button('Raise hand').waitFor();
    await teacher.knows('Ben', 'online');
    await teacher.hands('Cleo');
    await teacher.removes('Cleo');
    await cleo.heading('You are out of the class');
    await teacher.hands();
  });
  stage.quiet();
});

test('on a phone the part with the students tells how many hands are up', async (t) => {
  const { stage, teacher, students: [ada, ben] } = await classOf(t, ['Ada', 'Ben'], { viewport: PHONE });
  const tab = (name) => teacher.page.getByRole('navigation').getByRole('button', { name, exact: true });
  await teacher.part('Talk');
  await ada.raisesHand();
  await tab('Students 2 1 up').waitFor();
  await ben.raisesHand();
  await tab('Students 2 2 up').waitFor();
  await ada.lowersHand();
  await tab('Students 2 1 up').waitFor();
  await ben.lowersHand();
  await tab('Students 2').waitFor();
  stage.quiet();
});

test('a hand goes up when the connection is back', async (t) => {
  const stage = await Stage.open(t);
  const { relay, url } = await stage.relay();
  const teacher = await stage.person('Ms Okafor');
  const ada = await stage.person('Ada', { url });
  const link = await teacher.opens('Biology 7b');
  await ada.joins(new URL(new URL(link).search, url).href);
  await teacher.knows('Ada', 'online');
  relay.bar();
  await ada.sees('Connection lost. Trying to come back for');
  await ada.button('Raise hand').click();
  await ada.sees('Your hand is going up…');
  relay.bar(false);
  await teacher.hands('Ada');
  await ada.sees('Your hand is up.');
  stage.quiet(NETWORK);
});

test('a hand that goes up and down too fast is said to be, and is what the teacher sees', async (t) => {
  const { stage, teacher, students: [ada] } = await classOf(t, ['Ada']);
  await ada.page.evaluate(async () => {
    const button = [...document.querySelectorAll('button')].find(({ textContent }) => textContent === 'Raise hand');
    while (!document.querySelector('.log').textContent.includes('too fast')) {
      button.click();
      await new Promise((resolve) => {
        setTimeout(resolve, 1);
      });
    }
  });
  await ada.log.getByText('Not sent: that was too fast. Please try again in a moment.').first().waitFor();
  await ada.gone('Your hand is going up…');
  // What was refused is not tried again by itself.
  assert.ok(await ada.log.getByText('that was too fast').count() <= 2);
  const up = await ada.button('Lower hand').isVisible();
  await teacher.hands(...(up ? ['Ada'] : []));
  await ada.writes('I did not mean to.');
  await teacher.reads('I did not mean to.');
  await ada.button(up ? 'Lower hand' : 'Raise hand').click();
  await teacher.hands(...(up ? [] : ['Ada']));
  stage.quiet();
});

test('the focus stays where a row has moved, and does not get lost with a button', async (t) => {
  const { stage, teacher, students: [ada, ben] } = await classOf(t, ['Ada', 'Ben']);
  const focused = () => teacher.page.evaluate(() => document.activeElement.textContent);
  await teacher.button('Write to Ben').focus();
  await ben.raisesHand();
  await teacher.hands('Ben');
  assert.equal(await focused(), 'Write to Ben');
  await ada.raisesHand();
  await teacher.hands('Ben', 'Ada');
  await ben.lowersHand();
  await teacher.hands('Ada');
  assert.equal(await focused(), 'Write to Ben');
  await teacher.button('Lower hand of Ada').focus();
  await teacher.page.keyboard.press('Enter');
  await teacher.hands();
  assert.equal(await focused(), 'Students');
  stage.quiet();
});
