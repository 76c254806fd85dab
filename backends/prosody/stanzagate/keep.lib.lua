-- What a gate is asked to keep of a session, so that this server can build it anew after a restart (docs/link-protocol.md,
-- section 7, KEEP): text, one thing in a line, first the version of this list.
--
-- Pure: tables in, strings out, and back.

local BYTES_MAX, PUSH_BYTES_MAX = 1024, 400;

-- Flags: letter in the text -> name of the field.
local flags = { i = "interested", b = "interested_blocklist", m = "mam_requested", s = "is_inactive" };
local letters = { "i", "b", "m", "s" };

-- Whom the client has told its presence besides its contacts, rooms above all; what is as in the line before is left out. As many
-- as there is room for; the names of rooms are sorted, so that the text is the same each time.
local function encode_directed(directed, room)
	local names, lines = {}, {};
	for name in pairs(directed) do
		names[#names + 1] = name;
	end
	table.sort(names);
	local host_before, resource_before;
	for _, name in ipairs(names) do
		local node, host, resource = name:match("^([^@/]*)@([^/]+)/?(.*)$");
		if not node then
			node, host, resource = "", name:match("^([^/]+)/?(.*)$");
		end
		local line = ("d %s\t%s\t%s"):format(node, host == host_before and "" or host, resource == resource_before and "=" or ":"..resource);
		room = room - #line - 1;
		if room < 0 then
			break;
		end
		host_before, resource_before = host, resource;
		lines[#lines + 1] = line;
	end
	return lines;
end

-- state: the fields of `flags` (booleans), carbons (a namespace, or nil), push (the identifier of where pushes go, or nil), directed
-- (a set of JIDs, or nil) and sm: nil, or a table with xmlns, id (or nil), and the offsets stanzas_in and stanzas_out (each 0 to 2^32 - 1). '' when there is nothing to keep.
local function encode(state)
	local lines, word = { "1" }, "";
	for _, letter in ipairs(letters) do
		word = word..(state[flags[letter]] and letter or "");
	end
	if word ~= "" then
		lines[#lines + 1] = "f "..word;
	end
	if state.carbons then
		lines[#lines + 1] = "c "..state.carbons;
	end
	if state.push and #state.push <= PUSH_BYTES_MAX and not state.push:find("[%c]") then
		lines[#lines + 1] = "p "..state.push;
	end
	local sm = state.sm;
	if sm then
		lines[#lines + 1] = ("m %s %d %d %s"):format(sm.xmlns, sm.stanzas_in, sm.stanzas_out, sm.id or "");
	end
	if state.directed and next(state.directed) then
		local size = #table.concat(lines, "\n") + 1;
		local more = encode_directed(state.directed, BYTES_MAX - size);
		table.move(more, 1, #more, #lines + 1, lines);
	end
	return lines[2] and table.concat(lines, "\n") or "";
end

local read = {};

function read.f(state, rest)
	for letter in rest:gmatch(".") do
		if flags[letter] then
			state[flags[letter]] = true;
		end
	end
end

function read.c(state, rest)
	state.carbons = rest;
end

function read.p(state, rest)
	state.push = rest;
end

function read.m(state, rest)
	local xmlns, stanzas_in, stanzas_out, id = rest:match("^(%S+) (%d+) (%d+) (%S*)$");
	if xmlns then
		state.sm = { xmlns = xmlns, stanzas_in = tonumber(stanzas_in), stanzas_out = tonumber(stanzas_out), id = id ~= "" and id or nil };
	end
end

function read.d(state, rest, last)
	local node, host, resource = rest:match("^([^\t]*)\t([^\t]*)\t([=:].*)$");
	if node then
		host = host ~= "" and host or last.host;
		resource = resource == "=" and last.resource or resource:sub(2);
	end
	if not host or not resource then
		return;
	end
	last.host, last.resource = host, resource;
	local name = (node ~= "" and node.."@" or "")..host..(resource ~= "" and "/"..resource or "");
	state.directed = state.directed or {};
	state.directed[name] = true;
end

-- The table that was encoded. Lines that are not understood are left out, and so is all of another version.
local function decode(text)
	local state, last = {}, {};
	if text:match("^[^\n]*") ~= "1" then
		return state;
	end
	for letter, rest in text:gmatch("\n(%a) ([^\n]*)") do
		if read[letter] then
			read[letter](state, rest, last);
		end
	end
	return state;
end

return { encode = encode, decode = decode };
