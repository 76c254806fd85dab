#!/usr/bin/env escript
%% Sessions over links that are cut again and again, against a gate that is made up here: whatever happens in whatever order, each
%% end gets what the other one has sent, once and in order, and no more of it is under way than may be. escript cuts_test.escript SOURCES
-mode(compile).

-define(WINDOWS, [65536, 4194304]).
-define(UNACKED_BYTES, 131072). % of a session's elements, and one element
-define(SESSIONS, [1, 2, 3]).
-define(RUNS, 150).
-define(STEPS, 400).

%% What the gate knows of a session. sent: {Number, Bytes}, newest first; taken: what it got, newest first.
-record(session, {sent = [], taken = [], paused = false, attached = true}).

%% The backend under test, what it has been given, what it has sent; the gate; and what is on its way in both directions.
-record(world, {
	backend, given = #{}, said = #{}, gate = #{}, link = 1, serial = 0, up = true, to_backend = [], to_gate = [],
	gate_taken = 0, sizes = [], window
}).

main([Sources]) ->
	[load(filename:join(Sources, Name)) || Name <- ["stanzagate_frames", "stanzagate_sessions"]],
	[run(Seed) || Seed <- lists:seq(1, ?RUNS)],
	io:format("~b runs: nothing lost, nothing twice, all in order~n", [?RUNS]).

load(Path) ->
	{ok, Module, Beam} = compile:file(Path, [binary, report]),
	{module, Module} = code:load_binary(Module, Path, Beam).

run(Seed) ->
	rand:seed(exsss, Seed),
	Window = lists:nth(Seed rem 2 + 1, ?WINDOWS),
	World = lists:foldl(fun(_, Acc) -> step(rand:uniform(20), Acc) end, start(Window), lists:seq(1, ?STEPS)),
	End = settle(relink(World)),
	[check(Seed, Number, End) || Number <- ?SESSIONS].

check(Seed, Number, #world{gate = Gate, given = Given, said = Said}) ->
	#{Number := #session{taken = Taken, sent = Sent}} = Gate,
	Same = lists:reverse(Taken) =:= lists:reverse(maps:get(Number, Said, [])),
	SameToo = lists:reverse(maps:get(Number, Given, [])) =:= [Bytes || {_, Bytes} <- lists:reverse(Sent)],
	Same andalso SameToo orelse begin
		io:format("seed ~b, session ~b: ~p ~p~n", [Seed, Number, Same, SameToo]),
		halt(1)
	end.

start(Window) ->
	New = stanzagate_sessions:new(#{window => Window, held_bytes_max => 1 bsl 40, waiting_bytes_max => 1 bsl 40}),
	World = #world{window = Window, backend = stanzagate_sessions:link(1, Window, 60000, New), gate = maps:from_keys(?SESSIONS, #session{})},
	settle(lists:foldl(fun bind/2, World, ?SESSIONS)).

bind(Number, World) ->
	Open = #{domain => <<"d">>, stream_id => <<"s">>, address => <<"::1">>},
	Opened = hear({open, Number, Open, 100}, World),
	States = [[{stage, 1}, {jid, <<"u@d">>}], [{stage, 2}, {jid, <<"u@d/r">>}]],
	change(fun(Backend) ->
		Named = stanzagate_sessions:set_client(Number, Number, Backend),
		lists:foldl(fun(Fields, Acc) -> stanzagate_sessions:state(Number, Fields, Acc) end, Named, States)
	end, Opened).

any() -> lists:nth(rand:uniform(length(?SESSIONS)), ?SESSIONS).

some_bytes() -> <<(rand:uniform(1 bsl 60)):64, 0:(8 * rand:uniform(12000))>>.

step(What, World) when What =< 5 -> backend_says(any(), some_bytes(), World);
step(What, World) when What =< 9 -> gate_says(any(), some_bytes(), World);
step(What, World) when What =< 12 -> deliver_to_backend(rand:uniform(4), World);
step(What, World) when What =< 15 -> deliver_to_gate(rand:uniform(4), flush(World));
step(16, World) -> gate_acks(World);
step(17, #world{link = Id} = World) -> change(fun(Backend) -> stanzagate_sessions:ack(Id, all, Backend) end, World);
step(18, World) -> pause(any(), World);
step(19, World) ->
	Number = any(),
	IsWanted = rand:uniform(2) =:= 1,
	change(fun(Backend) -> stanzagate_sessions:pause(Number, IsWanted, Backend) end, World);
step(20, World) ->
	case rand:uniform(4) of
		1 -> relink(World);
		2 -> cut(World);
		_ -> World
	end.

%% ---- the backend ----

change(How, #world{backend = Backend} = World) ->
	{News, Backend1} = stanzagate_sessions:news(How(Backend)),
	lists:foldl(fun given/2, World#world{backend = Backend1}, News).

given({element, Number, Xml, _}, #world{given = Given} = World) ->
	World#world{given = maps:update_with(Number, fun(List) -> [Xml | List] end, [Xml], Given)};
given({Word, _}, World) when Word =:= reattached; Word =:= dead -> World;
given({opened, _, _}, World) -> World.

hear({Name, Number, Body, Size}, #world{link = Id} = World) ->
	change(fun(Backend) -> {ok, Backend1} = stanzagate_sessions:frame(Id, Name, Number, Body, Size, Backend), Backend1 end, World).

backend_says(Number, Bytes, #world{said = Said} = World) ->
	Noted = World#world{said = maps:update_with(Number, fun(List) -> [Bytes | List] end, [Bytes], Said)},
	change(fun(Backend) -> stanzagate_sessions:element(Number, Bytes, Backend) end, Noted).

%% What it has written is on its way.
flush(#world{link = Id, backend = Backend, up = true, to_gate = Way} = World) ->
	{Out, Backend1} = stanzagate_sessions:take(Id, Backend),
	World#world{backend = Backend1, to_gate = Way ++ frames(iolist_to_binary(Out))};
flush(World) ->
	World.

frames(<<>>) ->
	[];
frames(Bytes) ->
	{Name, Number, Size} = stanzagate_frames:head(Bytes),
	<<_:12/binary, Payload:Size/binary, Rest/binary>> = Bytes,
	{ok, Body} = stanzagate_frames:body(Name, Payload),
	[{Name, Number, Body, Size + 12} | frames(Rest)].

%% ---- the gate ----

gate_says(Number, Bytes, #world{gate = Gate, up = Up, to_backend = Way} = World) ->
	case Gate of
		#{Number := #session{attached = true, paused = false, sent = Sent} = Session} when Up ->
			Frame = {element, Number, Bytes, byte_size(Bytes) + 12},
			World#world{gate = Gate#{Number := Session#session{sent = [{length(Sent) + 1, Bytes} | Sent]}}, to_backend = Way ++ [Frame]};
		_ -> World
	end.

gate_acks(#world{up = true, gate_taken = Taken, to_backend = Way} = World) ->
	World#world{sizes = [], to_backend = Way ++ [{ack, 0, <<Taken:64>>, 20}]};
gate_acks(World) ->
	World.

pause(Number, #world{up = true, to_backend = Way} = World) ->
	World#world{to_backend = Way ++ [{case rand:uniform(2) of 1 -> pause; 2 -> resume end, Number, <<>>, 12}]};
pause(_, World) ->
	World.

deliver_to_backend(Count, #world{up = true, to_backend = [Frame | Rest]} = World) when Count > 0 ->
	deliver_to_backend(Count - 1, hear(Frame, World#world{to_backend = Rest}));
deliver_to_backend(_, World) ->
	World.

deliver_to_gate(Count, #world{to_gate = [{Name, Number, Body, Size} | Rest]} = World) when Count > 0 ->
	deliver_to_gate(Count - 1, gate_hears(Name, Number, Body, count(Name, Number, Size, World#world{to_gate = Rest})));
deliver_to_gate(_, World) ->
	World.

%% No more is unacknowledged than the window holds, but for one frame alone.
count(Name, Number, Size, #world{gate_taken = Taken, sizes = Sizes, window = Window} = World) ->
	case stanzagate_frames:is_numbered(Name) of
		true ->
			true = Sizes =:= [] orelse lists:sum([Of || {_, Of} <- Sizes]) + Size =< Window,
			true = Name =/= element orelse lists:sum([Of || {Its, Of} <- Sizes, Its =:= Number]) < ?UNACKED_BYTES,
			World#world{gate_taken = Taken + 1, sizes = [{Number, Size} | Sizes]};
		false -> World
	end.

gate_hears(element, Number, Xml, #world{gate = Gate} = World) ->
	#{Number := #session{taken = Taken} = Session} = Gate,
	World#world{gate = Gate#{Number := Session#session{taken = [Xml | Taken]}}};
gate_hears(attached, Number, #{received := Received}, #world{gate = Gate, to_backend = Way} = World) ->
	#{Number := #session{sent = Sent} = Session} = Gate,
	Again = [{element, Number, Bytes, byte_size(Bytes) + 12} || {Count, Bytes} <- lists:reverse(Sent), Count > Received],
	World#world{gate = Gate#{Number := Session#session{attached = true, paused = false}}, to_backend = Way ++ Again};
gate_hears(Word, Number, _, #world{gate = Gate} = World) when Word =:= pause; Word =:= resume ->
	World#world{gate = maps:update_with(Number, fun(Session) -> Session#session{paused = Word =:= pause} end, Gate)};
gate_hears(_, _, _, World) ->
	World.

%% Everything on its way is lost. The backend may not notice.
cut(#world{up = true, link = Id, gate = Gate} = World) ->
	Cut = World#world{
		up = false, to_backend = [], to_gate = [], gate_taken = 0, sizes = [],
		gate = maps:map(fun(_, Session) -> Session#session{attached = false} end, Gate)
	},
	case rand:uniform(2) of
		1 -> change(fun(Backend) -> stanzagate_sessions:cut(Id, Backend) end, Cut);
		2 -> Cut
	end;
cut(World) ->
	World.

relink(World) ->
	#world{backend = Backend, link = Id, serial = Serial, gate = Gate, window = Window} = Cut = cut(World),
	Asked = [{reattach, Number, #{serial => Serial, received => length(Session#session.taken)}, 100} || {Number, Session} <- maps:to_list(Gate)],
	Linked = stanzagate_sessions:link(Id + 1, Window, 60000, Backend),
	Cut#world{up = true, link = Id + 1, serial = Serial + 1, to_backend = Asked, backend = Linked}.

%% All that is on its way arrives, and is acknowledged.
settle(World) ->
	Resumed = lists:foldl(fun(Number, Acc) -> hear({resume, Number, <<>>, 12}, Acc) end, deliver_to_backend(1 bsl 30, World), ?SESSIONS),
	#world{to_gate = Way} = Flushed = flush(Resumed),
	case {Way, Resumed#world.to_backend} of
		{[], []} -> Flushed;
		_ -> settle(gate_acks(deliver_to_gate(1 bsl 30, Flushed)))
	end.
