-- Who may have a link, and what the log says of it: lua5.4 access_test.lua SOURCES
local new_access = dofile(arg[1].."/access.lib.lua");

local failed = 0;

local function same(is, wanted, what)
	if is ~= wanted then
		failed = failed + 1;
		print(("%s: %s, not %s"):format(what, tostring(is), tostring(wanted)));
	end
end

local open, keyed = new_access({ has_secret = false, gates = {} }), new_access({ has_secret = true, gates = {} });

-- A socket of LuaSec, whose certificate has these dNSNames; nil: it has none at all.
local function tls(protocol, is_verified, names)
	local certificate = names and { extensions = function () return { ["2.5.29.17"] = { dNSName = names } }; end };
	return {
		info = function () return { protocol = protocol }; end,
		getpeerverification = function () return is_verified; end,
		getpeercertificate = function () return certificate; end,
	};
end

-- Without TLS: loopback and Unix sockets, with the key or without; nobody else.
for _, access in ipairs({ open, keyed }) do
	same(access.refuse(nil, nil), nil, "a Unix socket");
	for _, address in ipairs({ "127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1" }) do
		same(access.refuse(address, nil), nil, address);
	end
	for _, address in ipairs({ "192.0.2.1", "128.0.0.1", "12.7.0.0", "::", "::2", "2001:db8::1", "::ffff:192.0.2.1", "fe80::127.0.0.1", "?" }) do
		same(access.refuse(address, nil), "links from other machines need TLS (stanzagate_tls_ports)", address);
	end
end

local named = new_access({ has_secret = false, gates = { "gate-1.internal", "Gate-2.internal" } });
same(named.refuse("192.0.2.1", tls("TLSv1.3", true, { "x", "GATE-2.internal" })), nil, "a gate of another machine");
same(named.refuse("127.0.0.1", tls("TLSv1.2", true, { "gate-1.internal" })), "it speaks TLSv1.2", "TLS 1.2");
same(named.refuse("127.0.0.1", tls("TLSv1.3", false, { "gate-1.internal" })), "its certificate is not of an authority that we know", "a stranger");
for _, names in ipairs({ {}, { "*.internal" }, { "gate-1.internal.example" }, { "a.gate-1.internal" } }) do
	same(named.refuse("127.0.0.1", tls("TLSv1.3", true, names)), "its certificate has none of the names in stanzagate_tls_gates", names[1]);
end
same(open.refuse("127.0.0.1", tls("TLSv1.3", true, { "gate-1.internal" })), "its certificate has none of the names in stanzagate_tls_gates", "no names");
same(keyed.refuse("127.0.0.1", tls("TLSv1.3", true, { "x" })), "a shared key cannot be proved over TLS here", "TLS and a key");

local function said(access, ...)
	return table.concat(access.port_warnings({ ... }), "\n");
end

local WIDE = "Links at %s have no TLS: only gates of this machine's loopback are let in, others need stanzagate_tls_ports";
local OPEN = "Links at %s are not authenticated: whoever is on this machine may be a gate, and log in anybody"
	.." (stanzagate_secret, or stanzagate_socket instead)";
same(said(open), "", "no ports");
same(said(keyed, { "127.0.0.1", 1 }, { "::1", 1 }, { "localhost", 2 }), "", "loopback and a key");
same(said(open, { "::1", 1 }, { "127.0.0.1", 1 }), OPEN:format("127.0.0.1:1, [::1]:1"), "loopback");
same(said(keyed, { "*", 5 }, { "127.0.0.1", 1 }, { "::", 5 }), WIDE:format("*:5, [::]:5"), "everywhere, with a key");
same(said(open, { "192.0.2.1", 5 }), WIDE:format("192.0.2.1:5").."\n"..OPEN:format("192.0.2.1:5"), "an address of the machine's");

same(open.socket_warning("/s", tonumber("660", 8)), nil, "a group's socket");
same(open.socket_warning("/s", tonumber("664", 8)), nil, "one that all can read, which is not enough");
same(keyed.socket_warning("/s", tonumber("666", 8)), nil, "a socket with a key");
same(open.socket_warning("/s", tonumber("662", 8)), "Links at /s are not authenticated: with mode 662 whoever can enter its folder may be a gate,"
	.." and log in anybody (stanzagate_secret, stanzagate_socket_mode)", "everybody's socket");

os.exit(failed == 0);
