import assert from 'node:assert/strict';
import { test } from 'node:test';

import { FakeHub, joinedFor } from './support/fakehub.js';
import { Stage, fakeClient, happens, inState, member, next, within } from './support/stage.js';

// What a page is told when it is put away, and when it is back. A page that is in front is hidden right
// after its pagehide.
const ways = {
  'a navigation of a page in front': { visible: true, away: ['window', 'pagehide'], back: ['window', 'pageshow'] },
  'a navigation of a page in the background': { away: ['window', 'pagehide'], back: ['window', 'pageshow'] },
  'a tab that is frozen': { away: ['document', 'freeze'], back: ['document', 'resume'] },
  'a frozen tab that is only shown again': { away: ['document', 'freeze'], back: ['document', 'visible'] },
};

/**
 * Target dispatches as a browser does: those of capture first, but at a window's own events
 * in one row, as Chromium does.
 */
class Target {
  #listeners = [];
  #phases;

  constructor(phases) {
    this.#phases = phases;
  }

  addEventListener(type, listener, options = false) {
    const { capture = options === true, once = false } = options;
    this.removeEventListener(type, listener, capture);
    this.#listeners.push({ type, listener, capture, once });
  }

  removeEventListener(type, listener, capture = false) {
    this.#listeners = this.#listeners.filter(
      (each) => each.type !== type || each.listener !== listener || each.capture !== capture);
  }

  dispatchEvent(event) {
    const phases = event.type === 'visibilitychange' ? [[true], [false]] : this.#phases;
    for (const phase of phases) {
      for (const each of this.#listeners.filter(({ type, capture }) => type === event.type && phase.includes(capture))) {
        if (this.#listeners.includes(each)) {
          if (each.once) {
            this.removeEventListener(each.type, each.listener, each.capture);
          }
          each.listener(event);
        }
      }
    }
  }
}

function page({ visible = false } = {}) {
  const window = new Target([[true, false]]);
  const document = Object.assign(new Target([[true], [false]]), { visibilityState: visible ? 'visible' : 'hidden' });
  globalThis.addEventListener = window.addEventListener.bind(window);
  globalThis.removeEventListener = window.removeEventListener.bind(window);
  globalThis.document = document;
  const tell = (target, event) => target.dispatchEvent(event);
  const changeTo = (state) => {
    document.visibilityState = state;
    [document, window].forEach((target) => tell(target, new Event('visibilitychange')));
  };
  return {
    window,
    document,
    changeTo,
    tell: ([name, type]) => {
      if (type === 'visible') {
        changeTo('visible');
        return;
      }
      tell({ window, document }[name], Object.assign(new Event(type), { persisted: true }));
      if (type === 'pagehide' && document.visibilityState === 'visible') {
        changeTo('hidden');
      } else if (type === 'pagehide' && 'onfreeze' in document) {
        tell(document, new Event('freeze'));
      }
    },
  };
}

for (const [way, { visible, away, back }] of Object.entries(ways)) {
  test(`who is put away is away at once, and back with the page: ${way}`, async (t) => {
    const { tell } = page({ visible });
    const stage = await Stage.open(t);
    const master = await stage.client().create('abc123', 'alice');
    const far = await stage.far({ minBackoff: 3_600_000, maxBackoff: 3_600_000 });
    const slave = await far.client.join('abc123', 'user_one');
    await member(master, 'user_one', 'online');
    // The master is in the same page, and away as well.
    const lost = happens(slave, 'state');
    tell(away);
    assert.equal((await lost).state, 'reconnecting');
    assert.equal(master.state, 'reconnecting');
    const sending = slave.send('while it is away');
    tell(back);
    await inState(master, 'online');
    await inState(slave, 'online');
    assert.equal((await sending).seq, 1);
    assert.equal((await next(master)).text(), 'while it is away');
    await member(master, 'user_one', 'online');
  });
}

for (const where of ['in front', 'in the background', 'in the background, of a browser that freezes it']) {
  const freezes = where.endsWith('it');
  test(`the own listeners of a page ${where} come first, and what they send arrives before the end`, async (t) => {
    const { window, document, tell, changeTo } = page({ visible: !freezes });
    if (freezes) {
      document.onfreeze = null;
    }
    const seen = [];
    const hub = await FakeHub.start((peer, frame) => {
      if (frame.type === 'join' || frame.type === 'resume') {
        seen.push(frame.type);
        peer.send(joinedFor(frame));
      } else if (frame.type === 'send') {
        seen.push(new TextDecoder().decode(frame.payload.bytes));
        peer.send({ type: 'ack', ref: frame.ref, seq: seen.length });
      }
    });
    const client = fakeClient(t, hub);
    let slave;
    const says = (text) => () => {
      slave.send(text).catch(() => {});
    };
    window.addEventListener('pagehide', says('before'), { once: true });
    slave = await client.join('abc123', 'user_one');
    window.addEventListener('pagehide', says('after'), { once: true });
    if (where === 'in the background') {
      changeTo('hidden');
    }
    tell(['window', 'pagehide']);
    assert.equal(slave.state, 'reconnecting');
    tell(['window', 'pageshow']);
    await inState(slave, 'online');
    // What has no answer is said once more, as after any loss.
    assert.deepEqual(seen.slice(0, 4), ['join', 'before', 'after', 'resume']);
    document.addEventListener('freeze', says('frozen'), { once: true });
    tell(['document', 'freeze']);
    assert.equal(slave.state, 'reconnecting');
    tell(['document', 'resume']);
    await inState(slave, 'online');
    const frozen = seen.indexOf('frozen');
    assert.ok(frozen > 0 && frozen < seen.lastIndexOf('resume'), seen.join());
  });
}

test('where nothing follows on pagehide it counts all the same', async (t) => {
  const { window } = page({ visible: true });
  const stage = await Stage.open(t);
  const slave = await stage.client().create('abc123', 'alice').then(() => stage.client().join('abc123', 'user_one'));
  const lost = happens(slave, 'state');
  window.dispatchEvent(new Event('pagehide'));
  assert.equal((await lost).state, 'reconnecting');
});

test('a page that leaves as it is put away does not come back', async (t) => {
  const { window, tell } = page({ visible: true });
  const stage = await Stage.open(t);
  const far = await stage.far();
  const master = await stage.client().create('abc123', 'alice');
  const slave = await far.client.join('abc123', 'user_one');
  await member(master, 'user_one', 'online');
  let closed;
  window.addEventListener('pagehide', () => {
    closed = far.client.close();
  }, { once: true });
  tell(['window', 'pagehide']);
  await within(closed, 'the close');
  assert.equal(slave.error.code, 'left');
  tell(['window', 'pageshow']);
  await inState(master, 'online');
  await member(master, 'user_one', 'gone');
});

test('a page that is put away while it connects, or between two attempts, goes on when it is back', async (t) => {
  const { tell } = page();
  const stage = await Stage.open(t);
  await stage.client().create('abc123', 'alice');
  const { relay, client } = await stage.far({ plainHandshake: true });
  relay.stall();
  const attempt = relay.attempt();
  const joining = client.join('abc123', 'user_one');
  await attempt;
  tell(['window', 'pagehide']);
  relay.stall(false);
  tell(['window', 'pageshow']);
  const slave = await within(joining, 'the join');
  assert.equal((await slave.send('here')).seq, 1);

  relay.bar();
  await inState(slave, 'reconnecting');
  await relay.attempt();
  tell(['window', 'pagehide']);
  relay.bar(false);
  tell(['window', 'pageshow']);
  await inState(slave, 'online');
});

test('a network that comes back does not wake a page that is put away', async (t) => {
  const { window, tell } = page();
  const stage = await Stage.open(t);
  await stage.client().create('abc123', 'alice');
  const { relay, client } = await stage.far();
  const slave = await client.join('abc123', 'user_one');
  tell(['window', 'pagehide']);
  let attempts = 0;
  relay.attempt().then(() => attempts++);
  window.dispatchEvent(new Event('online'));
  window.dispatchEvent(Object.assign(new Event('pageshow'), { persisted: false }));
  await stage.client().status('abc123');
  assert.equal(attempts, 0);
  assert.equal(slave.state, 'reconnecting');
  tell(['window', 'pageshow']);
  await inState(slave, 'online');
});
