-- Sessions of before a restart, built anew from what the gate has kept of them (docs/link-protocol.md, section 7, ADOPT); and
-- sessions let go so that this can be done: nobody is told that they end.
--
-- The client notices nothing, and its contacts do not either. So while its presence is made known again, nobody is sent what he
-- has been sent before: others who have been adopted, and have not spoken of their presence since, know it; who has come since the
-- restart does not.

local filters = require "util.filters";
local jid = require "util.jid";
local parse = require "util.xml".parse;
local recalc_resource_map = require "util.presence".recalc_resource_map;
local sessionmanager = require "core.sessionmanager";
local st = require "util.stanza";
local storagemanager = require "core.storagemanager";
local usermanager = require "core.usermanager";

local U32 = 0xffffffff;
local CSI_NS, MUC_NS, MUC_USER_NS = "urn:xmpp:csi:0", "http://jabber.org/protocol/muc", "http://jabber.org/protocol/muc#user";

local hosts, full_sessions, bare_sessions = prosody.hosts, prosody.full_sessions, prosody.bare_sessions;

-- sessions: mod_c2s's table of connections; tokens: mod_smacks's of what can be resumed; clients: client.lib.lua; keep: keep.lib.lua.
-- guarded(f, ...) calls f and lets no fault of it out.
return function (sessions, tokens, clients, keep, guarded)

local showing; -- the session whose presence is being made known again

local function without_what_is_known(stanza, session)
	if not showing then
		return stanza;
	end
	local name, kind = stanza.name, stanza.attr.type;
	if session ~= showing then
		return (name ~= "presence" or kind) and stanza or nil;
	elseif name == "presence" then
		return kind == "error" and stanza or nil;
	elseif name == "message" then
		return kind ~= "headline" and kind ~= "groupchat" and stanza or nil;
	end
	-- mod_pep asks once for each contact what the client can do; the first answer is enough.
	return (stanza.attr.id ~= "disco" or stanza.attr.from == jid.bare(session.full_jid)) and stanza or nil;
end

local function knows(session)
	local out = session.filters and session.filters["stanzas/out"];
	return out and out[without_what_is_known];
end

-- Its client has spoken of its presence itself: what it knew is old.
local function knows_no_more(client)
	local session = sessions[client];
	if session and knows(session) then
		filters.remove_filter(session, "stanzas/out", without_what_is_known);
	end
end

-- ---- letting go ----

-- Out of Prosody, without a word to anybody.
local function forget(session)
	local client, username, host = session.conn, session.username, session.host;
	if session.resumption_token then
		tokens[jid.join(username, host, session.resumption_token)] = nil;
	end
	if session.hibernating_watchdog then
		session.hibernating_watchdog:cancel();
	end
	local user = session.full_jid and hosts[host].sessions[username];
	if user then
		full_sessions[session.full_jid], user.sessions[session.resource] = nil, nil;
		if next(user.sessions) then
			recalc_resource_map(user);
		else
			hosts[host].sessions[username], bare_sessions[username.."@"..host] = nil, nil;
		end
	end
	sessionmanager.retire_session(session);
	if client then
		sessions[client] = nil;
	end
end

-- For a client of ours whose gate will have its session adopted.
local function release(client)
	local session = sessions[client];
	if client.is_corked then
		client:resume_writes();
	end
	if session then
		forget(session);
	end
	clients.finish(client);
end

-- ---- building anew ----

-- A session of the same address that is here. true: it is out of the way.
local function make_room(username, host, resource, token)
	local user = hosts[host].sessions[username];
	local there = user and user.sessions[resource];
	if not there then
		return true;
	end
	local client = there.conn;
	if (token and there.resumption_token == token) or (client and client.is_of_gate and not client.session) then
		forget(there);
		if client then
			clients.finish(client);
		end
		return true;
	end
	return false;
end

local function build(client, username, host, resource)
	clients.connect(client);
	local session = sessions[client];
	session.host = host;
	if not sessionmanager.make_authenticated(session, username) then
		return nil;
	end
	clients.feed_header(client);
	if session.destroyed then
		return nil;
	end
	hosts[host].events.fire_event("authentication-success", { session = session });
	session.sasl_handler = nil;
	return sessionmanager.bind_resource(session, resource) and session;
end

-- Where stream management stood. Which of the stanzas that the gate has taken the client has acknowledged, nobody knows; it is
-- asked at once, and until it has answered the session cannot be resumed if some of them are missing.
local function restore_stream_management(client, session, sm, fields)
	if not hosts[session.host].modules.smacks then
		return false;
	end
	session.dispatch_stanza(session, st.stanza("enable", { xmlns = sm.xmlns, resume = sm.id and "true" or nil }));
	local queue = session.outgoing_stanza_queue;
	if not session.smacks or not queue then
		return false;
	end
	if session.resumption_token then
		tokens[jid.join(session.username, session.host, session.resumption_token)] = nil;
		session.resumption_token = sm.id;
		tokens[jid.join(session.username, session.host, sm.id)] = session;
	end
	client.sm_in, client.sm_out = sm.stanzas_in, sm.stanzas_out;
	session.handled_stanza_count = fields.STANZAS_IN + sm.stanzas_in & U32;
	queue._head, queue._tail = fields.STANZAS_OUT + sm.stanzas_out & U32, 0;
	return true;
end

-- Without contacts elsewhere: their servers have not been restarted.
local function roster_here(roster)
	local here = { [false] = roster[false] };
	for name, item in pairs(roster) do
		if name and hosts[jid.host(name)] then
			here[name] = item;
		end
	end
	return here;
end

-- The presences of those who have come since the restart, which the client has not heard of.
local function tell_newcomers(session)
	local function tell(user)
		for _, other in pairs(user and user.sessions or {}) do
			if other ~= session and other.presence and not knows(other) then
				local presence = st.clone(other.presence);
				presence.attr.to = session.full_jid;
				session.send(presence);
			end
		end
	end
	tell(bare_sessions[jid.bare(session.full_jid)]);
	for name, item in pairs(session.roster) do
		if name and (item.subscription == "both" or item.subscription == "to") then
			tell(bare_sessions[name]);
		end
	end
end

-- Rooms of this server that have been stored are entered again. Answers whether the client is where it believes to be.
local function enter(session, name, presence)
	local node, host, nick = jid.split(name);
	local muc = hosts[host] and hosts[host].modules and hosts[host].modules.muc;
	if not muc or not node or not nick then
		session.directed = session.directed or {};
		session.directed[name] = true;
		return true;
	end
	local room = muc.get_room_from_jid(jid.join(node, host));
	if not room then
		return false;
	end
	local join = st.clone(presence);
	join.attr.to = name;
	join:reset():tag("x", { xmlns = MUC_NS }):tag("history", { maxstanzas = "0" }):up();
	if room:get_password() then
		join:text_tag("password", room:get_password());
	end
	prosody.core_process_stanza(session, join:reset());
	return true;
end

local function show(session, presence, directed, ret_outside)
	if presence then
		session.presence = presence;
		prosody.core_process_stanza(session, st.clone(presence));
	end
	for name in pairs(directed) do
		if not enter(session, name, presence or st.presence()) then
			ret_outside[#ret_outside + 1] = name;
		end
	end
end

local function show_quietly(session, presence, directed)
	local outside, roster = {}, session.roster;
	filters.add_filter(session, "stanzas/out", without_what_is_known, 1000);
	showing, session.roster = session, roster_here(roster);
	guarded(show, session, presence, directed, outside);
	showing, session.roster = nil, roster;
	for _, name in ipairs(outside) do
		session.send(st.presence({ type = "unavailable", from = name, to = session.full_jid })
			:tag("x", { xmlns = MUC_USER_NS }):tag("status", { code = "110" }):up():tag("status", { code = "332" }):up():up());
	end
	if presence then
		tell_newcomers(session);
		if (session.priority or 0) >= 0 then
			hosts[session.host].events.fire_event("message/offline/broadcast", { origin = session });
		end
	end
end

local function presence_of(session, text)
	local presence = text and parse(text);
	if not presence or presence.name ~= "presence" or presence.attr.to or presence.attr.type then
		return nil;
	end
	presence.attr.from, presence.attr.xmlns = session.full_jid, nil;
	return presence;
end

-- What mod_cloud_notify has stored of where the client wants pushes to go.
local function restore_push(session, identifier)
	if not hosts[session.host].modules.cloud_notify then
		return;
	end
	local store = storagemanager.open(session.host, "cloud_notify");
	local services = store and store:get(session.username);
	if services and services[identifier] then
		session.push_identifier, session.push_settings = identifier, services[identifier];
	end
end

local function restore(client, session, state, fields)
	if state.sm and not restore_stream_management(client, session, state.sm, fields) then
		return false;
	end
	client.is_mute, client.stage = nil, 2;
	client.stanzas_in, client.stanzas_out = fields.STANZAS_IN, fields.STANZAS_OUT;
	session.interested, session.interested_blocklist, session.mam_requested = state.interested, state.interested_blocklist, state.mam_requested;
	session.want_carbons = state.carbons;
	if state.push then
		restore_push(session, state.push);
	end
	local presence = presence_of(session, fields.PRESENCE);
	show_quietly(session, presence, state.directed or {});
	if state.is_inactive then
		session.state = "inactive";
		hosts[session.host].events.fire_event("csi-client-inactive", { origin = session, stanza = st.stanza("inactive", { xmlns = CSI_NS }) });
	end
	return true;
end

-- Prosody 13 can disable users; where accounts are kept that know no such thing, it answers nil.
local function is_user(username, host)
	local is_enabled = usermanager.user_is_enabled;
	return usermanager.user_exists(username, host) and (not is_enabled or is_enabled(username, host) ~= false);
end

-- client: new, of the fields of ADOPT. nil: it is bound as it was; else a reason for humans, and the condition with which its
-- stream is to end, where it shall not come back. The client is not finished then.
local function adopt(client, fields)
	local username, host, resource = jid.prepped_split(fields.JID);
	local of_host = hosts[host or ""];
	if not resource or host ~= fields.DOMAIN or not of_host or of_host.type ~= "local" or not of_host.modules.c2s then
		return "no such domain";
	elseif not is_user(username, host) then
		return "no such user";
	end
	local state = keep.decode(fields.KEEP or "");
	if not make_room(username, host, resource, state.sm and state.sm.id) then
		return "Replaced by new connection", "conflict";
	end
	client.is_mute = true;
	local session = build(client, username, host, resource);
	if not session or session.full_jid ~= fields.JID then
		return "the session cannot be bound any more";
	end
	client.kept = fields.KEEP or "";
	if not restore(client, session, state, fields) then
		return "stream management cannot go on";
	end
	clients.say_keep(client);
end

return { adopt = adopt, release = release, knows_no_more = knows_no_more };

end
