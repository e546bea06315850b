import assert from 'node:assert/strict';
import { test } from 'node:test';

import { FakeHub, joinedFor } from './support/fakehub.js';
import { fakeClient, inState, refused, within } from './support/stage.js';

// More than the client would try of what may be the reason why its connections are lost.
const MANY = 8;

/** WaitingHub is a hub that tells joins to wait, as long as a test wants it to. */
class WaitingHub {
  joins = [];
  // Whether connections are refused, and joins are told to wait.
  down = false;
  tells = true;
  attempts = 0;
  #next = [];
  #look = () => {};

  static async start() {
    const hub = new WaitingHub();
    hub.fake = await FakeHub.start((peer, frame) => hub.#takes(peer, frame), {
      admit: (attempt) => {
        hub.attempts = attempt;
        hub.#look();
        return !hub.down;
      },
    });
    return hub;
  }

  #takes(peer, frame) {
    const { type, ref, channel } = frame;
    if (type === 'resume') {
      peer.send({ ...joinedFor(frame), epoch: 1 });
    } else if (type === 'join' && channel === 'open') {
      peer.send({ ...joinedFor(frame), epoch: 1 });
    } else if (type === 'join') {
      if (this.tells) {
        peer.send({ type: 'waiting', ref, channel, for: 'door', master: { username: 'alice', state: 'online' } });
      }
      this.joins.push(ref);
      this.#next.splice(0).forEach((resolve) => resolve({ peer, frame }));
    }
  }

  /** joined resolves with the next join that comes, and who has sent it. */
  joined() {
    return within(new Promise((resolve) => {
      this.#next.push(resolve);
    }), 'a join');
  }

  /** vain resolves when so many more attempts to connect were refused. */
  vain(many = MANY) {
    const until = this.attempts + many;
    return within(new Promise((resolve) => {
      this.#look = () => this.attempts >= until && resolve();
    }), 'attempts to connect');
  }

  /** letsIn answers a join, which is in then. */
  letsIn({ peer, frame }) {
    peer.send(joinedFor(frame));
  }
}

/** waitingOn is a join that the hub has told to wait. */
async function waitingOn(t, options = {}) {
  const hub = await WaitingHub.start();
  const client = fakeClient(t, hub.fake);
  let isTold;
  const told = new Promise((resolve) => {
    isTold = resolve;
  });
  const first = hub.joined();
  const join = client.join('abc123', 'bob', { onwaiting: () => isTold(), ...options });
  let over = false;
  join.then(() => { over = true; }, () => { over = true; });
  const came = await first;
  await within(told, 'that it waits');
  return { hub, client, join, over: () => over, ...came };
}

const shuttingDown = ({ ref, channel }) => ({ type: 'error', ref, channel, code: 'shutting_down', reason: 'stops' });

/** The ways in which who waits loses its hub. */
const losses = {
  'refused, since the hub shuts down': ({ peer, frame }) => peer.send(shuttingDown(frame)),
  'closed, since the hub shuts down': ({ peer }) => peer.close(4106),
  cut: ({ peer }) => peer.terminate(),
};

for (const [how, lose] of Object.entries(losses)) {
  test(`who waits does so while no hub can be reached: ${how}`, async (t) => {
    const { hub, join, over, peer, frame } = await waitingOn(t);
    hub.down = true;
    lose({ peer, frame });
    await hub.vain();
    assert.equal(over(), false);
    const again = hub.joined();
    hub.down = false;
    const came = await again;
    assert.ok(came.frame.ref > frame.ref);
    hub.letsIn(came);
    assert.equal((await within(join, 'the answer')).channel, 'abc123');
  });

  test(`a wait outlasts hubs that do not tell it to wait: ${how}`, async (t) => {
    const { hub, join, over, ...first } = await waitingOn(t);
    hub.tells = false;
    let came = first;
    for (let times = 0; times < MANY; times++) {
      const again = hub.joined();
      lose(came);
      came = await again;
      assert.equal(over(), false);
    }
    hub.letsIn(came);
    await within(join, 'the answer');
  });
}

for (const number of [1009, 4101, 4102, 4103, 4104, 4105, 4107]) {
  test(`who waits is not the reason for which its connection was closed with ${number}`, async (t) => {
    const { hub, join, peer } = await waitingOn(t);
    const again = hub.joined();
    peer.close(number);
    hub.letsIn(await again);
    await within(join, 'the answer');
  });
}

test('a join that has waited, and is the reason for which the next connection is closed, is over', async (t) => {
  const { hub, join, peer } = await waitingOn(t);
  hub.tells = false;
  const again = hub.joined();
  peer.terminate();
  (await again).peer.close(1009);
  await refused(join, 'connection');
});

test('a signal ends a wait while no hub can be reached, and nothing is tried after that', async (t) => {
  const controller = new AbortController();
  const { hub, join, peer } = await waitingOn(t, { signal: controller.signal });
  hub.down = true;
  peer.terminate();
  await hub.vain();
  controller.abort();
  await assert.rejects(join, { name: 'AbortError' });
  const { attempts } = hub;
  await new Promise((resolve) => {
    setTimeout(resolve, 100);
  });
  assert.ok(hub.attempts <= attempts + 1, 'but for one that was under way');
});

test('the end of a client ends a wait while no hub can be reached', async (t) => {
  for (const [end, code] of [['close', 'connection'], ['detach', 'detached']]) {
    const { hub, client, join, peer } = await waitingOn(t);
    hub.down = true;
    peer.terminate();
    await hub.vain();
    const ended = client[end]();
    await refused(join, code);
    await within(ended, end);
  }
});

test('others do not wait for a hub that cannot be reached', async (t) => {
  const { hub, client, join, over, peer } = await waitingOn(t);
  hub.down = true;
  peer.terminate();
  await refused(client.status('other'), 'connection');
  await refused(client.join('another', 'bob'), 'connection');
  await hub.vain();
  assert.equal(over(), false);
  const again = hub.joined();
  hub.down = false;
  hub.letsIn(await again);
  await within(join, 'the answer');
});

test('a switch that waits does so while no hub can be reached', async (t) => {
  const hub = await WaitingHub.start();
  const client = fakeClient(t, hub.fake);
  const slave = await client.join('open', 'bob');
  let isTold;
  const told = new Promise((resolve) => {
    isTold = resolve;
  });
  const first = hub.joined();
  const switching = slave.switch('abc123', { onwaiting: () => isTold() });
  let came = await first;
  await within(told, 'that it waits');
  hub.tells = false;
  for (let times = 0; times < 2; times++) {
    hub.down = true;
    came.peer.terminate();
    await inState(slave, 'reconnecting');
    await hub.vain();
    const again = hub.joined();
    hub.down = false;
    came = await again;
    assert.equal(slave.state, 'reconnecting');
  }
  hub.letsIn(came);
  assert.equal((await within(switching, 'the answer')).channel, 'abc123');
});
