-- Who may have a link: whoever has one can log in anybody (docs/link-protocol.md, "Authority").
--
--     access = new_access{ has_secret = whether a key is shared, gates = names of which a gate's certificate must have one }
--
-- The credentials of who is at the other end of a Unix socket cannot be had here (LuaSocket tells none): the socket's mode and
-- folder say who may connect.
local SUBJECT_ALTERNATIVE_NAME = "2.5.29.17";

-- Of an address as the kernel writes it, or as it stands in a configuration.
local function is_loopback(address)
	return address == "::1" or address == "localhost" or address:find("^127%.[%d.]+$") ~= nil or address:find("^::ffff:127%.[%d.]+$") ~= nil;
end

-- One of the names as a dNSName, whole: neither subjects nor wildcards count.
local function has_name(certificate, names)
	local alternative = certificate and certificate:extensions()[SUBJECT_ALTERNATIVE_NAME];
	for _, there in ipairs(alternative and alternative.dNSName or {}) do
		for _, name in ipairs(names) do
			if there:lower() == name:lower() then
				return true;
			end
		end
	end
	return false;
end

-- What is wrong with the certificate of who has dialled with TLS; nil when it is one of our gates.
local function refuse_certificate(socket, names)
	if socket:info().protocol ~= "TLSv1.3" then
		return "it speaks "..tostring(socket:info().protocol);
	elseif not socket:getpeerverification() then
		return "its certificate is not of an authority that we know";
	elseif not has_name(socket:getpeercertificate(), names) then
		return "its certificate has none of the names in stanzagate_tls_gates";
	end
end

return function (options)
	local access = {};

	-- Why there is no link for who has dialled from this address (nil: over a Unix socket), with this LuaSec socket where he speaks TLS;
	-- nil: there is one. A key without TLS proves who begins, and protects nothing that follows.
	function access.refuse(address, tls)
		if tls then
			-- This LuaSec cannot tell the channel binding that the proof would need.
			return options.has_secret and "a shared key cannot be proved over TLS here" or refuse_certificate(tls, options.gates);
		elseif address and not is_loopback(address) then
			return "links from other machines need TLS (stanzagate_tls_ports)";
		end
	end

	-- What the log says of ports without TLS: { interface, port } each.
	function access.port_warnings(ports)
		local open, wide, warnings = {}, {}, {};
		for _, place in ipairs(ports) do
			local interface, port = place[1], place[2];
			table.insert(is_loopback(interface) and open or wide, (interface:find(":") and "[%s]:%d" or "%s:%d"):format(interface, port));
		end
		if wide[1] then
			table.insert(warnings, ("Links at %s have no TLS: only gates of this machine's loopback are let in, others need stanzagate_tls_ports")
				:format(table.concat(wide, ", ")));
		end
		if ports[1] and not options.has_secret then
			table.move(wide, 1, #wide, #open + 1, open);
			table.sort(open);
			table.insert(warnings, ("Links at %s are not authenticated: whoever is on this machine may be a gate, and log in anybody"
				.." (stanzagate_secret, or stanzagate_socket instead)"):format(table.concat(open, ", ")));
		end
		return warnings;
	end

	-- Of the Unix socket at this path, with this mode.
	function access.socket_warning(path, mode)
		if mode & 2 ~= 0 and not options.has_secret then
			return ("Links at %s are not authenticated: with mode %03o whoever can enter its folder may be a gate, and log in anybody"
				.." (stanzagate_secret, stanzagate_socket_mode)"):format(path, mode);
		end
	end

	return access;
end
