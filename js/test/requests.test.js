import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ClosedError, GapError, RefusedError } from '../lectern.js';
import { FakeHub, createdFor } from './support/fakehub.js';
import { Stage, all, fakeClient, happens, inState, member, next, refused, within } from './support/stage.js';

/** answering answers every message that asks, until the membership is over. */
async function answering(handle, answer) {
  for await (const message of handle) {
    await message.reply(answer(message.text())).catch(() => {});
  }
}

test('either side asks, and the other answers', async (t) => {
  const stage = await Stage.open(t);
  const master = await stage.client().create('abc123', 'alice');
  const slave = await stage.client().join('abc123', 'user_one');

  const asked = master.request('user_one', 'how much?');
  const question = await next(slave);
  assert.equal(question.private, true);
  assert.equal(question.requestId, question.seq);
  await slave.reply(question, { much: 7 });
  const answer = await asked;
  assert.deepEqual(answer.json(), { much: 7 });
  assert.equal(answer.from, 'user_one');
  assert.equal(answer.replyTo, question.seq);

  const asking = slave.request('may I?');
  await (await next(master)).reply('yes');
  assert.equal((await asking).text(), 'yes');

  await refused(question.reply('again'), 'no_such_request', RefusedError);
  await master.broadcast('no question');
  await refused((await next(slave)).reply('anyway'), 'no_such_request', RefusedError);
});

test('gather yields the part of each who was asked, once', async (t) => {
  const stage = await Stage.open(t);
  const master = await stage.client().create('abc123', 'alice');
  const slaves = [];
  for (const name of ['one', 'two', 'three']) {
    slaves.push(await stage.client().join('abc123', name));
  }
  answering(slaves[0], (text) => `${text} one`);
  answering(slaves[1], (text) => `${text} two`);
  const gathering = all(master.gather('ready?'));
  await next(slaves[2]);
  const late = await stage.client().join('abc123', 'late');
  await slaves[2].leave();
  assert.deepEqual(await within(gathering, 'all parts'), [
    ['one', 'ready? one'], ['three', 'no_such_slave'], ['two', 'ready? two'],
  ]);
  assert.equal(late.state, 'online');
});

test('gather with nobody there ends at once', async (t) => {
  const stage = await Stage.open(t);
  const master = await stage.client().create('abc123', 'alice');
  assert.deepEqual(await within(all(master.gather('anybody?')), 'the end'), []);
});

test('a gather that is broken off is withdrawn', async (t) => {
  const stage = await Stage.open(t);
  const master = await stage.client().create('abc123', 'alice');
  const one = await stage.client().join('abc123', 'one');
  const two = await stage.client().join('abc123', 'two');
  answering(one, () => 'me');
  for await (const { from, message, error } of master.gather('who is first?')) {
    assert.deepEqual([from, message.text(), error], ['one', 'me', null]);
    break;
  }
  await master.back(); // behind the withdraw
  await refused((await next(two)).reply('me too'), 'no_such_request');
});

test('an abort ends the parts of a gather that are left', async (t) => {
  const stage = await Stage.open(t);
  const master = await stage.client().create('abc123', 'alice');
  const one = await stage.client().join('abc123', 'one');
  const two = await stage.client().join('abc123', 'two');
  answering(one, () => 'me');
  const controller = new AbortController();
  const parts = [];
  for await (const { from, message, error } of master.gather('who?', { signal: controller.signal })) {
    parts.push([from, message?.text() ?? error.message]);
    controller.abort(new Error('time is up'));
  }
  assert.deepEqual(parts, [['one', 'me'], ['two', 'time is up']]);
  await master.back();
  await refused((await next(two)).reply('late'), 'no_such_request');
});

test('a request that is aborted is withdrawn', async (t) => {
  const stage = await Stage.open(t);
  const master = await stage.client().create('abc123', 'alice');
  const slave = await stage.client().join('abc123', 'one');
  const controller = new AbortController();
  const asked = master.request('one', 'well?', { signal: controller.signal });
  const question = await next(slave);
  await master.back(); // the request is accepted by then
  controller.abort();
  await assert.rejects(asked, { name: 'AbortError' });
  await master.back();
  await refused(question.reply('well'), 'no_such_request');
});

test('a slave that leaves or is removed ends its part', async (t) => {
  const stage = await Stage.open(t);
  const master = await stage.client().create('abc123', 'alice');
  const one = await stage.client().join('abc123', 'one');
  const two = await stage.client().join('abc123', 'two');
  const gathering = all(master.gather('still there?'));
  const asked = refused(master.request('one', 'and you?'), 'no_such_slave', RefusedError);
  await next(one);
  await next(two);
  await master.back(); // behind the acknowledgements
  await one.leave();
  await master.kick('two');
  assert.deepEqual(await within(gathering, 'all parts'), [['one', 'no_such_slave'], ['two', 'no_such_slave']]);
  await asked;
});

test('the end of the channel ends what is asked', async (t) => {
  const stage = await Stage.open(t);
  const master = await stage.client().create('abc123', 'alice');
  const slave = await stage.client().join('abc123', 'one');
  const gathering = all(master.gather('well?'));
  await next(slave);
  const asking = refused(slave.request('well?'), 'master_left', ClosedError);
  await next(master);
  await master.back(); // behind the acknowledgement of the question
  await master.close();
  assert.deepEqual(await within(gathering, 'all parts'), [['one', 'left']]);
  await asking;
});

test('a cut in a gather loses no answer, and whoever has left meanwhile is told', async (t) => {
  const stage = await Stage.open(t);
  const { relay, client } = await stage.far();
  const master = await client.create('abc123', 'alice');
  const names = ['answers', 'leaves', 'later'];
  const [answers, leaves, later] = await Promise.all(
    names.map((name) => stage.client().join('abc123', name)));
  const gathering = all(master.gather('well?'));
  const questions = await Promise.all([next(answers), next(leaves), next(later)]);
  await master.back(); // behind the acknowledgement of the question
  const lost = happens(master, 'state');
  relay.bar();
  assert.equal((await lost).state, 'reconnecting');
  await questions[0].reply('during');
  await leaves.leave();
  const back = happens(master, 'state');
  relay.bar(false);
  assert.equal((await back).state, 'online');
  await questions[2].reply('after');
  assert.deepEqual(await within(gathering, 'all parts'), [
    ['answers', 'during'], ['later', 'after'], ['leaves', 'no_such_slave'],
  ]);
});

test('cuts everywhere in gathers: each who was asked is yielded once', async (t) => {
  const stage = await Stage.open(t);
  const { relay, client } = await stage.far();
  const master = await client.create('abc123', 'alice');
  const names = ['one', 'two', 'three'];
  for (const name of names) {
    answering(await stage.client().join('abc123', name), (text) => text);
  }
  for (const name of names) {
    await member(master, name, 'online');
  }
  for (let round = 0; round < 20; round++) {
    const gathering = all(master.gather(String(round)));
    // Cut at a different moment each time: so many turns of the event loop later.
    for (let turn = 0; turn < round; turn++) {
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
    }
    relay.cut();
    assert.deepEqual(await within(gathering, `round ${round}`), names.map((name) => [name, String(round)]).sort());
  }
});

test('a slave asks while cut off, and is answered', async (t) => {
  const stage = await Stage.open(t);
  const master = await stage.client().create('abc123', 'alice');
  const { relay, client } = await stage.far();
  const slave = await client.join('abc123', 'one');
  answering(master, (text) => `${text}!`);
  relay.bar();
  await inState(slave, 'reconnecting');
  const asking = slave.request('now');
  relay.bar(false);
  assert.equal((await within(asking, 'the answer')).text(), 'now!');
});

test('an answer that was lost in a gap is told', async (t) => {
  const awaiting = [];
  const hub = await FakeHub.start((peer, frame) => {
    switch (frame.type) {
      case 'create':
        peer.send({ ...createdFor(frame), members: [{ username: 'one', state: 'online' }] });
        break;
      case 'send':
        peer.send({ type: 'ack', ref: frame.ref, seq: 1, slaves: 1 });
        peer.send({ type: 'gap', channel: frame.channel, missed: 3 });
        break;
      case 'awaiting':
        awaiting.push(frame.request);
        peer.send({ type: 'awaiting', ref: frame.ref, channel: frame.channel, request: frame.request, members: [] });
        break;
    }
  });
  const master = await fakeClient(t, hub).create('abc123', 'alice');
  await refused(master.request('one', 'well?'), 'gap', GapError);
  assert.deepEqual(awaiting, [1]);
});

test('an answer before the number of a request that was sent again', async (t) => {
  const message = (channel, from, seq) => ({
    type: 'message', channel, from, seq, reply: 7, payload: { kind: 'text', bytes: new TextEncoder().encode(from) },
  });
  const members = [{ username: 'one', state: 'online' }, { username: 'two', state: 'online' }];
  const hub = await FakeHub.start((peer, frame) => {
    const { type, ref, channel } = frame;
    if (type === 'create') {
      peer.send({ ...createdFor(frame), members });
    } else if (type === 'send' && peer.count === 1) {
      peer.terminate(); // accepted, but the ack is lost
    } else if (type === 'resume') {
      peer.send({ ...createdFor(frame), seq: 1, members });
    } else if (type === 'send') {
      peer.send(message(channel, 'one', 1));
      peer.send({ type: 'ack', ref, seq: 7 });
    } else if (type === 'awaiting') {
      peer.send({ type: 'awaiting', ref, channel, request: 7, members: members.slice(1) });
      peer.send(message(channel, 'two', 2));
    }
  });
  const master = await fakeClient(t, hub).create('abc123', 'alice');
  assert.deepEqual(await within(all(master.gather('well?')), 'all parts'), [['one', 'one'], ['two', 'two']]);
});

for (const [what, of, lost] of [
  ['all', '', false], ['one', 'ada', false], ['all, sent again', '', true], ['one, sent again', 'ada', true],
]) {
  test(`a request asks who is there: ${what}`, async (t) => {
    const listed = (number) => [{ username: 'ada', state: 'online', number }];
    const hub = await FakeHub.start((peer, frame) => {
      const { type, ref, channel } = frame;
      const message = (seq, reply) => peer.send({
        type: 'message', channel, from: 'ada', seq, reply, payload: { kind: 'text', bytes: new TextEncoder().encode(`${seq}`) },
      });
      const accept = () => {
        peer.send({ type: 'ack', ref, seq: 7, slaves: 1 });
        if (!lost) {
          message(2);
          message(3, 7);
        }
      };
      if (type === 'create') {
        peer.send({ ...createdFor(frame), members: listed(1) });
        setTimeout(() => !lost && peer.terminate());
      } else if (type === 'send' && peer.count === 1) {
        peer.terminate(); // accepted, but the ack is lost
      } else if (type === 'resume') {
        // Another ada is there by now. What the first one has sent is still replayed.
        peer.send({ ...createdFor(frame), seq: 2, members: listed(2) });
        message(1);
      } else if (type === 'send') {
        accept();
      } else if (type === 'awaiting') {
        peer.send({ type: 'awaiting', ref, channel, request: 7, members: listed(2) });
        message(2);
        message(3, 7);
      }
    });
    t.after(() => hub.close());
    const master = await fakeClient(t, hub).create('abc123', 'alice');
    if (!lost) {
      await inState(master, 'reconnecting');
      await inState(master, 'online');
    }
    const answered = of === '' ? all(master.gather('well?')) : master.request(of, 'well?').then((m) => [[m.from, m.text()]]);
    assert.deepEqual(await within(answered, 'the answer'), [['ada', '3']]);
  });
}

test('a request of which nobody knows who was asked ends in an error', async (t) => {
  const hub = await FakeHub.start((peer, frame) => {
    const { type, ref, channel } = frame;
    if (type === 'create' || type === 'resume') {
      peer.send({ ...createdFor(frame), members: [] });
    } else if (type === 'send' && peer.count === 1) {
      peer.terminate(); // accepted, but the ack is lost
    } else if (type === 'send') {
      peer.send({ type: 'ack', ref, seq: 7 });
    } else if (type === 'awaiting') {
      peer.send({ type: 'error', ref, channel, code: 'unsupported', message: 'not known here' });
    }
  });
  t.after(() => hub.close());
  const master = await fakeClient(t, hub).create('abc123', 'alice');
  assert.deepEqual(await within(all(master.gather('well?')), 'the end'), [['', 'unsupported']]);
});
