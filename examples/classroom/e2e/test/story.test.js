import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Stage } from './support/stage.js';
import { theWholeStory } from './support/story.js';

test('the whole story', async (t) => {
  const stage = await Stage.open(t);
  await theWholeStory(t, stage);
  stage.quiet();
});

test('what cannot be is said in words', async (t) => {
  const stage = await Stage.open(t);
  const [teacher, other, ada, twin] = await Promise.all(
    ['Ms Okafor', 'Mr Lind', 'Ada', 'Ada'].map((name) => stage.person(name)));
  const link = await teacher.opens('Biology 7b');

  await other.page.goto(stage.url);
  const form = other.page.getByRole('form', { name: 'Open a class' });
  await form.getByLabel('Name of the class').fill('Biology 7b');
  await form.getByLabel('Your name').fill('Mr Lind');
  await form.getByRole('button', { name: 'Open' }).click();
  await other.sees('A class of that name is open already.');

  await ada.joins(link);
  // Invisible characters, as they come along when a name is copied, are no part of it.
  await twin.page.goto(link);
  await twin.page.getByLabel('Your name').fill('\u200eZoe\u00a0\u2003Ng\u200d ');
  await twin.button('Join the class').click();
  await teacher.knows('Zoe Ng', 'online');
  await twin.leaves();
  await twin.button('To the start').click();
  await twin.heading('Classroom');
  await twin.page.goto(link);
  await twin.page.getByLabel('Your name').fill('Ada');
  await twin.button('Join the class').click();
  await twin.sees('Somebody in this class has that name already.');

  await twin.page.goto(link.replace('Okafor', 'Someone'));
  await twin.page.getByLabel('Your name').fill('Bea');
  await twin.button('Join the class').click();
  await twin.sees('The class of that name is another teacher’s.');

  await twin.page.goto(`${stage.url}?class=Nowhere`);
  await twin.sees('This class is not open.');
  await twin.page.getByLabel('Your name').fill('Bea');
  await twin.button('Join the class').click();
  await twin.sees('This class is not open yet. Stay here: this page goes on by itself.');
  await twin.page.goto(stage.url);
  const joining = twin.page.getByRole('form', { name: 'Join a class' });
  await joining.getByLabel('Name of the class').fill('Nowhere');
  await joining.getByLabel('Your name').fill('Bea');
  await joining.getByRole('button', { name: 'Join' }).click();
  await twin.sees('There is no class of that name.');
  stage.quiet();
});
