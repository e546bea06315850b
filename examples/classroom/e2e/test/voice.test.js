import assert from 'node:assert/strict';
import { test } from 'node:test';

import { NETWORK, PHONE, Stage, classOf } from './support/stage.js';

const field = ({ page }) => page.getByRole('textbox', { name: /^Write to/ });

// cannot asserts that what is written is not sent, that the page says why, and that it stays.
async function cannot(student, text) {
  await student.sees('You cannot write now: Ms Okafor wants you to be quiet.');
  await field(student).fill(text);
  await field(student).press('Enter');
  await student.page.getByRole('alert').getByText('Not sent. It stays here until you can write again.').waitFor();
  assert.equal(await field(student).inputValue(), text);
  assert.equal(await student.log.getByText(text).count(), 0);
  const described = await field(student).evaluate((element) => document.getElementById(element.getAttribute('aria-describedby')).textContent);
  assert.match(described, /^You cannot write now: Ms Okafor wants you to be quiet\./);
}

test('one student is quiet, and keeps what is written', async (t) => {
  const { stage, teacher, students: [ada, ben] } = await classOf(t, ['Ada', 'Ben']);
  await teacher.quiet();
  await teacher.quiets('Ada');
  await teacher.quiet('Ada');
  await ada.reads('Ms Okafor wants you to be quiet now. You can answer questions and raise your hand.');
  await cannot(ada, 'May I say something?');

  await t.test('others are not, and are told nothing', async () => {
    await ben.writes('I can.');
    await teacher.reads('I can.');
    assert.equal(await ben.page.getByText('quiet').filter({ visible: true }).count(), 0);
  });

  await t.test('it raises a hand and answers', async () => {
    await ada.raisesHand();
    await teacher.hands('Ada');
    await teacher.asks('Ready?', ['Yes', 'No']);
    await ada.answers('Yes');
    await teacher.counts('Ready?', 'Yes', 1);
  });

  await t.test('it is so when the pages are loaded again', async () => {
    await ada.page.reload();
    await cannot(ada, 'Still there?');
    await ada.page.reload();
    assert.equal(await field(ada).inputValue(), 'Still there?');
    await teacher.page.reload();
    await teacher.quiet('Ada');
  });

  await t.test('and when it has left and come again', async () => {
    await ada.leaves();
    await teacher.knows('Ada', 'left');
    await teacher.quiet();
    await ada.joinsAgain();
    await teacher.quiet('Ada');
    await cannot(ada, 'I am back.');
  });

  await t.test('until it may write again', async () => {
    await teacher.quiets('Ada');
    await teacher.quiet();
    await ada.reads('You can write again.');
    await ada.gone('You cannot write now');
    await ada.gone('Not sent. It stays here');
    assert.equal(await field(ada).inputValue(), 'I am back.');
    await field(ada).press('Enter');
    await teacher.reads('I am back.');
    assert.equal(await field(ada).inputValue(), '');
  });
  stage.quiet();
});

test('everybody is quiet, who comes later too, but for who may write', async (t) => {
  const { stage, teacher, students: [ada, ben], link } = await classOf(t, ['Ada', 'Ben'], { viewport: PHONE });
  await teacher.quiets();
  await teacher.quiet('Ada', 'Ben');
  await teacher.sees('Students can answer and raise their hands, and cannot write.');
  await ada.part('Talk');
  await cannot(ada, 'Not even this?');
  await teacher.quiets('Ben');
  await teacher.quiet('Ada');
  await ben.part('Talk');
  await ben.reads('You can write again.');
  await ben.writes('Thank you.');
  await teacher.part('Talk');
  await teacher.reads('Thank you.');

  const cleo = await stage.person('Cleo', { viewport: PHONE });
  await cleo.joins(link);
  await cleo.part('Talk');
  await cannot(cleo, 'I am new.');
  await teacher.part('Students');
  await teacher.quiet('Ada', 'Cleo');
  await teacher.page.reload();
  await teacher.quiet('Ada', 'Cleo');
  await ben.page.reload();
  await ben.sees('Ms Okafor is here');
  await ben.part('Talk');
  await ben.writes('Me again.');

  await teacher.quiets();
  await teacher.quiet();
  await teacher.gone('Students can answer and raise their hands, and cannot write.');
  await teacher.part('Talk');
  await teacher.reads('Me again.');
  for (const student of [ada, cleo]) {
    await student.gone('You cannot write now');
    await field(student).press('Enter');
  }
  await teacher.reads('Not even this?');
  await teacher.reads('I am new.');
  stage.quiet();
});

test('what was on its way when it had to be quiet is given back', async (t) => {
  const stage = await Stage.open(t);
  const { relay, url } = await stage.relay();
  const teacher = await stage.person('Ms Okafor');
  const ada = await stage.person('Ada', { url });
  const link = await teacher.opens('Biology 7b');
  await ada.joins(new URL(new URL(link).search, url).href);
  await teacher.knows('Ada', 'online');
  relay.bar();
  await ada.sees('Connection lost. Trying to come back for');
  await ada.writes('First.');
  await ada.writes('Second.');
  await field(ada).fill('Third.');
  await teacher.quiets('Ada');
  await teacher.knows('Ada', 'away');
  relay.bar(false);
  await ada.sees('You cannot write now');
  await ada.reads('Not sent: the teacher wants you to be quiet at present. What you wrote is back where you write.', 2);
  assert.equal(await field(ada).inputValue(), 'Third.\nFirst.\nSecond.');
  await ada.page.reload();
  await ada.sees('You cannot write now');
  assert.equal(await field(ada).inputValue(), 'Third.\nFirst.\nSecond.');
  await teacher.quiets('Ada');
  await ada.gone('You cannot write now');
  await field(ada).press('Enter');
  await teacher.reads('Third.\nFirst.\nSecond.');
  assert.equal(await teacher.log.getByText('First.', { exact: true }).count(), 0);
  stage.quiet(NETWORK);
});

test('who has to be quiet is so when the connection is back, and after a page that goes before the hub has it', async (t) => {
  const stage = await Stage.open(t);
  const { relay, url } = await stage.relay();
  const teacher = await stage.person('Ms Okafor', { url });
  const [ada, ben] = await Promise.all(['Ada', 'Ben'].map((name) => stage.person(name)));
  const link = await teacher.opens('Biology 7b');
  for (const student of [ada, ben]) {
    await student.joins(new URL(new URL(link).search, stage.url).href);
    await teacher.knows(student.name, 'online');
  }
  relay.bar();
  await teacher.sees('Connection lost. Trying to come back for');
  await teacher.quiets();
  await teacher.quiets('Ben');
  await teacher.quiets('Ada');
  await teacher.quiets('Ada');
  await teacher.quiet('Ada');
  relay.bar(false);
  await ada.sees('You cannot write now');
  await ben.reads('You can write again.');
  await teacher.quiet('Ada');

  // As if the page had gone before the hub's answer came.
  await teacher.page.evaluate(() => {
    const kept = JSON.parse(sessionStorage.getItem('classroom'));
    Object.assign(kept.voice, { others: [], changes: [{ name: 'Ben', quiet: true }] });
    sessionStorage.setItem('classroom', JSON.stringify(kept));
  });
  await teacher.page.reload();
  await ben.sees('You cannot write now');
  await teacher.quiet('Ada', 'Ben');
  stage.quiet(NETWORK);
});

test('who leaves before it can be quiet is told of', async (t) => {
  const { stage, teacher, students: [ada] } = await classOf(t, ['Ada']);
  await ada.leaves();
  await teacher.knows('Ada', 'left');
  await teacher.page.evaluate(() => {
    const kept = JSON.parse(sessionStorage.getItem('classroom'));
    Object.assign(kept.voice, { others: ['Ada'], changes: [{ name: 'Ada', quiet: true }] });
    sessionStorage.setItem('classroom', JSON.stringify(kept));
  });
  await teacher.page.reload();
  await teacher.reads('Ada is no longer in the class.');
  await ada.joinsAgain();
  await teacher.knows('Ada', 'online');
  await teacher.quiet();
  await ada.writes('Hello again.');
  await teacher.reads('Hello again.');
  stage.quiet();
});

test('what is quiet can be seen in forced colours, and is held against axe', async (t) => {
  const { stage, teacher, students: [ada, ben] } = await classOf(t, ['Ada', 'Ben']);
  await teacher.quiets('Ada');
  await teacher.quiet('Ada');
  await ada.sees('You cannot write now');
  const outline = async (name) => {
    await teacher.more(name);
    return teacher.button(`Quiet ${name}`).evaluate((button) => getComputedStyle(button).outlineStyle);
  };
  for (const colorScheme of ['light', 'dark']) {
    await teacher.page.emulateMedia({ forcedColors: 'active', colorScheme });
    assert.notEqual(await outline('Ada'), await outline('Ben'));
    for (const person of [teacher, ada]) {
      await person.page.emulateMedia({ forcedColors: 'none', colorScheme });
      await person.accessible(`quiet, ${colorScheme}`);
    }
  }
  assert.equal(await teacher.button('Quiet Ben').getAttribute('aria-pressed'), 'false');
  assert.equal(await teacher.button('Quiet Ada').isVisible(), false, 'one is open at a time');
  assert.equal(await ben.page.getByRole('button', { name: 'Send' }).getAttribute('aria-disabled'), 'false');
  assert.equal(await ada.page.getByRole('button', { name: 'Send' }).getAttribute('aria-disabled'), 'true');
  stage.quiet();
});
