-- A client's connection, with a listener and a session that only note what they are told: lua5.4 client_test.lua SOURCES
package.preload["util.id"] = function () return { short = function () return "id"; end }; end;
package.preload["util.timer"] = function () return { add_task = function (_, task) task(); end }; end;

local c2s = { ondisconnect = function () end };
local sessions = {};
local clients = dofile(arg[1].."/client.lib.lua")(c2s, sessions, pcall);

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

-- Elements that come while a client is paused wait, and go on in their order.
local fed = {};
c2s.onincoming = function (_, bytes) table.insert(fed, bytes); end;
local client = clients.new({ DOMAIN = "localhost", ADDRESS = "::1" }, nil, { pause = function () end });
client:pause();
clients.incoming(client, "<a/>");
clients.incoming(client, "<b/>");
check(#fed == 0, "a paused client hears nothing");
client:resume();
clients.incoming(client, "<c/>");
check(table.concat(fed) == "<a/><b/><c/>", "what waited goes first: "..table.concat(fed));

local ends = 0;
client = clients.new({ DOMAIN = "localhost", ADDRESS = "::1" }, nil, nil, nil, function () ends = ends + 1; end);
clients.finish(client);
clients.finish(client);
check(ends == 1, "an end is told once");
os.exit(failed == 0);
