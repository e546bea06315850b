import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Stage } from './support/stage.js';

const SECRET = 'Your mark is a C.';

const field = ({ page }) => page.getByRole('textbox', { name: /^(Message|Write to)/ });

// writesNothing asserts that Enter sends nothing, and that the page says why.
async function refusesToSend(teacher, words, witness) {
  await field(teacher).press('Enter');
  await teacher.page.getByRole('alert').getByText(words).waitFor();
  assert.equal(await teacher.log.getByText(SECRET).count(), 0);
  assert.equal(await witness.log.getByText(SECRET).count(), 0);
  assert.equal(await field(teacher).inputValue(), SECRET, 'the draft is still there');
}

for (const reloaded of [false, true]) {
  test(`a draft to one who leaves is not sent to everybody${reloaded ? ', when the page is loaded again' : ''}`, async (t) => {
    const stage = await Stage.open(t);
    const [teacher, ada, ben] = await Promise.all(['Ms Okafor', 'Ada', 'Ben'].map((name) => stage.person(name)));
    const link = await teacher.opens('Biology 7b');
    await ada.joins(link);
    await ben.joins(link);
    await teacher.knows('Ben', 'online');
    await teacher.page.getByLabel('To', { exact: true }).selectOption('Ada');
    await field(teacher).fill(SECRET);
    if (reloaded) {
      await teacher.page.reload();
      await teacher.sees('You are here');
      assert.equal(await teacher.page.getByLabel('To', { exact: true }).inputValue(), 'Ada');
    }
    await ada.leaves();
    await teacher.knows('Ada', 'left');
    await refusesToSend(teacher, 'Ada has left the class.', ben);
    if (reloaded) {
      await teacher.page.reload();
      await teacher.sees('You are here');
      await refusesToSend(teacher, 'Ada has left the class.', ben);
    }
    // Another one of that name is not the one it was written to, until that one is chosen.
    await ada.joinsAgain();
    await teacher.knows('Ada', 'online');
    await refusesToSend(teacher, 'Ada has left the class.', ben);
    await teacher.page.getByLabel('To', { exact: true }).selectOption('Ada');
    await field(teacher).press('Enter');
    await ada.reads(SECRET);
    await teacher.writes('Let us begin.', 'Everybody');
    await ben.reads('Let us begin.');
    assert.equal(await ben.log.getByText(SECRET).count(), 0);
    stage.quiet();
  });
}

test('one who is chosen and leaves before anything is written is not everybody either', async (t) => {
  const stage = await Stage.open(t);
  const [teacher, ada, ben] = await Promise.all(['Ms Okafor', 'Ada', 'Ben'].map((name) => stage.person(name)));
  const link = await teacher.opens('Biology 7b');
  await ada.joins(link);
  await ben.joins(link);
  await teacher.knows('Ada', 'online');
  await teacher.button('Write to Ada').click();
  await ada.leaves();
  await teacher.knows('Ada', 'left');
  await field(teacher).fill(SECRET);
  await refusesToSend(teacher, 'Ada has left the class.', ben);
  await teacher.page.getByLabel('To', { exact: true }).selectOption('Everybody');
  await field(teacher).press('Enter');
  await ben.reads(SECRET);
  stage.quiet();
});
