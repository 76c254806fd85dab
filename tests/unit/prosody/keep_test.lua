-- What gates keep for sessions, there and back: lua5.4 keep_test.lua SOURCES
local keep = dofile(arg[1].."/keep.lib.lua");

local failed = 0;

local function check(is_so, what)
	if not is_so then
		failed = failed + 1;
		print("not so: "..what);
	end
end

local function same(a, b)
	if type(a) ~= "table" or type(b) ~= "table" then
		return a == b;
	end
	for key, value in pairs(a) do
		if not same(value, b[key]) then
			return false;
		end
	end
	for key in pairs(b) do
		if a[key] == nil then
			return false;
		end
	end
	return true;
end

local function set(...)
	local made = {};
	for _, name in ipairs({ ... }) do
		made[name] = true;
	end
	return made;
end

local sm = { xmlns = "urn:xmpp:sm:3", stanzas_in = 4294967295, stanzas_out = 0, id = "s0me-id" };
for number, state in ipairs({
	{ interested = true },
	{ interested_blocklist = true, mam_requested = true, is_inactive = true },
	{ carbons = "urn:xmpp:carbons:2", push = "push.example.org<node with spaces" },
	{ sm = sm },
	{ sm = { xmlns = "urn:xmpp:sm:2", stanzas_in = 1, stanzas_out = 2 } },
	{ directed = set("a@rooms/me", "b@rooms/me", "b@rooms/you", "c@other/you", "user@host", "host", "host/with@resource", "ü@h/ =:") },
	{ interested = true, carbons = "c", sm = sm, directed = set("room@rooms/nick") },
}) do
	check(same(keep.decode(keep.encode(state)), state), "state "..number..":\n"..keep.encode(state));
end

check(keep.encode({}) == "" and keep.encode({ directed = {}, interested = false }) == "", "nothing to keep");
check(keep.encode({ push = "two\nlines" }) == "" and keep.encode({ push = ("x"):rep(401) }) == "", "what has no place");
check(same(keep.decode(""), {}) and same(keep.decode("2\nf i"), {}), "nothing that is understood");
check(same(keep.decode("1\nx y\nf iz\nm what\nd \nd a\t\t="), { interested = true }), "what is not understood");

-- Rooms are left out when there are too many; what comes before is whole.
local many = {};
for number = 1, 200 do
	many[("room-%03d@rooms.example.org/nick"):format(number)] = true;
end
local text = keep.encode({ sm = sm, directed = many });
local back = keep.decode(text);
local count = 0;
for name in pairs(back.directed) do
	check(many[name], name);
	count = count + 1;
end
check(#text <= 1024 and count > 60 and same(back.sm, sm), count.." rooms in "..#text.." bytes");
os.exit(failed == 0);
