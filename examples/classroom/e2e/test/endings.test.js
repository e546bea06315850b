import assert from 'node:assert/strict';
import { test } from 'node:test';

import { NETWORK, Stage } from './support/stage.js';

test('a teacher who closes the tab: everybody is out after X, and told why', async (t) => {
  const stage = await Stage.open(t, { masterTimeout: '3s' });
  const [teacher, ada, ben, cleo] = await Promise.all(
    ['Ms Okafor', 'Ada', 'Ben', 'Cleo'].map((name) => stage.person(name)));
  const link = await teacher.opens('Biology 7b');
  await Promise.all([ada, ben, cleo].map((student) => student.joins(link)));
  await teacher.knows('Cleo', 'online');

  const away = ada.sees('Ms Okafor is away. The class is over in'); // it is there for three seconds
  const closed = Date.now();
  await teacher.page.close();
  await away;
  for (const student of [ada, ben, cleo]) {
    await student.heading('The class is over');
    await student.sees('Ms Okafor was away for longer than 3 seconds.');
  }
  assert.ok(Date.now() - closed >= 3000);

  await ada.page.reload();
  await ada.heading('The class is over');
  await ada.sees('Ms Okafor was away for longer than 3 seconds.');
  await ada.button('To the start').click();
  await ada.heading('Classroom');
  stage.quiet();
});

test('a teacher who steps away for too long is told so too', async (t) => {
  const stage = await Stage.open(t, { masterTimeout: '1s' });
  const [teacher, ada] = await Promise.all(['Ms Okafor', 'Ada'].map((name) => stage.person(name)));
  await ada.joins(await teacher.opens('Biology 7b'));
  await teacher.button('Step away').click();
  await teacher.heading('The class is over');
  await teacher.sees('You were away for longer than 1 second. Your students have been let go.');
  await ada.sees('Ms Okafor was away for longer than 1 second.');
  stage.quiet();
});

test('a student who comes back too late is told so, and can join again', async (t) => {
  const stage = await Stage.open(t, { masterTimeout: '1s' });
  const [teacher, ada] = await Promise.all(['Ms Okafor', 'Ada'].map((name) => stage.person(name)));
  await ada.joins(await teacher.opens('Biology 7b'));
  await teacher.knows('Ada', 'online');
  await ada.page.goto('about:blank');
  await teacher.knows('Ada', 'lost contact');
  await ada.page.goBack();
  await ada.heading('Your place was given up');
  await ada.button('Join again').click();
  await ada.button('Join the class').click();
  await teacher.knows('Ada', 'online');
  stage.quiet();
});

test('a tab that is opened twice has the class in the newer one', async (t) => {
  const stage = await Stage.open(t);
  const [teacher, ada] = await Promise.all(['Ms Okafor', 'Ada'].map((name) => stage.person(name)));
  await ada.joins(await teacher.opens('Biology 7b'));
  await teacher.knows('Ada', 'online');
  const kept = await ada.page.evaluate(() => ({ ...sessionStorage }));
  const second = await ada.context.newPage();
  await second.addInitScript((all) => Object.entries(all).forEach(([key, value]) => sessionStorage.setItem(key, value)), kept);
  await second.goto(ada.page.url());
  await second.getByText('Ms Okafor is here').first().waitFor();
  await ada.heading('Continued elsewhere');
  await teacher.knows('Ada', 'online');
  stage.quiet();
});

test('a program that was killed and started anew: the class is opened again, and joined again', async (t) => {
  const stage = await Stage.open(t);
  const [teacher, ada] = await Promise.all(['Ms Okafor', 'Ada'].map((name) => stage.person(name)));
  await ada.joins(await teacher.opens('Biology 7b'));
  await teacher.knows('Ada', 'online');
  await teacher.writes('Before.');
  await ada.reads('Before.');
  await stage.killed();

  await ada.heading('The class is over');
  await ada.sees('The server has been started anew');
  await teacher.heading('The class is over');
  await teacher.sees('The server has been started anew');
  await teacher.reads('Before.');
  await ada.button('Join again').click();
  await ada.sees('Ms Okafor has not opened this class yet');
  await teacher.button('Open it again').click();
  await teacher.sees('Nobody has joined yet.');
  // The page of who waits sees it by itself.
  await ada.sees('Ms Okafor is here.');
  await ada.button('Join the class').click();
  await teacher.knows('Ada', 'online');
  stage.quiet(NETWORK);
});

test('a program that is stopped ends in order, and its pages say so', async (t) => {
  const stage = await Stage.open(t, { masterTimeout: '1s' });
  const [teacher, ada] = await Promise.all(['Ms Okafor', 'Ada'].map((name) => stage.person(name)));
  await ada.joins(await teacher.opens('Biology 7b'));
  await teacher.knows('Ada', 'online');
  assert.equal(await stage.program.stop(), 0);
  await ada.sees('This page could not reach the class for 1 second.');
  await teacher.sees('This page could not reach the class for 1 second.');
  stage.quiet(NETWORK);
});
