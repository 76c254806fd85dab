-- A backend's end of all links: sessions, their numbers, what must be sent again after a cut (docs/link-protocol.md,
-- sections 4 to 9).
--
-- Pure: no socket, clock or log. The caller brings bytes and carries bytes away, and is told what happens by functions that it
-- gives in `config.on`; they may call back at once:
--
--    up(link)                    the gate is known and has proved the key: time for DOMAINs
--    opened(session, fields)     a client begins to authenticate
--    element(session, xml)       one element of it
--    closed(session, fields)     the gate has ended it; the answer is sent by itself, and nothing that is said later
--    ended(session)              the gate has answered our own end of it
--    reattached(session)         it goes on, after a cut
--    adopt(session, fields)      asks for session:adopted(count) or session:refused(reason), at once or later
--    over(session)               it is lost: nobody will hear what is said for it any more
--    dead(link)                  its gate has another link now: to be closed; cut() has been called already
--    stuck(link)                 its gate acknowledges too little for what waits: to be closed, but not before this has returned
--    dirty(link)                 there are bytes to take(); told once until they are taken
--
-- config: name, epoch (integer), software, window (bytes), held_bytes_max (for one session that cannot take them), waiting_bytes_max
-- (for a link without credit), key (or nil), hmac(key, text) -> 32 bytes, nonce() -> 32 bytes, equal(a, b) -> boolean, in constant time; on.

-- retained_new: retained.lib.lua; new_flow: flow.lib.lua.
return function (frames, retained_new, new_flow)

local encode, kinds, HEAD_BYTES = frames.encode, frames.kinds, frames.HEAD_BYTES;
local U32 = 0xffffffff;
local WINDOW_SLACK = 16777216 + 12;
local OUT_KEPT_MAX, LENGTHS_KNOWN_MAX = 8192, 2048;

local function link_count_waiting(link, more)
	local before, most = link.waiting_bytes, link.config.waiting_bytes_max;
	link.waiting_bytes = before + more;
	if before <= most and before + more > most then
		link.on.stuck(link);
	end
end

local flow = new_flow(function (link, entry) link:queue(entry); end, link_count_waiting);
local may_go = flow.may_go;

-- ---- sessions ----

local session_methods = {};
local session_mt = { __index = session_methods };

local function session_new(link, number)
	local session = setmetatable({
		link = link, gate = link.gate, number = number, received = 0, sent = 0, acked = 0, serial = -1, backend_on = link.on,
		element_head = string.pack(">I8", kinds.ELEMENT.id << 56 | number),
	}, session_mt);
	flow.session_init(session, link.config.held_bytes_max);
	link.gate[number] = session;
	return session;
end

local function session_forget(session)
	flow.drop(session);
	session.gate[session.number] = nil;
	session.link, session.gone = nil, true;
end

local function session_over(session)
	session_forget(session);
	session.backend_on.over(session);
end

-- An element too many for who cannot take it: the session is ended, as one whose client was lost.
local function session_overflow(session)
	local link = session.link;
	flow.drop(session);
	session.closed_out = true;
	if link and not session.attaching then
		link:queue({ session = session, name = "CLOSE", payload = { { "CONDITION", "policy-violation" }, { "REASON", "too much waits for this client" } } });
		session.backend_on.over(session);
	else
		session_over(session);
	end
end

local function session_push(session, name, payload)
	if session.gone or session.closed_out then
		return false;
	end
	local entry, is_element = { session = session, name = name, payload = payload }, name == "ELEMENT";
	if not is_element then
		flow.make_way(session, name == "CLOSE");
		session.closed_out = name == "CLOSE";
	end
	if is_element and may_go(session) or not is_element and session.link and not session.attaching then
		session.link:queue(entry);
	elseif not flow.hold(session, entry) then
		session_overflow(session);
	end
	return true;
end

-- fields: a list of pairs, with STAGE and JID.
function session_methods:state(fields)
	return session_push(self, "STATE", fields);
end

function session_methods:keep(bytes)
	return session_push(self, "KEEP", bytes);
end

-- condition and reason may be nil.
function session_methods:close(condition, reason)
	local fields = {};
	if condition then
		fields[1] = { "CONDITION", condition };
	end
	if reason then
		fields[#fields + 1] = { "REASON", reason };
	end
	return session_push(self, "CLOSE", fields);
end

-- Whether the gate shall send no elements of this session for now.
function session_methods:pause(is_wanted)
	if self.pausing == is_wanted then
		return;
	end
	self.pausing = is_wanted;
	if self.link and not self.attaching and not self.closed_out then
		self.link:put(encode(is_wanted and "PAUSE" or "RESUME", self.number, ""));
	end
end

-- again: how much of what is held went before.
local function session_attach(session, link, count_to_say, again)
	session.link, session.attaching, session.paused, session.left = link, nil, nil, nil;
	link:put(encode("ATTACHED", session.number, { { "RECEIVED", count_to_say } }));
	if session.pausing then
		link:put(encode("PAUSE", session.number, ""));
	end
	flow.go_on(session, again);
end

function session_methods:adopted(count)
	self.bound, self.received = true, count;
	session_attach(self, self.link, count);
end

function session_methods:refused(reason)
	self.link:put(encode("LOST", self.number, reason and { { "REASON", reason } } or ""));
	session_forget(self);
end

-- ---- links ----

local link_methods = {};
local link_mt = { __index = link_methods };

local function link_tell(link)
	if not link.told then
		link.told = true;
		link.on.dirty(link);
	end
end

function link_methods:put(bytes)
	local count = self.out_count + 1;
	self.out[count], self.out_count = bytes, count;
	link_tell(self);
end

-- All that is to be written to the gate; '' for nothing. It is as good as written.
function link_methods:take()
	local out, count = self.out, self.out_count;
	self.out_count, self.told = 0, false;
	local bytes = table.concat(out, "", 1, count);
	if count > OUT_KEPT_MAX then
		self.out = {};
	else
		for i = 1, count do
			out[i] = nil;
		end
	end
	return bytes;
end

-- Says how much has been handled, if that is news: all, or `count` frames, where others have to wait.
function link_methods:ack(count)
	count = count or self.handled;
	if count > self.handled_said then
		self.handled_said = count;
		self:put(encode("ACK", 0, string.pack(">I8", count)));
	end
end

-- Counts a numbered frame that is sent now.
local function link_retain(link, session, name, payload, size)
	local number = 0;
	if session.bound then
		number = session.sent + 1 & U32;
		session.sent = number;
	end
	link.retained:add(session, name, payload, size, number);
end

local function link_emit(link, entry, bytes)
	local session = entry.session;
	link_retain(link, session, entry.name, entry.payload, #bytes);
	if entry.is_binding and not session.bound then
		session.bound, session.sent, session.acked, session.received = true, 0, 0, 0;
	end
	link:put(bytes);
end

local function link_has_credit(link, size)
	local bytes = link.retained.bytes;
	return bytes == 0 or bytes + size <= link.peer_window;
end

-- Sends a numbered frame, or lets it wait for credit.
function link_methods:queue(entry)
	local name, payload = entry.name, entry.payload;
	if name == "STATE" then
		for _, pair in ipairs(payload) do
			entry.is_binding = entry.is_binding or (pair[1] == "STAGE" and pair[2] == 2);
		end
	end
	local session = entry.session;
	local bytes = encode(name, session.number, payload);
	session.unacked_bytes = session.unacked_bytes + #bytes;
	if self.waiting_to < self.waiting_from and link_has_credit(self, #bytes) then
		link_emit(self, entry, bytes);
	else
		self.waiting_to = self.waiting_to + 1;
		self.waiting[self.waiting_to] = entry;
		entry.encoded = bytes;
		link_count_waiting(self, #bytes);
	end
end

local function link_send_waiting(link)
	while link.waiting_from <= link.waiting_to do
		local entry = link.waiting[link.waiting_from];
		local bytes = entry.encoded;
		if not link_has_credit(link, #bytes) then
			return;
		end
		link.waiting[link.waiting_from] = nil;
		link.waiting_from, link.waiting_bytes = link.waiting_from + 1, link.waiting_bytes - #bytes;
		entry.encoded = nil;
		if not entry.session.gone or entry.name == "CLOSE" then
			link_emit(link, entry, bytes);
		end
	end
end

-- Whether numbered frames of the gate have to wait until ours can go: what they lead to would have no credit, or is too much for it.
local function link_is_full(link)
	return link.waiting_from <= link.waiting_to or link.waiting_bytes > link.config.held_bytes_max;
end

local on_frame = {};

function on_frame.PING(link, _, payload)
	link:put(encode("PONG", 0, payload));
end

function on_frame.PONG() end

-- A gate opens what it opens; there is nothing to keep ready for it.
function on_frame.DRAIN() end

function on_frame.ACK(link, _, payload)
	local count = string.unpack(">I8", payload);
	if count < link.retained.acked or count > link.retained.sent then
		return "ACK";
	end
	link.retained:forget(count, flow.acked);
	link_send_waiting(link);
	flow.serve(link);
	return link:handle_inbox();
end

function on_frame.PAUSE(link, number)
	local session = link.gate[number];
	if session and session.link == link then
		session.paused = true;
		flow.slow_down(session);
	end
end

function on_frame.RESUME(link, number)
	local session = link.gate[number];
	if session and session.link == link and session.paused then
		session.paused = nil;
		flow.go_on(session);
	end
end

function on_frame.OPEN(link, number, fields)
	if link.gate[number] then
		return "IN_USE";
	end
	link.on.opened(session_new(link, number), fields);
end

function on_frame.ELEMENT(link, number, payload)
	local session = link.gate[number];
	if not session or session.link ~= link then
		return;
	end
	session.received = session.received + 1 & U32;
	if not session.closed_out then
		link.on.element(session, payload);
	end
end

function on_frame.CLOSE(link, number, fields)
	local session = link.gate[number];
	if not session or session.link ~= link then
		return;
	end
	if not session.closed_out then
		flow.drop(session);
		session:close();
		link.on.closed(session, fields);
	else
		link.on.ended(session);
	end
	session_forget(session);
end

-- Takes the session from another link, which must be dead, and says whether the frame counts, else what is wrong with it, if anything
-- is; and the session, if it is still there.
local function session_take(link, number, serial)
	local session = link.gate[number];
	if not session then
		return true;
	elseif session.link == link then
		return false, "IN_USE";
	elseif serial < session.serial then
		return false;
	end
	local old = session.link;
	if old then
		old:cut();
		link.on.dead(old);
	end
	session.serial = serial;
	return true, nil, not session.gone and session or nil;
end

-- Of what is held after a cut: only what the gate has not taken, or only the end, for a client that is gone. Answers how many went
-- before.
local function session_forget_taken(session, received)
	local rest, again, unsure = {}, 0, session.sent - (received or 0) & U32;
	for _, entry in ipairs(flow.held(session)) do
		local is_new = entry.number == nil or session.sent - entry.number & U32 < unsure;
		if received and is_new or not received and entry.name == "CLOSE" then
			again = again + (entry.number and 1 or 0);
			entry.number = nil;
			rest[#rest + 1] = entry;
		end
	end
	flow.orphan(session, rest);
	return again;
end

function on_frame.REATTACH(link, number, fields)
	local is_taken, err, session = session_take(link, number, fields.SERIAL);
	if not is_taken then
		return err;
	elseif not session then
		link:put(encode("LOST", number, ""));
		return;
	end
	local received = fields.RECEIVED;
	if received and (received - session.acked & U32) > (session.sent - session.acked & U32) then
		link:put(encode("LOST", number, ""));
		session_over(session);
		return;
	end
	local again = session_forget_taken(session, received);
	session.sent = received or session.sent;
	session.acked = session.sent;
	local was_closing = session.closed_out;
	session_attach(session, link, session.received, again);
	if not was_closing then
		link.on.reattached(session);
	end
end

function on_frame.ADOPT(link, number, fields)
	local is_taken, err, session = session_take(link, number, fields.SERIAL);
	if not is_taken then
		return err;
	elseif session then
		session_over(session);
	end
	session = session_new(link, number);
	session.attaching, session.is_slow, session.serial, session.sent, session.acked = true, true, fields.SERIAL, fields.RECEIVED, fields.RECEIVED;
	link.on.adopt(session, fields);
end

local function link_handle(link, kind, number, payload)
	local err = on_frame[kind.name](link, number, payload);
	if kind.numbered then
		link.handled = link.handled + 1;
	end
	return err;
end

-- What had to wait while we had no credit, or were holding. nil, or the error for which the link has to be closed.
function link_methods:handle_inbox()
	while self.inbox_from <= self.inbox_to and not link_is_full(self) and not self.backend.is_holding do
		local waiting = self.inbox[self.inbox_from];
		self.inbox[self.inbox_from] = nil;
		self.inbox_from = self.inbox_from + 1;
		self.inbox_bytes = self.inbox_bytes - waiting[4];
		local err = link_handle(self, waiting[1], waiting[2], waiting[3]);
		if err then
			return err;
		end
	end
end

local function link_delay(link, kind, number, payload, size)
	link.inbox_to = link.inbox_to + 1;
	link.inbox[link.inbox_to] = { kind, number, payload, size };
	link.inbox_bytes = link.inbox_bytes + size;
	if link.inbox_bytes > link.config.window + WINDOW_SLACK then
		return "WINDOW";
	end
end

local function link_go_up(link)
	link.state = "up";
	local gates = link.gates;
	gates[link.peer_epoch] = gates[link.peer_epoch] or {};
	link.gate = gates[link.peer_epoch];
	link.on.up(link);
end

local function link_proof(link, role, first, second)
	return link.config.hmac(link.config.key, role..first..second..link.binding);
end

local function on_hello(link, fields)
	local nonce, key = fields.NONCE, link.config.key;
	if fields.VERSION_MIN > fields.VERSION_MAX or fields.VERSION_MIN > 1 or fields.VERSION_MAX < 1 then
		return "VERSION";
	end
	if (nonce == nil) ~= (key == nil) or (nonce and #nonce ~= 32) then
		return "PROOF";
	end
	link.peer_epoch, link.peer_name, link.peer_window = fields.EPOCH, fields.NAME, fields.WINDOW;
	link.peer_software, link.patience_ms = fields.SOFTWARE, fields.PATIENCE_MS or 0;
	if not key then
		link_go_up(link);
		return;
	end
	link.state, link.peer_nonce = "proving", nonce;
	link:put(encode("PROOF", 0, link_proof(link, "b", nonce, link.nonce)));
end

local function on_proof(link, proof)
	if not link.config.equal(proof, link_proof(link, "g", link.nonce, link.peer_nonce)) then
		return "PROOF";
	end
	link_go_up(link);
end

-- What is wrong with a frame of this kind now.
local function link_refuses(link, kind)
	if link.state == "opening" then
		return kind ~= kinds.HELLO and "ORDER" or nil;
	elseif link.state == "proving" then
		return kind ~= kinds.PROOF and "PROOF" or nil;
	elseif kind == kinds.HELLO or kind == kinds.PROOF then
		return "ORDER";
	end
	return kind.from == "backend" and "DIRECTION" or nil;
end

local function link_dispatch(link, kind, number, payload)
	local meaning, err = frames.body(kind, payload);
	if not meaning then
		return err;
	elseif kind == kinds.HELLO then
		return on_hello(link, meaning);
	elseif kind == kinds.PROOF then
		return on_proof(link, meaning);
	elseif link.leaving and kind ~= kinds.ACK and kind ~= kinds.PING then
		return nil;
	elseif kind.numbered and (link.backend.is_holding or link_is_full(link) or link.inbox_from <= link.inbox_to) then
		return link_delay(link, kind, number, meaning, HEAD_BYTES + #payload);
	end
	return link_handle(link, kind, number, meaning);
end

-- What the gate has sent, in pieces of any size. nil, or the error for which the link has to be closed.
function link_methods:hears(data)
	local pieces = self.pieces;
	pieces[#pieces + 1] = data;
	self.there = self.there + #data;
	if self.error or self.there < self.needed then
		return self.error;
	end
	local buffer, at, err = pieces[2] and table.concat(pieces) or data, 1, nil;
	local needed = HEAD_BYTES;
	while not err do
		local kind, number, size = frames.head(buffer, at);
		err = kind and link_refuses(self, kind) or not kind and number or nil;
		if err or not kind then
			needed = #buffer - at + 1 < 4 and 4 or HEAD_BYTES;
			break;
		end
		needed = HEAD_BYTES + size;
		if #buffer - at + 1 < needed then
			break;
		end
		at = at + needed;
		err = link_dispatch(self, kind, number, buffer:sub(at - size, at - 1));
		if self.state == "cut" then
			return nil;
		end
	end
	local rest = buffer:sub(at);
	for i = 1, #pieces do
		pieces[i] = nil;
	end
	pieces[1] = rest ~= "" and rest or nil;
	self.there, self.needed, self.error = #rest, needed, err;
	return err;
end

-- The transport has ended. Bound sessions become orphans, when the gate has patience; others are over.
function link_methods:cut()
	local was_up = self.state == "up";
	self.state = "cut";
	if not was_up then
		return;
	end
	local orphans, unbound, entries = {}, {}, {};
	for _, session in pairs(self.gate) do
		if session.link == self then
			local is_kept = session.bound and self.patience_ms > 0;
			entries[session] = is_kept and {} or nil;
			table.insert(is_kept and orphans or unbound, session);
		end
	end
	table.sort(unbound, function (a, b) return a.number < b.number; end);
	self.retained:each(function (session, name, payload, number)
		if number ~= 0 and entries[session] then
			table.insert(entries[session], { session = session, name = name, payload = payload, number = number });
		end
	end);
	for i = self.waiting_from, self.waiting_to do
		local entry = self.waiting[i];
		if entries[entry.session] then
			entry.encoded = nil;
			table.insert(entries[entry.session], entry);
		end
	end
	for _, session in ipairs(orphans) do
		local all, held = entries[session], flow.held(session);
		table.move(held, 1, #held, #all + 1, all);
		session.link, session.left = nil, self;
		flow.orphan(session, all);
	end
	self.retained, self.waiting, self.inbox, self.orphans = retained_new(), {}, {}, orphans;
	self.waiting_from, self.waiting_to = 1, 0;
	for _, session in ipairs(unbound) do
		session_over(session);
	end
end

-- The gate's patience, and ours, is over: its orphans that have not gone on elsewhere are lost.
function link_methods:expire()
	for _, session in ipairs(self.orphans or {}) do
		if session.left == self and not session.gone then
			session_over(session);
		end
	end
	self.orphans = nil;
end

function link_methods:ping(bytes)
	self:put(encode("PING", 0, bytes));
end

function link_methods:drain()
	self:put(encode("DRAIN", 0, ""));
end

-- This server goes, and others, or itself later, shall adopt the sessions: nothing more of the gate is handled. The caller ends the
-- link when all that was sent has been taken (has_all).
function link_methods:leave()
	self.leaving = true;
	self:drain();
end

-- Whether the gate has acknowledged all that was sent, and nothing waits to be sent.
function link_methods:has_all()
	return self.retained.acked == self.retained.sent and not link_is_full(self) and not self.told;
end

-- The sessions that are at home here.
function link_methods:sessions()
	local at_home = {};
	for _, session in pairs(self.gate or {}) do
		if session.link == self then
			at_home[#at_home + 1] = session;
		end
	end
	return at_home;
end

function link_methods:load(sessions, share)
	self:put(encode("LOAD", 0, { { "SESSIONS", sessions }, { "LOAD", share } }));
end

-- fields: a list of pairs.
function link_methods:domain(fields)
	self:put(encode("DOMAIN", 0, fields));
end

-- The bytes of lengths, which come again and again.
local lengths = setmetatable({}, { __index = function (known, length)
	local bytes = string.pack(">I4", length);
	if length <= LENGTHS_KNOWN_MAX then
		known[length] = bytes;
	end
	return bytes;
end });

-- One element for the client. Held back while it cannot be sent. false: the session is over. Most of what is sent goes here: nothing
-- is made for it but what stays.
function session_methods:element(xml)
	local link, size = self.link, #xml + HEAD_BYTES;
	if not may_go(self) or self.closed_out or link.waiting_from <= link.waiting_to or not link_has_credit(link, size) then
		return session_push(self, "ELEMENT", xml);
	end
	self.unacked_bytes = self.unacked_bytes + size;
	link_retain(link, self, "ELEMENT", xml, size);
	local out, count = link.out, link.out_count;
	out[count + 1], out[count + 2], out[count + 3] = lengths[size - 4], self.element_head, xml;
	link.out_count = count + 3;
	link_tell(link);
	return true;
end

-- ---- the backend ----

local backend_methods = {};
local backend_mt = { __index = backend_methods };

-- A gate has dialled. binding: its channel binding, where the link is on TLS, else ''. HELLO is to be taken at once.
function backend_methods:link(binding)
	local config = self.config;
	local link = setmetatable({
		backend = self, config = config, on = config.on, gates = self.gates, state = "opening", binding = binding,
		nonce = config.key and config.nonce(), out = {}, out_count = 0, pieces = {}, there = 0, needed = 4,
		handled = 0, handled_said = 0, retained = retained_new(),
		waiting = {}, waiting_from = 1, waiting_to = 0, waiting_bytes = 0, inbox = {}, inbox_from = 1, inbox_to = 0, inbox_bytes = 0,
	}, link_mt);
	flow.link_init(link);
	local hello = {
		{ "VERSION_MIN", 1 }, { "VERSION_MAX", 1 }, { "EPOCH", config.epoch }, { "NAME", config.name }, { "WINDOW", config.window },
	};
	if config.software then
		table.insert(hello, 5, { "SOFTWARE", config.software });
	end
	if link.nonce then
		table.insert(hello, { "NONCE", link.nonce });
	end
	link:put(encode("HELLO", 0, hello));
	return link;
end

-- While it is holding, numbered frames of all gates wait, within their windows. Afterwards the caller has each link handle_inbox().
function backend_methods:hold(is_wanted)
	self.is_holding = is_wanted;
end

return function (config)
	return setmetatable({ config = config, gates = {} }, backend_mt);
end;

end;
