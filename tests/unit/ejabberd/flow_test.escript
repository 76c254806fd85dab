#!/usr/bin/env escript
%% What has waited for sessions goes in turns, and little of it at a time (docs/link-protocol.md, section 9).
%% escript flow_test.escript SOURCES
-mode(compile).

-define(WINDOW, 4194304).
-define(ELEMENT_BYTES, 4000).
-define(FRAME_BYTES, (?ELEMENT_BYTES + 12)).
-define(SHARE, 131072).           % of a session's elements that may be under way, and one element
-define(HELD_BYTES_MAX, 1048576).

main([Sources]) ->
	[load(filename:join(Sources, Name)) || Name <- ["stanzagate_frames", "stanzagate_sessions"]],
	what_waited_for_a_pause_goes_bit_by_bit(),
	many_that_may_go_on_leave_room_for_others(),
	one_of_those_who_wait_gets_its_turn_though_others_fill_the_link(),
	what_waits_for_no_pause_is_bounded_with_its_link(),
	what_waits_for_a_slow_client_is_bounded(),
	a_pause_in_the_middle_is_obeyed(),
	a_close_comes_behind_what_waits_but_for_no_pause(),
	what_was_held_when_the_link_was_cut_goes_bit_by_bit(),
	io:format("done~n").

load(Path) ->
	{ok, Module, Beam} = compile:file(Path, [binary, report]),
	{module, Module} = code:load_binary(Module, Path, Beam).

%% ---- sessions that are bound, and what is on the wire ----

%% A world: the sessions, the link they are on, and how many numbered frames have come over it.
start(Count) ->
	Config = #{window => ?WINDOW, held_bytes_max => ?HELD_BYTES_MAX, waiting_bytes_max => 8 * ?HELD_BYTES_MAX},
	Empty = {stanzagate_sessions:link(1, ?WINDOW, 60000, stanzagate_sessions:new(Config)), 1, 0},
	{_, Bound} = wire(lists:foldl(fun bind/2, Empty, lists:seq(1, Count))),
	element(2, news(all_acked(Bound))).

bind(Number, World) ->
	Open = #{domain => <<"d">>, stream_id => <<"s">>, address => <<"::1">>},
	Opened = change(fun(Gate) -> stanzagate_sessions:set_client(Number, Number, Gate) end, hear(open, Number, Open, World)),
	States = [[{stage, 1}, {jid, <<"u@d">>}], [{stage, 2}, {jid, <<"u@d/r">>}]],
	change(fun(Gate) -> lists:foldl(fun(Fields, Acc) -> stanzagate_sessions:state(Number, Fields, Acc) end, Gate, States) end, Opened).

change(How, {Gate, Link, Taken}) -> {How(Gate), Link, Taken}.

news({Gate, Link, Taken}) ->
	{News, Gate1} = stanzagate_sessions:news(Gate),
	{News, {Gate1, Link, Taken}}.

hear(Name, Number, Body, {Gate, Link, Taken}) ->
	case stanzagate_sessions:frame(Link, Name, Number, Body, 12, Gate) of
		{ok, Gate1} -> {Gate1, Link, Taken};
		{error, Fault, _} -> error(Fault)
	end.

pause(Number, World) -> hear(pause, Number, <<>>, World).
resume(Number, World) -> hear(resume, Number, <<>>, World).
keep(Number, World) -> change(fun(Gate) -> stanzagate_sessions:keep(Number, <<"k">>, Gate) end, World).
close(Number, World) -> change(fun(Gate) -> stanzagate_sessions:close(Number, [], Gate) end, World).

%% Elements of a session have a number of their own in them.
say(Number, From, To, World) ->
	change(fun(Gate) -> lists:foldl(fun(N, Acc) -> stanzagate_sessions:element(Number, xml(N), Acc) end, Gate, lists:seq(From, To)) end, World).

xml(N) -> <<N:32, 0:(8 * (?ELEMENT_BYTES - 4))>>.

%% What has been written since, each as {Session, N} or {Session, Name}.
wire({Gate, Link, Taken}) ->
	{Out, Gate1} = stanzagate_sessions:take(Link, Gate),
	Said = said(iolist_to_binary(Out)),
	{Said, {Gate1, Link, Taken + length([Name || {_, Name} <- Said, is_integer(Name) orelse stanzagate_frames:is_numbered(Name)])}}.

said(<<>>) ->
	[];
said(Bytes) ->
	{Name, Number, Size} = stanzagate_frames:head(Bytes),
	<<_:12/binary, Payload:Size/binary, Rest/binary>> = Bytes,
	[{Number, case {Name, Payload} of {element, <<N:32, _/binary>>} -> N; _ -> Name end} | said(Rest)].

%% All but the last so many.
acked_but(Count, {_, _, Taken} = World) -> hear(ack, 0, <<(Taken - Count):64>>, World).

all_acked(World) -> acked_but(0, World).

numbers_of(Number, Said) -> [N || {Its, N} <- Said, Its =:= Number].

%% Until nothing more comes; all that came, in its order.
drained(World) ->
	case wire(World) of
		{[], World1} -> {[], World1};
		{Said, World1} ->
			{More, World2} = drained(all_acked(World1)),
			{Said ++ More, World2}
	end.

at_most_a_share(Count) ->
	true = Count * ?FRAME_BYTES < ?SHARE + ?FRAME_BYTES.

%% ---- cases ----

what_waited_for_a_pause_goes_bit_by_bit() ->
	{[], Waiting} = wire(say(1, 1, 200, pause(1, start(2)))),
	{First, Resumed} = wire(resume(1, Waiting)),
	at_most_a_share(length(First)),
	true = length(First) * ?FRAME_BYTES >= ?SHARE,
	% Another one does not wait behind it.
	{[{2, 1}], Other} = wire(say(2, 1, 1, Resumed)),
	{[], Again} = wire(say(1, 201, 201, Other)),
	% A quarter is acknowledged, and about as much comes.
	Quarter = length(First) div 4,
	{Second, Some} = wire(acked_but(1 + length(First) - Quarter, Again)),
	at_most_a_share(length(First) - Quarter + length(Second)),
	true = Second =/= [],
	{Rest, _} = drained(all_acked(Some)),
	same(lists:seq(1, 201), numbers_of(1, First ++ Second ++ Rest)).

many_that_may_go_on_leave_room_for_others() ->
	Many = lists:seq(1, 30),
	Paused = lists:foldl(fun(Number, Acc) -> say(Number, 1, 40, pause(Number, Acc)) end, start(31), Many),
	{First, Given} = wire(say(31, 1, 1, lists:foldl(fun resume/2, Paused, Many))),
	true = length(First) * ?FRAME_BYTES < ?WINDOW div 4 + ?SHARE,
	{31, 1} = lists:last(First),
	{Rest, _} = drained(all_acked(Given)),
	[same(lists:seq(1, 40), numbers_of(Number, First ++ Rest)) || Number <- Many],
	true = length(lists:usort([Number || {Number, _} <- lists:sublist(Rest, 20)])) > 3,
	% In turns: all have had something before those have had all that had to wait.
	At = fun(Number, N) -> length(lists:takewhile(fun(It) -> It =/= {Number, N} end, Rest)) end,
	Late = [Number || Number <- Many, numbers_of(Number, First) =:= []],
	true = length(Late) > 2,
	true = lists:max([At(Number, 1) || Number <- Late]) < lists:min([At(Number, 40) || Number <- Late]).

one_of_those_who_wait_gets_its_turn_though_others_fill_the_link() ->
	Full = lists:foldl(fun(Number, Acc) -> say(Number, 1, 32, Acc) end, say(1, 1, 1, pause(1, start(50))), lists:seq(2, 40)),
	{Said, Filled} = wire(resume(1, Full)),
	[] = numbers_of(1, Said),
	{All, _, _} = lists:foldl(fun(I, {Before, Unacked, World}) ->
		{More, Next} = wire(say(41 + I div 32, I, I, acked_but(Unacked - 1, World))),
		{Before ++ More, Unacked - 1 + length(More), Next}
	end, {[], length(Said), Filled}, lists:seq(0, 299)),
	[1] = numbers_of(1, All).

what_waits_for_no_pause_is_bounded_with_its_link() ->
	Most = 8 * ?HELD_BYTES_MAX div ?ELEMENT_BYTES,
	{[], Much} = news(say(1, 1, Most, start(2))),
	{[{stuck, 1}], Stuck} = news(say(1, Most + 1, Most + 40, Much)),
	{Said, Empty} = drained(Stuck),
	same(lists:seq(1, Most + 40), numbers_of(1, Said)),
	% Since all has gone, as much may wait again.
	{[], Again} = news(say(1, 1, Most, Empty)),
	% After a pause it is not the link's any more, nor is it too much for the session; what comes then is the session's own.
	{[], Paused} = news(say(1, 1, ?HELD_BYTES_MAX div ?ELEMENT_BYTES, pause(1, Again))),
	{[{over, 1}], Over} = news(say(1, 1, 1, Paused)),
	{[], _} = news(say(2, 1, Most - 40, Over)).

what_waits_for_a_slow_client_is_bounded() ->
	Most = ?HELD_BYTES_MAX div ?ELEMENT_BYTES,
	{[], Full} = news(say(1, 1, Most, pause(1, start(1)))),
	{[{over, 1}], _} = news(say(1, Most + 1, Most + 1, Full)),
	% Also when it may go on; what has gone makes room.
	{First, Resumed} = wire(resume(1, Full)),
	Last = Most + length(First),
	{[], Slow} = news(say(1, Most + 1, Last, Resumed)),
	{[{over, 1}], _} = news(say(1, Last + 1, Last + 1, Slow)).

a_pause_in_the_middle_is_obeyed() ->
	{First, Resumed} = wire(resume(1, say(1, 1, 100, pause(1, start(2))))),
	{[], Again} = wire(all_acked(pause(1, Resumed))),
	{Rest, _} = drained(resume(1, Again)),
	same(lists:seq(1, 100), numbers_of(1, First ++ Rest)).

a_close_comes_behind_what_waits_but_for_no_pause() ->
	{Said, _} = drained(close(1, keep(1, say(1, 1, 60, start(1))))),
	same(lists:seq(1, 60) ++ [keep, close], numbers_of(1, Said)),
	{[{1, keep}], Kept} = wire(keep(1, say(1, 1, 60, pause(1, start(1))))),
	{[{1, close}], Closed} = wire(close(1, Kept)),
	{[], _} = drained(all_acked(resume(1, Closed))).

what_was_held_when_the_link_was_cut_goes_bit_by_bit() ->
	{First, {Gate, _, _}} = wire(say(1, 1, 100, start(1))),
	Linked = stanzagate_sessions:link(2, ?WINDOW, 60000, stanzagate_sessions:cut(1, Gate)),
	Attached = hear(reattach, 1, #{serial => 1, received => 10}, say(1, 101, 110, {Linked, 2, 0})),
	{[{1, attached} | Second], Back} = wire(Attached),
	at_most_a_share(length(Second)),
	true = length(Second) >= length(First) - 10,
	% The client is not slow: what it has waiting is bounded with its link again.
	Most = 2 * ?HELD_BYTES_MAX div ?ELEMENT_BYTES,
	{Events, _} = news(say(1, 111, Most, Back)),
	false = lists:keymember(over, 1, Events),
	{Rest, _} = drained(all_acked(Back)),
	same(lists:seq(11, 110), numbers_of(1, Second ++ Rest)).

same(Expected, Found) ->
	Expected =:= Found orelse error({expected, Expected, found, Found}).
