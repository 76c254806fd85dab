-- When gates are told that what they sent is handled. That says that what it led to is safe from a kill of this process; so it waits
-- until all that has come up for other gates meanwhile is written. But not long: a gate that does not read shall not stop the others.
--
-- Pure. Of a gate's state it uses `link` (of backend.lib.lua); `ack`, `is_writing` and `writes` are its own.

-- links: connection -> state; now() in seconds.
return function (links, now, waits_s_max)

local acks = {};

-- Something of this gate has been handled.
function acks.plan(state)
	local link, waits = state.link, nil;
	if state.ack or link.handled == link.handled_said then
		return;
	end
	for _, other in pairs(links) do
		if other ~= state and (other.is_writing or other.link.told) then
			waits = waits or {};
			waits[other] = (other.writes or 0) + (other.link.told and 1 or 0);
		end
	end
	if waits then
		state.ack = { count = link.handled, waits = waits, at_s = now() };
	else
		link:ack();
	end
end

-- As time passes: what has waited too long goes.
function acks.go_on(state)
	local ack = state.ack;
	if ack and (not next(ack.waits) or now() - ack.at_s > waits_s_max) then
		state.ack = nil;
		state.link:ack(ack.count);
		acks.plan(state);
	end
end

-- What there was for this gate is handed to its connection.
function acks.writing(state)
	state.is_writing, state.writes = true, (state.writes or 0) + 1;
end

-- That is written, or the gate is gone.
function acks.written(state, is_gone)
	state.is_writing = false;
	for _, other in pairs(links) do
		local waits = other.ack and other.ack.waits;
		if waits and waits[state] and (is_gone or waits[state] <= (state.writes or 0)) then
			waits[state] = nil;
			acks.go_on(other);
		end
	end
end

return acks;

end
