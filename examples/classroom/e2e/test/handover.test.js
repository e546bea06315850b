import assert from 'node:assert/strict';
import { test } from 'node:test';

import { NETWORK, PHONE, Stage, classOf } from './support/stage.js';

const field = ({ page }) => page.getByRole('textbox', { name: /^(Message|Write to)/ });

test('a student is handed the class, and hands it back', async (t) => {
  const { stage, teacher, students: [ada, ben, cleo], link } = await classOf(t, ['Ada', 'Ben', 'Cleo']);
  await teacher.putsOnBoard('Page 12');
  await ben.raisesHand();
  await teacher.asks('Ready?', ['Yes', 'No']);
  await ben.answers('Yes');
  await teacher.counts('Ready?', 'Yes', 1);
  await teacher.quiets('Cleo');
  await cleo.sees('You cannot write now');
  await ada.board('Page 12');
  await teacher.handsOver('Ada');

  await t.test('who is the teacher then, with all that the class has', async () => {
    await ada.isToldToTeach();
    await ada.sees('You are here');
    await ada.board('Page 12');
    await ada.hands('Ben');
    await ada.quiet('Cleo');
    await ada.counts('Ready?', 'Yes', 1);
    await ada.sees('1 of 3 answered');
    await ada.knows('Ms Okafor', 'online');
    await ada.reads('Ms Okafor has handed the class to you. You are the teacher now.');
  });

  await t.test('all are told', async () => {
    await teacher.reads('You have handed the class to Ada. You are a student now.');
    await teacher.sees('Ada is here');
    for (const student of [ben, cleo]) {
      await student.reads('Ms Okafor has handed the class to Ada.');
      await student.sees('Ada is here');
    }
    await cleo.sees('You cannot write now: Ada wants you to be quiet.');
  });

  await t.test('what is written goes to the new teacher alone', async () => {
    await ben.writes('Hello Ada.');
    await ada.reads('Hello Ada.');
    await ada.writes('Hello everybody.');
    for (const student of [teacher, ben, cleo]) {
      await student.reads('Hello everybody.');
    }
    await teacher.writes('Good luck!');
    await ada.reads('Good luck!');
    assert.equal(await teacher.log.getByText('Hello Ada.').count(), 0);
    assert.equal(await ben.log.getByText('Good luck!').count(), 0);
  });

  await t.test('the question goes on, and the former teacher answers it too', async () => {
    await teacher.answers('No');
    await ada.counts('Ready?', 'No', 1);
    await cleo.answers('Yes');
    await ada.sees('3 of 3 answered · everybody has');
    await ben.sees('Your teacher has your answer.');
  });

  await t.test('it is so when the pages are loaded again', async () => {
    for (const [person, here] of [[ada, 'You are here'], [teacher, 'Ada is here'], [ben, 'Ada is here']]) {
      await person.page.reload();
      await person.sees(here);
    }
    await ada.board('Page 12');
    await ada.hands('Ben');
    await ada.quiet('Cleo');
    await ada.putsOnBoard('Page 13');
    await teacher.board('Page 13');
  });

  await t.test('who comes later comes by the new link', async () => {
    const dan = await stage.person('Dan');
    await dan.page.goto(link);
    await dan.page.getByLabel('Your name').fill('Dan');
    await dan.button('Join the class').click();
    await dan.sees('The class of that name is another teacher’s. Perhaps it was handed over: please ask for a new link.');
    await dan.joins(await ada.page.getByLabel('Link for students').inputValue());
    await ada.knows('Dan', 'online');
    await dan.board('Page 13');
    // A student's own address leads there too.
    assert.equal(new URL(ben.page.url()).searchParams.get('with'), 'Ada');
    await dan.leaves();
    await ada.knows('Dan', 'left');
  });

  await t.test('and handed back, the class has its teacher, and the answers of before', async () => {
    await ada.handsOver('Ms Okafor');
    await teacher.isToldToTeach();
    await teacher.sees('You are here');
    await teacher.board('Page 13');
    await teacher.hands('Ben');
    await teacher.quiet('Cleo');
    await teacher.counts('Ready?', 'Yes', 1);
    await ada.reads('You have handed the class to Ms Okafor. You are a student now.');
    await teacher.button('End class').click();
    await teacher.page.getByRole('dialog').getByRole('button', { name: 'End class' }).click();
    for (const student of [ada, ben, cleo]) {
      await student.heading('The class is over');
      await student.sees('Ms Okafor has ended the class.');
    }
    // Who has taught for a while keeps what was answered then.
    await ada.counts('Ready?', 'Yes', 2);
    assert.equal(await ben.button('Save as a file').count(), 0);
  });
  stage.quiet();
});

test('what is written stays for whom it was written', async (t) => {
  const { stage, teacher, students: [ada, ben] } = await classOf(t, ['Ada', 'Ben']);
  await teacher.page.getByLabel('To', { exact: true }).selectOption('Ben');
  await field(teacher).fill('Your mark is a C.');
  await field(ben).fill('I feel sick.');
  await field(ada).fill('I do not like that.');
  await teacher.handsOver('Ada');
  await ada.isToldToTeach();
  await ben.reads('Ms Okafor has handed the class to Ada.');
  await teacher.sees('Ada is here');

  for (const [person, text, why] of [
    [teacher, 'Your mark is a C.', 'Not sent: this was for Ben. Send it again, and your teacher reads it.'],
    [ben, 'I feel sick.', 'Not sent: this was for Ms Okafor. Send it again, and your teacher reads it.'],
  ]) {
    assert.equal(await field(person).inputValue(), text);
    await person.page.reload();
    await person.sees('Ada is here');
    await field(person).press('Enter');
    await person.page.getByRole('alert').getByText(why).waitFor();
    assert.equal(await field(person).inputValue(), text);
    assert.equal(await person.log.getByText(text).count(), 0);
  }
  await field(ben).press('Enter');
  await ada.reads('I feel sick.');
  assert.equal(await ada.log.getByText('Your mark is a C.').count(), 0);
  // Who is the teacher now has written to the former one, and does not write it to all.
  assert.equal(await ada.page.getByLabel('To', { exact: true }).inputValue(), 'Ms Okafor');
  await field(ada).press('Enter');
  await teacher.reads('I do not like that.');
  await ada.writes('Let us begin.', 'Everybody');
  await ben.reads('Let us begin.');
  assert.equal(await ben.log.getByText('I do not like that.').count(), 0);
  stage.quiet();
});

test('what is on its way while the class is handed over arrives once, or is given back', async (t) => {
  const { stage, teacher, students: [ada, ben] } = await classOf(t, ['Ada', 'Ben']);
  await teacher.more('Ada');
  await teacher.button('Hand over the class to Ada').click();
  const sent = await teacher.page.evaluate(async () => {
    const pause = () => new Promise((resolve) => {
      setTimeout(resolve, 2);
    });
    document.querySelector('dialog .primary').click();
    let count = 0;
    const box = document.querySelector('.composer textarea');
    while (count < 60 && box.isConnected && box.value === '') {
      count++;
      box.value = `number ${count}.`;
      box.dispatchEvent(new Event('input'));
      box.form.requestSubmit();
      await pause();
    }
    return count;
  });
  await ada.isToldToTeach();
  await teacher.sees('Ada is here');
  await ada.writes('Behind all that.');
  await ben.reads('Behind all that.');
  const heard = (await ben.log.locator('.words').allTextContents()).filter((text) => text.startsWith('number'));
  const back = (await field(teacher).inputValue()).split('\n').filter((text) => text !== '');
  const all = Array.from({ length: sent }, (_, index) => `number ${index + 1}.`);
  assert.deepEqual([...heard, ...back], all, `${heard.length} arrived, and ${back.length} were given back`);
  // Nothing that was for all has gone to the new teacher as a student's.
  assert.deepEqual((await ada.log.locator('.said:not(.mine) .words').allTextContents()).filter((text) => text.startsWith('number')), heard);
  if (back.length > 0) {
    await field(teacher).press('Enter');
    await teacher.page.getByRole('alert').getByText('Not sent: this was for everybody. Send it again, and only your teacher reads it.').waitFor();
  }
  stage.quiet();
});

test('one who has no connection cannot be handed the class', async (t) => {
  const stage = await Stage.open(t);
  const { relay, url } = await stage.relay();
  const teacher = await stage.person('Ms Okafor');
  const ada = await stage.person('Ada', { url });
  const link = await teacher.opens('Biology 7b');
  await ada.joins(new URL(new URL(link).search, url).href);
  await teacher.knows('Ada', 'online');
  relay.bar();
  await teacher.knows('Ada', 'away');
  await teacher.handsOver('Ada');
  await teacher.reads('Ada has no connection at the moment, and cannot take the class.');
  await teacher.sees('You are here');
  relay.bar(false);
  await teacher.knows('Ada', 'online');
  await teacher.handsOver('Ada');
  await ada.isToldToTeach();
  await teacher.sees('Ada is here');
  stage.quiet(NETWORK);
});

test('one who says no to the question keeps the class, and the focus is back', async (t) => {
  const { stage, teacher, students: [ada] } = await classOf(t, ['Ada'], { viewport: PHONE });
  await teacher.more('Ada');
  const button = teacher.button('Hand over the class to Ada');
  for (const colorScheme of ['light', 'dark']) {
    await teacher.page.emulateMedia({ colorScheme });
    await ada.page.emulateMedia({ colorScheme });
    await button.focus();
    await teacher.page.keyboard.press('Enter');
    await teacher.page.getByRole('dialog', { name: 'Hand the class to Ada?' }).waitFor();
    await teacher.accessible(`handing over, ${colorScheme}`);
    await teacher.page.keyboard.press('Escape');
    assert.equal(await teacher.page.evaluate(() => document.activeElement.textContent), 'Hand over the class to Ada');
  }
  await teacher.sees('You are here');
  await teacher.handsOver('Ada');
  await ada.page.getByRole('dialog', { name: 'You are the teacher now' }).waitFor();
  for (const colorScheme of ['light', 'dark']) {
    await ada.page.emulateMedia({ colorScheme });
    await teacher.page.emulateMedia({ colorScheme });
    await ada.accessible(`the teacher now, ${colorScheme}`);
    await teacher.accessible(`a student now, ${colorScheme}`);
  }
  // What was typed is not sent by the key that closes it.
  await ada.page.keyboard.press('Enter');
  await ada.page.getByRole('dialog').waitFor({ state: 'hidden' });
  assert.equal(await ada.page.evaluate(() => document.activeElement.textContent), 'Biology 7b');
  assert.equal(await teacher.page.evaluate(() => document.activeElement.textContent), 'Biology 7b');
  stage.quiet();
});
