import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Person, Stage } from './support/stage.js';

// What the browser does when a tab is duplicated: another page with the same address, and a copy
// of what the first one has stored.
async function duplicate(person) {
  const [page] = await Promise.all([
    person.context.waitForEvent('page'), person.page.evaluate(() => void window.open(location.href)),
  ]);
  return new Person(person.name, person.context, page, person.url);
}

for (const role of ['teacher', 'student']) {
  test(`a ${role}'s page is duplicated while it is offline: the class goes on in the newer one`, async (t) => {
    const stage = await Stage.open(t);
    const { relay, url } = await stage.relay();
    const far = await stage.person(role === 'teacher' ? 'Ms Okafor' : 'Ada', { url });
    const near = await stage.person(role === 'teacher' ? 'Ada' : 'Ms Okafor');
    const at = (link, to) => new URL(new URL(link).search, to).href;
    if (role === 'teacher') {
      await near.joins(at(await far.opens('Biology 7b'), stage.url));
      await far.knows('Ada', 'online');
    } else {
      await far.joins(at(await near.opens('Biology 7b'), url));
      await near.knows('Ada', 'online');
    }
    await far.writes('Before.');
    await near.reads('Before.');

    // The first page hears nothing any more, and does not know it yet. What it has not got rid of
    // by then is in the duplicate as well.
    const found = relay.strand();
    await far.writes('Twice to be said.');
    const newer = await duplicate(far);
    await newer.sees(role === 'teacher' ? 'You are here' : 'Ms Okafor is here');
    await near.reads('Twice to be said.');
    await newer.writes('Said in the newer one.');
    await near.reads('Said in the newer one.');
    await far.writes('Never on its way.');

    found();
    await far.heading('Continued elsewhere');
    await far.sees(role === 'teacher' ? 'You hold this class in another tab' : 'You are in this class in another tab');
    // Nobody has put the newer one out, and what it says is what arrives.
    await newer.writes('Said after that.');
    await near.reads('Said after that.');
    await near.writes('And an answer.');
    await newer.reads('And an answer.');
    await near.reads('Twice to be said.');
    assert.equal(await near.log.getByText('Never on its way.').count(), 0);
    assert.equal(await far.log.getByText('And an answer.').count(), 0);
    if (role === 'student') {
      await near.knows('Ada', 'online');
    }
    // The older one says so, too, when it is loaded again, and can take the class back.
    await far.page.reload();
    await far.heading('Continued elsewhere');
    await far.button('Continue here').click();
    await newer.heading('Continued elsewhere');
    await far.writes('Here again.');
    await near.reads('Here again.');
    stage.quiet();
  });
}

test('a page that was loaded again twice, quickly, is in', async (t) => {
  const stage = await Stage.open(t);
  const [teacher, ada] = await Promise.all(['Ms Okafor', 'Ada'].map((name) => stage.person(name)));
  await ada.joins(await teacher.opens('Biology 7b'));
  await teacher.knows('Ada', 'online');
  for (const person of [ada, teacher]) {
    const { page } = person;
    for (let count = 0; count < 3; count++) {
      await page.evaluate(() => void setTimeout(() => location.reload()));
      await page.waitForEvent('framenavigated');
    }
    await person.sees(person === ada ? 'Ms Okafor is here' : 'You are here');
    await person.writes(`${person.name} is here.`);
    await (person === ada ? teacher : ada).reads(`${person.name} is here.`);
  }
  await teacher.knows('Ada', 'online');
  stage.quiet();
});

test('a name that is kept for somebody who is away is refused in words that say so', async (t) => {
  const stage = await Stage.open(t);
  const { relay, url } = await stage.relay();
  const teacher = await stage.person('Ms Okafor');
  const ada = await stage.person('Ada', { url });
  const link = await teacher.opens('Biology 7b');
  await ada.joins(new URL(new URL(link).search, url).href);
  await teacher.knows('Ada', 'online');

  const other = await stage.person('Ada');
  await other.page.goto(link);
  await other.page.getByLabel('Your name').fill('Ada');
  await other.button('Join the class').click();
  await other.sees('Somebody in this class has that name already.');
  relay.bar();
  await teacher.knows('Ada', 'away');
  await other.button('Join the class').click();
  await other.sees(/Somebody of that name is in this class, and has lost the connection\. .* try again in \d+ seconds?\./);

  // The same of a class whose teacher is away.
  const { relay: another, url: through } = await stage.relay();
  const gone = await stage.person('Mr Abara', { url: through });
  await gone.opens('Chemistry');
  another.bar();
  const form = other.page.getByRole('form', { name: 'Open a class' });
  await other.page.goto(stage.url);
  await form.getByLabel('Name of the class').fill('Chemistry');
  await form.getByLabel('Your name').fill('Mr Abara');
  await form.getByRole('button', { name: 'Open' }).click();
  await other.sees(/its teacher has lost the connection\. .* In \d+ seconds? it ends/);
});
