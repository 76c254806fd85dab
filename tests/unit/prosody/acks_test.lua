-- Who is told when that what he sent is handled: lua5.4 acks_test.lua SOURCES
local now_s, links = 100, {};
local acks = dofile(arg[1].."/acks.lib.lua")(links, function () return now_s; end, 1);

local failed = 0;

local function check(is_so, what)
	if not is_so then
		failed = failed + 1;
		print("not so: "..what);
	end
end

local function gate()
	local link = { handled = 0, handled_said = 0, told = false };
	function link.ack(of, count)
		of.handled_said = count or of.handled;
	end
	local state = { link = link };
	links[#links + 1] = state;
	return state, link;
end

local a, a_link = gate();
a_link.handled, a_link.told = 3, true;
acks.plan(a);
check(a_link.handled_said == 3, "one gate alone waits for nobody, not for itself either");

local b, b_link = gate();
local c = gate();
a_link.handled, b_link.told = 5, true;
acks.writing(c);
acks.plan(a);
check(a_link.handled_said == 3, "it waits for what came up for others");
a_link.handled = 7;
acks.plan(a);
b_link.told = false;
acks.writing(b);
acks.written(b);
check(a_link.handled_said == 3, "for each of them");
acks.written(c);
check(a_link.handled_said == 7 and not a.ack, "then all is said that needs no more waiting");

-- Bytes of b are being written while more come up: the first ones do not count.
acks.writing(b);
a_link.handled, b_link.told = 8, true;
acks.plan(a);
acks.written(b);
check(a_link.handled_said == 7, "what was written before is not it");
b_link.told = false;
acks.writing(b);
a_link.handled = 9;
acks.writing(c);
acks.written(b);
check(a_link.handled_said == 8, "what came later waits for what came up later");
acks.written(c);
check(a_link.handled_said == 9, "and is said then");

a_link.handled = 10;
acks.writing(b);
acks.plan(a);
now_s = now_s + 0.9;
acks.go_on(a);
check(a_link.handled_said == 9, "it waits");
now_s = now_s + 0.2;
acks.go_on(a);
check(a_link.handled_said == 10, "but not long");

a_link.handled, b_link.told = 11, true;
acks.plan(a);
links[2] = nil;
acks.written(b, true);
check(a_link.handled_said == 11, "who is gone is not waited for");
os.exit(failed == 0);
