package main

// amendments are the holes that section 16 of the design closes, each opened again.
var amendments = []variant{
	{
		name: "reply-ahead", of: "amendment 1",
		broken: "an edge carries a reply out when it comes, ahead of what the log has before its marker",
		edits: []edit{{
			"internal/hub/edges.go",
			"Position: a.Position, Shared: a.Shared, Marked: marked, Items: items}", "Marked: marked && false, Items: items}",
		}},
	},
	{
		name: "reply-behind", of: "amendment 1",
		broken: "an edge does not wait at a marker for its reply, which is carried out behind what follows",
		edits: []edit{
			{"internal/cluster/placing.go", "\tm.awaited, m.waits = r, true\n\treturn false", "\treturn true"},
			{"internal/cluster/placing.go", "case first.Marked && first.Position <= m.at:", "case false:"},
			{"internal/cluster/placing.go", "case !first.Marked && first.Shared <= m.at:", "case first.Shared <= m.at:"},
			{"internal/cluster/merging.go", "case r.Marked && r.Position <= m.at:", "case false:"},
		},
	},
	{
		name: "older-attachment", of: "amendment 2",
		broken: "the owner takes what comes of an older attachment of a membership for that of the latest",
		with:   "storm, kills, links",
		unseen: "the owner knows seats by their numbers, and a seat that is not the latest does nothing; the epoch alone tells behind a change of owner, where the member is at the same hub again",
		edits: []edit{{
			"internal/star/numbers.go", "m == nil || m.attachment == nil || m.epoch != epoch", "m == nil || m.attachment == nil",
		}},
	},
	{
		name: "attached-again", of: "amendment 2",
		broken: "a seat of an older attachment that comes back takes the membership from the latest one",
		seeds:  []uint64{8213223},
		edits: []edit{{
			"internal/star/cutoff.go", "\tcase epoch < m.epoch:\n\t\treturn wire.ErrReplaced.With(\"the membership was taken over by a newer connection\")\n\tcase m.attachment != nil:\n\t\treturn nil\n", "\tcase m.attachment != nil && m.epoch == epoch:\n\t\treturn nil\n\tcase m.attachment != nil:\n\t\tc.Lose(now, m.attachment)\n\t\treturn nil\n",
		}},
	},
	{
		name: "reply-of-former", of: "amendment 3",
		broken: "an edge goes on with the request to a former owner, and takes its reply for the present one's",
		edits: []edit{
			{"internal/cluster/asking.go", "if a.under != nil && a.under.owner != owner {\n\t\t\ta.under = nil\n\t\t}", ""},
		},
	},
	{
		name: "reply-of-former-placed", of: "amendment 3",
		broken: "what a former owner has replied is carried out behind the claim of the next one",
		with:   "storm",
		unseen: "a reply is given when what it says is committed, so in front of the claim of the next owner, and what of it comes late is known by its position",
		edits: []edit{
			{"internal/cluster/merging.go", "return r.Epoch < m.epoch && (r.Marked || r.Shared > m.at)", "return false"},
			{"internal/cluster/placing.go", "for len(m.replies) > 0 && m.replies[0].Epoch < g.header.Epoch {", "for false {"},
			{"internal/cluster/placing.go", "case first.Marked && first.Position <= m.at:", "case false:"},
			{"internal/cluster/placing.go", "case !first.Marked && first.Shared <= m.at:", "case !first.Marked && first.Shared <= m.at, first.Epoch < m.epoch:"},
		},
	},
	{
		name: "stale-none", of: "amendment 4",
		broken: "who looks for a channel is told on the word of one node that there is none",
		seeds:  []uint64{12675873},
		edits: []edit{{
			"internal/hub/finding.go", "\t\tg, h, err = inner.FindFinal(ctx, cl.engine, key)\n", "",
		}},
	},
	{
		name: "stale-none-behind-end", of: "amendment 4",
		broken: "who wanted to enter a channel that has ended is told on the word of one node whether there is another one",
		seeds:  []uint64{6731517},
		edits: []edit{{
			"internal/hub/edgeseats.go", "inner.FindFinal(ctx, cl.engine, e.key)", "inner.Find(ctx, cl.engine, e.key)",
		}},
	},
	{
		name: "stale-claim", of: "amendment 4",
		broken: "who is to become the owner believes one node what is last in the log",
		seeds:  []uint64{14439307},
		edits: []edit{
			{"internal/hub/claiming.go", "inner.FindFinal(ctx, cl.engine, e.key)", "inner.Find(ctx, cl.engine, e.key)"},
			{"internal/hub/claiming.go", "case reached.isBehind(last, header):", "case false && reached.isBehind(last, header):"},
		},
	},
	{
		name: "refusal-without-barrier", of: "amendment 4",
		broken: "an owner refuses for good without a group behind that, so that one may that was deposed and does not know",
		seeds:  []uint64{8301459},
		with:   "recreates",
		edits: []edit{
			{"internal/hub/journal.go", "\t\tfinal = final || isFinal(e)\n", ""},
		},
	},
	{
		name: "expired-believed", of: "amendment 5",
		broken: "a channel is created on an empty log though the clocks of the engine's nodes are far apart",
		seeds:  []uint64{3476603},
		edits: []edit{{
			"internal/hub/finding.go", "if h.clustered.engine.State().ClockSpread > maxClockSpread {", "if false {",
		}},
	},
	{
		name: "never-written-anew", of: "amendments 5 and 10",
		broken: "what a channel is like is not written down anew before it expires",
		seeds:  []uint64{15280829},
		edits: []edit{{
			"internal/cluster/snapshots.go", "return now.Sub(p.begun) >= p.age ||", "return",
		}},
	},
	{
		name: "hole-unseen", of: "amendment 6",
		broken: "groups of the tail are taken whichever they say is before them",
		seeds:  []uint64{7982563},
		edits: []edit{
			{"internal/cluster/filling.go", "case len(f.waiting) > 0 && f.waiting[0].Before == f.taken:", "case len(f.waiting) > 0:"},
			{"internal/cluster/merging.go", "case g.Before != m.seen || g.Position <= m.seen:", "case g.Position <= m.seen:"},
		},
	},
	{
		name: "incarnation-claimed", of: "amendment 7",
		broken: "an edge becomes the owner of another channel of the same name",
		unseen: "what follows a channel in its log stands behind its end, and who follows it comes to that first",
		edits: []edit{
			{"internal/hub/claiming.go", "header.Claim == inner.Ended || header.Incarnation != e.incarnation()", "header.Claim == inner.Ended"},
			{"internal/hub/taking.go", "case !there || header.Incarnation != e.incarnation():", "case !there:"},
		},
	},
	{
		name: "another-followed", of: "amendment 7",
		broken: "what is in the log of another channel of the same name is carried out for the members of the one before",
		seeds:  []uint64{8150701},
		with:   "reuses",
		edits: []edit{
			{"internal/cluster/merging.go", "case h.Incarnation != m.incarnation:", "case false:"},
			{"internal/cluster/merging.go", "case g.Before != m.seen || g.Position <= m.seen:", "case g.Position <= m.seen:"},
			{"internal/cluster/merging.go", "case h.Claim == Owned, h.Epoch != m.epoch, known && h.Hub != m.owner:", "case false:"},
			{"internal/cluster/filling.go", "f.waiting[0].Before == f.taken:", "f.waiting[0].Before <= f.taken:"},
			{"internal/cluster/filling.go", "\t\tif g.Before != after {\n", "\t\tif false {\n"},
		},
	},
	{
		name: "behind-the-end", of: "amendment 8",
		broken: "an owner writes a barrier behind the end of its channel",
		edits: []edit{
			{"internal/hub/journal.go", "(claims || final && !j.ended)", "(claims || final)"},
		},
	},
	{
		name: "items-behind-the-end", of: "amendment 8",
		broken: "what is decided behind the end of a channel is written down",
		edits: []edit{
			{"internal/hub/journal.go", "r.marked = r.marked && !j.sealed; !r.marked", "!r.marked"},
			{"internal/hub/journal.go", "\tif j.sealed {\n\t\treturn nil\n\t}\n\tif !j.group.Add", "\tif !j.group.Add"},
		},
	},
	{
		name: "short-log-believed", of: "amendment 9",
		broken: "an owner believes one node that the log is shorter than it knows",
		unseen: "a state that is thrown away needlessly is read from the log again, so that nobody is told anything else",
		edits: []edit{{
			"internal/cluster/conflict.go", "\t\tlast, err = a.log.LastLinearizable(ctx, a.key)\n", "",
		}},
	},
	{
		name: "lost-end-overlooked", of: "amendment 9",
		broken: "an owner whose log has lost its end appends behind what is not there any more, for ever",
		edits: []edit{{
			"internal/cluster/conflict.go", "if last.Position < f.last {", "if false {",
		}},
	},
	{
		name: "lost-end-followed", of: "amendment 9",
		broken: "a hub whose log has lost its end goes on to follow it from behind the end",
		edits: []edit{{
			"internal/hub/deposed.go", "errors.Is(j.writer.Err(), inner.ErrLost)", "false",
		}},
	},
	{
		name: "lost-owner-forgets", of: "amendment 9",
		broken: "a hub that the log has for the owner, and that has thrown away what it had, does not look for the channel again",
		seeds:  []uint64{10321893},
		with:   "loses",
		edits: []edit{
			{"internal/hub/edges.go", "\t\te.hub.clustered.findAgain(e.channel.Name())\n", ""},
			{"internal/hub/losing.go", "return !e.unknown.IsZero() &&", "return false &&"},
		},
	},
	{
		name: "pauses-for-ever", of: "amendment 10",
		broken: "an append whose outcome is not known is made again for longer than groups are kept",
		unseen: "whoever asks again behind that time learns from the log that it is gone, before it appends anything",
		edits: []edit{{
			"internal/cluster/writer.go", "if a.open && !time.Now().Before(a.expires()) {", "if false {",
		}},
	},
	{
		name: "writes-on", of: "amendment 10",
		broken: "an owner whose groups are gone from the log, and who does not know what has become of the last one, writes it at the end that there is",
		seeds:  []uint64{16603799},
		with:   "sleeps",
		edits: []edit{{
			"internal/cluster/conflict.go", "\t\tif last.Position < f.last {\n", "\t\tif last.Position < f.last {\n\t\t\tf.last, f.shared = last.Position, LastShared(last)\n\t\t\treturn f, nil\n\t\t}\n\t\tif false {\n",
		}},
	},
	{
		name: "abandoned-stays", of: "amendment 11",
		broken: "nobody takes a channel of a dead hub where nobody has members",
		seeds:  []uint64{9649369},
		edits: []edit{{
			"internal/hub/taking.go", "still := !e.over && e.owner.Hub == owner", "still := !e.over && e.owner.Hub == owner && len(e.seats) > 0",
		}},
	},
	{
		name: "full-is-the-end", of: "amendment 12",
		broken: "an owner whose log has no room throws away what it has decided, and gives up",
		unseen: "whoever gives up takes the channel again, and clients ask again what was not answered",
		with:   "full",
		edits: []edit{{
			"internal/cluster/writer.go", "\t\ta.noRoom()\n\t\tpause(ctx, fullPause)\n", "\t\treturn 0, ErrLost\n",
		}},
	},
	{
		name: "full-is-written", of: "amendment 12",
		broken: "an owner whose log has no room goes on as if it had written",
		edits: []edit{{
			"internal/cluster/writer.go", "\t\ta.noRoom()\n\t\tpause(ctx, fullPause)\n", "\t\treturn max(a.g.After, 1), nil\n",
		}},
	},
	{
		name: "joined-by-nobody", of: "amendment 13",
		broken: "what is written down of a join does not have the client that has joined, so that the next owner takes its repetition for a stranger's",
		seeds:  []uint64{5981975},
		with:   "switches",
		edits: []edit{
			{"internal/star/recorded.go", "p.flags(m.holder.instance != Hash{}, e.secret != Hash{}", "p.flags(false, e.secret != Hash{}"},
			{"internal/star/recorded.go", "\tif m.holder.instance != (Hash{}) {\n", "\tif false {\n"},
		},
	},
	{
		name: "switch-asked-once", of: "amendment 13",
		broken: "the leave of a switch is asked for once, and given up where the owner changes",
		with:   "kills, links, switches",
		unseen: "the owner has to change while the leave is asked for, and the client leaves what it finds itself in",
		edits: []edit{{
			"internal/hub/switching.go",
			"\t\tif asked || err != nil {\n\t\t\treturn cmp.Or(err, q.err)\n\t\t}\n\t}\n\treturn err\n}\n\n// beginSwitch", "\t\t_ = asked\n\t\treturn cmp.Or(err, q.err)\n\t}\n\treturn err\n}\n\n// beginSwitch",
		}},
	},
	{
		name: "switch-not-repeatable", of: "amendment 13",
		broken: "the repetition of a join that has made a membership is a join of a stranger",
		seeds:  []uint64{9041721, 6049247},
		with:   "switches",
		edits: []edit{{
			"internal/star/entering.go",
			"return c.life == open && m != nil && c.repeats(now, m, a, e) ||", "return false && c.life == open && m != nil && c.repeats(now, m, a, e) ||",
		}},
	},
}
