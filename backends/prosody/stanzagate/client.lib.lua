-- A client that came over a link, as a connection for mod_c2s: it has what Prosody asks of a client's socket, and a session of
-- backend.lib.lua in place of the network.
--
-- What the gate sends as elements goes to mod_c2s as the bytes of a stream whose header is written here; each text that Prosody
-- writes to the connection is one first-level element, or one of the few that the gate makes itself: the header, features, errors
-- and the end of the stream.

local id = require "util.id";
local time = require "util.time";
local timer = require "util.timer";

local STREAM_NS = "http://etherx.jabber.org/streams";
local FEED_BYTES_MAX, REASON_BYTES_MAX = 4096, 256;
local U32 = 0xffffffff;
local byte, find = string.byte, string.find;
-- The second bytes of stanzas.
local MESSAGE, PRESENCE, IQ = byte("m"), byte("p"), byte("i");
local TLS_VERSIONS = { [0x0303] = "TLSv1.2", [0x0304] = "TLSv1.3" };

local function escape(text)
	return (text:gsub("[&<>'\"]", { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ["'"] = "&apos;", ["\""] = "&quot;" }));
end

local function unescape(text)
	return (text:gsub("&(%a+);", { amp = "&", lt = "<", gt = ">", apos = "'", quot = "\"" }));
end

-- At most so many bytes, and no part of a character: TEXT is UTF-8.
local function cut(text, most)
	if #text <= most then
		return text;
	end
	return text:sub(1, utf8.offset(text, 0, most + 1) - 1);
end

-- What counts for stream management and for STANZAS_IN and STANZAS_OUT of the link.
local function is_stanza(text)
	return find(text, "^<message[%s/>]") or find(text, "^<presence[%s/>]") or find(text, "^<iq[%s/>]");
end

-- What sessionmanager's send does, without the line for the log, which costs a good part of what writing the stanza does. mod_smacks
-- changes these two upvalues, by their names.
local function send_of(session, filter)
	return function (t)
		if t.name then
			t = filter("stanzas/out", t);
		end
		return not t or session.rawsend(t);
	end;
end

-- c2s: the listener of mod_c2s; sessions: its table of connections; keep: keep.lib.lua; logs_stanzas: whether somebody reads what is
-- logged of each.
return function (c2s, sessions, keep, logs_stanzas)

local client_methods = { starttls = false, is_of_gate = true };
local client_mt = { __index = client_methods, __tostring = function (client) return "stanzagate client "..client.id; end };

-- fields: those of OPEN. link_connection: where it comes from. on_features: told each time, in place of a session. on_end: told once.
local function client_new(fields, link_connection, session, on_features, on_end)
	local client = setmetatable({
		id = id.short(), created = os.time(), address = fields.ADDRESS, client_port = fields.PORT or 0, domain = fields.DOMAIN,
		lang = fields.LANG, exporter = fields.TLS_EXPORTER, link_connection = link_connection, session = session,
		on_features = on_features, on_end = on_end, stage = 0, stanzas_in = 0, stanzas_out = 0, kept = "",
	}, client_mt);
	if fields.TLS_VERSION then
		client.tls = { protocol = TLS_VERSIONS[fields.TLS_VERSION] or "TLS", cipher = fields.TLS_CIPHER, compression = false };
	end
	return client;
end

function client_methods:ip() return self.address; end
function client_methods:port() return self.client_port; end
client_methods.clientport = client_methods.port;
function client_methods:serverport() return self.link_connection and self.link_connection:serverport() or 0; end
function client_methods:server() return self.link_connection and self.link_connection:server(); end
function client_methods:ssl() return self.tls ~= nil; end
function client_methods:ssl_info() return self.tls; end
function client_methods:sslctx() end
function client_methods:setoption() return true; end
function client_methods:set_mode() end
function client_methods:setlistener() end
function client_methods:setreadtimeout() end
function client_methods:getfd() return -1; end

-- Made when it is asked for: few clients need it for long.
function client_methods:socket()
	local tls = self.tls;
	return { info = function () return tls; end };
end

function client_methods:ssl_exportkeyingmaterial(label, size)
	if label == "EXPORTER-Channel-Binding" and size == 32 then
		return self.exporter;
	end
end

function client_methods:c2s_session()
	return sessions[self];
end

-- Begins a session of mod_c2s.
local function client_connect(client)
	c2s.onconnect(client);
	local session = sessions[client];
	if session and not logs_stanzas then
		session.send = send_of(session, session.filter);
	end
end

-- The parser of mod_c2s begins with a header, and again behind each restart of the stream.
local function client_feed_header(client)
	local lang = client.lang and (" xml:lang='%s'"):format(escape(client.lang)) or "";
	c2s.onincoming(client, ("<stream:stream xmlns='jabber:client' xmlns:stream='%s' version='1.0' to='%s'%s>"):format(STREAM_NS, escape(client.domain), lang));
end

-- In slices: the limit for stanzas is checked after each.
local function client_feed(client, xml)
	if #xml <= FEED_BYTES_MAX then
		c2s.onincoming(client, xml);
		return;
	end
	for at = 1, #xml, FEED_BYTES_MAX do
		if client.closed then
			return;
		end
		c2s.onincoming(client, xml:sub(at, at + FEED_BYTES_MAX - 1));
	end
end

-- Says what the gate shall keep, if that is news.
local function client_say_keep(client)
	local session = sessions[client];
	if client.stage ~= 2 or not client.session or not session or not session.full_jid then
		return;
	end
	local state = session.state;
	local bytes = keep.encode({
		interested = session.interested, interested_blocklist = session.interested_blocklist, mam_requested = session.mam_requested,
		is_inactive = state == "inactive" or state == "flushing", carbons = session.want_carbons or nil, push = session.push_identifier,
		directed = session.directed,
		sm = client.sm_in and session.smacks and {
			xmlns = session.smacks, id = session.resumption_token, stanzas_in = client.sm_in, stanzas_out = client.sm_out,
		},
	});
	if bytes ~= client.kept then
		client.kept = bytes;
		client.session:keep(bytes);
	end
end

local function client_say_pause(client)
	if client.session then
		client.session:pause((client.is_waiting or client.is_over_limit) and true or false);
	end
end

-- mod_c2s has no more to do for now. What is on its way is taken all the same, and waits there.
function client_methods:pause()
	self.is_waiting = true;
	client_say_pause(self);
end

function client_methods:resume()
	if self.is_waiting then
		self.is_waiting = nil;
		client_say_pause(self);
		client_say_keep(self);
	end
end

-- mod_limits: so many bytes a second, and those of one second at once.
function client_methods:setlimit(bytes_per_s)
	self.bytes_per_s = bytes_per_s > 0 and bytes_per_s or nil;
	self.debt_bytes, self.debt_at_s = 0, time.now();
end

local function client_debt(client)
	local now_s = time.now();
	client.debt_bytes = math.max(0, client.debt_bytes - (now_s - client.debt_at_s) * client.bytes_per_s);
	client.debt_at_s = now_s;
	return client.debt_bytes;
end

local function client_calm_down(client)
	if client.bytes_per_s and not client.closed then
		local debt_s = client_debt(client) / client.bytes_per_s;
		if debt_s > 0.5 then
			return debt_s - 0.4;
		end
	end
	client.is_over_limit = nil;
	client_say_pause(client);
end

local function client_spend(client, bytes)
	client.debt_bytes = client_debt(client) + bytes;
	if client.debt_bytes > client.bytes_per_s and not client.is_over_limit then
		client.is_over_limit = true;
		client_say_pause(client);
		timer.add_task(client.debt_bytes / client.bytes_per_s - 0.4, function () return client_calm_down(client); end);
	end
end

-- An element of the client. Messages, and what acknowledges, change nothing that is kept.
local function client_incoming(client, xml)
	if client.bytes_per_s then
		client_spend(client, #xml);
	end
	if not client.sm_in and is_stanza(xml) then
		client.stanzas_in = client.stanzas_in + 1;
	end
	client_feed(client, xml);
	if byte(xml, 2) ~= MESSAGE and not client.closed and not find(xml, "^<[ar][%s/>]") then
		client_say_keep(client);
	end
end

-- mod_csi_simple keeps back what need not be sent now.
function client_methods:pause_writes()
	self.is_corked = true;
end

function client_methods:resume_writes()
	self.is_corked = false;
	local corked = self.corked;
	self.corked = nil;
	for _, text in ipairs(corked or {}) do
		self:write(text);
	end
end

-- Says what the session has become, before the element that tells the client. That is when features come (which they do at each
-- beginning of a stream), for the first stage, and when Prosody has given it an address for the second: by binding, or because a
-- session of stream management went on here.
local function client_say_stage(client, session, features)
	if client.stage == 0 and features then
		client.stage = 1;
		client.session:state({
			{ "STAGE", 1 }, { "JID", session.username.."@"..session.host }, { "FEATURES", features },
			{ "NO_RESTART", client.is_restarted and 0 or 1 },
		});
	end
	if client.stage == 1 and session.full_jid then
		client.stage, client.stanzas_in, client.stanzas_out = 2, 0, 0;
		client.session:state({ { "STAGE", 2 }, { "JID", session.full_jid } });
	end
end

-- From the element that begins stream management on, the counts of Prosody and of the link differ by the same all the time.
local function client_begin_sm(client, session, text)
	if text:find("^<enabled[%s/>]") then
		client.sm_in, client.sm_out = -client.stanzas_in & U32, -client.stanzas_out & U32;
	elseif text:find("^<resumed[%s/>]") then
		client.sm_in, client.sm_out = session.handled_stanza_count & U32, session.outgoing_stanza_queue:count_acked() & U32;
	end
end

local function client_take_features(client, text)
	local features = text:match("^<stream:features[^>]*>(.*)</stream:features>$") or "";
	if client.on_features then
		client.on_features(features);
		return;
	end
	local session, waiting = client:c2s_session(), client.waiting;
	if client.stage == 0 and session and session.username then
		client_say_stage(client, session, features);
		client.waiting = nil;
		for _, element in ipairs(waiting or {}) do
			client.session:element(element);
		end
	end
end

local function client_take_error(client, text)
	client.condition = text:match("^<stream:error><([%w-]+)");
	client.reason = text:match("<text[^>]*>([^<]*)</text>");
end

local function client_close_session(client)
	if client.session then
		client.session:close(client.condition, client.reason and cut(unescape(client.reason), REASON_BYTES_MAX));
		client.session = nil;
	end
end

-- The success of an authentication waits until the features behind it are known: STATE has both, and goes first. So the new
-- stream, whose header the client sends when it sees the success, begins here before.
local function client_take_element(client, text)
	if not client.session then
		return;
	elseif client.stage == 2 and client.sm_in then
		client.session:element(text);
		return;
	end
	local session = sessions[client];
	if client.stage == 0 and session and session.username then
		client.waiting = client.waiting or {};
		table.insert(client.waiting, text);
		if session.notopen and not client.is_restarted then
			client.is_restarted = true;
			client_feed_header(client);
		end
		return;
	elseif client.stage == 1 and session then
		client_say_stage(client, session);
	end
	if client.stage == 2 and not client.sm_in then
		if is_stanza(text) then
			client.stanzas_out = client.stanzas_out + 1;
		elseif session then
			client_begin_sm(client, session, text);
		end
	end
	client.session:element(text);
end

-- Modules want to know when what they have written goes out.
local function client_touch(client)
	local state = client.link_state;
	if state then
		client.is_touched = true;
		state.touched[#state.touched + 1] = client;
	end
end

-- What is no element of the client: the header with its declaration, features, errors, the end, and white space.
local function client_take_other(client, text)
	if text:find("^<stream:features") then
		client_take_features(client, text);
	elseif text:find("^<stream:error") then
		client_take_error(client, text);
	elseif text == "</stream:stream>" then
		client_close_session(client);
	elseif text:find("^<%a") and not text:find("^<stream:") then
		client_take_element(client, text);
	end
end

function client_methods:write(text)
	if self.closed then
		return nil, "closed";
	elseif self.is_mute then
		return #text;
	elseif self.is_corked then
		self.corked = self.corked or {};
		table.insert(self.corked, text);
	else
		local first = byte(text, 2);
		if first == MESSAGE or first == PRESENCE or first == IQ then
			client_take_element(self, text);
		else
			client_take_other(self, text);
		end
	end
	if not self.is_touched then
		client_touch(self);
	end
	return #text;
end
client_methods.send = client_methods.write;

local function client_end(client, reason)
	if client.closed then
		return;
	end
	client.closed = true;
	client.session, client.waiting, client.corked = nil, nil, nil;
	if client.on_end then
		client.on_end();
	end
	c2s.ondisconnect(client, reason);
end

-- Prosody has done with it.
function client_methods:close()
	if not self.closed then
		if self.is_corked then
			self:resume_writes();
		end
		client_close_session(self);
		client_end(self);
	end
end
client_methods.destroy = client_methods.close;

return {
	new = client_new, connect = client_connect, feed_header = client_feed_header, incoming = client_incoming,
	say_keep = client_say_keep, touch = client_touch, finish = client_end,
};

end
