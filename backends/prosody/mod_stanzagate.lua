-- Prosody behind a gate: accepts links of stanzagate (docs/link-protocol.md), and makes of each client that comes over them a
-- connection of its own for mod_c2s. docs/prosody.md tells how to set it up.
--
-- mod_c2s and all modules above it do their work as ever. The clients' connections are in client.lib.lua, sessions of before a restart
-- in adopt.lib.lua (with collector.lib.lua), what is kept of them in keep.lib.lua; the links themselves, free of sockets, in backend.lib.lua, their bytes in
-- frames.lib.lua, what of them may have to be sent again in retained.lib.lua, what goes when in flow.lib.lua, and when gates are told
-- that theirs are handled in acks.lib.lua; who may have a link is in access.lib.lua; here is what Prosody tells, and the gates' sockets.

module:set_global();
module:depends("c2s");

local async = require "util.async";
local configmanager = require "core.configmanager";
local hashes = require "util.hashes";
local id = require "util.id";
local portmanager = require "core.portmanager";
local pposix = require "util.pposix";
local random = require "util.random";
local server = require "net.server";
local time = require "util.time";
local timer = require "util.timer";
local xpcall = require "util.xpcall".xpcall;

local new_backend = module:require("backend")(module:require("frames"), module:require("retained"), module:require("flow"));
local c2s = portmanager.get_service("c2s").listener;
local c2s_sessions = module:shared("/*/c2s/sessions");

local opt_name = module:get_option_string("stanzagate_name", "prosody-"..id.short());
local opt_secret = module:get_option_path("stanzagate_secret", nil, "config");
local opt_gates = module:get_option_array("stanzagate_tls_gates", {});
local opt_socket = module:get_option_path("stanzagate_socket", nil, "data");
local opt_socket_mode = assert(tonumber(module:get_option_string("stanzagate_socket_mode", "660"), 8), "stanzagate_socket_mode: octal digits, as 660");
local opt_window = module:get_option_number("stanzagate_window", 4194304);
local opt_held_max = module:get_option_number("stanzagate_held_bytes_max", 1048576);
local opt_ping_s = module:get_option_number("stanzagate_ping_s", 10);
local opt_silence_s = module:get_option_number("stanzagate_silence_s", 30);

local FEATURES_BYTES_MAX = 16384;
local HELLO_S, LOAD_S, PATIENCE_MARGIN_S, TEARDOWNS_A_TICK = 5, 2, 5, 50;
local ACK_WAITS_S, LEAVE_S, SETTLE_S, SETTLE_S_MAX = 1, 3, 0.5, 15;

-- The shared key is the file's bytes, as for the gate.
local function secret_read(path)
	local file = assert(io.open(path, "rb"));
	local bytes = file:read("a");
	file:close();
	assert(#bytes >= 32 and #bytes <= 1024, "stanzagate_secret: a shared key has 32 to 1024 bytes");
	return bytes;
end

local secret = opt_secret and secret_read(opt_secret);
local access = module:require("access")({ has_secret = secret ~= nil, gates = opt_gates });
local links = {}; -- connection -> what is known of it
local acks = module:require("acks")(links, time.now, ACK_WAITS_S);
local client_count = 0;
local features_said = {}; -- domain -> list of fields, as they go into DOMAIN

local function report(err)
	module:log("error", "%s", debug.traceback(tostring(err), 2));
end

-- One client's fault must not end the link of all.
local function guarded(f, ...)
	return xpcall(f, report, ...);
end

-- Whether a log of this configuration has what is only for debugging.
local function logs_debug(config)
	if type(config) ~= "table" then
		return false;
	end
	for key, sink in pairs(config) do
		local levels = type(sink) == "table" and sink.levels;
		if key == "debug" or type(key) == "number" and (type(levels) ~= "table" or levels.min == "debug" or levels[1] == "debug") then
			return true;
		end
	end
	return false;
end

local keep = module:require("keep");
local clients = module:require("client")(c2s, c2s_sessions, keep, logs_debug(configmanager.get("*", "log")));
local tokens = module:shared("/*/smacks/resumption-tokens");
local session_is_built = module:require("collector")(time.now, timer.add_task, function (pause) return collectgarbage("setpause", pause); end);
local adoption = module:require("adopt")(c2s_sessions, tokens, clients, keep, guarded);

-- ---- domains ----

-- What Prosody offers before login; found out by a client that looks and goes. nil where there is nothing.
local function features_of(domain, exporter)
	local found;
	local fields = { DOMAIN = domain, ADDRESS = "127.0.0.1", TLS_VERSION = 0x0304, TLS_CIPHER = "TLS_AES_128_GCM_SHA256", TLS_EXPORTER = exporter };
	local client = clients.new(fields, nil, nil, function (features) found = features; end);
	guarded(function ()
		clients.connect(client);
		clients.feed_header(client);
	end);
	clients.finish(client);
	if found and #found > FEATURES_BYTES_MAX then
		module:log("error", "The features of %s are longer than a gate takes", domain);
		found = nil;
	end
	return found;
end

local function domain_fields(domain)
	local plain = features_of(domain) or "";
	local fields = { { "DOMAIN", domain }, { "FEATURES", plain } };
	local binding = features_of(domain, ("\0"):rep(32));
	if binding and binding ~= plain then
		fields[3] = { "FEATURES_BINDING", binding };
	end
	return fields;
end

local function is_same(a, b)
	if not a or #a ~= #b then
		return false;
	end
	for i = 1, #a do
		if a[i][2] ~= b[i][2] then
			return false;
		end
	end
	return true;
end

local function domain_say(fields)
	features_said[fields[1][2]] = fields;
	for _, state in pairs(links) do
		if state.link.state == "up" then
			state.link:domain(fields);
		end
	end
end

-- All domains anew; gates are told what has changed. One that is gone offers nothing any more.
local function domains_refresh()
	for domain in pairs(features_said) do
		local host = prosody.hosts[domain];
		local is_served = host and host.type == "local" and host.modules and host.modules.c2s;
		if not is_served and features_said[domain][2][2] ~= "" then
			domain_say({ { "DOMAIN", domain }, { "FEATURES", "" } });
		end
	end
	for domain, host in pairs(prosody.hosts) do
		if host.type == "local" and host.modules and host.modules.c2s then
			local fields = domain_fields(domain);
			if not is_same(features_said[domain], fields) then
				domain_say(fields);
			end
		end
	end
end

local refresh_planned;

local function domains_changed()
	if not refresh_planned then
		refresh_planned = true;
		timer.add_task(0.1, function ()
			refresh_planned = nil;
			domains_refresh();
		end);
	end
end

for _, event in ipairs({ "host-activated", "host-deactivated", "config-reloaded" }) do
	module:hook_global(event, domains_changed);
end
function module.add_host(host_module)
	host_module:hook("module-loaded", domains_changed);
	host_module:hook("module-unloaded", domains_changed);
end

-- ---- what the links tell ----

-- Many that end at once, end a few at a time: Prosody has other things to do meanwhile.
local teardowns, teardown_is_planned = {}, false;

local function teardown_some()
	for _ = 1, math.min(TEARDOWNS_A_TICK, #teardowns) do
		local client = table.remove(teardowns);
		guarded(clients.finish, client, "the gate is gone");
	end
	if teardowns[1] then
		return 0.01;
	end
	teardown_is_planned = false;
end

local function client_lost(client)
	client.session = nil;
	table.insert(teardowns, client);
	if not teardown_is_planned then
		teardown_is_planned = true;
		timer.add_task(0, teardown_some);
	end
end

local on = {};
local link_lose;

function on.up(link)
	module:log("info", "Gate %s is here (%s)", link.peer_name, link.peer_software or "unknown software");
	for _, fields in pairs(features_said) do
		link:domain(fields);
	end
end

local function client_of(session, fields)
	local state = session.link.state_of_connection;
	local client = clients.new(fields, state.connection, session, nil, function () client_count = client_count - 1; end);
	session.client, client.link_state = client, state;
	client_count = client_count + 1;
	return client;
end

function on.opened(session, fields)
	local client = client_of(session, fields);
	guarded(function ()
		clients.connect(client);
		clients.feed_header(client);
	end);
end

function on.element(session, xml)
	local client = session.client;
	if client and not client.closed then
		guarded(clients.incoming, client, xml);
		if client.is_adopted and xml:find("^<presence") then
			client.is_adopted = nil;
			adoption.knows_no_more(client);
		end
	end
end

-- A client that has ended its stream is told so to mod_c2s in its own words; another one is a connection that broke.
function on.closed(session, fields)
	local client = session.client;
	session.client = nil;
	if not client or client.closed then
		return;
	end
	client.session = nil;
	if fields.CLEAN == 1 then
		guarded(clients.incoming, client, "</stream:stream>");
	else
		guarded(clients.finish, client, fields.CONDITION or "the client is gone");
	end
end

-- Prosody gives clients some time to answer the end of their stream; this one has.
function on.ended(session)
	local client = session.client;
	session.client = nil;
	if client and not client.closed then
		guarded(clients.finish, client, "stream closed");
	end
end

function on.over(session)
	local client = session.client;
	session.client = nil;
	if client and not client.closed then
		client_lost(client);
	end
end

-- What modules would have said when the old link was written to, they say now.
function on.reattached(session)
	local client = session.client;
	if client then
		client.link_state = session.link.state_of_connection;
		client.link_connection = client.link_state.connection;
		clients.touch(client);
	end
end

-- Just after a start, what clients send waits until those are here again to whom it goes.
local settling = { began_at_s = time.now() };

local function settle_end()
	local now_s = time.now();
	local wait_s = math.min(settling.last_at_s + SETTLE_S, settling.began_at_s + SETTLE_S_MAX) - now_s;
	if wait_s > 0 then
		return wait_s;
	end
	settling.is_on = false;
	settling.hold(false);
end

local function settle()
	settling.last_at_s = time.now();
	if not settling.is_on and settling.last_at_s < settling.began_at_s + SETTLE_S_MAX then
		settling.is_on = true;
		settling.hold(true);
		timer.add_task(SETTLE_S, settle_end);
	end
end

function on.adopt(session, fields)
	settle();
	session_is_built();
	local client = client_of(session, fields);
	local is_done, reason, condition = guarded(adoption.adopt, client, fields);
	if is_done and not reason and not client.closed then
		client.is_adopted = true;
		clients.touch(client);
		session:adopted(fields.ACKED);
		return;
	end
	session.client, client.session = nil, nil;
	guarded(clients.finish, client, reason);
	if condition then
		session:adopted(fields.ACKED);
		session:close(condition, reason);
	else
		module:log("warn", "%s cannot be adopted: %s", fields.JID, reason or "see above");
		session:refused(reason);
	end
end

function on.dead(link)
	link_lose(link.state_of_connection, "it has a new link");
end

-- Told in the midst of anything.
function on.stuck(link)
	timer.add_task(0, function () link_lose(link.state_of_connection, "it acknowledges too little"); end);
end

-- Asks for onpredrain, where what is to be said is put together once a turn.
function on.dirty(link)
	local state = link.state_of_connection;
	if state and not state.is_draining then
		state.connection:write("");
	end
end

local backend = new_backend({
	name = opt_name, software = "Prosody "..prosody.version, epoch = string.unpack(">I8", random.bytes(8)), window = opt_window,
	held_bytes_max = opt_held_max, waiting_bytes_max = 64 * opt_held_max, key = secret, on = on,
	hmac = function (key, text) return hashes.hmac_sha256(key, text); end,
	nonce = function () return random.bytes(32); end,
	equal = hashes.equals,
});

-- ---- going ----

local is_stopping;
local leaving = {}; -- states of links whose gates have not taken all yet
local on_left; -- told when there are none any more

local function left(state)
	if leaving[state] then
		leaving[state] = nil;
		state.connection:close();
		if not next(leaving) and on_left then
			on_left();
		end
	end
end

local function left_if_all(state)
	if state.link:has_all() then
		left(state);
	end
end

-- A gate that is patient has its clients adopted when this server is back; till then they notice nothing.
local function leave(state)
	local link = state.link;
	if link.state ~= "up" then
		return;
	elseif link.patience_ms == 0 then
		link:drain();
		return;
	end
	state.is_leaving, leaving[state] = true, true;
	for _, session in ipairs(link:sessions()) do
		if session.bound and session.client and not session.client.closed then
			guarded(adoption.release, session.client);
		end
	end
	link:leave();
end

local function leave_all()
	for _, state in pairs(links) do
		leave(state);
	end
end

-- ---- connections of gates ----

local listener = { default_mode = 65536 };

-- One thread does all work here: its share of the last second or more is how busy the server is.
local busy = { thousandths = 0, cpu_s = os.clock(), at_s = time.now() };

local function busy_thousandths()
	local now_s, cpu_s = time.now(), os.clock();
	if now_s - busy.at_s >= LOAD_S / 2 then
		busy.thousandths = math.max(0, math.min(1000, (cpu_s - busy.cpu_s) / (now_s - busy.at_s) * 1000 // 1 | 0));
		busy.cpu_s, busy.at_s = cpu_s, now_s;
	end
	return busy.thousandths;
end

local function watch(state)
	local link = state.link;
	if state.is_gone then
		return;
	end
	local silent_s = os.difftime(os.time(), state.heard_at);
	if link.state ~= "up" or silent_s > opt_silence_s then
		link_lose(state, "it is silent");
		return;
	elseif silent_s >= opt_ping_s then
		link:ping("");
	end
	acks.go_on(state);
	link:load(client_count, busy_thousandths());
	return LOAD_S;
end

function listener.onconnect(connection)
	local address = connection:ip();
	local is_unix = address == nil or address == "unix" or address == opt_socket;
	local tls = connection:ssl() and connection:socket();
	local fault = is_stopping and "this server is being stopped" or access.refuse(not is_unix and address or nil, tls);
	if fault then
		module:log(is_stopping and "info" or "error", "A gate at %s is refused: %s", address, fault);
		connection:close();
		return;
	end
	if not is_unix then
		connection:setoption("tcp-nodelay", true);
	end
	local state = { connection = connection, heard_at = os.time(), touched = {}, touched_before = {} };
	links[connection] = state;
	state.link = backend:link("");
	state.link.state_of_connection = state;
	connection:write("");
	timer.add_task(HELLO_S, function () return watch(state); end);
end

local function link_handled(state, err)
	if err then
		module:log("error", "Gate %s broke the protocol: %s", state.link.peer_name or state.connection:ip() or "?", err);
		link_lose(state, err);
	elseif state.is_leaving then
		left_if_all(state);
	elseif not state.is_gone then
		acks.plan(state);
	end
end

function settling.hold(is_wanted)
	backend:hold(is_wanted);
	for _, state in pairs(is_wanted and {} or links) do
		link_handled(state, state.link:handle_inbox());
	end
end

function listener.onincoming(connection, data)
	local state = links[connection];
	if not state then
		return;
	end
	state.heard_at = os.time();
	link_handled(state, state.link:hears(data));
end

-- Modules may have something to say at the end of a turn, and writing may lead to more writing.
function listener.onpredrain(connection)
	local state = links[connection];
	if not state or state.is_draining then
		return;
	end
	state.is_draining = true;
	local touched, count = state.touched, #state.touched;
	state.touched, state.touched_before = state.touched_before, touched;
	for i = 1, count do
		touched[i].is_touched = nil;
	end
	for i = 1, count do
		if not touched[i].closed then
			guarded(c2s.onpredrain, touched[i]);
		end
	end
	for i = 1, count do
		if not touched[i].closed then
			guarded(c2s.ondrain, touched[i]);
		end
	end
	for i = count, 1, -1 do
		touched[i] = nil;
	end
	local bytes = state.link:take();
	state.is_draining = false;
	if bytes ~= "" then
		acks.writing(state);
		connection:write(bytes);
	end
end

function listener.ondrain(connection)
	local state = links[connection];
	if state then
		acks.written(state);
		if state.is_leaving then
			left_if_all(state);
		end
	end
end

function listener.onreadtimeout()
	return true; -- watch() looks after silence
end

-- At once, although the connection may be there until all that was written has gone: that is sent again on another one.
function link_lose(state, why)
	if state.is_gone then
		return;
	end
	local link, connection = state.link, state.connection;
	links[connection], state.is_gone = nil, true;
	module:log("info", "Gate %s is gone: %s", link.peer_name or "?", why);
	acks.written(state, true);
	left(state);
	link:cut();
	if link.orphans then
		timer.add_task(link.patience_ms / 1000 + PATIENCE_MARGIN_S, function () link:expire(); end);
	end
	connection:close();
end

function listener.ondisconnect(connection, err)
	local state = links[connection];
	if state then
		link_lose(state, err or "connection closed");
	end
end

-- Nowhere, unless the configuration says where.
if module:get_option("stanzagate_ports") then
	module:provides("net", { name = "stanzagate", private = true, listener = listener });
end

-- A certificate that is not in order is refused by listener.onconnect, which says why; a handshake that fails would say nothing.
if module:get_option("stanzagate_tls_ports") then
	module:provides("net", {
		name = "stanzagate_tls", private = true, encryption = "ssl", listener = listener,
		ssl_config = {
			protocol = "tlsv1_3", verify = { "peer", "fail_if_no_peer_cert" }, verifyext = { "lsec_continue", "lsec_ignore_purpose" },
		},
	});
end

-- ---- the Unix socket ----

local unix_listener, unix_socket;

local function unix_listen()
	local is_there, unix = pcall(require, "socket.unix");
	unix = is_there and (type(unix) == "table" and unix.stream or unix);
	if not unix then
		module:log("error", "No Unix sockets: LuaSocket has none");
		return;
	end
	unix_socket = unix();
	unix_socket:settimeout(0);
	os.remove(opt_socket);
	-- So that it never has another mode; the group is that of the folder where this is set-group-ID.
	local umask = pposix.umask(("%03o"):format(~opt_socket_mode & 511));
	local ok, err = unix_socket:bind(opt_socket);
	pposix.umask(umask);
	if ok then
		ok, err = unix_socket:listen(16);
	end
	if not ok then
		module:log("error", "No links at %s: %s", opt_socket, err);
		return;
	end
	unix_listener = server.wrapserver(unix_socket, opt_socket, 0, listener, { read_size = listener.default_mode });
	return access.socket_warning(opt_socket, opt_socket_mode);
end

local function warn_of_ports()
	local ports = {};
	for _, interface, port in portmanager.get_active_services():iter("stanzagate", nil, nil, nil) do
		table.insert(ports, { interface, port });
	end
	for _, warning in ipairs(access.port_warnings(ports)) do
		module:log("warn", "%s", warning);
	end
	if not ports[1] and not opt_socket and not module:get_option("stanzagate_tls_ports") then
		module:log("warn", "No links: none of stanzagate_socket, stanzagate_ports and stanzagate_tls_ports is set");
	end
end

local function start()
	domains_refresh();
	local warning = opt_socket and unix_listen();
	if warning then
		module:log("warn", "%s", warning);
	end
	warn_of_ports();
end

if prosody.start_time then
	start();
else
	module:hook_global("server-started", start);
end

-- Before mod_smacks and mod_c2s end what is left. A signal may have come in the midst of anything, so all waits for the next round.
module:hook_global("server-stopping", function ()
	is_stopping = true;
	if next(links) and async.ready() then
		local wait, done = async.waiter(1, true);
		on_left = done;
		timer.add_task(0, function ()
			leave_all();
			if not next(leaving) then
				done();
			end
		end);
		timer.add_task(LEAVE_S, done);
		wait();
	end
end, 100);

function module.unload()
	leave_all();
	for connection, state in pairs(links) do
		connection:write(state.link:take());
		connection:close();
	end
	if unix_listener then
		unix_listener:close();
		os.remove(opt_socket);
	end
end
