-- Replays the vectors of the link protocol against the Lua end of it: lua5.4 link_test.lua SOURCES VECTORS
package.path = "/usr/lib/prosody/?.lua;"..package.path;
package.cpath = "/usr/lib/prosody/?.so;"..package.cpath;
local sources, vectors = arg[1], arg[2];
local hashes = require "util.hashes";

local frames = dofile(sources.."/frames.lib.lua");
local new_backend = dofile(sources.."/backend.lib.lua")(frames, dofile(sources.."/retained.lib.lua"), dofile(sources.."/flow.lib.lua"));

local function unhex(text)
	return (text:gsub("%x%x", function (pair) return string.char(tonumber(pair, 16)); end));
end

local function hex(text)
	return (text:gsub(".", function (char) return ("%02x"):format(char:byte()); end));
end

-- { sort, title, { keyword, value }... }
local function read_blocks(path)
	local blocks, block = {}, nil;
	for line in io.lines(path) do
		local word, value = line:match("^(%S+) ?(.*)$");
		if line == "" or line:sub(1, 1) == "#" then
			block = nil;
		elseif block then
			table.insert(block, { word, value });
		else
			block = { sort = word, title = value };
			table.insert(blocks, block);
		end
	end
	return blocks;
end

local function check(is_so, ...)
	if not is_so then
		error(table.concat({ ... }, " "), 2);
	end
end

local function value_of(name, bytes)
	local sort = frames.fields[name].sort;
	return (sort == "text" or sort == "bytes") and bytes or string.unpack(">I"..#bytes, bytes);
end

-- Decodes a whole frame, or says what is wrong with it.
local function decode(bytes)
	local kind, session, size = frames.head(bytes, 1);
	if not kind then
		return nil, session;
	end
	if #bytes < frames.HEAD_BYTES + size then
		return nil;
	end
	local body, err = frames.body(kind, bytes:sub(frames.HEAD_BYTES + 1, frames.HEAD_BYTES + size));
	if not body then
		return nil, err;
	end
	return kind, session, body;
end

local run = {};

function run.frame(block)
	local bytes, name, session, list, payload, is_known = nil, nil, nil, {}, nil, true;
	for _, line in ipairs(block) do
		local word, value = line[1], line[2];
		if word == "bytes" then bytes = unhex(value);
		elseif word == "type" then name = value;
		elseif word == "session" then session = math.tointeger(tonumber(value));
		elseif word == "payload" then payload = unhex(value);
		elseif word == "field" then
			local key, content = value:match("^(%S+) ?(.*)$");
			is_known = is_known and frames.fields[key] ~= nil;
			if frames.fields[key] then
				table.insert(list, { key, value_of(key, unhex(content)) });
			end
		end
	end
	for size = 0, #bytes - 1 do
		local kind, err = decode(bytes:sub(1, size));
		check(kind == nil and err == nil, "of", size, "bytes:", tostring(err));
	end
	local kind, number, body = decode(bytes);
	check(kind and kind.name == name, "type", tostring(number));
	check(number == session, "session", number);
	if payload then
		check(body == payload, "payload");
		check(frames.encode(name, session, payload) == bytes, "encoded");
		return;
	end
	for _, pair in ipairs(list) do
		check(body[pair[1]] == pair[2], "field", pair[1]);
	end
	if is_known then
		check(frames.encode(name, session, list) == bytes, "encoded", hex(frames.encode(name, session, list)));
	end
end

function run.bad(block)
	local kind, err = decode(unhex(block[1][2]));
	check(kind == nil and err == block[2][2], "error", tostring(err));
end

local base = { name = "session-1", epoch = 0x0123456789abcdef, window = 4 << 20, held_bytes_max = 1 << 20, waiting_bytes_max = 64 << 20,
	hmac = function (key, text) return hashes.hmac_sha256(key, text); end,
	equal = function (a, b) return a == b; end };

-- A backend that writes down what it is told.
local function recorder(more)
	local heard, sessions, links = {}, {}, {};
	local function note(word)
		return function (session)
			sessions[session.number] = session;
			table.insert(heard, word.." "..session.number);
		end;
	end
	local on = { opened = note "opened", element = note "element", closed = note "closed", reattached = note "reattached",
		adopt = note "adopt", over = note "over", dirty = function () end, ended = function () end };
	function on.up(link) table.insert(heard, "up "..link.peer_name); end
	function on.dead(link)
		for number, of in ipairs(links) do
			if of == link then
				table.insert(heard, "dead "..number);
			end
		end
	end
	local config = setmetatable({ on = on }, { __index = base });
	for key, value in pairs(more or {}) do
		config[key] = value;
	end
	return new_backend(config), heard, sessions, links;
end

function run.talk(block)
	local more, binding, link, heard = {}, "", nil, nil;
	if block[1][2] ~= "backend" then
		return;
	end
	for _, line in ipairs(block) do
		local word, value = line[1], line[2];
		if word == "key" then more.key = unhex(value);
		elseif word == "nonce" then local nonce = unhex(value); more.nonce = function () return nonce; end;
		elseif word == "binding" then binding = unhex(value);
		elseif word == "hears" then
			if not link then
				local backend;
				backend, heard = recorder(more);
				link = backend:link(binding);
				link:take();
			end
			link:hears(unhex(value));
		elseif word == "up" then check(table.remove(heard, 1) == "up "..value, "up", value);
		elseif word == "says" then
			local said = hex(link:take());
			check(said == value, "says", said, "not", value);
		elseif word == "error" then check(link.error == value, "error", tostring(link.error), "not", value);
		elseif word == "quiet" then check(link:take() == "" and #heard == 0 and not link.error, "quiet");
		elseif word == "given" then
			check(not link.error, "given", tostring(link.error));
			heard[1] = nil;
		end
	end
end

local function send(session, bytes)
	local kind, _, body = decode(bytes);
	if kind.name == "ELEMENT" then
		session:element(body);
	elseif kind.name == "KEEP" then
		session:keep(body);
	elseif kind.name == "CLOSE" then
		session:close(body.CONDITION, body.REASON);
	else
		session:state({ { "STAGE", body.STAGE }, { "JID", body.JID } });
	end
end

function run.play(block)
	local backend, heard, sessions, links = recorder();
	local link;
	for _, line in ipairs(block) do
		local word, value = line[1], line[2];
		if word == "fans" then
			return "left out: no elements for many are sent";
		elseif word == "link" then
			link = backend:link("");
			table.insert(links, link);
		elseif word == "hears" then link:hears(unhex(value));
		elseif word == "given" or word == "over" then
			local what = word == "over" and "over "..value or value;
			check(heard[1] == what, "given", tostring(heard[1]), "not", what);
			table.remove(heard, 1);
		elseif word == "error" then check(link.error == value, "error", tostring(link.error), "not", value);
		elseif word == "cut" then link:cut();
		elseif word == "acks" then link:ack();
		elseif word == "says" then
			local said = hex(link:take());
			check(said == value, "says", said, "not", value);
		elseif word == "sends" then
			local _, number = decode(unhex(value));
			send(sessions[number], unhex(value));
		elseif word == "holds" then sessions[tonumber(value)]:pause(true);
		elseif word == "adopts" then
			local number, count = value:match("(%d+) (%d+)");
			sessions[tonumber(number)]:adopted(math.tointeger(tonumber(count)));
		elseif word == "refuses" then sessions[tonumber(value)]:refused();
		else error("unknown keyword "..word);
		end
	end
	check(#heard == 0, "given besides:", tostring(heard[1]));
end

local passed, failed = 0, 0;
for _, block in ipairs(read_blocks(vectors)) do
	local is_good, message = pcall(run[block.sort], block);
	if is_good then
		passed = passed + 1;
	else
		failed = failed + 1;
		print(("%s %s: %s"):format(block.sort, block.title, message));
	end
end
print(passed.." blocks as they should be, "..failed.." not");
os.exit(failed == 0 and passed > 100);
