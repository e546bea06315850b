import assert from 'node:assert/strict';
import { test } from 'node:test';

import { NETWORK, PHONE, Stage, classOf } from './support/stage.js';

const TOLD = 'Ms Okafor has been told that you are here. Please wait until you are let in.';

async function asking(t, { viewport } = {}) {
  const { stage, teacher, link } = await classOf(t, [], { viewport });
  await teacher.door('Ask me');
  await teacher.sees('Who comes waits until you say yes or no.');
  return { stage, teacher, link };
}

test('who comes is seen and let in by name, or not', async (t) => {
  const { stage, teacher, link } = await asking(t);
  const [ada, ben, cleo] = await Promise.all(['Ada', 'Ben', 'Cleo'].map((name) => stage.person(name)));
  await teacher.writes('Before anybody.');
  await ada.asksToCome(link);
  await ada.sees(TOLD);
  await ada.sees('You wait as Ada.');
  await teacher.knocks('Ada');
  await teacher.page.getByRole('status').getByText('Ada is at the door.').waitFor({ state: 'attached' });
  await ben.asksToCome(link);
  await ben.sees(TOLD);
  await teacher.knocks('Ada', 'Ben');
  await cleo.asksToCome(link);
  await teacher.knocks('Ada', 'Ben', 'Cleo');
  await teacher.page.getByRole('status').getByText('3 are at the door.').waitFor({ state: 'attached' });
  await teacher.sees('Nobody has joined yet.');

  await t.test('the second alone', async () => {
    await teacher.button('Let in Ben').click();
    await ben.comes();
    await teacher.knows('Ben', 'online');
    await teacher.knocks('Ada', 'Cleo');
    await ben.writes('I am in.');
    await teacher.reads('I am in.');
    assert.equal(await ada.log.count(), 0);
  });

  await t.test('the list is there when the teacher’s page is loaded again', async () => {
    await teacher.page.reload();
    await teacher.knocks('Ada', 'Cleo');
    assert.equal(await teacher.page.getByLabel('Ask me', { exact: true }).isChecked(), true);
  });

  await t.test('who is not let in is told so, and can ask again', async () => {
    await teacher.button('No to Ada').click();
    await ada.sees('The teacher has not let you in.');
    await teacher.knocks('Cleo');
    assert.equal(await ada.page.getByLabel('Your name').inputValue(), 'Ada');
    await ada.button('Join the class').click();
    await ada.sees(TOLD);
    await teacher.knocks('Cleo', 'Ada');
    await teacher.button('Let in Ada').click();
    await ada.comes();
    await teacher.knows('Ada', 'online');
  });

  await t.test('who waits no longer is gone', async () => {
    await cleo.button('Wait no longer').click();
    await cleo.button('Join the class').waitFor();
    assert.equal(await cleo.page.locator('.problem').textContent(), '');
    await teacher.knocks();
    await teacher.gone('At the door');
  });

  await t.test('who is in comes back without being asked for', async () => {
    await ada.page.reload();
    await ada.sees('Ms Okafor is here');
    await teacher.writes('Hello Ada.', 'Ada');
    await ada.reads('Hello Ada.');
    await teacher.knocks();
  });

  await t.test('who has typed the name of the class waits too', async () => {
    await cleo.page.goto(stage.url);
    const form = cleo.page.getByRole('form', { name: 'Join a class' });
    await form.getByLabel('Name of the class').fill('Biology 7b');
    await form.getByLabel('Your name').fill('Cleo');
    await form.getByRole('button', { name: 'Join' }).click();
    await cleo.sees(TOLD);
    await teacher.knocks('Cleo');
  });

  await t.test('open, the door lets all in', async () => {
    await teacher.door('Open');
    await cleo.comes();
    await teacher.knows('Cleo', 'online');
    await teacher.knocks();
  });
  stage.quiet();
});

test('a door that is locked lets nobody in, nor who waits', async (t) => {
  const { stage, teacher, link } = await asking(t);
  const [ada, ben] = await Promise.all(['Ada', 'Ben'].map((name) => stage.person(name, { viewport: PHONE })));
  await ada.asksToCome(link);
  await teacher.knocks('Ada');
  await teacher.door('Locked');
  await ada.sees('The class is locked: nobody comes in at present. Please try again later.');
  await teacher.knocks();
  await ben.asksToCome(link);
  await ben.sees('The class is locked: nobody comes in at present. Please try again later.');
  await teacher.page.reload();
  await teacher.sees('Nobody comes in.');
  assert.equal(await teacher.page.getByLabel('Locked', { exact: true }).isChecked(), true);
  await teacher.door('Open');
  for (const student of [ada, ben]) {
    await student.button('Join the class').click();
    await student.comes();
    await teacher.knows(student.name, 'online');
  }
  stage.quiet();
});

test('who comes before the class is open waits for it, and is in when it is', async (t) => {
  const stage = await Stage.open(t);
  const [teacher, ada, ben] = await Promise.all(['Ms Okafor', 'Ada', 'Ben'].map((name) => stage.person(name)));
  const link = `${stage.url}?class=Biology+7b&with=Ms+Okafor`;
  await ada.asksToCome(link);
  await ada.sees('Ms Okafor has not opened this class yet. Stay here: this page goes on by itself.');
  await ada.page.reload();
  await ada.sees('Ms Okafor has not opened this class yet. Stay here: this page goes on by itself.');
  await ben.asksToCome(link);
  await ben.sees('Ms Okafor has not opened this class yet.');
  await ben.button('Wait no longer').click();
  await ben.button('Join the class').waitFor();
  await teacher.opens('Biology 7b');
  await ada.comes();
  await teacher.knows('Ada', 'online');
  await ada.writes('Good morning!');
  await teacher.reads('Good morning!');
  assert.equal(await ben.log.count(), 0);
  await ben.sees('Ms Okafor is here.');
  stage.quiet();
});

for (const [size, viewport] of [['a laptop', undefined], ['a phone', PHONE]]) {
  test(`who waits and loads the page again waits on, at the end, on ${size}`, async (t) => {
    const { stage, teacher, link } = await asking(t);
    const [ada, ben] = await Promise.all(['Ada', 'Ben'].map((name) => stage.person(name, { viewport })));
    for (const student of [ada, ben]) {
      await student.asksToCome(link);
      await student.sees(TOLD);
    }
    await teacher.knocks('Ada', 'Ben');
    await ada.page.reload();
    await ada.sees(TOLD);
    await ada.sees('You wait as Ada.');
    await teacher.knocks('Ben', 'Ada');
    assert.equal(await ada.page.evaluate(() => document.activeElement.textContent), 'Biology 7b');
    await ada.accessible(`waiting again, on ${size}`);
    await teacher.button('Let in Ada').click();
    await ada.comes();
    await ada.page.reload();
    await ada.sees('Ms Okafor is here');
    await teacher.knocks('Ben');

    // The page that waits knows of it as the teacher does, but not at the same moment, and keeps its place from then on.
    const waits = async (student) => {
      await student.sees(TOLD);
      await teacher.knocks(student.name);
    };

    await t.test('until it waits no longer', async () => {
      await ben.page.reload();
      await ben.sees(TOLD);
      await ben.button('Wait no longer').click();
      await teacher.knocks();
      await ben.page.reload();
      await ben.sees('Ms Okafor is here.');
      await ben.button('Join the class').waitFor();
      await teacher.knocks();
    });

    await t.test('or is refused', async () => {
      await ben.asksToCome(link);
      await waits(ben);
      await ben.page.reload();
      await ben.sees(TOLD);
      await teacher.knocks('Ben');
      await teacher.button('No to Ben').click();
      await ben.sees('The teacher has not let you in.');
      await ben.page.reload();
      await ben.sees('Ms Okafor is here.');
      await teacher.knocks();
    });

    await t.test('or goes elsewhere', async () => {
      await ben.asksToCome(link);
      await waits(ben);
      await ben.page.goto(stage.url);
      await ben.heading('Classroom');
      await teacher.knocks();
      await ben.page.goto(link);
      await ben.sees('Ms Okafor is here.');
      await teacher.knocks();
    });

    await t.test('or finds the door open', async () => {
      const form = ben.page.getByRole('form', { name: 'Join a class' });
      await ben.page.goto(stage.url);
      await form.getByLabel('Name of the class').fill('Biology 7b');
      await form.getByLabel('Your name').fill('Ben');
      await form.getByRole('button', { name: 'Join' }).click();
      await waits(ben);
      await ben.page.goto('about:blank');
      await teacher.knocks();
      await teacher.door('Open');
      await ben.page.goBack();
      await ben.comes();
      await teacher.knows('Ben', 'online');
    });
    stage.quiet();
  });
}

test('who is let in as the page is loaded again knocks once more when the name is free', async (t) => {
  const stage = await Stage.open(t);
  const { relay, url } = await stage.relay();
  const teacher = await stage.person('Ms Okafor');
  const ada = await stage.person('Ada', { url });
  const link = new URL(new URL(await teacher.opens('Biology 7b')).search, url).href;
  await teacher.door('Ask me');
  await ada.asksToCome(link);
  await teacher.knocks('Ada');
  relay.lose('down');
  await teacher.button('Let in Ada').click();
  await teacher.knows('Ada', 'online');
  relay.lose('down', false);
  await ada.page.reload();
  await ada.sees('Your name is still in use, since this page was loaded again. Stay here: this page goes on by itself.');
  await ada.accessible('waiting for the name');
  await teacher.removes('Ada');
  await ada.sees(TOLD);
  await teacher.knocks('Ada');
  await teacher.button('Let in Ada').click();
  await ada.comes();
  await ada.writes('At last.');
  await teacher.reads('At last.');

  const other = await stage.person('Ada');
  await other.asksToCome(new URL(new URL(link).search, stage.url).href);
  await other.sees('Somebody in this class has that name already.');
  stage.quiet(NETWORK);
});

test('one who has gone from the door is not the one of that name who comes after', async (t) => {
  const stage = await Stage.open(t);
  const { relay, url } = await stage.relay();
  const teacher = await stage.person('Ms Okafor', { url });
  const [ada, other] = await Promise.all(['Ada', 'Ada'].map((name) => stage.person(name)));
  const link = new URL(new URL(await teacher.opens('Biology 7b')).search, stage.url).href;
  await teacher.door('Ask me');
  await ada.asksToCome(link);
  await teacher.knocks('Ada');
  relay.bar();
  await teacher.sees('Connection lost. Trying to come back for');
  await ada.sees('Ms Okafor is away at the moment, and is told that you are here.');
  await ada.button('Wait no longer').click();
  await ada.button('Join the class').waitFor();
  await other.asksToCome(link);
  await other.sees('Ms Okafor is away at the moment, and is told that you are here.');
  // What is decided is decided of the one who was seen.
  await teacher.button('Let in Ada').click();
  relay.bar(false);
  await teacher.reads('Ada is not at the door any more.');
  await teacher.knocks('Ada');
  await other.sees(TOLD);
  assert.equal(await other.log.count(), 0);
  await teacher.button('Let in Ada').click();
  await other.comes();
  await teacher.knows('Ada', 'online');
  stage.quiet(NETWORK);
});

test('the door is as it was chosen while the connection was lost', async (t) => {
  const stage = await Stage.open(t);
  const { relay, url } = await stage.relay();
  const teacher = await stage.person('Ms Okafor', { url });
  const ada = await stage.person('Ada');
  const link = new URL(new URL(await teacher.opens('Biology 7b')).search, stage.url).href;
  relay.bar();
  await teacher.sees('Connection lost. Trying to come back for');
  await teacher.door('Ask me');
  relay.bar(false);
  await teacher.sees('You are here');
  assert.equal(await teacher.page.getByLabel('Ask me', { exact: true }).isChecked(), true);
  await ada.page.goto(link);
  await ada.sees('Ms Okafor is here.');
  await ada.asksToCome(link);
  await ada.sees(TOLD);
  await teacher.knocks('Ada');
  stage.quiet(NETWORK);
});

test('on a phone the part with the students tells who is at the door', async (t) => {
  const { stage, teacher, link } = await asking(t, { viewport: PHONE });
  const [ada, ben] = await Promise.all(['Ada', 'Ben'].map((name) => stage.person(name, { viewport: PHONE })));
  const tab = (name) => teacher.page.getByRole('navigation').getByRole('button', { name, exact: true });
  await teacher.part('Talk');
  await ada.asksToCome(link);
  await tab('Students 1 waits (new)').waitFor();
  await ben.asksToCome(link);
  await tab('Students 2 wait (new)').waitFor();
  await teacher.part('Students');
  await teacher.button('Let in Ada').click();
  await tab('Students 1 1 waits').waitFor();
  await ada.raisesHand();
  await teacher.hands('Ada');
  await tab('Students 1 1 waits').waitFor();
  await teacher.button('No to Ben').click();
  await tab('Students 1 1 up').waitFor();
  stage.quiet();
});

test('the focus goes on to who waits next, and then to the choice', async (t) => {
  const { stage, teacher, link } = await asking(t);
  for (const name of ['Ada', 'Ben']) {
    await (await stage.person(name)).asksToCome(link);
    await teacher.page.getByRole('button', { name: `Let in ${name}` }).waitFor();
  }
  const focused = () => teacher.page.evaluate(() => document.activeElement.textContent || document.activeElement.value);
  await teacher.button('Let in Ada').focus();
  await teacher.page.keyboard.press('Enter');
  await teacher.knocks('Ben');
  assert.equal(await focused(), 'Let in Ben');
  await teacher.page.keyboard.press('Tab');
  await teacher.page.keyboard.press('Enter');
  await teacher.knocks();
  assert.equal(await focused(), 'knock');
  stage.quiet();
});

test('the door can be seen in forced colours, and is held against axe', async (t) => {
  const { stage, teacher, link } = await asking(t);
  const ada = await stage.person('Ada', { viewport: PHONE });
  await ada.asksToCome(link);
  await teacher.knocks('Ada');
  const outline = (choice) => teacher.page.locator('.door .option').filter({ hasText: choice })
    .evaluate((option) => getComputedStyle(option).outlineStyle);
  for (const colorScheme of ['light', 'dark']) {
    await teacher.page.emulateMedia({ forcedColors: 'active', colorScheme });
    assert.notEqual(await outline('Ask me'), await outline('Open'));
    for (const person of [teacher, ada]) {
      await person.page.emulateMedia({ forcedColors: 'none', colorScheme });
      await person.accessible(`the door, ${colorScheme}`);
    }
  }
  stage.quiet();
});
