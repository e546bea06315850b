import { test } from 'node:test';

import { NETWORK, Stage } from './support/stage.js';

test('a reload loses nothing, on either side', async (t) => {
  const stage = await Stage.open(t);
  const [teacher, ada, ben] = await Promise.all(['Ms Okafor', 'Ada', 'Ben'].map((name) => stage.person(name)));
  const link = await teacher.opens('Biology 7b');
  await ada.joins(link);
  await ben.joins(link);
  await teacher.knows('Ben', 'online');
  await teacher.writes('Before.');
  await ada.reads('Before.');
  await ada.writes('Here.');
  await teacher.reads('Here.');
  await teacher.asks('Ready?', ['Yes', 'No']);
  await ada.answers('Yes');
  await teacher.counts('Ready?', 'Yes', 1);
  await ben.sees('Ready?');

  await t.test('a student who has the question open can still answer it', async () => {
    await ben.page.reload();
    await ben.reads('Before.');
    await ben.sees('Ms Okafor is here');
    await ben.page.getByRole('radio', { name: 'No' }).waitFor();
  });

  await t.test('a teacher keeps the answers, and gets those still to come', async () => {
    await teacher.page.reload();
    await teacher.sees('You are here');
    await teacher.reads('Before.');
    await teacher.reads('Here.');
    await teacher.knows('Ada', 'online');
    await teacher.counts('Ready?', 'Yes', 1);
    await ben.answers('No');
    await teacher.counts('Ready?', 'No', 1);
    await teacher.counts('Ready?', 'Yes', 1);
    await teacher.sees('2 of 2 answered');
    await ada.sees('Your teacher has your answer.');
  });

  await t.test('what is said while a page is loading arrives, once', async () => {
    const held = Promise.withResolvers ? Promise.withResolvers() : deferred();
    await ada.page.route('**/main.js', async (route) => {
      await held.promise;
      await route.continue();
    });
    const loading = ada.page.reload();
    await teacher.knows('Ada', 'away');
    await teacher.writes('To all, meanwhile.');
    await teacher.writes('To you, meanwhile.', 'Ada');
    held.resolve();
    await loading;
    await ada.reads('To all, meanwhile.');
    await ada.reads('To you, meanwhile.');
    await ada.reads('Before.');
    await teacher.knows('Ada', 'online');
  });

  await t.test('what was written and not known to have arrived is sent again, and read once', async () => {
    for (const [from, to, text] of [[ada, teacher, 'Here.'], [teacher, ada, 'Before.']]) {
      // As if the page had gone before the hub's answer came.
      await from.page.evaluate(() => {
        const kept = JSON.parse(sessionStorage.getItem('classroom'));
        kept.entries.filter(({ mine }) => mine).forEach((entry) => Object.assign(entry, { status: 'sending' }));
        sessionStorage.setItem('classroom', JSON.stringify(kept));
      });
      await from.page.reload();
      await from.gone('sending…');
      // What comes behind it tells that it would have been there.
      await from.writes(`Behind ${text}`);
      await to.reads(`Behind ${text}`);
      await to.reads(text);
    }
  });

  await t.test('a teacher who has gone for a moment gets what was written meanwhile, once', async () => {
    const { page } = teacher;
    await page.goto('about:blank');
    await ada.sees('Ms Okafor is away. The class is over in');
    await ada.writes('Are you coming back?');
    await page.goBack();
    await teacher.reads('Are you coming back?');
    await teacher.reads('To all, meanwhile.');
    await ada.sees('Ms Okafor is back.');
  });
  stage.quiet();
});

function deferred() {
  const made = {};
  made.promise = new Promise((resolve) => {
    made.resolve = resolve;
  });
  return made;
}

test('offline and back', async (t) => {
  const stage = await Stage.open(t);
  const [teacher, ada] = await Promise.all(['Ms Okafor', 'Ada'].map((name) => stage.person(name)));
  const { relay, url } = await stage.relay();
  const link = await teacher.opens('Biology 7b');
  await ada.joins(link.replace(stage.url, url));
  await teacher.knows('Ada', 'online');

  // The browser's own switch does not end WebSockets that are open: the relay does.
  await ada.context.setOffline(true);
  relay.bar();
  await ada.sees('Connection lost. Trying to come back for');
  await teacher.knows('Ada', 'away');
  await ada.writes('Written offline.');
  await ada.sees('sending…');
  await teacher.writes('Said meanwhile.');
  relay.bar(false);
  await ada.context.setOffline(false);
  await ada.reads('Said meanwhile.');
  await teacher.reads('Written offline.');
  await teacher.knows('Ada', 'online');
  await ada.gone('sending…');
  await ada.page.reload();
  await ada.reads('Said meanwhile.');
  await ada.reads('Written offline.');
  stage.quiet(NETWORK);
});

test('a network that has gone silent is noticed by the page going offline', async (t) => {
  const stage = await Stage.open(t);
  const [teacher, ada] = await Promise.all(['Ms Okafor', 'Ada'].map((name) => stage.person(name)));
  const { relay, url } = await stage.relay();
  const link = await teacher.opens('Biology 7b');
  await ada.joins(link.replace(stage.url, url));
  await teacher.knows('Ada', 'online');

  relay.stall();
  await ada.context.setOffline(true);
  await ada.sees('Connection lost. Trying to come back for');
  await teacher.writes('Said into silence.');
  relay.cut();
  relay.stall(false);
  await ada.context.setOffline(false);
  await ada.reads('Said into silence.');
  stage.quiet(NETWORK);
});
