-- A client's connection, with a listener and a session that only note what they are told: lua5.4 client_test.lua SOURCES
package.preload["util.id"] = function () return { short = function () return "id"; end }; end;
local now_s, tasks = 1000, {};
package.preload["util.time"] = function () return { now = function () return now_s; end }; end;
package.preload["util.timer"] = function () return { add_task = function (wait_s, task) table.insert(tasks, { wait_s, task }); end }; end;

local c2s = { ondisconnect = function () end };
local sessions = {};
local keep = dofile(arg[1].."/keep.lib.lua");
local clients = dofile(arg[1].."/client.lib.lua")(c2s, sessions, keep);

local failed = 0;

local function check(is_so, what)
	if not is_so then
		failed = failed + 1;
		print("not so: "..what);
	end
end

-- What the gate is told of the end of a stream with this text in its error.
local function reason_of(text)
	local told;
	local session = { close = function (_, _, reason) told = reason; end };
	local client = clients.new({ DOMAIN = "localhost", ADDRESS = "::1" }, nil, session);
	client:write("<stream:error><conflict xmlns='x'/><text xmlns='x'>"..text.."</text></stream:error>");
	client:write("</stream:stream>");
	return told;
end

check(reason_of("Replaced &amp; gone") == "Replaced & gone", "references are replaced");
check(reason_of(("x"):rep(256)) == ("x"):rep(256), "a text of 256 bytes is whole");
check(reason_of(("x"):rep(257)) == ("x"):rep(256), "a longer one is cut");
for before = 253, 256 do
	local reason = reason_of(("x"):rep(before).."\u{1F600} and more");
	check(utf8.len(reason) and #reason <= 256, "no character is cut in two behind "..before.." bytes");
end
check(#reason_of(("x"):rep(252).."\u{1F600} and more") == 256, "a character that fits is there");

-- A session that writes down what the gate is told.
local function new_client(about)
	local said = {};
	local session = {
		pause = function (_, is_wanted) table.insert(said, is_wanted and "pause" or "resume"); end,
		state = function (_, fields) table.insert(said, "stage "..fields[1][2]); end,
		element = function (_, xml) table.insert(said, xml); end,
		keep = function (_, bytes) table.insert(said, "keep "..bytes); end,
	};
	local client = clients.new({ DOMAIN = "localhost", ADDRESS = "::1" }, nil, session);
	sessions[client] = about or {};
	return client, said, sessions[client];
end

-- Elements that come while mod_c2s waits are on their way already, and are handed to it.
local fed = {};
c2s.onincoming = function (_, bytes) table.insert(fed, bytes); end;
local client, said = new_client();
client:pause();
clients.incoming(client, "<a/>");
client:resume();
check(table.concat(fed) == "<a/>" and table.concat(said, " ") == "pause resume", "a pause is passed on: "..table.concat(said, " "));

-- A limit of bytes a second: those of one second at once, then a pause till half of them are paid for.
client, said = new_client();
client:setlimit(1000);
clients.incoming(client, ("x"):rep(900));
check(#said == 0, "within the limit");
clients.incoming(client, ("x"):rep(600));
check(table.concat(said, " ") == "pause" and math.abs(tasks[1][1] - 1.1) < 0.01, "over the limit");
clients.incoming(client, ("x"):rep(1000));
check(#said == 1 and #tasks == 1, "what is on its way is taken");
now_s = now_s + 1.1;
local more_s = tasks[1][2]();
check(#said == 1 and more_s and math.abs(more_s - 1) < 0.01, "and paid for");
now_s = now_s + more_s;
check(tasks[1][2]() == nil and said[2] == "resume", "then it goes on");
client:setlimit(0);
clients.incoming(client, ("x"):rep(100000));
check(#said == 2, "no limit");

-- Stream management: what the counts of Prosody and of the link differ by. Two stanzas each way were there before it was enabled.
local session;
client, said, session = new_client({ username = "a", host = "localhost" });
client:write("<stream:features><x/></stream:features>");
session.full_jid = "a@localhost/r";
client:write("<iq type='result'/>");
client:write("<message/>");
clients.incoming(client, "<iq type='get'/>");
clients.incoming(client, "<presence/>");
session.smacks, session.resumption_token, session.directed, session.interested = "sm3", "token", { ["room@host/nick"] = true }, true;
client:write("<enabled id='token'/>");
client:write("<message/>");
clients.incoming(client, "<r/>");
check(said[#said] == "<message/>", "what acknowledges changes nothing");
clients.incoming(client, "<enable/>");
local kept = keep.decode(said[#said]:match("^keep (.*)") or "");
check(kept.sm and kept.sm.stanzas_in == -2 & 0xffffffff and kept.sm.stanzas_out == -2 & 0xffffffff and kept.sm.id == "token", "offsets");
check(kept.interested and kept.directed["room@host/nick"], "what else is kept");
clients.incoming(client, "<iq type='get'/>");
check(not said[#said]:find("^iq"), "it is said once");
local count = #said;
clients.incoming(client, "<iq type='get'/>");
check(#said == count, "what has not changed is not said again");

-- A session that is resumed: what is sent again counts from what the client has acknowledged.
client, said, session = new_client({ username = "a", host = "localhost" });
client:write("<stream:features/>");
session.full_jid, session.smacks, session.handled_stanza_count = "a@localhost/r", "sm3", 7;
session.outgoing_stanza_queue = { count_acked = function () return 5; end };
client:write("<resumed/>");
client:write("<message/>");
clients.incoming(client, "<resume/>");
kept = keep.decode(said[#said]:match("^keep (.*)") or "");
check(kept.sm and kept.sm.stanzas_in == 7 and kept.sm.stanzas_out == 5, "offsets of a resumed session");

local ends = 0;
client = clients.new({ DOMAIN = "localhost", ADDRESS = "::1" }, nil, nil, nil, function () ends = ends + 1; end);
clients.finish(client);
clients.finish(client);
check(ends == 1, "an end is told once");
os.exit(failed == 0);
