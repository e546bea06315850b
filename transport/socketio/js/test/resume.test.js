// Who loses the connection comes back, gets each message once and in order, and misses none.
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';

import { Hub } from './support/hub.js';
import { Member, clients, ways } from './support/member.js';
import { Network } from './support/network.js';
import { starOf } from './support/star.js';

// Silence is noticed within four seconds.
const { url } = await Hub.start({ after }, { probe: '2s' });

/** counting has the master say numbers, which go on from call to call. */
function counting(master) {
  let said = 0;
  return async (count) => {
    for (let i = 0; i < count; i++) {
      await master.does('message', said++);
    }
    return said;
  };
}

/** counts takes the numbers from one up to another. */
async function counts(member, from, to) {
  for (let expected = from; expected < to; expected++) {
    const [got] = await member.next('message');
    assert.equal(got, expected);
  }
}

describe('recovery', { concurrency: true }, () => {
  for (const way of Object.keys(ways)) {
    test(`five cuts, with nothing received before the first: ${way}`, async (t) => {
      const { channel, master } = await starOf(t, url, {});
      const network = await Network.to(t, url);
      const slave = new Member(t, network.url, { way, auth: { channel, username: 'user_one' } });
      await slave.next('connect');
      assert.equal(slave.socket.recovered, false);
      const say = counting(master);
      let known = 0;
      for (let round = 0; round < 5; round++) {
        network.cut();
        await slave.next('disconnect');
        const said = await say(20); // some before the hub has noticed, some behind
        network.mend();
        await slave.next('connect');
        assert.equal(slave.socket.recovered, true, `round ${round}`);
        await counts(slave, known, said);
        known = await say(3);
        await counts(slave, known - 3, known);
      }
      slave.nothing('message');
      slave.nothing('gap');
      slave.nothing('closed');
    });

    test(`half open three times: ${way}`, async (t) => {
      const { channel, master } = await starOf(t, url, {});
      const network = await Network.to(t, url);
      const slave = new Member(t, network.url, { way, auth: { channel, username: 'user_one' } });
      await slave.next('connect');
      const say = counting(master);
      let known = 0;
      for (let round = 0; round < 3; round++) {
        network.freeze();
        const said = await say(20); // to a connection of which nobody knows that it is none
        await slave.next('disconnect');
        network.mend();
        await slave.next('connect');
        assert.equal(slave.socket.recovered, true, `round ${round}`);
        await counts(slave, known, said);
        known = await say(3);
        await counts(slave, known - 3, known);
      }
      slave.nothing('message');
      slave.nothing('gap');
    });
  }

  test('a master comes back', async (t) => {
    const network = await Network.to(t, url);
    const master = new Member(t, network.url, { auth: { channel: 'of a master', username: 'alice', role: 'master' } });
    await master.next('created');
    const slave = new Member(t, url, { auth: { channel: 'of a master', username: 'user_one' } });
    await slave.next('joined');
    const say = counting(slave);
    network.cut();
    await master.next('disconnect');
    const said = await say(20);
    network.mend();
    const [, , { members }] = await Promise.all([counts(master, 0, said), master.next('connect'), master.next('created').then(([created]) => created)]);
    assert.equal(master.socket.recovered, true);
    assert.deepEqual(members.map(({ username, state }) => [username, state]), [['user_one', 'online']]);
    await master.does('message', 'I am back');
    assert.equal((await slave.next('message'))[0], 'I am back');
  });

  test('two channels on one socket', async (t) => {
    const stars = [await starOf(t, url, {}), await starOf(t, url, {})];
    const network = await Network.to(t, url);
    const slave = new Member(t, network.url, { auth: { channel: stars[0].channel, username: 'user_one' } });
    await slave.next('connect');
    await slave.does('join', stars[1].channel);
    const say = stars.map(({ master }) => counting(master));
    const expected = { [stars[0].channel]: 0, [stars[1].channel]: 0 };
    const counted = async (count) => {
      for (let i = 0; i < count; i++) {
        const [number, { channel }] = await slave.next('message');
        assert.equal(number, expected[channel]++);
      }
    };
    for (let round = 0; round < 3; round++) {
      await Promise.all(say.map((each) => each(5)));
      await counted(10);
      network.cut();
      await slave.next('disconnect');
      await Promise.all(say.map((each) => each(20)));
      network.mend();
      await slave.next('connect');
      assert.equal(slave.socket.recovered, true, `round ${round}`);
      await counted(40);
    }
    slave.nothing('message');
    slave.nothing('gap');
  });

  test('a request that is answered after a loss', async (t) => {
    const { channel, master } = await starOf(t, url, {});
    const network = await Network.to(t, url);
    const slave = new Member(t, network.url, { auth: { channel, username: 'user_one' } });
    await slave.next('connect');
    const answer = master.does('request', 'ready?', { to: 'user_one' });
    const [, { seq }] = await slave.next('request');
    network.cut();
    await slave.next('disconnect');
    network.mend();
    await slave.next('connect');
    const [question, about, reply] = await slave.next('request'); // it was delivered, and not answered
    assert.deepEqual([question, about.seq], ['ready?', seq]);
    reply('yes');
    assert.equal((await answer).data, 'yes');
  });

  test('a channel that has ended meanwhile is not recovered', async (t) => {
    const { channel, master } = await starOf(t, url, {});
    const network = await Network.to(t, url);
    const slave = new Member(t, network.url, { auth: { channel, username: 'user_one' } });
    await slave.next('joined');
    const ended = master.next('disconnect');
    network.freeze();
    master.socket.disconnect();
    await ended;
    await slave.next('disconnect');
    network.mend();
    assert.equal((await slave.refused()).message, 'no_such_channel');
    assert.equal(slave.socket.connected, false);
  });
});

describe('a page that is loaded again, with a session', { concurrency: true }, () => {
  for (const version of Object.keys(clients)) {
    for (const way of Object.keys(ways)) {
      test(`${version}, ${way}`, async (t) => {
        const { channel, master } = await starOf(t, url, {});
        const network = await Network.to(t, url);
        const auth = { channel, username: 'user_one', session: `session of ${version} ${way}` };
        const say = counting(master);
        let known = 0;
        for (let round = 0; round < 3; round++) {
          const page = new Member(t, network.url, { version, way, auth, reconnection: false });
          await page.next('connect');
          const said = await say(10);
          await counts(page, known, said);
          page.nothing('message');
          network.cut();
          await page.next('disconnect');
          network.mend();
          known = said;
          await master.until('presence', ({ state }) => state === 'away'); // what is on its way may be lost
          await say(10);
        }
      });
    }
  }
});
