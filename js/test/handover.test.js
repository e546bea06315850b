import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { ClosedError, Master, PromotedEvent, RefusedError, Slave, UnknownOutcomeError } from '../lectern.js';
import { FakeHub, createdFor, joinedFor } from './support/fakehub.js';
import { framed } from './support/frames.js';
import { LIMIT, Stage, fakeClient, happens, inState, member, next, refused, texts, within } from './support/stage.js';
import { Storage } from './support/storage.js';

const names = (members) => members.map(({ username }) => username);

/** told takes all that a handle is told until its end. */
async function told(handle) {
  const list = [];
  for await (const event of handle.events({ signal: AbortSignal.timeout(LIMIT) })) {
    list.push(event);
  }
  return list;
}

/** promotedAfter takes what a slave is told up to its end, which must be that it is the master: the master, and the texts before. */
async function promotedAfter(slave) {
  const list = await told(slave);
  const last = list.pop();
  assert.equal(last?.type, 'promoted');
  assert.ok(Object.isFrozen(last));
  assert.ok(last.master instanceof Master);
  assert.equal(last.master, slave.promoted);
  const error = await within(slave.closed, 'the end of the slave');
  assert.ok(error instanceof ClosedError);
  assert.equal(error.code, 'handed_over');
  return { master: last.master, texts: list.filter(({ type }) => type === 'message').map((message) => message.text()) };
}

/** masterIs resolves when the slave knows its master by that name. */
async function masterIs(slave, name) {
  if (slave.master.username !== name) {
    await happens(slave, 'presence', ({ presence }) => presence.username === name);
  }
}

test('a master hands over, and stays', async (t) => {
  const stage = await Stage.open(t);
  const master = await stage.client().create('abc123', 'alice');
  const [one, two] = [await stage.client().join('abc123', 'one'), await stage.client().join('abc123', 'two')];
  await member(master, 'two', 'online');
  assert.equal(one.promoted, null);
  const event = happens(one, 'promoted');
  const changed = happens(two, 'presence');
  await master.broadcast('before');
  const alice = await within(master.handOver('one', { stay: true }), 'the hand-over');
  assert.ok(alice instanceof Slave);
  assert.deepEqual([alice.username, alice.channel, alice.timeout, alice.master.username], ['alice', 'abc123', 30_000, 'one']);
  assert.equal((await master.closed).code, 'handed_over');
  assert.ok(await event instanceof PromotedEvent);
  const { master: now, texts: before } = await promotedAfter(one);
  assert.equal((await event).master, now);
  assert.deepEqual(before, ['before']);
  assert.deepEqual([now.username, names(now.members)], ['one', ['alice', 'two']]);
  assert.deepEqual([(await changed).presence.username, two.master.state], ['one', 'online']);
  assert.equal(alice.promoted, null);

  await now.broadcast('from one');
  assert.deepEqual(await texts(two, 2), ['before', 'from one']);
  assert.deepEqual(await texts(alice, 1), ['from one']);
  await alice.send('from alice');
  await two.send('from two');
  assert.deepEqual(await texts(now, 2), ['from alice', 'from two']);
  await refused(master.broadcast('x'), 'handed_over');
  await refused(one.send('x'), 'handed_over');
  await refused(master.handOver('two'), 'handed_over');

  const none = await within(now.handOver('alice'), 'the hand-over back');
  assert.equal(none, null);
  assert.match((await now.closed).message, /handed_over: "alice" is the master now/);
  const { master: last } = await promotedAfter(alice);
  assert.deepEqual(names(last.members), ['two']);
  await last.close();
  assert.equal((await two.closed).code, 'master_left');
});

test('hand-overs that are refused', async (t) => {
  const stage = await Stage.open(t);
  const master = await stage.client().create('abc123', 'alice');
  const { relay, client } = await stage.far();
  await client.join('abc123', 'away');
  await member(master, 'away', 'online');
  relay.bar();
  await member(master, 'away', 'away');
  for (const name of ['alice', 'nobody', 'away', '', '\ud800']) {
    await refused(master.handOver(name, { stay: true }), 'no_such_slave', RefusedError);
  }
  await assert.rejects(master.handOver(7), TypeError);
  await assert.rejects(master.handOver('away', { stays: true }), TypeError);
  await assert.rejects(master.handOver('away', { signal: AbortSignal.abort(new Error('given up')) }), /given up/);
  assert.deepEqual([master.state, await master.broadcast('still here')], ['online', { seq: 1, slaves: 0 }]);
});

test('attributes, the door, and who may speak are of the channel', async (t) => {
  const stage = await Stage.open(t);
  const master = await stage.client().create('abc123', 'alice', { attributes: { slide: 7 } });
  const [one, two] = await Promise.all(['one', 'two'].map(
    (name) => stage.client().join('abc123', name, { attributes: { hand: name } })));
  await member(master, 'one', 'online');
  await master.muteAll();
  await master.setDoor('knock');
  const knock = happens(master, 'knock');
  const guest = stage.client().join('abc123', 'guest');
  const { number } = (await knock).knock;
  const alice = await master.handOver('one', { stay: true });
  const { master: now } = await promotedAfter(one);
  assert.deepEqual([now.door, now.allMuted, now.knocks.map((each) => [each.number, each.username])], ['knock', true, [[number, 'guest']]]);
  assert.deepEqual([now.attributes.get('slide').json(), alice.attributes.size, alice.muted], [7, 0, true]);
  await masterIs(two, 'one');
  const { from, seq } = two.masterAttributes.get('slide');
  assert.deepEqual([from, two.masterAttributes.get('slide').json()], ['one', 7]);
  await now.admit(number);
  const admitted = await guest;
  assert.equal(admitted.muted, true);
  if (!now.attributesOf('two').has('hand')) {
    await happens(now, 'attribute');
  }
  assert.equal(now.attributesOf('two').get('hand').text(), 'two');
  const set = happens(two, 'attribute');
  await now.setAttribute('slide', 8);
  const { attribute } = await set;
  assert.deepEqual([attribute.from, attribute.json(), attribute.seq > seq], ['one', 8, true]);
  if (alice.masterAttributes.get('slide')?.json() !== 8) {
    await happens(alice, 'attribute', (each) => each.attribute.json() === 8);
  }
  const changes = [];
  for await (const event of two.events({ signal: AbortSignal.timeout(LIMIT) })) {
    if (event.type === 'attribute') {
      changes.push([event.from, event.json()]);
    }
    if (event.type === 'attribute' && event.json() === 8) {
      break;
    }
  }
  assert.deepEqual(changes, [['one', 8]], 'of what waits to be taken the newest value is');
});

test('what is open of slaves goes on to the new master, and that of the old one ends', async (t) => {
  const stage = await Stage.open(t);
  const master = await stage.client().create('abc123', 'alice');
  const [one, two] = [await stage.client().join('abc123', 'one'), await stage.client().join('abc123', 'two')];
  await member(master, 'two', 'online');
  const before = two.request('for whom?');
  assert.equal((await next(master)).text(), 'for whom?');
  const asked = refused(master.request('two', 'well?'), 'handed_over');
  const question = await next(two);
  const own = refused(one.request('mine'), 'handed_over');
  await next(master);
  const alice = await master.handOver('one', { stay: true });
  const { master: now } = await promotedAfter(one);
  await Promise.all([asked, own]);
  await refused(question.reply('late'), 'no_such_request');
  const open = await next(now);
  assert.deepEqual([open.text(), open.from, now.openRequests], ['for whom?', 'two', [open]]);
  await open.reply('for one');
  const answer = await within(before, 'the answer');
  assert.deepEqual([answer.text(), answer.from], ['for one', 'one']);
  const again = alice.request('and now?');
  await (await next(now)).reply('as well');
  assert.equal((await within(again, 'the second answer')).text(), 'as well');
});

// What was sent to the master alone no slave gets and what was sent to all every slave, nothing that was accepted is
// lost or comes twice, and what was not says so.
test('what was on its way is accepted before, or refused', async (t) => {
  const stage = await Stage.open(t);
  let master = await stage.client().create('abc123', 'alice');
  let one = await stage.client().join('abc123', 'one');
  const two = await stage.client().join('abc123', 'two');
  await member(master, 'two', 'online');
  const [up, down, gotUp, refusals] = [[], [], [], []];
  const heard = async (handle) => (await told(handle)).filter(({ type }) => type === 'message').map((message) => message.text());
  for (let round = 0; round < 20; round++) {
    const sending = [];
    const sent = (list, text, promise) => sending.push(promise.then(() => list.push(text), (error) => {
      assert.ok(error instanceof RefusedError && error.code === 'role_changed', error.stack);
      refusals.push(text);
    }));
    const both = (count, what) => {
      for (let i = 0; i < count; i++) {
        sent(up, `up ${round} ${what} ${i}`, one.send(`up ${round} ${what} ${i}`));
        sent(down, `down ${round} ${what} ${i}`, master.broadcast(`down ${round} ${what} ${i}`));
      }
    };
    both(5, 'before');
    const handing = master.handOver(one.username, { stay: true });
    both(5, 'behind');
    const alice = await within(handing, 'the hand-over');
    await Promise.all(sending);
    gotUp.push(...await heard(master));
    const { master: now, texts: had } = await promotedAfter(one);
    assert.ok(had.every((text) => text.startsWith('down')), `a slave gets what was for the master alone: ${had}`);
    [master, one] = [now, alice];
  }
  await master.close();
  gotUp.push(...await heard(master));
  assert.deepEqual(gotUp.sort(), up.sort());
  assert.deepEqual((await heard(two)).sort(), down.sort());
  assert.ok(refusals.length > 20 && down.length >= 100, `${refusals.length} of ${up.length + down.length}`);
});

test('what has waited for a place is not sent by the new role', async (t) => {
  const sent = [];
  const hub = await FakeHub.start((peer, frame) => {
    if (frame.type === 'join') {
      peer.send({ ...joinedFor(frame), epoch: 1 });
    } else if (frame.type === 'send' && sent.push(frame) === 32) {
      peer.send({ ...createdFor(frame), ref: undefined, username: 'one', epoch: 2, members: [] });
    }
  });
  const slave = await fakeClient(t, hub).join('abc123', 'one');
  await Promise.all(Array.from({ length: 40 }, () => refused(slave.send('x'), 'role_changed', RefusedError)));
  assert.equal(sent.length, 32);
  assert.equal(slave.promoted.state, 'online');
});

test('who is the master again gets a message once, and what it has not answered again', async (t) => {
  const said = (seq, more) => ({ type: 'message', channel: 'abc123', from: 'two', seq, payload: { kind: 'text', bytes: Buffer.from(`${seq}`) }, ...more });
  const hub = await FakeHub.start((peer, frame) => {
    if (frame.type === 'create') {
      peer.send(createdFor(frame));
      peer.send(said(1));
      peer.send(said(2, { request: 2 }));
      peer.send(said(3));
    } else if (frame.type === 'hand_over') {
      peer.send({ ...joinedFor(frame), ref: undefined, username: 'alice', epoch: 2 });
      peer.send({ type: 'ack', ref: frame.ref });
      peer.send({ ...createdFor(frame), ref: undefined, username: 'alice', epoch: 3, members: [] });
      peer.send(said(2, { request: 2 }));
      peer.send({ type: 'gap', channel: 'abc123', missed: 1, seq: 1 });
      peer.send(said(3));
      peer.send(said(4));
    }
  });
  const master = await fakeClient(t, hub).create('abc123', 'alice');
  assert.deepEqual(await texts(master, 3), ['1', '2', '3']);
  const alice = await master.handOver('one', { stay: true });
  const { master: again } = await promotedAfter(alice);
  const [first, second] = [await next(again), await next(again)];
  assert.deepEqual([first.text(), first.requestId, second.text()], ['2', 2, '4']);
});

test('a slave that was never told that it was the master asks, as after any loss', async (t) => {
  const hub = await FakeHub.start((peer, frame) => {
    if (frame.type === 'join') {
      peer.send({ ...joinedFor(frame), epoch: 1 });
      peer.close(4008, 'user_2 is the master now');
    } else if (frame.type === 'resume') {
      peer.send({ type: 'error', ref: frame.ref, channel: 'abc123', code: 'resume_failed' });
    }
  });
  const slave = await fakeClient(t, hub).join('abc123', 'one');
  assert.equal((await within(slave.closed, 'the end of the slave')).code, 'resume_failed');
  assert.equal(slave.promoted, null);
});

test('a leave that was on its way is refused, and the channel goes on', async (t) => {
  const hub = await FakeHub.start((peer, frame) => {
    if (frame.type === 'join') {
      peer.send({ ...joinedFor(frame), epoch: 1 });
    } else if (frame.type === 'leave') {
      peer.send({ ...createdFor(frame), ref: undefined, username: 'one', epoch: 2, members: [] });
      peer.send({ type: 'error', ref: frame.ref, channel: 'abc123', code: 'role_changed' });
    } else if (frame.type === 'send') {
      peer.send({ type: 'ack', ref: frame.ref, seq: 1 });
    }
  });
  const client = fakeClient(t, hub);
  const slave = await client.join('abc123', 'one');
  await refused(slave.leave(), 'role_changed', RefusedError);
  assert.equal(slave.error.code, 'handed_over');
  assert.deepEqual([slave.promoted.state, (await slave.promoted.broadcast('x')).seq], ['online', 1]);
});

test('the new epoch is shown at once, and until something is answered', async (t) => {
  const stage = await Stage.open(t);
  const [above, below] = [framed(), framed()];
  const master = await stage.client({ WebSocket: above.WebSocket }).create('abc123', 'alice');
  const one = await stage.client({ WebSocket: below.WebSocket }).join('abc123', 'one');
  await member(master, 'one', 'online');
  await one.send('as a slave');
  const alice = await master.handOver('one', { stay: true });
  const { master: now } = await promotedAfter(one);
  await Promise.all([now.broadcast('a'), now.broadcast('b')]);
  await now.broadcast('c');
  await alice.send('a');
  await alice.send('b');
  const shown = ({ sent }) => sent.filter(({ type }) => type === 'ping' || type === 'send').map(({ type, epoch, seen }) => [type, epoch, seen]);
  const { epoch } = now.ticket;
  assert.deepEqual(shown(below), [
    ['send', undefined, undefined], ['ping', epoch, 0], ['send', epoch, undefined], ['send', epoch, undefined], ['send', undefined, undefined],
  ]);
  const { epoch: staying } = alice.ticket;
  assert.deepEqual(shown(above).slice(-3), [['ping', staying, 0], ['send', staying, undefined], ['send', undefined, undefined]]);
});

test('the new epoch is shown on, where what has shown it was refused before the channel', async (t) => {
  const shown = [];
  const hub = await FakeHub.start((peer, frame) => {
    if (frame.type === 'join') {
      peer.send({ ...joinedFor(frame), epoch: 1 });
      peer.send({ ...createdFor(frame), ref: undefined, username: 'one', epoch: 2, members: [] });
    } else if (frame.type === 'send') {
      peer.send(shown.push(frame.epoch) === 1
        ? { type: 'error', ref: frame.ref, channel: 'abc123', code: 'rate_limited' } : { type: 'ack', ref: frame.ref, seq: shown.length });
    }
  });
  const slave = await fakeClient(t, hub).join('abc123', 'one');
  const { master } = await happens(slave, 'promoted');
  await refused(master.broadcast('a'), 'rate_limited');
  await master.broadcast('a');
  await master.broadcast('b');
  assert.deepEqual(shown, [2, 2, undefined]);
});

for (const stay of [true, false]) {
  test(`the connection of the master is cut before it is answered, and it ${stay ? 'stays' : 'leaves'}`, async (t) => {
    const stage = await Stage.open(t);
    const { relay, client } = await stage.far();
    const master = await client.create('abc123', 'alice');
    const [one, two] = [await stage.client().join('abc123', 'one'), await stage.client().join('abc123', 'two')];
    await member(master, 'two', 'online');
    relay.lose('down');
    const promotion = happens(one, 'promoted');
    const handing = master.handOver('one', { stay });
    const behind = master.broadcast('behind it');
    behind.catch(() => {});
    await promotion;
    relay.cut();
    relay.lose('down', false);
    const alice = await within(handing, 'the hand-over');
    assert.equal((await within(master.closed, 'the end of the master')).code, 'handed_over');
    await assert.rejects(behind, UnknownOutcomeError);
    const { master: now } = await promotedAfter(one);
    await now.broadcast('x');
    assert.deepEqual(await texts(two, 1), ['x']);
    assert.equal(alice instanceof Slave, stay);
    if (stay) {
      assert.deepEqual(await texts(alice, 1), ['x']);
      await alice.send('still here');
      assert.equal((await next(now)).text(), 'still here');
    } else {
      assert.deepEqual(names(now.members), ['two']);
    }
  });

  test(`where the hub has not got it, it is asked again as the master: it ${stay ? 'stays' : 'leaves'}`, async (t) => {
    const stage = await Stage.open(t);
    const { relay, client } = await stage.far();
    const master = await client.create('abc123', 'alice');
    const one = await stage.client().join('abc123', 'one');
    await member(master, 'one', 'online');
    relay.lose('up');
    const handing = master.handOver('one', { stay });
    await new Promise((resolve) => {
      setTimeout(resolve);
    });
    relay.bar();
    relay.lose('up', false);
    await inState(master, 'reconnecting');
    relay.bar(false);
    const alice = await within(handing, 'the hand-over');
    assert.equal(alice instanceof Slave, stay);
    assert.equal((await promotedAfter(one)).master.username, 'one');
  });
}

test('a close behind a hand-over whose answer was lost leaves neither the channel nor the slave', async (t) => {
  const stage = await Stage.open(t);
  const { relay, client } = await stage.far({ closeTimeout: LIMIT });
  const master = await client.create('abc123', 'alice');
  const one = await stage.client().join('abc123', 'one');
  await member(master, 'one', 'online');
  relay.lose('down');
  const promotion = happens(one, 'promoted');
  const handing = master.handOver('one', { stay: true });
  const closing = assert.rejects(master.close(), UnknownOutcomeError);
  const { master: now } = await promotion;
  relay.cut();
  relay.lose('down', false);
  const alice = await within(handing, 'the hand-over');
  await closing;
  await alice.send('still here');
  assert.equal((await next(now)).text(), 'still here');
  assert.deepEqual([alice.state, names(now.members)], ['online', ['alice']]);
});

test('a hand-over that is begun while the connection is lost', async (t) => {
  const stage = await Stage.open(t);
  const { relay, client } = await stage.far();
  const master = await client.create('abc123', 'alice');
  const one = await stage.client().join('abc123', 'one');
  await member(master, 'one', 'online');
  relay.bar();
  await inState(master, 'reconnecting');
  const handing = master.handOver('one', { stay: true });
  relay.bar(false);
  assert.ok(await within(handing, 'the hand-over') instanceof Slave);
  assert.equal((await promotedAfter(one)).master.username, 'one');
});

test('one who has just become the master hands over, and is cut before anything is answered', async (t) => {
  const stage = await Stage.open(t);
  const { relay, client } = await stage.far();
  const master = await stage.client().create('abc123', 'alice');
  const one = await client.join('abc123', 'one');
  await member(master, 'one', 'online');
  const promotion = happens(one, 'promoted', () => {
    relay.lose('down');
    return true;
  });
  const alice = await master.handOver('one', { stay: true });
  const { master: now } = await promotion;
  const back = happens(alice, 'promoted');
  const handing = now.handOver('alice', { stay: true });
  await back;
  relay.cut();
  relay.lose('down', false);
  assert.ok(await within(handing, 'the hand-over back') instanceof Slave);
});

test('a successor that was not told comes back as the slave that it was', async (t) => {
  const stage = await Stage.open(t);
  const storage = new Storage();
  const { relay, client } = await stage.far({ storage });
  const master = await stage.client().create('abc123', 'alice', { attributes: { slide: 7 } });
  const [one, two] = [await client.join('abc123', 'one'), await stage.client().join('abc123', 'two')];
  await member(master, 'two', 'online');
  await master.broadcast('before');
  assert.equal((await next(one)).text(), 'before');
  relay.lose('down');
  await master.send('one', 'missed');
  await master.broadcast('missed too');
  const sent = one.send('for alice alone');
  sent.catch(() => {});
  assert.equal((await next(master)).text(), 'for alice alone');
  const alice = await master.handOver('one', { stay: true });
  relay.cut();
  relay.lose('down', false);
  const { master: now, texts: missed } = await within(promotedAfter(one), 'the promotion');
  assert.deepEqual(missed, ['missed', 'missed too']);
  await assert.rejects(sent, UnknownOutcomeError);
  assert.deepEqual(names(now.members), ['alice', 'two']);
  assert.equal(now.attributes.get('slide').json(), 7);
  await now.broadcast('x');
  assert.deepEqual(await texts(two, 3), ['before', 'missed too', 'x']);
  assert.deepEqual(await texts(alice, 1), ['x']);
  assert.equal(now.ticket.role, 'master');
});

test('a slave that was lost meanwhile knows the new master, and its answer', async (t) => {
  const stage = await Stage.open(t);
  const { relay, client } = await stage.far();
  const master = await stage.client().create('abc123', 'alice', { attributes: { slide: 7 } });
  const [one, two] = [await stage.client().join('abc123', 'one'), await client.join('abc123', 'two')];
  await member(master, 'two', 'online');
  const [kept, answered] = [two.request('kept?'), two.request('answered?')];
  const [, question] = [await next(master), await next(master)];
  await two.send('both are accepted');
  relay.lose('down');
  const unsure = two.request('accepted?');
  assert.deepEqual(await texts(master, 2), ['both are accepted', 'accepted?']);
  relay.bar();
  relay.lose('down', false);
  await inState(two, 'reconnecting');
  await member(master, 'two', 'away');
  await question.reply('by alice');
  await master.handOver('one', { stay: true });
  const { master: now } = await promotedAfter(one);
  const [open, last] = [await next(now), await next(now)];
  relay.bar(false);
  assert.equal((await within(answered, 'the answer of the one before')).text(), 'by alice');
  assert.deepEqual([two.master.username, two.masterAttributes.get('slide')?.from], ['one', 'one']);
  await two.send('x');
  await two.send('y'); // behind what the hub was asked of the requests
  await open.reply('by one');
  assert.equal((await within(kept, 'the answer of the new one')).text(), 'by one');
  await last.reply('by one too');
  assert.equal((await within(unsure, 'the last answer')).text(), 'by one too');
});

test('a page that is loaded again goes on in its new role', async (t) => {
  const stage = await Stage.open(t);
  const [above, below] = [new Storage(), new Storage()];
  const first = await stage.client({ storage: above }).create('abc123', 'alice');
  const one = await stage.client({ storage: below }).join('abc123', 'one');
  await member(first, 'one', 'online');
  const alice = await first.handOver('one', { stay: true });
  const { master } = await promotedAfter(one);
  const restored = await within(stage.client({ storage: below }).restore(), 'the restore of the master');
  assert.deepEqual([names(restored.masters), restored.slaves, restored.lost], [['one'], [], []]);
  assert.equal((await within(master.closed, 'the end of the former page')).code, 'replaced');
  const other = await within(stage.client({ storage: above }).restore(), 'the restore of the slave');
  assert.deepEqual([other.masters, names(other.slaves), other.lost], [[], ['alice'], []]);
  assert.equal((await alice.closed).code, 'replaced');
  await restored.masters[0].broadcast('hello');
  assert.deepEqual(await texts(other.slaves[0], 1), ['hello']);
  await restored.masters[0].handOver('alice');
  assert.equal(below.items.size, 0);
  const { master: last } = await promotedAfter(other.slaves[0]);
  await refused(stage.client().resumeMaster(first.ticket), 'resume_failed');
  await last.close();
});

test('who gives a hand-over up that the hub has not got is the master on', async (t) => {
  const stage = await Stage.open(t);
  const { relay, client } = await stage.far();
  const master = await client.create('abc123', 'alice');
  const one = await stage.client().join('abc123', 'one');
  await member(master, 'one', 'online');
  relay.lose('up');
  const controller = new AbortController();
  const handing = master.handOver('one', { signal: controller.signal });
  controller.abort(new Error('given up'));
  await assert.rejects(handing, /given up/);
  relay.cut();
  relay.lose('up', false);
  await master.broadcast('still here');
  await master.broadcast('and on');
  assert.deepEqual(await texts(one, 2), ['still here', 'and on']);
  assert.deepEqual([master.state, one.promoted], ['online', null]);
});

test('what refuses a repeated hand-over for now tells nothing of the first one', async (t) => {
  const seen = [];
  const hub = await FakeHub.start((peer, frame) => {
    seen.push([peer.count, frame.type]);
    if (frame.type === 'create') {
      peer.send(createdFor(frame));
    } else if (frame.type === 'hand_over' && peer.count === 1) {
      peer.terminate();
    } else if (frame.type === 'hand_over') {
      peer.send(peer.count === 2
        ? { type: 'error', ref: frame.ref, channel: frame.channel, code: 'rate_limited' } : { type: 'ack', ref: frame.ref });
    }
  });
  const master = await fakeClient(t, hub).create('abc123', 'alice');
  assert.equal(await within(master.handOver('one'), 'the hand-over'), null);
  assert.equal(master.error.code, 'handed_over');
  assert.deepEqual(seen.filter(([, type]) => type !== 'ping'), [[1, 'create'], [1, 'hand_over'], [2, 'hand_over'], [3, 'hand_over']]);
});

test('who stays shows a fresh token with the hand-over that it repeats, and who leaves shows none', async (t) => {
  for (const stay of [true, false]) {
    const shown = [];
    const hub = await FakeHub.start((peer, frame) => {
      const { type, ref, token } = frame;
      if (type === 'create') {
        peer.send(createdFor(frame));
      } else if (type === 'hand_over') {
        shown.push(token);
        if (peer.count === 1) {
          peer.terminate();
          return;
        }
        if (stay) {
          peer.send({ ...joinedFor(frame), ref: undefined, username: 'alice', epoch: 2, master: { username: 'one', state: 'online' } });
        }
        peer.send({ type: 'ack', ref });
      }
    });
    const token = async ({ operation }) => `of ${operation}`;
    const master = await fakeClient(t, hub, { token }).create('abc123', 'alice');
    const slave = await within(master.handOver('one', { stay }), 'the hand-over');
    assert.equal(slave instanceof Slave, stay);
    assert.deepEqual(shown, [undefined, stay ? 'of resume' : undefined]);
  }
});

test('a leave whose refusal overtakes what the slave has become has not left', async (t) => {
  const hub = await FakeHub.start((peer, frame) => {
    const { type, ref, channel } = frame;
    if (type === 'join') {
      peer.send(joinedFor(frame));
    } else if (type === 'leave') {
      peer.send({ type: 'error', ref, channel, code: 'role_changed' });
      setTimeout(() => peer.send({ ...createdFor(frame), ref: undefined, username: 'ada', epoch: 2, members: [] }), 10);
    }
  });
  const slave = await fakeClient(t, hub).join('abc123', 'ada');
  await refused(slave.leave(), 'role_changed');
  assert.equal(slave.error.code, 'handed_over');
  assert.equal(slave.promoted.error, null);
});

test('what was given up, and becomes the master, leaves', async (t) => {
  const left = [];
  const controller = new AbortController();
  const hub = await FakeHub.start((peer, frame) => {
    const { type, ref, channel, epoch } = frame;
    if (type === 'join') {
      controller.abort(new Error('given up'));
      setTimeout(() => peer.send(joinedFor(frame)), 10);
    } else if (type === 'leave' && !epoch) {
      peer.send({ type: 'error', ref, channel, code: 'role_changed' });
      peer.send({ ...createdFor(frame), ref: undefined, username: 'ada', epoch: 2, members: [] });
    } else if (type === 'leave') {
      left.push({ channel, epoch });
      peer.send({ type: 'left', channel });
    } else if (type === 'status') {
      peer.send({ type: 'status', ref, channel, exists: true, master: { username: 'ada', state: 'online' } });
    }
  });
  const client = fakeClient(t, hub);
  await assert.rejects(client.join('abc123', 'ada', { signal: controller.signal }), /given up/);
  await within((async () => {
    while (left.length === 0) {
      await client.status('abc123'); // the connection stays while something is asked
    }
  })(), 'the leave');
  assert.deepEqual(left, [{ channel: 'abc123', epoch: 2 }]);
});

test('what a master has asked that has handed over is not open', async (t) => {
  const stage = await Stage.open(t);
  const master = await stage.client().create('abc123', 'alice');
  const { relay, client } = await stage.far();
  const [one, there, away] = [await stage.client().join('abc123', 'one'), await stage.client().join('abc123', 'there'), await client.join('abc123', 'away')];
  await member(master, 'away', 'online');
  const over = ['there', 'away'].map((name) => assert.rejects(master.request(name, `for ${name}`), /handed_over/));
  assert.deepEqual(await texts(there, 1), ['for there']);
  assert.equal(there.openRequests.length, 1);
  relay.bar();
  await member(master, 'away', 'away');
  await master.handOver('one', { stay: true });
  await Promise.all(over);
  await masterIs(there, 'one');
  assert.deepEqual(there.openRequests, []);
  relay.bar(false);
  await masterIs(away, 'one');
  await one.promoted.broadcast('x');
  assert.deepEqual(await texts(away, 2), ['for away', 'x']);
  assert.deepEqual(away.openRequests, []);
});

test('of two hand-overs the hub has carried out the second', async (t) => {
  const hub = await FakeHub.start((peer, frame) => {
    const { type, to, ref, channel } = frame;
    if (type === 'create') {
      peer.send(createdFor(frame));
    } else if (type === 'resume') {
      peer.send({ type: 'error', ref, channel, code: 'resume_failed' });
    } else if (type === 'hand_over' && peer.count === 1 && to === 'two') {
      peer.terminate();
    } else if (type === 'hand_over' && peer.count > 1 && to === 'one') {
      peer.send({ type: 'error', ref, channel, code: 'not_a_member' });
    } else if (type === 'hand_over' && peer.count > 1) {
      peer.send({ ...joinedFor(frame), ref: undefined, username: 'alice', epoch: 2, master: { username: 'two', state: 'online' } });
      peer.send({ type: 'ack', ref });
    }
  });
  const master = await fakeClient(t, hub).create('abc123', 'alice');
  const first = assert.rejects(master.handOver('one', { stay: true }), UnknownOutcomeError);
  const slave = await within(master.handOver('two', { stay: true }), 'the second hand-over');
  await first;
  assert.deepEqual([slave.username, slave.master.username, master.error.code], ['alice', 'two', 'handed_over']);
});

test('who gives a hand-over up that is carried out has left', async (t) => {
  const stage = await Stage.open(t);
  const { relay, client } = await stage.far();
  const master = await client.create('abc123', 'alice');
  const one = await stage.client().join('abc123', 'one');
  await member(master, 'one', 'online');
  relay.lose('down');
  const controller = new AbortController();
  const promotion = happens(one, 'promoted');
  const handing = master.handOver('one', { stay: true, signal: controller.signal });
  const { master: now } = await promotion;
  controller.abort(new Error('given up'));
  await assert.rejects(handing, /given up/);
  relay.cut();
  relay.lose('down', false);
  assert.equal((await within(master.closed, 'the end of the master')).code, 'handed_over');
  await member(now, 'alice', 'gone');
  const again = await within(client.join('abc123', 'alice'), 'another join');
  await now.broadcast('welcome');
  assert.deepEqual(await texts(again, 1), ['welcome']);
});

test('the master that a slave has become resumes by its own secret, with the token of the slave', async (t) => {
  let resumed;
  const hub = await FakeHub.start((peer, frame) => {
    if (frame.type === 'join') {
      peer.send({ ...joinedFor(frame), epoch: 1 });
      peer.send({ ...createdFor(frame), ref: undefined, secret: 'another', username: 'one', epoch: 5, members: [] });
    } else if (frame.type === 'send' && peer.count === 1) {
      peer.terminate();
    } else if (frame.type === 'resume') {
      resumed = frame;
      peer.send({ ...createdFor(frame), epoch: 6 });
    } else if (frame.type === 'send') {
      peer.send({ type: 'ack', ref: frame.ref, seq: 1, slaves: frame.epoch });
    }
  });
  const slave = await fakeClient(t, hub).join('abc123', 'one', { token: 't' });
  const { master } = await happens(slave, 'promoted');
  assert.equal((await master.broadcast('x')).slaves, 0, 'a resume shows what there is to show');
  assert.deepEqual([resumed.secret, resumed.epoch, resumed.token, resumed.last], ['another', 5, 't', undefined]);
});

test('what a new master is asked again is no sign that attributes with lower numbers have come', async (t) => {
  let resumed;
  const hub = await FakeHub.start((peer, frame) => {
    if (frame.type === 'join') {
      peer.send({ ...joinedFor(frame), epoch: 1 });
      peer.send({ ...createdFor(frame), ref: undefined, secret: 'another', username: 'one', epoch: 5, asks: true, members: [] });
      peer.send({ type: 'message', channel: 'abc123', from: 'two', seq: 10, request: 10, payload: { kind: 'text', bytes: new TextEncoder().encode('why?') } });
    } else if (frame.type === 'send' && peer.count === 1) {
      peer.terminate();
    } else if (frame.type === 'resume') {
      resumed = frame;
      peer.send({ ...createdFor(frame), epoch: 6 });
    } else if (frame.type === 'send') {
      peer.send({ type: 'ack', ref: frame.ref, seq: 1, slaves: 0 });
    }
  });
  const slave = await fakeClient(t, hub).join('abc123', 'one');
  const { master } = await happens(slave, 'promoted');
  assert.deepEqual(await texts(master, 1), ['why?']);
  await master.broadcast('x');
  assert.deepEqual([resumed.last, resumed.seq], [10, undefined]);
});

test('what is said twice, or of a role that it has, changes nothing', async (t) => {
  const hub = await FakeHub.start((peer, frame) => {
    if (frame.type === 'join') {
      peer.send({ ...joinedFor(frame), epoch: 1 });
    } else if (frame.type === 'send') {
      peer.send({ ...joinedFor(frame), ref: undefined, epoch: 7 });
      peer.send({ ...createdFor(frame), ref: undefined, channel: 'other', username: 'one' });
      peer.send({ type: 'ack', ref: frame.ref, seq: 1 });
    }
  });
  const client = fakeClient(t, hub);
  const slave = await client.join('abc123', 'one');
  assert.equal((await slave.send('x')).seq, 1);
  assert.deepEqual([slave.state, slave.promoted, slave.ticket.epoch], ['online', null, 1]);
});

test('the README tells what is so', async (t) => {
  const stage = await Stage.open(t);
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
  const [, section] = readme.split('## Who is the master\n');
  const [hand, hear] = [...section.split('\n## ')[0].matchAll(/^```js\n(.*?)^```$/gms)].map(([, code]) => code);
  const AsyncFunction = (async () => {}).constructor;
  const run = (code, given) => new AsyncFunction(...Object.keys(given), code)(...Object.values(given));
  const master = await stage.client().create('abc123', 'alice');
  const slave = await stage.client().join('abc123', 'user_one');
  await run(hear, { slave });
  const former = await run(`${hand}\nreturn slave;`, { master });
  assert.equal((await next(former)).text(), 'user_one goes on');
  await slave.promoted.broadcast('behind it'); // what it has sent before is accepted
  assert.deepEqual([master.error.code, slave.error.code], ['handed_over', 'handed_over']);
});
