package main

// teeth are the variants that section 13 of the design names.
var teeth = []variant{
	{
		name: "told-before-committed", of: "tooth: delivery before the acknowledgement",
		broken: "an owner carries out what it has decided, and then writes it down",
		edits: []edit{{
			"internal/delivery/channel.go",
			"\tcommitted := journal == nil || journal.Commit(effects)\n\tif committed {\n",
			"\tearly := journal != nil && !taken\n\tif early {\n\t\tc.executeAll(effects, journal)\n\t}\n\tcommitted := journal == nil || journal.Commit(effects)\n\tif committed && early {\n\t} else if committed {\n",
		}},
	},
	{
		name: "new-nonce", of: "tooth: retry with a new nonce",
		broken: "an append whose outcome is not known is made again with another nonce",
		edits: []edit{{
			"internal/cluster/writer.go",
			"\tattempt, cancel := context.WithTimeout(ctx, attemptTimeout)\n",
			"\tif a.open && a.g.After > 0 {\n\t\ta.g.Nonce = cluster.NewNonce()\n\t}\n\tattempt, cancel := context.WithTimeout(ctx, attemptTimeout)\n",
		}},
	},
	{
		name: "own-group-overlooked", of: "tooth: a conflict taken for loss",
		broken: "the engine does not know a repetition, and who finds its group in the log writes it once more",
		seeds:  []uint64{10587},
		edits: []edit{
			{"cluster/local.go", "\t\tcase other.Nonce == g.Nonce:\n\t\t\treturn other.Position, nil\n", ""},
			{"internal/cluster/conflict.go", "\t\t\tf.own = g.Position\n", ""},
		},
	},
	{
		name: "judged-by-the-last", of: "tooth: a conflict judged by the last group alone",
		broken: "the engine does not know a repetition, and of what follows the last group alone is looked at",
		seeds:  []uint64{14001611},
		edits: []edit{
			{"cluster/local.go", "\t\tcase other.Nonce == g.Nonce:\n\t\t\treturn other.Position, nil\n", ""},
			{"internal/cluster/conflict.go", "range groups(ctx, a.log, a.key, f.last, last.Position) {", "range func(yield func(cluster.Group, error) bool) { _ = last.Position <= f.last || yield(last, nil) } {"},
		},
	},
	{
		name: "unknown-is-lost", of: "tooth: a conflict taken for loss",
		broken: "an append whose outcome is not known is taken for one that has failed, and what it says is forgotten",
		edits: []edit{{
			"internal/cluster/writer.go",
			"\tdefault:\n\t\ta.open = true\n\t\tticket.unanswered()\n", "\tdefault:\n\t\treturn 0, ErrLost\n\t\tticket.unanswered()\n",
		}},
	},
	{
		name: "unknown-is-committed", of: "tooth: a conflict taken for loss",
		broken: "an append whose outcome is not known is taken for committed where the log goes on with somebody else",
		seeds:  []uint64{6173531},
		edits: []edit{{
			"internal/cluster/conflict.go", "\tcase f.failed != nil:\n\t\treturn 0, f.failed\n", "\tcase f.failed != nil && a.open:\n\t\treturn 0, f.failed\n\tcase f.failed != nil:\n\t\treturn f.last, nil\n",
		}},
	},
	{
		name: "inputs-forgotten", of: "tooth: inputs of a deposed owner forgotten",
		broken: "a hub that was deposed leaves its clients without an answer to what it had not written down",
		seeds:  []uint64{16397021},
		edits: []edit{{
			"internal/delivery/journal.go", "\t\tline.out.Abort(movedReason)\n", "\t\t_ = line\n",
		}},
	},
	{
		name: "calls-forgotten", of: "tooth: inputs of a deposed owner forgotten",
		broken: "an edge does not ask the next owner what the former one has not answered",
		edits: []edit{{
			"internal/cluster/asking.go",
			"\t\tif a.under != nil && a.under.owner != owner {\n\t\t\ta.under = nil\n", "\t\tif a.under != nil && a.under.owner != owner {\n\t\t\ta.calls = a.calls[a.under.calls:]\n\t\t\ta.under = nil\n",
		}},
	},
	{
		name: "no-announcement", of: "tooth: no announcement",
		broken: "nobody is told where the last group is",
		edits: []edit{{
			"internal/cluster/announcing.go", "\tif last > 0 {\n", "\tif false {\n",
		}},
	},
	{
		name: "not-found-is-the-end", of: "tooth: a fill that takes \"not found\" for the end",
		broken: "what a read of a hole does not get is taken for not there",
		seeds:  []uint64{285223},
		edits: []edit{
			{"internal/cluster/filling.go", "\tif err == nil {\n\t\treturn\n\t}\n\tswitch {\n", "\tif err == nil {\n\t\treturn\n\t}\n\tf.mu.Lock()\n\tf.taken, f.nonce = max(f.taken, until), cluster.Nonce{}\n\tf.mu.Unlock()\n\tswitch {\n"},
			{"internal/cluster/merging.go", "case g.Before != m.seen || g.Position <= m.seen:", "case g.Position <= m.seen:"},
		},
	},
	{
		name: "x-from-the-last-beat", of: "tooth: X from the last beat",
		broken: "a hub that takes a channel counts the master's time from when its former owner was last heard",
		edits: []edit{{
			"internal/hub/taking.go", "rules.TakeOver(now, func(", "rules.TakeOver(e.hub.clustered.beating.Silent(e.owner.Hub), func(",
		}},
	},
}
