import assert from 'node:assert/strict';
import { test } from 'node:test';

import { NETWORK, Stage } from './support/stage.js';
import { theWholeStory } from './support/story.js';

// A school's proxy that lets no WebSocket through.

const OVER_HTTP = 'over HTTP';

for (const [what, sockets] of [
  ['refuses WebSockets', ['refused']],
  ['never answers them', ['unanswered']],
  ['cuts them at once', ['cut', 0]],
  ['cuts them after a while', ['cut', 2000]],
]) {
  test(`the whole story behind a proxy that ${what}`, async (t) => {
    const stage = await Stage.open(t, { sockets });
    await theWholeStory(t, stage, async (people) => {
      await Promise.all(people.map((person) => person.sees(OVER_HTTP)));
      if (sockets[0] === 'cut') {
        // One that is tried later comes about, and would be cut in the middle of something: that is no part of the story.
        stage.between.webSockets('refused');
      }
    });
    stage.quiet();
  });
}

// The page's clock stands still but for what the test lets pass: what the machine takes for its work is no part of it.
test('a class is joined within three seconds where WebSockets are never answered, and at once after a reload', async (t) => {
  const stage = await Stage.open(t, { sockets: ['unanswered'] });
  const [teacher, ada] = await Promise.all(['Ms Okafor', 'Ada'].map((name) => stage.person(name)));
  const link = await teacher.opens('Biology 7b');
  await teacher.sees(OVER_HTTP);
  let sockets = 0;
  ada.page.on('websocket', () => sockets++);
  await ada.page.clock.install({ time: 0 });
  await ada.page.clock.pauseAt(1000);
  await ada.asksToCome(link);
  await ada.page.clock.runFor(2900);
  await ada.comes();
  assert.equal(sockets, 1);
  await teacher.knows('Ada', 'online');
  await ada.sees(OVER_HTTP);

  await ada.page.reload();
  await ada.comes();
  await ada.sees(OVER_HTTP);
  assert.equal(sockets, 1, 'it is known that none gets through');
  stage.quiet();
});

// The page may load from the hub's paths beneath /ws/ alone: that allows no WebSocket.
test('a class is held where the page’s policy forbids WebSockets', async (t) => {
  const stage = await Stage.open(t);
  const [teacher, ada] = await Promise.all(['Ms Okafor', 'Ada'].map((name) => stage.person(name)));
  for (const { page, url } of [teacher, ada]) {
    await page.route((address) => address.pathname === '/', async (route) => {
      const response = await route.fetch();
      const headers = response.headers();
      headers['content-security-policy'] = headers['content-security-policy'].replace("connect-src 'self'", `connect-src ${url}ws/`);
      await route.fulfill({ response, headers });
    });
  }
  await ada.joins(await teacher.opens('Biology 7b'));
  await teacher.knows('Ada', 'online');
  await ada.sees(OVER_HTTP);
  await ada.writes('Here.');
  await teacher.reads('Here.');
  stage.quiet(/Content Security Policy|WebSocket connection .* failed/);
});

// What a network can do while something is written by both.
const faults = {
  'it is cut': async ({ relay, both }) => {
    await both();
    relay.cut();
  },
  'what has arrived is not answered': async ({ relay, both }) => {
    relay.lose('down');
    await both();
    relay.cut();
    relay.lose('down', false);
  },
  'nothing arrives': async ({ relay, both, ada }) => {
    relay.lose('up');
    await both();
    await ada.sees('sending…');
    relay.cut();
    relay.lose('up', false);
  },
  'it is gone': async ({ relay, both, ada }) => {
    relay.bar();
    await ada.sees('Connection lost. Trying to come back for');
    await both();
    relay.bar(false);
  },
  'the page is loaded again': async ({ both, ada }) => {
    await both();
    await ada.page.reload();
    await ada.comes();
  },
};

test('over HTTP nothing is lost by faults of the network, and nothing comes twice', async (t) => {
  const stage = await Stage.open(t);
  const { relay, url } = await stage.relay();
  relay.webSockets('refused');
  const [teacher, ada] = [await stage.person('Ms Okafor'), await stage.person('Ada', { url })];
  const link = await teacher.opens('Biology 7b');
  await ada.joins(link.replace(stage.url, url));
  await ada.sees(OVER_HTTP);
  const written = [];
  const both = async () => {
    const count = written.length;
    written.push(count);
    await teacher.writes(`Down ${count}.`);
    await ada.writes(`Up ${count}.`);
  };
  for (const [what, fault] of [...Object.entries(faults), ...Object.entries(faults)]) {
    await t.test(what, async () => {
      await fault({ relay, both, ada });
      const newest = written.at(-1);
      await ada.reads(`Down ${newest}.`);
      await teacher.reads(`Up ${newest}.`);
      await ada.gone('sending…');
    });
  }
  for (const person of [ada, teacher]) {
    const entries = await person.log.getByText(/^(Up|Down) \d+\.$/).allTextContents();
    for (const way of ['Up', 'Down']) {
      assert.deepEqual(entries.filter((each) => each.startsWith(way)), written.map((count) => `${way} ${count}.`), person.name);
    }
  }
  stage.quiet(NETWORK);
});

test('where a WebSocket is let through the class moves to it, and nobody notices', async (t) => {
  const stage = await Stage.open(t, { sockets: ['refused'] });
  const [teacher, ada] = await Promise.all(['Ms Okafor', 'Ada'].map((name) => stage.person(name)));
  await ada.joins(await teacher.opens('Biology 7b'));
  await teacher.knows('Ada', 'online');
  await teacher.writes('Before.');
  await ada.reads('Before.');
  const states = ({ page }) => page.evaluate(() => globalThis.states);
  for (const person of [teacher, ada]) {
    await person.sees(OVER_HTTP);
    await person.page.evaluate(() => {
      const head = document.querySelector('.board');
      globalThis.states = [];
      new MutationObserver(() => globalThis.states.push(head.dataset.state)).observe(head, { attributeFilter: ['data-state'] });
    });
  }
  stage.between.webSockets('passed');
  for (const person of [teacher, ada]) {
    const moves = person.page.waitForEvent('websocket');
    await person.page.evaluate(() => dispatchEvent(new Event('online'))); // it looks for another network at once
    await moves;
    await person.gone(OVER_HTTP);
    await teacher.writes(`To ${person.name}.`);
    await ada.writes(`Of ${person.name}.`);
    await ada.reads(`To ${person.name}.`);
    await teacher.reads(`Of ${person.name}.`);
  }
  await teacher.knows('Ada', 'online');
  for (const person of [teacher, ada]) {
    assert.deepEqual((await states(person)).filter((state) => state !== 'online'), []);
  }
  stage.quiet();
});
