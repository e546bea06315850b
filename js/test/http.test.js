import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

import { Buffering } from './support/buffering.js';
import { Stage, all, happens, inState, member, next, refused, texts, within } from './support/stage.js';

// Over a real hub. What becomes of each request is in httpstream.test.js, and of each way in ways.test.js.

/** asPage makes the globals those of a page, which can be told something. */
function asPage() {
  const page = new EventTarget();
  globalThis.addEventListener = page.addEventListener.bind(page);
  globalThis.removeEventListener = page.removeEventListener.bind(page);
  return (type) => page.dispatchEvent(Object.assign(new Event(type), { persisted: true }));
}

/** on resolves when the client is connected on that way. */
async function on(client, way) {
  if (client.transport !== way) {
    await happens(client, 'transport', ({ transport }) => transport === way);
  }
}

for (const [how, after] of [['refused'], ['unanswered'], ['cut', 0]]) {
  test(`a class behind a proxy by which WebSockets are ${how} is held over HTTP`, async (t) => {
    const stage = await Stage.open(t);
    const far = await Promise.all([1, 2, 3].map(() => stage.far({ transport: 'auto' })));
    far.forEach(({ relay }) => relay.webSockets(how, after));
    const [teacher, one, two] = far.map(({ client }) => client);
    const master = await teacher.create('abc123', 'alice', { attributes: { board: 'page 7' } });
    const slaves = await Promise.all([one.join('abc123', 'user_one'), two.join('abc123', 'user_two')]);
    await within(Promise.all(far.map(({ client }) => on(client, 'http'))), 'all of them on HTTP');
    await member(master, 'user_one', 'online');
    await member(master, 'user_two', 'online');
    if (!slaves[0].masterAttributes.has('board')) {
      await happens(slaves[0], 'attribute');
    }
    assert.equal(slaves[0].masterAttributes.get('board').text(), 'page 7');
    const answers = slaves.map(async (slave) => (await next(slave)).reply(`yes of ${slave.username}`));
    assert.deepEqual(await all(master.gather('ready?')), [['user_one', 'yes of user_one'], ['user_two', 'yes of user_two']]);
    await Promise.all(answers);
    await slaves[0].setAttribute('hand', 'up');
    const question = refused(slaves[0].request('may I?'), 'declined');
    await (await next(master)).decline('no', 'not now');
    await question;
    const large = 'x'.repeat(60_000);
    await Promise.all([master.broadcast(large), slaves[1].send(large)]);
    assert.deepEqual([(await next(slaves[0])).size, (await next(master)).size], [60_000, 60_000]);
    await master.kick('user_two', { reason: 'enough' });
    assert.equal((await within(slaves[1].closed, 'the end')).reason, 'enough');
    const { ticket } = slaves[0];
    assert.equal((await one.detach())[0].resume, ticket.resume);
    await member(master, 'user_one', 'away');
    const again = await stage.client({ transport: 'http' }).resumeSlave(ticket);
    await member(master, 'user_one', 'online');
    await master.close();
    assert.equal((await within(again.closed, 'the end of the class')).code, 'master_left');
  });
}

for (const compresses of [false, true]) {
  test(`behind a proxy that holds answers back${compresses ? ', since it compresses them' : ''}, it goes by polls`, async (t) => {
    const stage = await Stage.open(t);
    const proxy = await Buffering.to(stage.hub.url, { compresses });
    t.after(() => proxy.close());
    const master = await stage.client().create('abc123', 'alice');
    const client = stage.client({ transport: 'auto' }, proxy.url);
    const slave = await client.join('abc123', 'user_one');
    assert.equal(client.transport, 'http');
    for (let count = 0; count < 5; count++) {
      await master.broadcast(`down ${count}`);
      assert.equal((await next(slave)).text(), `down ${count}`);
      await slave.send(`up ${count}`);
      assert.equal((await next(master)).text(), `up ${count}`);
    }
    assert.ok(proxy.paths.filter((path) => path === 'poll').length >= 5);
    assert.equal(proxy.paths.filter((path) => path === 'stream').length, 1);
    await slave.leave();
  });
}

// What a network can do between two messages, and mend.
const faults = {
  cut: ({ relay }) => relay.cut(),
  'answers lost': async ({ relay, aWhile }) => {
    relay.lose('down');
    await aWhile();
    relay.cut();
    relay.lose('down', false);
  },
  'requests lost': async ({ relay, aWhile }) => {
    relay.lose('up');
    await aWhile();
    relay.cut();
    relay.lose('up', false);
  },
  refused: async ({ relay }) => {
    const attempt = relay.attempt();
    relay.bar();
    await attempt;
    relay.bar(false);
  },
  lost: async ({ relay, slave }) => {
    relay.bar();
    await inState(slave, 'reconnecting');
    relay.bar(false);
    await inState(slave, 'online');
  },
};

test('over HTTP nothing is lost by faults of the network, nothing comes twice, and the order is kept', async (t) => {
  const stage = await Stage.open(t);
  const master = await stage.client().create('abc123', 'alice');
  const { relay, client } = await stage.far({ transport: 'http' });
  const slave = await client.join('abc123', 'user_one');
  await member(master, 'user_one', 'online');
  const expected = [];
  const sending = [];
  const send = () => {
    const text = `message ${expected.length}`;
    expected.push(text);
    sending.push(master.broadcast(text), slave.send(text));
  };
  const down = [];
  const up = [];
  let came = () => {};
  const receiving = [[slave, down], [master, up]].map(async ([handle, list]) => {
    for await (const event of handle.events()) {
      assert.notEqual(event.type, 'gap');
      if (event.type === 'message') {
        list.push(event.text());
        came();
      }
    }
  });
  // Whatever has happened by then, the end is the same.
  const aWhile = () => new Promise((resolve) => {
    setTimeout(resolve, Math.random() * 30);
  });
  for (let round = 0; round < 6; round++) {
    for (const fault of Object.values(faults)) {
      [1, 2, 3].forEach(send);
      await fault({ relay, slave, aWhile });
    }
  }
  const receipts = await within(Promise.all(sending), 'the receipts');
  assert.deepEqual(receipts.filter((_, index) => index % 2 === 0).map(({ seq }) => seq), expected.map((_, index) => index + 1));
  await master.broadcast('the last one');
  await slave.send('the last one');
  expected.push('the last one');
  await within(new Promise((resolve) => {
    came = () => down.length >= expected.length && up.length >= expected.length && resolve();
    came();
  }), 'all of them');
  await master.close();
  await Promise.all(receiving);
  assert.deepEqual(down, expected);
  assert.deepEqual(up, expected);
});

test('the way changes under traffic, back and forth, and nothing is lost or comes twice', async (t) => {
  const tell = asPage();
  const stage = await Stage.open(t);
  const master = await stage.client().create('abc123', 'alice');
  const { relay, client } = await stage.far({ transport: 'auto' });
  relay.webSockets('refused');
  const slave = await client.join('abc123', 'user_one');
  assert.equal(client.transport, 'http');
  const states = [];
  slave.addEventListener('state', ({ state }) => states.push(state));
  let over = false;
  let count = 0;
  let counted = () => {};
  const more = (messages) => within(new Promise((resolve) => {
    const until = count + messages;
    counted = () => count >= until && resolve();
  }), 'more messages');
  const traffic = (async () => {
    while (!over) {
      const text = `message ${count}`;
      await Promise.all([master.broadcast(text), slave.send(text)]);
      assert.deepEqual((await Promise.all([next(slave), next(master)])).map((message) => message.text()), [text, text]);
      count++;
      counted();
      await new Promise((resolve) => {
        setTimeout(resolve, 15); // a slave may not send more
      });
    }
  })();
  for (let round = 0; round < 4; round++) {
    await more(3);
    relay.webSockets('passed');
    tell('online');
    await on(client, 'websocket');
    await more(3);
    assert.deepEqual(states.splice(0), [], 'nothing is told of a move');
    relay.webSockets('refused');
    relay.cut();
    await on(client, 'http');
    await more(3);
    assert.deepEqual(states.splice(0), ['reconnecting', 'online']);
  }
  over = true;
  await traffic;
});

test('a hub that is replaced is found again, and has what the one before it had', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'lectern-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const state = join(folder, 'state');
  const stage = await Stage.open(t, { state });
  const [master, slave] = [
    await stage.client({ transport: 'http' }).create('abc123', 'alice'),
    await stage.client({ transport: 'http' }).join('abc123', 'user_one'),
  ];
  await member(master, 'user_one', 'online');
  const { port } = stage.hub;
  for (const text of ['once', 'twice']) {
    assert.equal(await stage.hub.stop(), 0);
    const [down, up] = [master.broadcast(text), slave.send(text)];
    stage.hub = await stage.another({ port, state });
    await within(Promise.all([down, up]), 'the receipts');
    assert.deepEqual([await texts(slave, 1), await texts(master, 1)], [[text], [text]]);
  }
});

test('a hub that was killed has lost the class, and says so', async (t) => {
  const stage = await Stage.open(t);
  const master = await stage.client({ transport: 'http' }).create('abc123', 'alice');
  const { port } = stage.hub;
  await stage.hub.stop('SIGKILL');
  stage.hub = await stage.another({ port });
  assert.equal((await within(master.closed, 'the end')).code, 'hub_lost');
});

test('a page that is put away is away at once over HTTP too, behind what it has said', async (t) => {
  const stage = await Stage.open(t);
  const master = await stage.client().create('abc123', 'alice');
  const tell = asPage(); // the master's is another one
  const { client } = await stage.far({ transport: 'http', minBackoff: 3_600_000, maxBackoff: 3_600_000 });
  const slave = await client.join('abc123', 'user_one');
  for (const round of [1, 2, 3]) {
    const first = slave.send(`under way ${round}`);
    await null; // it is on its way
    const second = slave.send(`behind ${round}`);
    tell('pagehide');
    assert.deepEqual(await texts(master, 2), [`under way ${round}`, `behind ${round}`]);
    await member(master, 'user_one', 'away');
    assert.equal(client.transport, null);
    tell('pageshow');
    await within(Promise.all([first, second]), 'the receipts');
    await member(master, 'user_one', 'online');
  }
});
