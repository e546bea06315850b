import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { LAPTOP, NETWORK, PHONE, Stage } from './support/stage.js';

const folder = fileURLToPath(new URL('../screenshots/', import.meta.url));
const sizes = { phone: PHONE, laptop: LAPTOP };

// fits asserts that the smallest phones, too, have everything within their width.
async function fits({ page }, name) {
  await page.setViewportSize({ width: 360, height: 640 });
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 360, `${name} fits 360 pixels`);
  const cut = await page.evaluate(() => [...document.querySelectorAll('button, input, select, textarea, h1, h2')]
    .filter((element) => element.checkVisibility() && element.getBoundingClientRect().right > 360)
    .map((element) => element.textContent));
  assert.deepEqual(cut, [], `${name} fits 360 pixels`);
  if (await page.locator('.class').count() > 0) {
    assert.ok(await page.evaluate(() => document.documentElement.scrollHeight <= innerHeight), `${name}: the parts scroll, and not the page`);
  }
  // On its side, or with its keyboard open, one can still write.
  const send = page.getByRole('button', { name: 'Send', exact: true });
  for (const viewport of [{ width: 640, height: 340 }, { width: 360, height: 330 }]) {
    await page.setViewportSize(viewport);
    if (await send.isVisible()) {
      const { y, height } = await send.boundingBox();
      assert.ok(y + height <= viewport.height, `${name}: Send is in sight at ${viewport.width} x ${viewport.height}`);
      assert.ok(await page.getByRole('log').evaluate((log) => log.clientHeight) > 40, `${name}: so is what was said`);
    }
  }
  await page.setViewportSize(PHONE);
}

// Every state is held against axe's rules, and photographed, on a phone and on a
// laptop, in light and in dark. A phone shows one part of a class at a time.
async function photograph(person, state, { parts = [] } = {}) {
  const { page } = person;
  for (const [size, viewport] of Object.entries(sizes)) {
    await page.setViewportSize(viewport);
    for (const part of size === 'phone' && parts.length > 0 ? parts : ['']) {
      if (part !== '') {
        await person.part(part);
      }
      if (size === 'phone') {
        await fits(person, `${state} ${part}`);
      }
      for (const colorScheme of ['light', 'dark']) {
        await page.emulateMedia({ colorScheme });
        const name = [state, part.toLowerCase(), size, colorScheme].filter((word) => word !== '').join('-');
        await person.accessible(name);
        await page.screenshot({ path: `${folder}${name}.png` });
      }
    }
  }
}

test('each state, accessible and photographed', async (t) => {
  mkdirSync(folder, { recursive: true });
  const stage = await Stage.open(t, { masterTimeout: '5m' });
  const teacher = await stage.person('Ms Okafor');
  const { relay, url } = await stage.relay();
  const ada = await stage.person('Ada', { url });
  const [ben, cleo, dan] = await Promise.all(['Ben Achterberg', 'Cleo', 'Dan'].map((name) => stage.person(name)));
  const teachers = ['Students', 'Board', 'Talk', 'Question'];
  const students = ['Board', 'Talk', 'Question'];

  await teacher.page.goto(teacher.url);
  await photograph(teacher, '01-start');
  const link = await teacher.opens('Biology 7b');
  await photograph(teacher, '02-teacher-empty', { parts: teachers });
  const adas = link.replace(stage.url, url);
  await ada.page.goto(adas);
  await ada.sees('Ms Okafor is here.');
  await photograph(ada, '03-student-invited');
  await ada.page.goto(`${url}?class=Chemistry&with=Mr+Lind`);
  await ada.sees('Mr Lind has not opened');
  await photograph(ada, '04-student-no-class');
  await teacher.door('Ask me');
  await ada.asksToCome(adas);
  await cleo.asksToCome(link);
  await teacher.knocks('Ada', 'Cleo');
  await photograph(teacher, '04-teacher-asked-at-the-door', { parts: ['Students'] });
  await photograph(ada, '04-student-at-the-door');
  await teacher.button('No to Ada').click();
  await ada.sees('The teacher has not let you in.');
  await photograph(ada, '04-student-not-let-in');
  await teacher.door('Open');
  await cleo.comes();
  await cleo.leaves();
  await teacher.knows('Cleo', 'left');
  await ada.joins(adas);
  await photograph(ada, '05-student-empty', { parts: students });

  for (const student of [ben, cleo, dan]) {
    await student.joins(link);
    await teacher.knows(student.name, 'online');
  }
  await teacher.writes('Good morning! Today we look at how leaves make sugar out of light.', 'Everybody');
  await ada.reads('Good morning! Today we look at how leaves make sugar out of light.');
  await ada.writes('Do we need the worksheet from last week?');
  await teacher.reads('Do we need the worksheet from last week?');
  await teacher.writes('Yes please, page 3. And well done with your essay, Ada.', 'Ada');
  await cleo.writes('I cannot find mine, may I look on with Dan?');
  await teacher.reads('I cannot find mine, may I look on with Dan?');
  await teacher.writes('Of course.', 'Cleo');
  await teacher.writes('Here comes a first question.', 'Everybody');
  await ada.reads('Here comes a first question.');

  await teacher.button('Write on the board').click();
  await photograph(teacher, '05-teacher-writing-on-the-board', { parts: ['Board'] });
  await teacher.button('Cancel').click();
  await teacher.putsOnBoard('Photosynthesis\n\n1. Read page 12\n2. Worksheet, page 3\n3. Bring a leaf tomorrow');
  await ben.raisesHand();
  await ada.raisesHand();

  const question = 'Where in the cell does photosynthesis happen?';
  await teacher.asks(question, ['Mitochondria', 'Chloroplasts', 'Nucleus', 'Cell wall']);
  await ada.sees(question);
  await photograph(ada, '06-student-asked', { parts: students });
  await ben.answers('Chloroplasts');
  await dan.answers('Mitochondria');
  await ada.answers('Chloroplasts');
  await teacher.counts(question, 'Chloroplasts', 2);
  await dan.page.close();
  await teacher.knows('Dan', 'away');
  await photograph(teacher, '07-teacher-question', { parts: teachers });
  await photograph(ada, '08-student-answered', { parts: students });

  await teacher.quiets();
  await teacher.quiets('Ben Achterberg');
  await ada.part('Talk');
  await ada.sees('You cannot write now');
  await ada.page.getByRole('textbox', { name: 'Write to Ms Okafor' }).fill('Is the leaf for');
  await photograph(teacher, '08-teacher-quiet', { parts: ['Students'] });
  await photograph(ada, '08-student-quiet', { parts: ['Talk'] });
  await ada.page.getByRole('textbox', { name: 'Write to Ms Okafor' }).fill('');
  await teacher.quiets();
  await ada.gone('You cannot write now');

  await teacher.more('Cleo');
  await teacher.button('Remove Cleo').click();
  await photograph(teacher, '09-teacher-removing');
  const dialog = teacher.page.getByRole('dialog');
  await dialog.getByLabel('Reason').fill('Please come back with your worksheet');
  await dialog.getByRole('button', { name: 'Remove' }).click();
  await cleo.heading('You are out of the class');
  await photograph(cleo, '10-student-removed');

  await teacher.button('Show large').click();
  await photograph(teacher, '11-teacher-code-large');
  await teacher.page.keyboard.press('Escape');
  await teacher.button('Step away').click();
  await ada.sees('Ms Okafor is away. The class is over in');
  await photograph(teacher, '12-teacher-away', { parts: ['Talk'] });
  await photograph(ada, '13-student-away', { parts: ['Talk'] });
  await teacher.button('I’m back').click();
  await ada.sees('Ms Okafor is back.');

  relay.bar();
  await ada.sees('Connection lost. Trying to come back for');
  await ada.writes('Are you still there?');
  await photograph(ada, '14-student-lost', { parts: ['Talk'] });
  relay.bar(false);
  await teacher.reads('Are you still there?');

  await teacher.button('End class').click();
  await teacher.page.getByRole('dialog').getByRole('button', { name: 'End class' }).click();
  await ada.heading('The class is over');
  await photograph(ada, '15-student-over');
  await photograph(teacher, '16-teacher-over');
  stage.quiet(NETWORK);
});
