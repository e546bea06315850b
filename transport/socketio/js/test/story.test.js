// The story of the description, by each stock client over each way: what goes between a master
// and its slaves, and how it ends.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';

import { Hub } from './support/hub.js';
import { Member, every } from './support/member.js';
import { arrives, starOf } from './support/star.js';

const { url } = await Hub.start({ after });

every((version, way) => {
  const how = { version, way };
  const by = `${version}, ${way}`;

  test(`the page of the description: ${by}`, async (t) => {
    const channel = `page, ${by}`;
    const master = new Member(t, url, how);
    const slave = new Member(t, url, how);
    await Promise.all([master.next('connect'), slave.next('connect')]);

    const early = await slave.ask('channel', channel);
    assert.deepEqual([early.ok, early.error], [false, 'no_such_channel']); // a slave makes none
    const created = await master.does('create', channel);
    assert.equal(created.channel, channel);
    assert.match(created.username, /^guest-/);
    const joined = await slave.does('channel', channel);
    assert.deepEqual(joined.master, { username: created.username, state: 'online' });
    await arrives(master, joined.username);

    slave.socket.emit('message', 'hello from a slave');
    const [text, from] = await master.next('message');
    assert.equal(text, 'hello from a slave');
    assert.deepEqual([from.from, from.channel, from.seq], [joined.username, channel, 1]);
    master.socket.send('hello everybody');
    const [answer, about] = await slave.next('message');
    assert.equal(answer, 'hello everybody');
    assert.equal(about.from, created.username);
  });

  test(`in a row, without waiting: ${by}`, async (t) => {
    const first = await starOf(t, url, how);
    const second = await starOf(t, url, how);
    const slave = new Member(t, url, how);
    slave.socket.emit('channel', first.channel);
    slave.socket.emit('message', 'to the first');
    slave.socket.emit('room', second.channel);
    slave.socket.emit('message', 'to the second');
    assert.equal((await first.master.next('message'))[0], 'to the first');
    assert.equal((await second.master.next('message'))[0], 'to the second');
    slave.nothing('refused');
  });

  test(`names, refusals and connections that are refused: ${by}`, async (t) => {
    const { channel, master, slaves: [slave] } = await starOf(t, url, how, 'user_one');
    const other = new Member(t, url, how);
    await other.next('connect');
    assert.equal((await other.ask('channel', channel, { username: 'user_one' })).error, 'name_taken');
    assert.equal((await other.ask('create', channel)).error, 'channel_exists');
    assert.equal((await other.ask('anything', 1)).error, 'unsupported');
    other.socket.emit('message', 'to nobody');
    const [refused] = await other.next('refused');
    assert.equal(refused.code, 'bad_frame');
    assert.equal((await slave.ask('kick', 'user_one')).error, 'forbidden');
    assert.equal((await master.ask('message', 'hello', { to: 'nobody' })).error, 'no_such_slave');

    const late = new Member(t, url, { ...how, auth: { channel: 'nowhere', username: 'late' } });
    const error = await late.refused();
    if (version === '2.5.0') {
      assert.match(error, /^no_such_channel/);
    } else {
      assert.equal(error.message, 'no_such_channel');
      assert.deepEqual([error.data.code, error.data.channel], ['no_such_channel', 'nowhere']);
    }
  });

  test(`values of every kind: ${by}`, async (t) => {
    const { master, slaves: [slave] } = await starOf(t, url, how, 'user_one');
    const bytes = Buffer.from([0, 4, 30, 98, 255, 10, 0]);
    const values = ['', 'text', 'ü€😀\u2028 "\\\n', { a: [1, { b: 'ü€😀' }, null] }, [], 1.5, true, null, bytes, Buffer.alloc(0)];
    for (const [sender, receiver] of [[master, slave], [slave, master]]) {
      for (const value of values) {
        await sender.does('message', value);
        const [got, { from }] = await receiver.next('message');
        assert.equal(from, sender === master ? 'alice' : 'user_one');
        assert.deepEqual(Buffer.isBuffer(value) ? Buffer.from(got) : got, value);
      }
    }
    assert.equal((await master.ask('message', { bytes })).error, 'bad_frame'); // no payload can hold it
  });

  test(`to one and to all: ${by}`, async (t) => {
    const { master, slaves: [one, two] } = await starOf(t, url, how, 'user_one', 'user_two');
    assert.equal((await master.does('message', 'to one', { to: 'user_one' })).slaves, 1);
    assert.equal((await master.does('message', 'to all')).slaves, 2);
    const [text, about] = await one.next('message');
    assert.deepEqual([text, about.private], ['to one', true]);
    for (const slave of [one, two]) {
      const [next, { private: alone }] = await slave.next('message');
      assert.deepEqual([next, alone], ['to all', undefined]);
    }
    await two.does('message', 'from the second');
    const [, { from }] = await master.next('message');
    assert.equal(from, 'user_two');
    one.nothing('message'); // nothing goes sideways
  });

  test(`another room: ${by}`, async (t) => {
    const first = await starOf(t, url, how, 'user_one');
    const second = await starOf(t, url, how);
    const [slave] = first.slaves;
    const vain = await slave.ask('room', 'nowhere');
    assert.equal(vain.error, 'no_such_channel');
    await slave.does('message', 'still here');
    assert.equal((await first.master.next('message'))[0], 'still here');

    const joined = await slave.does('room', second.channel);
    assert.deepEqual([joined.channel, joined.username], [second.channel, 'user_one']);
    await first.master.until('presence', ({ username, state }) => username === 'user_one' && state === 'left');
    await arrives(second.master, 'user_one');
    await second.master.does('message', 'welcome');
    const [text, { channel }] = await slave.next('message');
    assert.deepEqual([text, channel], ['welcome', second.channel]);
    await slave.does('message', 'hello');
    assert.equal((await second.master.next('message'))[0], 'hello');
  });

  test(`requests, both ways: ${by}`, async (t) => {
    const { master, slaves: [slave, other] } = await starOf(t, url, how, 'user_one', 'user_two');
    const bytes = Buffer.from([1, 2, 3]);
    for (const [asker, asked, options, name] of [[slave, master, [], 'alice'], [master, slave, [{ to: 'user_one' }], 'user_one']]) {
      for (const [question, said] of [['how?', 'so'], [{ q: 1 }, { a: [2] }], [bytes, bytes]]) {
        const answer = asker.ask('request', question, ...options);
        const [got, { from }, reply] = await asked.next('request');
        assert.deepEqual(Buffer.isBuffer(question) ? Buffer.from(got) : got, question);
        assert.equal(from, name === 'alice' ? 'user_one' : 'alice');
        reply(said);
        const { ok, from: who, data } = await answer;
        assert.deepEqual([ok, who], [true, name]);
        assert.deepEqual(Buffer.isBuffer(said) ? Buffer.from(data) : data, said);
      }
    }
    const unanswered = master.ask('request', 'and you?', { to: 'user_two' });
    await other.next('request');
    other.socket.close();
    assert.equal((await unanswered).error, 'gone');
  });

  test(`a question to all, of whom one leaves: ${by}`, async (t) => {
    const { master, slaves } = await starOf(t, url, how, 'user_one', 'user_two', 'user_three', 'user_four');
    const answers = master.does('gather', 'ready?');
    const asked = await Promise.all(slaves.map((slave) => slave.next('request')));
    const bytes = Buffer.from([9]);
    asked[0][2]('yes');
    asked[1][2]({ no: true });
    asked[2][2](bytes);
    slaves[3].socket.close();
    const list = (await answers).answers.sort((a, b) => (a.from < b.from ? -1 : 1));
    assert.deepEqual(list.map(({ from }) => from), ['user_four', 'user_one', 'user_three', 'user_two']);
    assert.equal(list[0].error, 'gone');
    assert.equal(list[1].data, 'yes');
    assert.equal(list[2].base64, bytes.toString('base64'));
    assert.deepEqual(list[3].data, { no: true });
  });

  test(`kicked, and banned: ${by}`, async (t) => {
    const { channel, master, slaves: [slave] } = await starOf(t, url, how, 'user_one');
    await master.does('kick', 'user_one', { reason: 'enough', ban: true });
    const [closed] = await slave.next('closed');
    assert.deepEqual([closed.channel, closed.code, closed.reason], [channel, 'kicked', 'enough']);
    assert.equal((await slave.next('disconnect'))[0], 'io server disconnect');
    await master.until('presence', ({ username, state }) => username === 'user_one' && state === 'left');

    const again = new Member(t, url, { ...how, auth: { channel, username: 'user_one' } });
    assert.match(String(await again.refused()), /banned/);
    slave.nothing('connect_error'); // it has not come back by itself
    assert.equal(slave.socket.connected, false);
  });

  test(`the master leaves: ${by}`, async (t) => {
    const { channel, master, slaves } = await starOf(t, url, how, 'user_one', 'user_two');
    await master.does('message', 'the last words');
    await master.does('leave');
    for (const slave of slaves) {
      assert.equal((await slave.next('message'))[0], 'the last words');
      const [closed] = await slave.next('closed');
      assert.deepEqual([closed.channel, closed.code], [channel, 'master_left']);
      assert.equal((await slave.next('disconnect'))[0], 'io server disconnect');
    }
    await master.does('create', `${channel}, next`); // who has left by itself may go on
    const late = new Member(t, url, { ...how, auth: { channel, username: 'user_three' } });
    assert.match(String(await late.refused()), /no_such_channel/);
    for (const { socket } of slaves) {
      assert.equal(socket.connected, false); // none has come back by itself meanwhile
    }
  });
});

test('all clients over all ways in one channel', async (t) => {
  const { channel, master } = await starOf(t, url, {});
  const members = [];
  every((version, way) => {
    members.push(new Member(t, url, { version, way, auth: { channel, username: `${version} ${way}` } }));
  });
  await Promise.all(members.map((member) => member.next('joined')));
  const bytes = Buffer.from([0, 128, 255]);
  const sent = ['ü', { deep: [bytes.length] }, bytes];
  for (const value of sent) {
    assert.equal((await master.does('message', value)).slaves, members.length);
  }
  for (const member of members) {
    for (const [index, value] of sent.entries()) {
      const [got, { seq }] = await member.next('message');
      assert.deepEqual([Buffer.isBuffer(value) ? Buffer.from(got) : got, seq], [value, index + 1]);
    }
  }
  const { answers } = await Promise.all([
    master.does('gather', bytes),
    ...members.map(async (member) => {
      const [question, , reply] = await member.next('request');
      reply(Buffer.from(question));
    }),
  ]).then(([all]) => all);
  assert.deepEqual(answers.map(({ from }) => from).sort(), members.map(({ version }, index) => `${version} ${['default', 'websocket', 'polling'][index % 3]}`).sort());
  answers.forEach(({ base64 }) => assert.equal(base64, bytes.toString('base64')));
});
