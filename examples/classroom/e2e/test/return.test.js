import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

import { Person, Stage } from './support/stage.js';

async function ends(teacher) {
  await teacher.button('End class').click();
  await teacher.page.getByRole('dialog').getByRole('button', { name: 'End class' }).click();
  await teacher.heading('The class is over');
}

async function opensAgain(teacher) {
  await teacher.button('To the start').click();
  return teacher.opens('Biology 7b');
}

test('the link to a class that was opened again leads into it, from a tab that was in the old one', async (t) => {
  const stage = await Stage.open(t);
  const [teacher, ada, ben] = await Promise.all(['Ms Okafor', 'Ada', 'Ben'].map((name) => stage.person(name)));
  const link = await teacher.opens('Biology 7b');
  await ada.joins(link);
  await ben.joins(link);
  await teacher.knows('Ben', 'online');
  await ends(teacher);
  await ada.heading('The class is over');
  await ada.page.reload();
  await ada.heading('The class is over');
  assert.equal(await ada.button('Join again').isVisible(), false, 'there is nothing to join yet');
  await opensAgain(teacher);

  // A page that shows the end sees it by itself.
  await ada.sees('The class is open again.');
  await ada.joinsAgain();
  await teacher.knows('Ada', 'online');
  // And the link, followed or loaded again, leads to where one joins.
  await ben.page.goto(link);
  assert.equal(await ben.page.getByLabel('Your name').inputValue(), 'Ben');
  await ben.button('Join the class').click();
  await teacher.knows('Ben', 'online');

  await ends(teacher);
  await ben.heading('The class is over');
  await opensAgain(teacher);
  await ben.page.reload();
  await ben.button('Join the class').click();
  await teacher.knows('Ben', 'online');
  stage.quiet();
});

for (const role of ['teacher', 'student']) {
  test(`a ${role} whose class goes on in another tab can go on here`, async (t) => {
    const stage = await Stage.open(t);
    const [teacher, ada] = await Promise.all(['Ms Okafor', 'Ada'].map((name) => stage.person(name)));
    await ada.joins(await teacher.opens('Biology 7b'));
    await teacher.knows('Ada', 'online');
    const [first, other] = role === 'teacher' ? [teacher, ada] : [ada, teacher];
    const here = role === 'teacher' ? 'You are here' : 'Ms Okafor is here';
    const kept = await first.page.evaluate(() => ({ ...sessionStorage }));
    const second = new Person(first.name, first.context, await first.context.newPage(), first.url);
    await second.page.addInitScript((all) => Object.entries(all).forEach(
      ([key, value]) => sessionStorage.setItem(key, value)), kept);
    await second.page.goto(first.page.url());
    await second.sees(here);
    await first.heading('Continued elsewhere');
    await second.writes('Said in the other tab.');
    await other.reads('Said in the other tab.');

    await first.button('Continue here').click();
    await first.sees(here);
    await second.heading('Continued elsewhere');
    await first.reads('Said in the other tab.');
    await first.writes('Said here.');
    await other.reads('Said here.');
    await other.writes('And back.');
    await first.reads('And back.');
    // Also when the page is loaded again in between.
    await second.page.close();
    await first.page.reload();
    await first.sees(here);
    await first.reads('And back.');
    stage.quiet();
  });
}

test('who cannot go on here is told why', async (t) => {
  const stage = await Stage.open(t);
  const [teacher, ada] = await Promise.all(['Ms Okafor', 'Ada'].map((name) => stage.person(name)));
  await ada.joins(await teacher.opens('Biology 7b'));
  await teacher.knows('Ada', 'online');
  const kept = await ada.page.evaluate(() => ({ ...sessionStorage }));
  const second = new Person('Ada', ada.context, await ada.context.newPage(), ada.url);
  await second.page.addInitScript((all) => Object.entries(all).forEach(
    ([key, value]) => sessionStorage.setItem(key, value)), kept);
  await second.page.goto(ada.page.url());
  await ada.heading('Continued elsewhere');
  await second.leaves();
  await ada.button('Continue here').click();
  await ada.sees('Your place in the class was given up, or the class is over.');
  await ada.joinsAgain();
  await teacher.knows('Ada', 'online');
  stage.quiet();
});

test('a browser that keeps no site data has the class until the page is loaded again', async (t) => {
  const stage = await Stage.open(t);
  const teacher = await stage.person('Ms Okafor');
  const link = await teacher.opens('Biology 7b');
  const profile = mkdtempSync(join(tmpdir(), 'classroom-'));
  mkdirSync(join(profile, 'Default'));
  writeFileSync(join(profile, 'Default', 'Preferences'), JSON.stringify({
    profile: { default_content_setting_values: { cookies: 2 } },
  }));
  const ada = await stage.person('Ada', { profile });
  t.after(() => rmSync(profile, { recursive: true, force: true, maxRetries: 5 }));
  await ada.page.goto(stage.url);
  await assert.rejects(ada.page.evaluate(() => sessionStorage.length), /SecurityError|Access is denied/);
  await ada.heading('Classroom');
  await ada.joins(link);
  await ada.sees('This browser keeps nothing for this page');
  await teacher.knows('Ada', 'online');
  await ada.writes('Hello.');
  await teacher.reads('Hello.');
  await ada.leaves();
  stage.quiet();
});

// keeps returns the file that a teacher gets.
async function keeps(teacher) {
  const [download] = await Promise.all([teacher.page.waitForEvent('download'), teacher.button('Save as a file').click()]);
  assert.equal(download.suggestedFilename(), 'Biology 7b results.csv');
  return readFileSync(await download.path(), 'utf8');
}

test('the teacher has the results as a file while the class goes on', async (t) => {
  const stage = await Stage.open(t);
  const [teacher, ada, ben] = await Promise.all(['Ms Okafor', 'Ada', 'Ben'].map((name) => stage.person(name)));
  const link = await teacher.opens('Biology 7b');
  await ada.joins(link);
  await ben.joins(link);
  await teacher.knows('Ben', 'online');
  assert.equal(await teacher.button('Save as a file').isVisible(), false, 'there is nothing to save yet');
  await teacher.asks('Ready?', ['Yes', 'No']);
  await ada.answers('Yes');
  await teacher.counts('Ready?', 'Yes', 1);
  assert.equal(await keeps(teacher), '\ufeff"Question","Student","Answer"\r\n"Ready?","Ada","Yes"\r\n"Ready?","Ben",""\r\n');
  await ben.answers('No');
  await teacher.sees('2 of 2 answered · everybody has');
  await teacher.page.reload();
  await teacher.sees('You are here');
  assert.equal(await keeps(teacher), '\ufeff"Question","Student","Answer"\r\n"Ready?","Ada","Yes"\r\n"Ready?","Ben","No"\r\n');
  assert.equal(await ada.button('Save as a file').count(), 0);
  stage.quiet();
});

test('when the class is over the teacher still has the results, also as a file', async (t) => {
  const stage = await Stage.open(t);
  const [teacher, ada, eve] = await Promise.all(['Ms Okafor', 'Ada', '=cmd()'].map((name) => stage.person(name)));
  const link = await teacher.opens('Biology 7b');
  await ada.joins(link);
  await eve.joins(link);
  await teacher.knows('=cmd()', 'online');
  await teacher.asks('Who said "cells"?', ['Hooke', 'Darwin, Charles']);
  await ada.answers('Darwin, Charles');
  await eve.answers('Hooke');
  await teacher.counts('Who said "cells"?', 'Hooke', 1);
  await teacher.button('Ask another').click();
  await teacher.asks('Ready?', ['Yes', 'No']);
  await ada.answers('Yes');
  await teacher.counts('Ready?', 'Yes', 1);
  await ends(teacher);
  for (const again of [false, true]) {
    if (again) {
      await teacher.page.reload();
      await teacher.heading('The class is over');
    }
    await teacher.counts('Who said "cells"?', 'Hooke', 1);
    await teacher.counts('Ready?', 'Yes', 1);
    assert.equal(await keeps(teacher), [
      '\ufeff"Question","Student","Answer"',
      '"Who said ""cells""?","\'=cmd()","Hooke"',
      '"Who said ""cells""?","Ada","Darwin, Charles"',
      '"Ready?","\'=cmd()",""',
      '"Ready?","Ada","Yes"', '',
    ].join('\r\n'));
  }
  await teacher.accessible('results');
  assert.equal(await ada.button('Save as a file').count(), 0);
  stage.quiet();
});
