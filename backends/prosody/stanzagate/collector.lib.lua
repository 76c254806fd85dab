-- The collector of garbage while many sessions are built anew. Prosody lets it go through all there is each time that it has become a
-- twentieth more; while nearly all of what is made stays, that would be most of the work. So it waits longer then.
--
-- Pure.

local PAUSE, REST_S = 200, 0.5; -- per cent; so long behind the last one it is as before

-- now() in seconds; add_task(wait_s, task): the task answers how long it is to wait for another time; set_pause(per_cent) answers what was set.
return function (now, add_task, set_pause)

local before, last_at_s;

local function rest()
	local wait_s = last_at_s + REST_S - now();
	if wait_s > 0 then
		return wait_s;
	end
	set_pause(before);
	before = nil;
end

-- A session is being built.
return function ()
	last_at_s = now();
	if not before then
		before = set_pause(PAUSE);
		if before > PAUSE then
			set_pause(before);
		end
		add_task(REST_S, rest);
	end
end

end
