-- The frames and fields of the link protocol (docs/link-protocol.md, sections 2 and 3), in bytes.
--
-- Pure: strings in, strings and tables out. Errors are answered, as nil and a name of section 10, and never raised.
-- Needs Lua 5.3, for string.pack and utf8.

local pack, unpack = string.pack, string.unpack;

local PAYLOAD_MAX, FIELDS_MAX, HEAD = 16777216, 65535, 8;

local kinds, by_id = {}, {};

local function kind(id, name, from, of_session, numbered, least, most)
	local made = { id = id, name = name, from = from, of_session = of_session, numbered = numbered, least = least, most = most };
	made.fields = least == nil and { must = {} } or nil;
	kinds[name], by_id[id] = made, made;
end

-- Without bounds: the payload is fields.
kind(0x01, "HELLO", "both", false, false);
kind(0x02, "DOMAIN", "backend", false, false);
kind(0x03, "PING", "both", false, false, 0, 16);
kind(0x04, "PONG", "both", false, false, 0, 16);
kind(0x05, "DRAIN", "both", false, false, 0, 0);
kind(0x06, "ACK", "both", false, false, 8, 8);
kind(0x07, "PROOF", "both", false, false, 32, 32);
kind(0x08, "LOAD", "backend", false, false);
kind(0x09, "FANOUT", "backend", false, true, 10, PAYLOAD_MAX);
kind(0x10, "OPEN", "gate", true, true);
kind(0x11, "ELEMENT", "both", true, true, 1, PAYLOAD_MAX);
kind(0x12, "STATE", "backend", true, true);
kind(0x13, "CLOSE", "both", true, true);
kind(0x14, "PAUSE", "both", true, false, 0, 0);
kind(0x15, "RESUME", "both", true, false, 0, 0);
kind(0x16, "KEEP", "backend", true, true, 0, 1024);
kind(0x17, "REATTACH", "gate", true, false);
kind(0x18, "ADOPT", "gate", true, false);
kind(0x19, "ATTACHED", "backend", true, false);
kind(0x1a, "LOST", "backend", true, false);

local fields, field_by_key = {}, {};

-- places: names of frames, with an exclamation mark where the frame must have it.
local function field(key, name, sort, size, places)
	local made = { key = key, name = name, sort = sort, size = size, kinds = {} };
	for place, must in places:gmatch("(%u+)(!?)") do
		made.kinds[kinds[place]] = true;
		if must == "!" then
			table.insert(kinds[place].fields.must, name);
		end
	end
	fields[name], field_by_key[key] = made, made;
end

field(0x01, "VERSION_MIN", "uint", 2, "HELLO!");
field(0x02, "VERSION_MAX", "uint", 2, "HELLO!");
field(0x03, "EPOCH", "uint", 8, "HELLO!");
field(0x04, "NAME", "text", 255, "HELLO!");
field(0x05, "SOFTWARE", "text", 255, "HELLO");
field(0x06, "WINDOW", "uint", 4, "HELLO!");
field(0x07, "PATIENCE_MS", "uint", 4, "HELLO");
field(0x08, "NONCE", "bytes", 32, "HELLO");
field(0x10, "DOMAIN", "text", 1023, "DOMAIN! OPEN! ADOPT!");
field(0x11, "FEATURES", "text", 16384, "DOMAIN! STATE");
field(0x12, "FEATURES_BINDING", "text", 16384, "DOMAIN");
field(0x13, "FEATURES_CERTIFICATE", "text", 16384, "DOMAIN");
field(0x20, "STREAM_ID", "text", 64, "OPEN!");
field(0x21, "ADDRESS", "text", 64, "OPEN! ADOPT!");
field(0x22, "PORT", "uint", 2, "OPEN ADOPT");
field(0x23, "TLS_VERSION", "uint", 2, "OPEN ADOPT");
field(0x24, "TLS_CIPHER", "text", 64, "OPEN ADOPT");
field(0x25, "TLS_EXPORTER", "bytes", 32, "OPEN");
field(0x26, "TLS_END_POINT", "bytes", 64, "OPEN");
field(0x27, "LANG", "text", 64, "OPEN ADOPT");
field(0x28, "DIRECT", "flag", 1, "OPEN ADOPT");
field(0x29, "CLIENT_CERT_XMPP_ADDR", "text", 3071, "OPEN");
field(0x2a, "CLIENT_CERT_NAMES", "text", 1023, "OPEN");
field(0x30, "STAGE", "stage", 1, "STATE!");
field(0x31, "JID", "text", 3071, "STATE! ADOPT!");
field(0x32, "NO_RESTART", "flag", 1, "STATE");
field(0x40, "CONDITION", "text", 64, "CLOSE");
field(0x41, "REASON", "text", 1024, "CLOSE LOST");
field(0x42, "CLEAN", "flag", 1, "CLOSE");
field(0x50, "SESSIONS", "uint", 4, "LOAD!");
field(0x51, "LOAD", "uint", 2, "LOAD!");
field(0x60, "RECEIVED", "uint", 4, "REATTACH ADOPT! ATTACHED!");
field(0x61, "ACKED", "uint", 4, "ADOPT!");
field(0x62, "KEEP", "bytes", 1024, "ADOPT");
field(0x63, "STANZAS_IN", "uint", 4, "ADOPT!");
field(0x64, "STANZAS_OUT", "uint", 4, "ADOPT!");
field(0x65, "PRESENCE", "text", 16384, "ADOPT");
field(0x66, "SERIAL", "uint", 8, "REATTACH! ADOPT!");

-- What a value of each sort is, read from its bytes; nil for what cannot be.
local readers = {
	uint = function (bytes, of)
		return #bytes == of.size and unpack(">I"..of.size, bytes) or nil;
	end;
	flag = function (bytes)
		return (bytes == "\0" and 0) or (bytes == "\1" and 1) or nil;
	end;
	stage = function (bytes)
		return (bytes == "\1" and 1) or (bytes == "\2" and 2) or nil;
	end;
	text = function (bytes, of)
		return #bytes <= of.size and not bytes:find("\0", 1, true) and utf8.len(bytes) and bytes or nil;
	end;
	bytes = function (bytes, of)
		return #bytes <= of.size and bytes or nil;
	end;
};

local function is_number(sort)
	return sort == "uint" or sort == "flag" or sort == "stage";
end

-- The bytes of the fields of `values`: a list of pairs { name, value }, in order. The caller keeps to the sizes of the table.
local function encode_fields(values)
	local out = {};
	for i, pair in ipairs(values) do
		local of, value = fields[pair[1]], pair[2];
		if is_number(of.sort) then
			value = pack(">I"..of.size, value);
		end
		out[i] = pack(">Bs2", of.key, value);
	end
	return table.concat(out);
end

-- A whole frame. payload: a string, or for frames of fields a list as above.
local function encode(name, session, payload)
	if type(payload) == "table" then
		payload = encode_fields(payload);
	end
	return pack(">I4I8", HEAD + #payload, kinds[name].id << 56 | session)..payload;
end

-- Name of field -> value: a string, or an integer.
local function decode_fields(of_kind, payload)
	local found, seen, at, size = {}, {}, 1, #payload;
	while at <= size do
		if size - at < 2 then
			return nil, "FIELD";
		end
		local key, length = unpack(">BI2", payload, at);
		local from = at + 3;
		at = from + length;
		if at > size + 1 then
			return nil, "FIELD";
		end
		local of = field_by_key[key];
		if seen[key] then
			return nil, "FIELD";
		end
		seen[key] = true;
		if of then
			local value = readers[of.sort](payload:sub(from, at - 1), of);
			if value == nil or not of.kinds[of_kind] then
				return nil, "FIELD";
			end
			found[of.name] = value;
		end
	end
	for _, name in ipairs(of_kind.fields.must) do
		if found[name] == nil then
			return nil, "MISSING";
		end
	end
	if of_kind == kinds.HELLO and found.WINDOW < 65536 then
		return nil, "FIELD";
	end
	return found;
end

local function check_fanout(payload)
	local count = unpack(">I2", payload);
	if count == 0 or count > 4096 or #payload < 2 + 7 * count + 1 then
		return "FANOUT";
	end
	for i = 0, count - 1 do
		if unpack(">I7", payload, 3 + 7 * i) == 0 then
			return "FANOUT";
		end
	end
end

-- What begins at `at` of `buffer`: the kind (an entry of `kinds`), the session and the payload's size. nil when more bytes are
-- needed to tell; nil and an error when no bytes can make it right.
local function head(buffer, at)
	local there = #buffer - at + 1;
	if there < 4 then
		return nil;
	end
	local length = unpack(">I4", buffer, at);
	if length < HEAD or length > HEAD + PAYLOAD_MAX then
		return nil, "LENGTH";
	end
	if there < 4 + HEAD then
		return nil;
	end
	local id_and_session = unpack(">I8", buffer, at + 4);
	local of_kind, session, size = by_id[id_and_session >> 56], id_and_session & (1 << 56) - 1, length - HEAD;
	if not of_kind then
		return nil, "TYPE";
	end
	if (session ~= 0) ~= of_kind.of_session then
		return nil, "SESSION";
	end
	if size < (of_kind.least or 0) or size > (of_kind.most or FIELDS_MAX) then
		return nil, "PAYLOAD";
	end
	return of_kind, session, size;
end

-- What the payload of a whole frame means: a table of fields, or its bytes.
local function body(of_kind, payload)
	if of_kind.fields then
		return decode_fields(of_kind, payload);
	end
	local err = of_kind == kinds.FANOUT and check_fanout(payload);
	if err then
		return nil, err;
	end
	return payload;
end

return { kinds = kinds, fields = fields, encode = encode, head = head, body = body, HEAD_BYTES = 4 + HEAD };
