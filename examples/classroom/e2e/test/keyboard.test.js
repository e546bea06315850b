import assert from 'node:assert/strict';
import { test } from 'node:test';

import { PHONE, Stage } from './support/stage.js';

// What has the focus, by the name that a screen reader says.
const focused = (page) => page.evaluate(() => {
  const element = document.activeElement;
  return (element.labels?.[0] ?? element).innerText.replace(/\s+/g, ' ').trim();
});

// Goes on by Tab until something of that name has the focus. What has it must be
// marked so that it can be seen.
async function tabTo(page, name) {
  const passed = [];
  for (let steps = 0; steps < 60; steps++) {
    await page.keyboard.press('Tab');
    const at = await focused(page);
    if (at === name) {
      const outline = await page.evaluate(() => {
        const element = document.activeElement;
        const marked = element.type === 'radio' ? element.parentElement : element;
        return getComputedStyle(marked).outlineStyle;
      });
      assert.notEqual(outline, 'none', `the focus on ${name} can be seen`);
      return;
    }
    passed.push(at);
  }
  assert.fail(`Tab never leads to ${name}, but to ${passed.join(' | ')}`);
}

async function press(page, name, key = 'Enter') {
  await tabTo(page, name);
  await page.keyboard.press(key);
}

for (const [size, viewport] of [['a laptop', undefined], ['a phone', PHONE]]) {
  test(`by keyboard alone, on ${size}`, async (t) => {
    const stage = await Stage.open(t);
    const teacher = await stage.person('Ms Okafor', { viewport });
    const ada = await stage.person('Ada', { viewport });
    const phone = viewport === PHONE;
    const part = async ({ page }, name) => phone && press(page, name);

    // The first field has the focus already.
    await teacher.page.goto(stage.url);
    await teacher.heading('Classroom');
    await teacher.page.keyboard.type('Biology 7b');
    await tabTo(teacher.page, 'Your name');
    await teacher.page.keyboard.type('Ms Okafor');
    await teacher.page.keyboard.press('Enter');
    await teacher.heading('Biology 7b');
    assert.equal(await focused(teacher.page), 'Biology 7b', 'the focus is on the headline of what is new');

    await press(teacher.page, 'Show large');
    await teacher.page.getByRole('dialog').waitFor();
    await teacher.page.keyboard.press('Escape');
    await teacher.page.getByRole('dialog').waitFor({ state: 'hidden' });
    assert.equal(await focused(teacher.page), 'Show large', 'the focus is back');

    await tabTo(teacher.page, 'Open');
    await teacher.page.keyboard.press('ArrowRight');
    await teacher.sees('Who comes waits until you say yes or no.');
    await ada.page.goto(await teacher.page.getByLabel('Link for students').inputValue());
    await ada.heading('Biology 7b');
    await ada.page.keyboard.type('Ada');
    await ada.page.keyboard.press('Enter');
    await ada.sees('Please wait until you are let in.');
    assert.equal(await focused(ada.page), 'Biology 7b');
    await ada.page.reload();
    await ada.sees('Please wait until you are let in.');
    assert.equal(await focused(ada.page), 'Biology 7b');
    await press(ada.page, 'Wait no longer');
    await ada.page.keyboard.press('Enter'); // the name has the focus, and is there
    await ada.sees('Please wait until you are let in.');
    await press(teacher.page, 'Let in Ada');
    await ada.sees('Ms Okafor is here');
    await tabTo(ada.page, 'Write to Ms Okafor');
    await ada.page.keyboard.type('Good morning!');
    await ada.page.keyboard.press('Enter');

    await teacher.knows('Ada', 'online');
    // "Write" beside a student leads to where one writes to that student.
    await press(teacher.page, 'Write to Ada');
    await teacher.page.keyboard.type('Hello Ada.');
    await teacher.page.keyboard.press('Enter');
    await teacher.reads('Good morning!');
    await ada.reads('Hello Ada.');

    await part(teacher, 'Question');
    await tabTo(teacher.page, 'Question for everybody');
    await teacher.page.keyboard.type('Ready?');
    await tabTo(teacher.page, 'Choice 1');
    await teacher.page.keyboard.type('Yes');
    await tabTo(teacher.page, 'Choice 2');
    await teacher.page.keyboard.type('No');
    await press(teacher.page, 'Ask');
    await ada.page.getByRole('radio', { name: 'No' }).waitFor();
    await tabTo(ada.page, 'Yes');
    await ada.page.keyboard.press('ArrowDown');
    await press(ada.page, 'Send answer');
    await teacher.counts('Ready?', 'No', 1);

    await part(teacher, 'Board');
    await press(teacher.page, 'Write on the board');
    await teacher.page.keyboard.type('Page 12'); // the field has the focus
    await press(teacher.page, 'Put on the board');
    await ada.board('Page 12');
    assert.equal(await focused(teacher.page), 'Change the board');
    await press(teacher.page, 'Clear the board');
    await ada.board('');
    assert.equal(await focused(teacher.page), 'Write on the board');

    await press(ada.page, 'Raise hand');
    await part(teacher, 'Students 1 1 up');
    await press(teacher.page, 'Lower hand of Ada');
    await ada.part('Talk');
    await ada.reads('Ms Okafor has lowered your hand.');
    await teacher.hands();
    assert.equal(await focused(teacher.page), 'Students', 'the focus is where the list is');

    await press(teacher.page, 'Step away');
    await ada.sees('Ms Okafor is away. The class is over in');
    await teacher.sees('You are away. The class is over in');
    await teacher.page.keyboard.press('Enter'); // it is the same button, which leads back now
    await ada.page.getByRole('status').getByText('Ms Okafor is here').waitFor();

    await part(teacher, 'Students 1');
    await press(teacher.page, 'Everybody quiet');
    await ada.sees('You cannot write now');
    await teacher.page.keyboard.press('Enter'); // it is the same button
    await ada.reads('You can write again.');
    await press(teacher.page, 'More about Ada');
    await press(teacher.page, 'Quiet Ada');
    await ada.sees('You cannot write now');
    await teacher.page.keyboard.press('Enter');
    await ada.reads('You can write again.', 2);

    await press(teacher.page, 'Remove Ada');
    await teacher.page.keyboard.type('see you tomorrow'); // the reason has the focus
    await press(teacher.page, 'Remove');
    await ada.heading('You are out of the class');
    assert.equal(await focused(ada.page), 'You are out of the class');
    await teacher.knows('Ada', 'removed');
    assert.equal(await focused(teacher.page), 'Students', 'the focus is where the list is');

    await press(teacher.page, 'End class');
    await press(teacher.page, 'End class');
    await teacher.heading('The class is over');
    stage.quiet();
  });
}
