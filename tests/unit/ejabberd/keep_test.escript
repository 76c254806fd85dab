#!/usr/bin/env escript
%% What a gate keeps of a session: tags of messages, and what the client's process has told. escript keep_test.escript SOURCES
-mode(compile).

main([Sources]) ->
	{ok, Module, Beam} = compile:file(filename:join(Sources, "stanzagate_delivered"), [binary, report]),
	{module, Module} = code:load_binary(Module, Sources, Beam),
	Kept = term_to_binary({1, #{inactive => true}}),
	Tags = [Module:tag(<<7:64, Session:56>>, Number) || Session <- [1, 1 bsl 32, 1 bsl 55], Number <- lists:seq(65530, 65545)],
	48 = length(lists:usort(Tags)),
	[{Some, What} = Module:unpack(Module:pack(Some, What)) || Some <- [[], tl(Tags), Tags], What <- [<<>>, Kept]],
	Kept = Module:pack([], Kept),
	% The newest, and none where there is no room for all.
	Newest = Module:tag(<<8:64, 1:56>>, 1),
	[Newest | Others] = Module:add(Newest, Tags),
	Others = lists:droplast(Tags),
	Long = <<131, 0:(8 * 639)>>,
	{[], Long} = Module:unpack(Module:pack(Tags, Long)),
	Fits = <<131, 0:(8 * 638)>>,
	1024 = byte_size(Module:pack(Tags, Fits)),
	{Tags, Fits} = Module:unpack(Module:pack(Tags, Fits)),
	% Anything else is left as it is.
	[{[], Bytes} = Module:unpack(Bytes) || Bytes <- [<<1>>, <<48, 0:(8 * 383)>>, <<49, 0:(8 * 1000)>>, <<131, 97, 1>>, <<255>>]],
	io:format("done~n").
