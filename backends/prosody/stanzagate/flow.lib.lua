-- What of a session goes on its link, and when (docs/link-protocol.md, section 9). An element goes at once while the gate wants some
-- and has taken all but UNACKED_BYTES_MAX of those before it. What comes up meanwhile is held, and when that may go on, the session
-- stands in its link's line, from which one after the other is given a slice.
--
--     element ──► may_go? ──yes──► link
--                    │ no           ▲
--                    ▼              │ a slice, while little is under way
--                  held ──► line ──► serve ◄── ACK, RESUME
--
-- What is held for who is slow (paused since nothing was held, or an orphan) is counted in the session, and has a limit there; for who is
-- not, it is the link that is slow, and it is counted as waiting for that.
--
-- Pure. Of a session it uses `link`, `paused`, `attaching`, `bound` and `closed_out`; `held`, `held_from`, `held_bytes`, `held_limit`,
-- `is_slow`, `unacked_bytes` and `line` are its own, and of a link `line`, `line_from` and `line_to`.

-- queue(link, entry): sends it, or lets it wait for credit; count_waiting(link, bytes): so much more waits for the link, or less.
return function (queue, count_waiting)

local UNACKED_BYTES_MAX, SLICE_BYTES = 131072, 16384;
local SERVED_SHARE = 4; -- one part of so many of the window is for what has waited: others find the rest free

local flow = {};

local function size_of(entry)
	return type(entry.payload) == "string" and #entry.payload or 0;
end

-- held_max: bytes, of one that is slow.
function flow.session_init(session, held_max)
	session.held_bytes, session.held_max, session.held_limit, session.unacked_bytes = 0, held_max, held_max, 0;
end

function flow.link_init(link)
	link.line, link.line_from, link.line_to = {}, 1, 0;
end

-- Whether an element may go now.
function flow.may_go(session)
	if not session.link or session.attaching or session.paused then
		return false;
	end
	return not session.bound or not session.held and session.unacked_bytes < UNACKED_BYTES_MAX;
end

-- What may be held from now on is as much as the limit, beside what was held when nobody was slow.
function flow.slow_down(session)
	if not session.is_slow then
		if session.held and session.link then
			count_waiting(session.link, -session.held_bytes);
		end
		session.is_slow, session.held_limit = true, session.held_bytes + session.held_max;
	end
end

-- false: too much is held already.
function flow.hold(session, entry)
	local size = size_of(entry);
	if session.is_slow and session.held_bytes + size > session.held_limit then
		return false;
	elseif not session.is_slow then
		count_waiting(session.link, size);
	end
	if not session.held then
		session.held, session.held_from = {}, 1;
	end
	session.held[#session.held + 1] = entry;
	session.held_bytes = session.held_bytes + size;
	return true;
end

local function nothing_held(session)
	session.held, session.held_bytes = nil, 0;
	if session.link and not session.attaching and not session.paused then
		session.is_slow = nil;
	end
end

function flow.drop(session)
	if session.held and not session.is_slow then
		count_waiting(session.link, -session.held_bytes);
	end
	nothing_held(session);
end

-- The first of what is held goes. Answers how long it is.
local function move_one(session)
	local held, at = session.held, session.held_from;
	local entry = held[at];
	local size = size_of(entry);
	held[at], session.held_from = false, at + 1;
	session.held_bytes = session.held_bytes - size;
	if not session.is_slow then
		count_waiting(session.link, -size);
	end
	if at == #held then
		nothing_held(session);
	end
	queue(session.link, entry);
	return size;
end

local function flush(session)
	while session.held do
		move_one(session);
	end
end

local function may_go_on(session)
	local link = session.link;
	return session.held and link and not session.attaching and not session.paused and session.unacked_bytes < UNACKED_BYTES_MAX;
end

local function line_enter(session)
	local link = session.link;
	if may_go_on(session) and session.line ~= link then
		session.line, link.line_to = link, link.line_to + 1;
		link.line[link.line_to] = session;
	end
end

local function serve_one(link)
	local at = link.line_from;
	local session = link.line[at];
	link.line[at], link.line_from = nil, at + 1;
	if session.line ~= link then
		return;
	end
	session.line = nil;
	local moved = 0;
	while moved < SLICE_BYTES and session.link == link and may_go_on(session) do
		moved = moved + move_one(session);
	end
	if session.link == link then
		line_enter(session);
	end
end

local function is_served(link)
	local bytes = link.retained.bytes;
	return link.waiting_to < link.waiting_from and (bytes == 0 or bytes < link.peer_window // SERVED_SHARE);
end

local function serve(link)
	while link.line_from <= link.line_to and is_served(link) do
		serve_one(link);
	end
end

-- Some of it was acknowledged.
flow.acked = line_enter;

-- A link has heard an ACK. One of those who wait gets its turn in any case: others may keep the link full.
function flow.serve(link)
	if link.line_from <= link.line_to then
		serve_one(link);
		serve(link);
	end
end

-- Before something that is no element, and waits for no client: if one is slow, what is held for it is overtaken, and dropped at its
-- end; else it goes before.
function flow.make_way(session, is_end)
	if not session.held or not session.link or session.attaching then
		return;
	elseif not session.paused then
		flush(session);
	elseif is_end then
		flow.drop(session);
	end
end

-- The session may go on: after RESUME, or on another link. `again`: so many of what is held went before on a link that was cut, and
-- come again at once: more than a session's share of the link it was not.
function flow.go_on(session, again)
	for _ = 1, again or 0 do
		move_one(session);
	end
	if not session.held then
		nothing_held(session);
	elseif session.closed_out or not session.bound then
		flush(session);
	else
		line_enter(session);
		serve(session.link);
	end
end

-- It has no link that it could use: this is what it has to send.
function flow.orphan(session, entries)
	local bytes, was_slow = 0, session.is_slow;
	for _, entry in ipairs(entries) do
		bytes = bytes + size_of(entry);
	end
	session.held, session.held_from, session.held_bytes = entries[1] and entries or nil, 1, bytes;
	session.is_slow, session.unacked_bytes = true, 0;
	session.held_limit = was_slow and session.held_limit or bytes + session.held_max;
end

-- What is held, in order; to be read at most.
function flow.held(session)
	return session.held and table.move(session.held, session.held_from, #session.held, 1, {}) or {};
end

return flow;

end
