-- Frames that are not acknowledged, beside a list that grows: lua5.4 retained_test.lua SOURCES
local retained_new = dofile(arg[1].."/retained.lib.lua");
math.randomseed(5);

local retained, list, acked = retained_new(), {}, 0;
local session = { acked = 0, unacked_bytes = 0 };

local function check(is_so, what)
	if not is_so then
		error("not so: "..what.." at "..#list, 2);
	end
end

local function compare()
	local at, bytes = acked, 0;
	retained:each(function (of, name, payload, number)
		at = at + 1;
		check(of == session and name == "ELEMENT" and payload == list[at] and number == at, "frame "..at);
		bytes = bytes + #payload;
	end);
	check(at == #list and retained.sent == #list and retained.acked == acked, "all are there");
	check(bytes == retained.bytes, "bytes");
end

for _ = 1, 300 do
	for _ = 1, math.random(0, math.random(1, 400)) do
		list[#list + 1] = ("x"):rep(math.random(1, 50));
		session.unacked_bytes = session.unacked_bytes + #list[#list];
		retained:add(session, "ELEMENT", list[#list], #list[#list], #list);
	end
	compare();
	acked = math.random(5) == 1 and #list or math.random(acked, #list);
	retained:forget(acked);
	check(session.acked == acked or acked == 0, "the session's number");
	check(session.unacked_bytes == retained.bytes, "the session's bytes");
	compare();
end

-- A burst takes room, and gives it back.
for _ = 1, 10000 do
	retained:add(session, "ELEMENT", "x", 1, #list + 1);
	list[#list + 1] = "x";
end
local slots = retained.slots;
retained:forget(#list);
check(slots >= 10000 and retained.slots < 100 and retained.bytes == 0, slots.." slots, then "..retained.slots);

-- Who has more to send is told, for each frame.
local told = 0;
session.held = {};
retained:add(session, "ELEMENT", "x", 1, #list + 1);
retained:add(session, "ELEMENT", "x", 1, #list + 2);
retained:forget(#list + 1, function (of) told = told + (of == session and 1 or 0); end);
check(told == 1, "told "..told.." times");
retained:forget(#list + 2, function () end);

-- What has no number in its session says nothing to it.
retained:add({ unacked_bytes = 20 }, "STATE", {}, 20, 0);
retained:forget(#list + 3);
check(retained.bytes == 0, "bytes");
