#!/usr/bin/env escript
%% Replays the vectors of the link protocol against the Erlang end of it: escript link_test.escript SOURCES VECTORS
-mode(compile).

main([Sources, Vectors]) ->
	[load(filename:join(Sources, Name)) || Name <- ["stanzagate_frames", "stanzagate_link", "stanzagate_sessions"]],
	Results = [run_block(Block) || Block <- read_blocks(Vectors)],
	Failed = [Text || {failed, Text} <- Results],
	io:put_chars([[Text, "\n"] || Text <- Failed]),
	Passed = length([ok || ok <- Results]),
	io:format("~b blocks as they should be, ~b not~n", [Passed, length(Failed)]),
	halt(case Failed =:= [] andalso Passed > 100 of true -> 0; false -> 1 end).

load(Path) ->
	{ok, Module, Beam} = compile:file(Path, [binary, report]),
	{module, Module} = code:load_binary(Module, Path, Beam).

%% [{Sort, Title, [{Keyword, Value}]}]
read_blocks(Path) ->
	{ok, Text} = file:read_file(Path),
	Blocks = [[Line || Line <- string:split(Block, "\n", all), Line =/= <<>>, binary:first(Line) =/= $#]
		|| Block <- string:split(Text, "\n\n", all)],
	[begin
		[Head | Rest] = [word(Line) || Line <- Block],
		{binary_to_list(element(1, Head)), element(2, Head), Rest}
	end || Block <- Blocks, Block =/= []].

word(Line) ->
	case string:split(Line, " ") of
		[Word, Value] -> {Word, Value};
		[Word] -> {Word, <<>>}
	end.

run_block({Sort, Title, Lines}) ->
	try run(Sort, Lines) of
		left_out -> left_out;
		_ -> ok
	catch _:Why:Stack ->
		{failed, io_lib:format("~s ~s: ~p~n  ~p", [Sort, Title, Why, hd(Stack)])}
	end.

unhex(Text) -> binary:decode_hex(Text).
hex(Bytes) -> string:lowercase(binary:encode_hex(iolist_to_binary(Bytes))).
name(Text) -> binary_to_atom(string:lowercase(Text)).
value(Word, Lines) -> proplists:get_value(Word, Lines).

check(Same, Same, _) -> ok;
check(Is, Should, What) -> error({What, Is, not_, Should}).

decode(Bytes) ->
	case stanzagate_frames:head(Bytes) of
		{Name, Number, Size} when byte_size(Bytes) >= 12 + Size ->
			case stanzagate_frames:body(Name, binary:part(Bytes, 12, Size)) of
				{ok, Body} -> {Name, Number, Body};
				Fault -> Fault
			end;
		{_, _, _} -> more;
		Other -> Other
	end.

run("frame", Lines) ->
	Bytes = unhex(value(<<"bytes">>, Lines)),
	[check(decode(binary:part(Bytes, 0, Size)), more, Size) || Size <- lists:seq(0, byte_size(Bytes) - 1)],
	{Name, Number, Body} = decode(Bytes),
	check(Name, name(value(<<"type">>, Lines)), type),
	check(integer_to_binary(Number), value(<<"session">>, Lines), session),
	Fields = [field(Text, Body) || {<<"field">>, Text} <- Lines],
	case {value(<<"payload">>, Lines), lists:member(unknown, Fields)} of
		{undefined, true} -> ok;
		{undefined, false} -> check(hex(stanzagate_frames:encode(Name, Number, Fields)), hex(Bytes), encoded);
		{Payload, _} ->
			check(hex(Body), Payload, payload),
			check(hex(stanzagate_frames:encode(Name, Number, Body)), hex(Bytes), encoded)
	end;
run("bad", Lines) ->
	check(decode(unhex(value(<<"bytes">>, Lines))), {error, name(value(<<"error">>, Lines))}, error);
run("talk", [{<<"end">>, <<"backend">>} | Lines]) ->
	Config = lists:foldl(
		fun({<<"key">>, Key}, Acc) -> Acc#{key => unhex(Key)};
		   ({<<"nonce">>, Nonce}, Acc) -> Acc#{nonce => unhex(Nonce)};
		   (_, Acc) -> Acc
		end, base(), Lines),
	{_, Link} = stanzagate_link:new(Config, unhex(proplists:get_value(<<"binding">>, Lines, <<>>))),
	lists:foldl(fun talk/2, {Link, [], sessions(), <<>>}, Lines);
run("talk", _) ->
	left_out;
run("play", Lines) ->
	case value(<<"fans">>, Lines) of
		undefined ->
			#{heard := Heard} = lists:foldl(fun play/2, #{links => #{}, count => 0, sessions => sessions(), heard => []}, Lines),
			check(Heard, [], besides);
		_ -> left_out
	end.

field(Text, Body) ->
	{Key, Content} = word(Text),
	try {name(Key), map_get(name(Key), Body)} of
		{Name, Value} when is_integer(Value) ->
			check(Value, binary:decode_unsigned(unhex(Content)), Name),
			{Name, Value};
		{Name, Value} ->
			check(hex(Value), Content, Name),
			{Name, Value}
	catch error:{badkey, _} ->
		unknown
	end.

base() ->
	#{name => <<"session-1">>, epoch => 16#0123456789abcdef, window => 4194304}.

sessions() ->
	stanzagate_sessions:new(#{window => 4194304, held_bytes_max => 1048576, waiting_bytes_max => 1 bsl 26}).

%% A turn of a talk: what came of the last bytes is looked at in its order.
talk({<<"hears">>, Text}, {Link, _, Sessions, _}) ->
	{Items, Link1} = stanzagate_link:hears(unhex(Text), Link),
	{Kept, Sessions1, Said} = lists:foldl(fun item/2, {[], Sessions, []}, Items),
	{Link1, lists:reverse(Kept), Sessions1, hex(Said)};
talk({<<"up">>, Name}, {Link, [{up, #{name := Name}} | Rest], Sessions, Said}) ->
	{Link, Rest, Sessions, Said};
talk({<<"says">>, Text}, {Link, Items, Sessions, Said}) ->
	check(Said, Text, says),
	{Link, Items, Sessions, <<>>};
talk({<<"error">>, Text}, {Link, Items, Sessions, Said}) ->
	check(lists:last(Items), {error, name(Text)}, error),
	{Link, [], Sessions, Said};
talk({<<"given">>, Text}, {Link, [{frame, Name, _, _, _} | Rest], Sessions, Said}) ->
	check(Name, name(Text), given),
	{Link, Rest, Sessions, Said};
talk({<<"quiet">>, _}, {_, Items, _, Said} = State) ->
	check({Items, Said}, {[], <<>>}, quiet),
	State;
talk({Word, _}, State) when Word =:= <<"key">>; Word =:= <<"nonce">>; Word =:= <<"binding">> ->
	State.

item({say, Bytes}, {Kept, Sessions, Said}) ->
	{Kept, Sessions, [Said, Bytes]};
item({up, #{window := Window}} = Item, {Kept, Sessions, Said}) ->
	{[Item | Kept], stanzagate_sessions:link(1, Window, 60000, Sessions), Said};
item({frame, Name, Number, Body, Size} = Item, {Kept, Sessions, Said}) ->
	{Result, Sessions1} = frame(1, Name, Number, Body, Size, Sessions),
	{_, Sessions2} = stanzagate_sessions:news(Sessions1),
	{Out, Sessions3} = stanzagate_sessions:take(1, Sessions2),
	{[case Result of ok -> Item; Fault -> Fault end | Kept], Sessions3, [Said, Out]};
item(Fault, {Kept, Sessions, Said}) ->
	{[Fault | Kept], Sessions, Said}.

frame(Id, Name, Number, Body, Size, Sessions) ->
	case stanzagate_sessions:frame(Id, Name, Number, Body, Size, Sessions) of
		{ok, Sessions1} -> {ok, Sessions1};
		{error, Fault, Sessions1} -> {{error, Fault}, Sessions1}
	end.

play({<<"link">>, _}, #{count := Count, links := Links} = State) ->
	{Said, Link} = stanzagate_link:new(base(), <<>>),
	Id = Count + 1,
	State#{count := Id, links := Links#{Id => {Link, Said}}};
play({<<"hears">>, Text}, #{count := Id, links := Links} = State) ->
	#{Id := {Link, Said}} = Links,
	{Items, Link1} = stanzagate_link:hears(unhex(Text), Link),
	lists:foldl(fun(Item, Acc) -> play_item(Item, Id, Acc) end, State#{links := Links#{Id := {Link1, Said}}}, Items);
play({<<"says">>, Text}, #{count := Id, links := Links, sessions := Sessions} = State) ->
	{Out, Sessions1} = stanzagate_sessions:take(Id, Sessions),
	#{Id := {Link, Said}} = Links,
	check(hex([Said, Out]), Text, says),
	State#{links := Links#{Id := {Link, []}}, sessions := Sessions1};
play({<<"given">>, What}, State) ->
	heard(What, State);
play({<<"over">>, Number}, State) ->
	heard(<<"over ", Number/binary>>, State);
play({<<"error">>, Text}, State) ->
	heard(<<"error ", Text/binary>>, State);
play({<<"cut">>, _}, #{count := Id} = State) ->
	change(fun(Sessions) -> stanzagate_sessions:cut(Id, Sessions) end, State);
play({<<"acks">>, _}, #{count := Id} = State) ->
	change(fun(Sessions) -> stanzagate_sessions:ack(Id, all, Sessions) end, State);
play({<<"sends">>, Text}, State) ->
	{Name, Number, Body} = decode(unhex(Text)),
	change(fun(Sessions) -> send(Name, Number, Body, Sessions) end, State);
play({<<"holds">>, Text}, State) ->
	change(fun(Sessions) -> stanzagate_sessions:pause(binary_to_integer(Text), true, Sessions) end, State);
play({<<"adopts">>, Text}, State) ->
	[Number, Count] = [binary_to_integer(Word) || Word <- string:split(Text, " ")],
	change(fun(Sessions) -> stanzagate_sessions:adopted(Number, Count, Sessions) end, State);
play({<<"refuses">>, Text}, State) ->
	change(fun(Sessions) -> stanzagate_sessions:refused(binary_to_integer(Text), none, Sessions) end, State).

send(element, Number, Xml, Sessions) -> stanzagate_sessions:element(Number, Xml, Sessions);
send(keep, Number, Bytes, Sessions) -> stanzagate_sessions:keep(Number, Bytes, Sessions);
send(state, Number, #{stage := Stage, jid := Jid}, Sessions) ->
	stanzagate_sessions:state(Number, [{stage, Stage}, {jid, Jid}], Sessions);
send(close, Number, Fields, Sessions) ->
	stanzagate_sessions:close(Number, [{condition, Condition} || #{condition := Condition} <- [Fields]], Sessions).

heard(What, #{heard := [What | Rest]} = State) -> State#{heard := Rest};
heard(What, #{heard := Heard}) -> error({not_given, What, Heard}).

change(How, #{sessions := Sessions} = State) ->
	note(State#{sessions := How(Sessions)}).

note(#{sessions := Sessions, heard := Heard} = State) ->
	{All, Sessions1} = stanzagate_sessions:news(Sessions),
	News = [Event || Event <- All, element(1, Event) =/= ended],
	Sessions2 = lists:foldl(fun known/2, Sessions1, News),
	State#{sessions := Sessions2, heard := Heard ++ [told(Event) || Event <- News]}.

%% A session's number is its client here.
known({Word, Number, _}, Sessions) when Word =:= opened; Word =:= adopt -> stanzagate_sessions:set_client(Number, Number, Sessions);
known(_, Sessions) -> Sessions.

told(Event) ->
	iolist_to_binary([atom_to_list(element(1, Event)), " ", integer_to_list(element(2, Event))]).

play_item({say, Bytes}, Id, #{links := Links} = State) ->
	#{Id := {Link, Said}} = Links,
	State#{links := Links#{Id := {Link, [Said, Bytes]}}};
play_item({up, #{name := Name, window := Window} = Peer}, Id, #{heard := Heard} = State) ->
	Patience = maps:get(patience_ms, Peer, 0),
	change(fun(Sessions) -> stanzagate_sessions:link(Id, Window, Patience, Sessions) end,
		State#{heard := Heard ++ [<<"up ", Name/binary>>]});
play_item({frame, Name, Number, Body, Size}, Id, #{sessions := Sessions} = State) ->
	case frame(Id, Name, Number, Body, Size, Sessions) of
		{ok, Sessions1} -> note(State#{sessions := Sessions1});
		{{error, Fault}, Sessions1} -> play_item({error, Fault}, Id, note(State#{sessions := Sessions1}))
	end;
play_item({error, Fault}, _, #{heard := Heard} = State) ->
	State#{heard := Heard ++ [<<"error ", (string:uppercase(atom_to_binary(Fault)))/binary>>]}.
