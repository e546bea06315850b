import { test } from 'node:test';

import { NETWORK, Stage } from './support/stage.js';

test('a program that is replaced: the class goes on where it was, with an open question in it', async (t) => {
  const stage = await Stage.open(t, { keeps: true });
  const [teacher, ada, ben] = await Promise.all(['Ms Okafor', 'Ada', 'Ben'].map((name) => stage.person(name)));
  const link = await teacher.opens('Biology 7b');
  for (const student of [ada, ben]) {
    await student.joins(link);
    await teacher.knows(student.name, 'online');
  }
  await teacher.writes('Before.');
  await ada.reads('Before.');
  await teacher.asks('Ready?', ['Yes', 'No']);
  await ada.answers('Yes');
  await teacher.counts('Ready?', 'Yes', 1);
  await ben.sees('Ready?');
  await teacher.putsOnBoard('Page 12');
  await ben.board('Page 12');
  await ada.raisesHand();
  await ben.raisesHand();
  await teacher.hands('Ada', 'Ben');

  for (const [index, text] of ['After.', 'And again.'].entries()) {
    await stage.replaced();
    await teacher.writes(text);
    for (const student of [ada, ben]) {
      await student.reads(text);
      await student.reads('Before.');
      await teacher.knows(student.name, 'online');
    }
    if (index === 0) {
      await ben.answers('No');
    }
    await teacher.counts('Ready?', 'Yes', 1);
    await teacher.counts('Ready?', 'No', 1);
    await teacher.hands('Ada', 'Ben');
  }
  const cleo = await stage.person('Cleo');
  await cleo.joins(link);
  await cleo.board('Page 12');
  await ada.lowersHand();
  await teacher.hands('Ben');
  await ada.writes('I am still here.');
  await teacher.reads('I am still here.');
  stage.quiet(NETWORK);
});
