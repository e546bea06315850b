import assert from 'node:assert/strict';

/**
 * theWholeStory is a class from its beginning to its end, with what people do in it. settled is called with all of them when
 * they are in.
 */
export async function theWholeStory(t, stage, settled = async () => {}) {
  const [teacher, ada, ben, cleo] = await Promise.all(
    ['Ms Okafor', 'Ada', 'Ben', 'Cleo'].map((name) => stage.person(name)));

  const link = await teacher.opens('Biology 7b');
  await teacher.sees('You are here');
  await teacher.sees('Nobody has joined yet.');
  await teacher.page.getByRole('img', { name: 'QR code of the link to Biology 7b' }).first().waitFor();

  await ada.page.goto(link);
  await ada.sees('Ms Okafor is here.');
  await Promise.all([ada, ben, cleo].map((student) => student.joins(link)));
  for (const student of [ada, ben, cleo]) {
    await student.sees('Ms Okafor is here');
    await teacher.knows(student.name, 'online');
  }
  await settled([teacher, ada, ben, cleo]);

  await t.test('messages go to all, to one, and to the teacher alone', async () => {
    await teacher.writes('Good morning!');
    await teacher.writes('Your essay was lovely.', 'Ada');
    await ada.writes('Thank you.');
    await Promise.all([ada, ben, cleo].map((student) => student.reads('Good morning!')));
    await ada.reads('Your essay was lovely.');
    await ada.sees('to you only');
    await teacher.reads('Thank you.');
    // What comes after it is there, and it is not.
    await teacher.writes('Let us begin.', 'Everybody');
    await ben.reads('Let us begin.');
    assert.equal(await ben.log.getByText('Your essay was lovely.').count(), 0);
    assert.equal(await ben.log.getByText('Thank you.').count(), 0);
  });

  await t.test('answers arrive as bars while others are still thinking', async () => {
    const question = 'Where does photosynthesis happen?';
    await teacher.asks(question, ['Mitochondria', 'Chloroplasts', 'Nucleus']);
    await ada.answers('Chloroplasts');
    await teacher.counts(question, 'Chloroplasts', 1);
    await teacher.sees('1 of 3 answered');
    await ben.answers('Nucleus');
    await teacher.counts(question, 'Nucleus', 1);
    await cleo.leaves();
    await teacher.knows('Cleo', 'left');
    // Who leaves does not cost the others their time: the question is over.
    await teacher.sees('2 of 3 answered · 1 left before · closed');
    await teacher.button('Ask another').click();
  });

  await t.test('a question that is closed takes no answers', async () => {
    await teacher.asks('Ready for the test?', ['Yes', 'No']);
    await ada.sees('Ready for the test?');
    await teacher.button('Close the question').click();
    await ada.sees('The question is closed.');
    await teacher.sees('0 of 2 answered · closed');
  });

  await t.test('the teacher steps away and comes back', async () => {
    await teacher.button('Step away').click();
    await teacher.sees('You are away. The class is over in');
    await ada.sees('Ms Okafor is away. The class is over in');
    const timer = ada.page.getByRole('timer');
    const first = await timer.textContent();
    assert.match(first, /^0:(30|[012]\d)$/);
    await ada.page.waitForFunction((before) => document.querySelector('[role=timer]').textContent < before, first);
    await teacher.button('I’m back').click();
    await ada.sees('Ms Okafor is back.');
    await ada.page.getByRole('status').getByText('Ms Okafor is here').waitFor();
    assert.equal(await timer.isVisible(), false);
  });

  await t.test('who is removed is told why, and may come back; who is banned may not', async () => {
    await teacher.removes('Ben', { reason: 'too loud' });
    await ben.heading('You are out of the class');
    await ben.sees('Ms Okafor has removed you from the class: “too loud”');
    await teacher.knows('Ben', 'removed');
    await ben.button('Join again').click();
    await ben.button('Join the class').click();
    await teacher.knows('Ben', 'online');
    await teacher.removes('Ben', { ban: true });
    await ben.heading('You are out of the class');
    await ben.button('Join again').click();
    await ben.button('Join the class').click();
    await ben.sees('The teacher does not let that name into the class any more.');
  });

  await t.test('the teacher ends the class', async () => {
    await teacher.button('End class').click();
    await teacher.page.getByRole('dialog').getByRole('button', { name: 'End class' }).click();
    await ada.heading('The class is over');
    await ada.sees('Ms Okafor has ended the class.');
    await ada.reads('Good morning!');
    await teacher.heading('The class is over');
    await teacher.sees('You have ended the class.');
  });
}
