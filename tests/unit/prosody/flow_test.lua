-- What of a session goes, and when, over links of backend.lib.lua: lua5.4 flow_test.lua SOURCES
local frames = dofile(arg[1].."/frames.lib.lua");
local new_backend = dofile(arg[1].."/backend.lib.lua")(frames, dofile(arg[1].."/retained.lib.lua"), dofile(arg[1].."/flow.lib.lua"));

local LONG, UNACKED, HELD_MAX, HEAD = 30000, 131072, 1 << 20, frames.HEAD_BYTES;
local LONGS_UNACKED = UNACKED // LONG + 1; -- so many go before the gate has taken any
local failed, epoch = 0, 0;

local function check(is_so, what)
	if not is_so then
		failed = failed + 1;
		print("not so: "..what.." (line "..debug.getinfo(2, "l").currentline..")");
	end
end

local function send(session, count, size)
	for i = 1, count do
		session:element(("%6d"):format(i)..("x"):rep((size or LONG) - 6));
	end
end

-- A link whose backend notes in `over`, `stuck` and `heard` what it is told.
local sessions, over, stuck, heard;
local backend;

local function link_up(window, patience_ms)
	local link = backend:link("");
	local hello = { { "VERSION_MIN", 1 }, { "VERSION_MAX", 1 }, { "EPOCH", epoch }, { "NAME", "gate" }, { "WINDOW", window }, { "PATIENCE_MS", patience_ms or 1000 } };
	link:hears(frames.encode("HELLO", 0, hello));
	link:take();
	return link;
end

local function begin(window)
	sessions, over, stuck, heard, epoch = {}, {}, 0, {}, epoch + 1;
	local function ignore() end
	backend = new_backend({
		name = "b", epoch = 1, window = 4 << 20, held_bytes_max = HELD_MAX, waiting_bytes_max = 64 * HELD_MAX,
		on = {
			up = ignore, dirty = ignore, closed = ignore, ended = ignore, dead = ignore, reattached = ignore,
			opened = function (session) sessions[session.number] = session; end,
			element = function (_, xml) heard[#heard + 1] = xml; end,
			adopt = function (session)
				sessions[session.number] = session;
				send(session, 1);
				check(session.link.waiting_bytes == 0, "it waits for us");
				session:adopted(0);
			end,
			over = function (session) over[session.number] = true; end,
			stuck = function () stuck = stuck + 1; end,
		},
	});
	return link_up(window);
end

-- The frames that are on their way to the gate: { name, number, size }, and in `acks` how many count.
local function went(link)
	local bytes, at, list = link:take(), 1, {};
	while at <= #bytes do
		local kind, number, size = frames.head(bytes, at);
		list[#list + 1] = { kind.name, number, size, bytes:sub(at + HEAD, at + HEAD + size - 1) };
		at = at + HEAD + size;
	end
	return list;
end

local function went_to(link)
	local to = {};
	for i, frame in ipairs(went(link)) do
		to[i] = frame[2];
	end
	return table.concat(to, " ");
end

local function says(link, name, number, payload)
	link:hears(frames.encode(name, number, payload or ""));
	check(not link.error, tostring(link.error));
end

local function acks(link, count)
	says(link, "ACK", 0, string.pack(">I8", count or link.retained.sent));
end

local function bound(link, number)
	says(link, "OPEN", number, { { "DOMAIN", "d" }, { "STREAM_ID", "s" }, { "ADDRESS", "::1" } });
	sessions[number]:state({ { "STAGE", 1 }, { "JID", "a@d" } });
	sessions[number]:state({ { "STAGE", 2 }, { "JID", "a@d/r" } });
	acks(link);
	link:take();
	return sessions[number];
end

-- Who may be slow gets no more before it is known to be taken; others are not kept waiting.
local MORE = 5;
local link = begin(4 << 20);
local session, other = bound(link, 1), bound(link, 2);
send(session, LONGS_UNACKED + MORE);
check(#went(link) == LONGS_UNACKED, "so much goes");
says(link, "RESUME", 1);
check(#went(link) == 0 and link.waiting_bytes == MORE * LONG, "it was not paused, and waits for the link");
send(other, 1);
check(went_to(link) == "2", "another one goes");
acks(link, 4 + 1);
check(went_to(link) == "1", "one taken, one goes");
acks(link, 4 + LONGS_UNACKED + 1 + 1);
check(#went(link) == MORE - 1 and link.waiting_bytes == 0 and not session.held, "then all others");
acks(link);
check(session.unacked_bytes == 0 and other.unacked_bytes == 0, "nothing is on its way");

-- What waited for slow clients goes in turns, in a quarter of the window, and stops at PAUSE.
local MANY = 20;
link = begin(8 * LONG);
local one, two = bound(link, 1), bound(link, 2);
says(link, "PAUSE", 1);
says(link, "PAUSE", 2);
send(one, MANY);
send(two, MANY);
check(#went(link) == 0 and link.waiting_bytes == 0, "what slow clients have waiting stops nobody");
says(link, "RESUME", 1);
says(link, "RESUME", 2);
check(went_to(link) == "1 1", "until a quarter of the window is used");
acks(link, 6);
check(went_to(link) == "1 2", "in turns");
says(link, "PAUSE", 1);
acks(link, 8);
check(went_to(link) == "2 2", "not who is paused");
says(link, "RESUME", 1);
local order = { [1] = 3, [2] = 3 };
for _ = 1, 2 * MANY do
	acks(link);
	for _, frame in ipairs(went(link)) do
		local to = frame[2];
		order[to] = order[to] + 1;
		check(frame[3] == LONG and tonumber(frame[4]:sub(1, 6)) == order[to], "in order");
	end
end
check(order[1] == MANY and order[2] == MANY, "all come: "..order[1].." and "..order[2]);
check(not one.is_slow and not two.is_slow and one.sent == MANY, "nobody is slow any more");

-- Others may keep the link full: each ACK lets one go all the same.
link = begin(8 * LONG);
one, two = bound(link, 1), bound(link, 2);
says(link, "PAUSE", 1);
send(one, 1);
send(two, 3);
says(link, "RESUME", 1);
check(went_to(link) == "2 2 2", "the link is full");
acks(link, 5);
check(went_to(link) == "1", "one in any case");

-- No more is held for who is slow than the limit; what had to wait before, when it was the link that was slow, comes on top.
link = begin(4 << 20);
session = bound(link, 1);
says(link, "PAUSE", 1);
send(session, 1, HELD_MAX);
check(not over[1], "as much as the limit");
send(session, 1, 6);
check(over[1] and went(link)[1][1] == "CLOSE", "and no more");
link = begin(4 << 20);
session = bound(link, 1);
send(session, LONGS_UNACKED + 50);
check(link.waiting_bytes == 50 * LONG and not over[1], "more than the limit, for a link");
says(link, "PAUSE", 1);
check(link.waiting_bytes == 0 and not over[1], "it is slow now, and the link is not");
send(session, 1, HELD_MAX);
check(not over[1], "the limit, on top");
send(session, 1, 6);
check(over[1] and link.waiting_bytes == 0, "and no more again");

-- While too much waits for the link, what its gate sends waits, too.
link = begin(4 << 20);
session, other = bound(link, 1), bound(link, 2);
send(session, LONGS_UNACKED + HELD_MAX // LONG + 1);
says(link, "ELEMENT", 2, "<a/>");
check(#heard == 0, "not handled");
acks(link, 4 + 1);
check(#heard == 1, "handled when less waits");
send(session, 64 * HELD_MAX // LONG);
check(stuck == 1, "and too much is told once");

-- What is no element goes before, with all that is before it, if nobody is slow; else it overtakes, and what is held goes at the end.
for paused = 0, 1 do
	link = begin(4 << 20);
	session = bound(link, 1);
	send(session, LONGS_UNACKED + 2);
	if paused == 1 then
		says(link, "PAUSE", 1);
	end
	session:keep("k");
	session:element("<b/>");
	session:close();
	local there = went(link);
	local elements = LONGS_UNACKED + (paused == 1 and 0 or 3);
	check(#there == elements + 2 and there[#there][1] == "CLOSE", "paused "..paused..": "..#there);
	check(there[#there - (paused == 1 and 1 or 2)][1] == "KEEP", "in its place");
	says(link, "RESUME", 1);
	acks(link);
	check(#went(link) == 0 and link.waiting_bytes == 0, "nothing behind the end");
end

-- After a cut: what went before comes again at once, and the rest in turns.
link = begin(1 << 20);
session = bound(link, 1);
send(session, LONGS_UNACKED + MORE + 10);
check(#went(link) == LONGS_UNACKED, "before the cut");
link:cut();
send(session, 1, HELD_MAX);
local second = link_up(8 * LONG);
says(second, "REATTACH", 1, { { "RECEIVED", 1 }, { "SERIAL", 1 } });
local again = went(second);
check(again[1][1] == "ATTACHED" and #again == 1 + LONGS_UNACKED - 1, "what went comes again: "..#again);
local expected = 1;
for _ = 1, 50 do
	for _, frame in ipairs(again) do
		if frame[1] == "ELEMENT" and frame[3] == LONG then
			expected = expected + 1;
			check(tonumber(frame[4]:sub(1, 6)) == expected, "in order");
		end
	end
	acks(second);
	check(session.unacked_bytes <= UNACKED + HELD_MAX + HEAD, "bounded");
	again = went(second);
end
check(expected == LONGS_UNACKED + MORE + 10 and not session.held and session.sent == expected + 1, "all of it: "..expected);
check(not over[1] and not session.is_slow and second.waiting_bytes == 0, "nobody is slow");

-- A session that is adopted begins with nothing, and what is said for it before it is, waits.
link = begin(1 << 20);
says(link, "ADOPT", 9, {
	{ "DOMAIN", "d" }, { "JID", "a@d/r" }, { "ADDRESS", "::1" }, { "RECEIVED", 7 }, { "ACKED", 0 }, { "STANZAS_IN", 0 }, { "STANZAS_OUT", 0 },
	{ "SERIAL", 1 },
});
send(sessions[9], 1);
check(went_to(link) == "9 9 9" and sessions[9].sent == 9 and not sessions[9].is_slow, "adopted");
os.exit(failed == 0);
