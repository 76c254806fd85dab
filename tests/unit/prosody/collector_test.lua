-- When the collector of garbage waits longer: lua5.4 collector_test.lua SOURCES
local now_s, pause, task = 100, 105, nil;
local building = dofile(arg[1].."/collector.lib.lua")(
	function () return now_s; end,
	function (wait_s, f) assert(not task and wait_s == 0.5, "one task"); task = f; end,
	function (new) local old = pause; pause = new; return old; end);

building();
assert(pause == 200, "it waits longer");
now_s = now_s + 0.3;
building();
now_s = now_s + 0.2;
assert(math.abs(task() - 0.3) < 0.001 and pause == 200, "as long as sessions are built");
now_s = now_s + 0.3;
assert(task() == nil and pause == 105, "then it is as before");

task, pause = nil, 400;
building();
assert(pause == 400, "what waits longer by itself goes on so");
now_s = now_s + 1;
task();
assert(pause == 400, "also afterwards");
assert(collectgarbage("setpause", 150) > 0 and collectgarbage("setpause", 100) // 4 == 150 // 4, "what Lua answers");
