%% A client that came over a link, as ejabberd_c2s sees it: a socket of its own (xmpp_socket), whose other end is the process of
%% the gate's worker (stanzagate_gate).
%%
%% All of this runs in the client's ejabberd_c2s. It gets elements as {stanzagate, Xml}, by the hook c2s_handle_info, so that they
%% are parsed on as many processors as there are, and are handled at once, as the events that ejabberd's own parsers make. What
%% ejabberd_c2s sends is made into XML here, too, and told to the gate's process as {stanzagate, Number, What}:
%%
%%    {element, Xml}, {features, Xml}      Xml of features: without its parent
%%    {error, Condition, Text}, trailer    the end of the stream
%%    close                                the socket is closed
%%    {authenticated, Jid}, {bound, Jid}   before the element that tells the client
%%    {keep, Bytes}                        for whoever adopts the session, also before
%%    {done, Count, Cost}                  so many elements, of so much cost/1, have been handled
%%    {wait, Milliseconds}                 the client shall be slower, by that much
%%    {adopted, Count}, {refused, Reason}  what has come of an adoption
%%    left                                 the session ends here, and goes on elsewhere
-module(stanzagate_client).
-behaviour(xmpp_socket).

-export([start/5, header/2, hand_over/2, cost/1]).
-export([send/2, send_xml/2, get_owner/1, get_transport/1, change_shaper/2, controlling_process/2, close/1, sockname/1,
	peername/1, setopts/2, reset_stream/1, get_tls_last_message/2, get_tls_cb_exporter/1, get_negotiated_cipher/1]).
-export([c2s_init/2, c2s_handle_info/2, c2s_handle_cast/2, c2s_handle_call/3, c2s_auth_result/3, c2s_session_opened/1,
	c2s_copy_session/2, c2s_session_resumed/1, c2s_terminated/2]).

-include_lib("kernel/include/logger.hrl").

-define(DONE_COST, 16384).
-define(ELEMENT_COST, 256).
-define(U32, 16#ffffffff).
-define(STREAM_NS, <<"http://etherx.jabber.org/streams">>).
-define(KEEP_BYTES_MAX, 1024).
-define(KEEP_VERSION, 1).
-define(TAKE_MS, 3000).

%% As fast_xml has it.
-record(xmlel, {name = <<>> :: binary(), attrs = [] :: [{binary(), binary()}], children = [] :: [tuple()]}).

%% The other end's process, its number for the session, and what OPEN or ADOPT has told.
-record(stanzagate, {gate :: pid(), number :: non_neg_integer(), peer, tls :: boolean(), exporter, cipher}).

%% What this process knows of its client; in its dictionary. Counts are as the gate counts, modulo 2^32, since the client was bound:
%% stanzas in and out, and all elements in. kept: what KEEP is made of, told: as the gate was last told.
-record(own, {
	in = 0, out = 0, elements = 0, bound = false, size_max = infinity, shaper = none, enable_in = 0, kept = #{}, told = #{},
	done = 0, done_cost = 0, is_marked = false
}).

-type socket() :: #stanzagate{}.

%% ---- for the gate's process ----

%% Starts the ejabberd_c2s of a client; Fields are those of OPEN or ADOPT. Elements are given to it with hand_over/2.
-spec start(pid(), non_neg_integer(), map(), [proplists:property()], pos_integer() | infinity) -> {ok, pid(), socket()} | {error, term()}.
start(Gate, Number, Fields, Options, SizeMax) ->
	Socket = #stanzagate{
		gate = Gate, number = Number, peer = peer(Fields), tls = is_map_key(tls_version, Fields),
		exporter = maps:get(tls_exporter, Fields, none), cipher = maps:get(tls_cipher, Fields, none)
	},
	case ejabberd_c2s:start(?MODULE, Socket, [{receiver, Gate}, {stanzagate, SizeMax} | Options]) of
		{ok, Pid} ->
			ejabberd_c2s:accept(Pid),
			{ok, Pid, Socket};
		Other ->
			{error, Other}
	end.

peer(#{address := Address} = Fields) ->
	case inet:parse_address(binary_to_list(Address)) of
		{ok, Ip} -> {Ip, maps:get(port, Fields, 0)};
		_ -> {{0, 0, 0, 0}, 0}
	end.

%% The header of the client's stream, which the gate has answered itself.
header(Domain, Lang) ->
	{xmlstreamstart, <<"stream:stream">>, [{<<"xmlns">>, <<"jabber:client">>}, {<<"xmlns:stream">>, ?STREAM_NS},
		{<<"version">>, <<"1.0">>}, {<<"to">>, Domain} | [{<<"xml:lang">>, Lang} || Lang =/= none]]}.

%% An element's XML; header: an event of header/2; closed: the client is lost; 'end': it has ended its stream; {adopt, Fields};
%% leave: this server goes, and others adopt.
hand_over(Pid, {xmlstreamstart, _, _} = Header) ->
	Pid ! {'$gen_event', Header};
hand_over(Pid, What) ->
	Pid ! {stanzagate, What}.

%% What an element takes of memory while it waits: its bytes, and something for itself.
cost(Xml) ->
	byte_size(Xml) + ?ELEMENT_COST.

%% ---- xmpp_socket ----

get_owner(#stanzagate{gate = Gate}) -> Gate.

get_transport(#stanzagate{tls = true}) -> tls;
get_transport(_) -> tcp.

controlling_process(_, _) -> ok.
sockname(_) -> {ok, {{0, 0, 0, 0}, 0}}.
peername(#stanzagate{peer = Peer}) -> {ok, Peer}.
setopts(_, _) -> ok.
reset_stream(Socket) -> Socket.

change_shaper(_, Shaper) ->
	put_own((own())#own{shaper = Shaper}),
	ok.

%% There is none over TLS 1.3.
get_tls_last_message(_, _) -> {error, unavailable}.

get_tls_cb_exporter(#stanzagate{exporter = none}) -> {error, unavailable};
get_tls_cb_exporter(#stanzagate{exporter = Exporter}) -> {ok, Exporter}.

get_negotiated_cipher(#stanzagate{cipher = none}) -> error;
get_negotiated_cipher(#stanzagate{cipher = Cipher}) -> {ok, Cipher}.

close(Socket) -> tell(Socket, close).

send(Socket, Data) -> send_xml(Socket, {xmlstreamraw, Data}).

send_xml(Socket, {xmlstreamelement, #xmlel{name = Name} = Element}) ->
	send_element(Socket, Name, Element);
send_xml(Socket, {xmlstreamend, _}) ->
	tell(Socket, trailer);
send_xml(_, _) ->
	ok. % headers are the gate's to send, white space is its to leave out

send_element(Socket, <<"stream:features">>, #xmlel{children = Children}) ->
	tell(Socket, {features, Children});
send_element(Socket, <<"stream:error">>, #xmlel{children = Children}) ->
	[Condition | _] = [Name || #xmlel{name = Name} <- Children, Name =/= <<"text">>] ++ [<<"undefined-condition">>],
	Text = [fxml:get_tag_cdata(Child) || #xmlel{name = <<"text">>} = Child <- Children],
	tell(Socket, {error, Condition, iolist_to_binary(Text)});
send_element(Socket, <<"enabled">>, Element) ->
	keep_enabled(Socket, Element),
	tell(Socket, {element, fxml:element_to_binary(Element)});
send_element(Socket, Name, Element) ->
	case is_stanza(Name) of
		true -> put_own(count_out(own()));
		false -> ok
	end,
	tell(Socket, {element, fxml:element_to_binary(Element)}).

tell(#stanzagate{gate = Gate, number = Number}, What) ->
	Gate ! {stanzagate, Number, What},
	ok.

own() ->
	case get(stanzagate) of
		undefined -> #own{};
		Own -> Own
	end.

put_own(Own) ->
	put(stanzagate, Own).

count_out(#own{out = Out} = Own) ->
	Own#own{out = (Out + 1) band ?U32}.

is_stanza(<<"message">>) -> true;
is_stanza(<<"presence">>) -> true;
is_stanza(<<"iq">>) -> true;
is_stanza(_) -> false.

%% The socket of this client, where it is one of ours and has not been closed.
socket(#{socket := State}) when tuple_size(State) > 2 ->
	case element(3, State) of
		#stanzagate{} = Socket -> Socket;
		_ -> none
	end;
socket(_) ->
	none.

%% ---- what comes in ----

c2s_init({ok, State}, Options) ->
	case proplists:get_value(stanzagate, Options) of
		undefined ->
			{ok, State};
		SizeMax ->
			put_own(#own{size_max = SizeMax}),
			#stanzagate{tls = IsEncrypted} = socket(State),
			{ok, State#{stream_encrypted => IsEncrypted}}
	end;
c2s_init(Other, _) ->
	Other.

c2s_handle_info(State, {stanzagate, What}) ->
	{stop, take(What, State)};
c2s_handle_info(State, _) ->
	State.

take(Xml, State) when is_binary(Xml) ->
	{Event, Own} = parse(Xml, own()),
	case socket(State) of
		none -> ok;
		Socket -> put_own(shape(byte_size(Xml), Socket, tell_kept(Socket, Own)))
	end,
	Handled = handle({'$gen_event', Event}, State),
	put_own(done(cost(Xml), socket(Handled), own())),
	Handled;
take(mark, State) ->
	put_own(tell_done(socket(State), (own())#own{is_marked = false})),
	State;
take(closed, State) ->
	handle({'$gen_event', closed}, State);
take('end', State) ->
	handle({'$gen_event', {xmlstreamend, <<"stream:stream">>}}, State);
take({adopt, Fields}, State) ->
	adopt(socket(State), Fields, State);
take(leave, State) ->
	leave(State).

parse(Xml, #own{size_max = Most} = Own) when byte_size(Xml) > Most ->
	{{xmlstreamerror, <<"XML stanza is too big">>}, Own};
parse(Xml, Own) ->
	case fxml_stream:parse_element(Xml) of
		#xmlel{} = Element -> {{xmlstreamelement, Element}, note(Element, Own)};
		_ -> {{xmlstreamerror, {1, <<"not well-formed">>}}, Own}
	end.

%% As if it had come as a message of its own. A fault in here would be forgiven by ejabberd_hooks, and the element forgotten.
handle(Event, State) ->
	try xmpp_stream_in:handle_info(Event, State) of
		{noreply, State1, _} ->
			State1;
		{stop, _, State1} ->
			ejabberd_c2s:stop_async(self()),
			State1
	catch Class:Why:Stack ->
		?LOG_ERROR("An element of a client cannot be handled: ~tp:~tp~n~tp", [Class, Why, Stack]),
		ejabberd_c2s:stop_async(self()),
		State
	end.

%% The gate's process is told when there is nothing more to do, or much has been done: what is not handled is not acknowledged.
done(Cost, Socket, #own{done = Count, done_cost = Before, is_marked = IsMarked} = Own) ->
	Own1 = Own#own{done = Count + 1, done_cost = Before + Cost},
	case process_info(self(), message_queue_len) of
		{_, Waiting} when Waiting =:= 0; Before + Cost >= ?DONE_COST ->
			tell_done(Socket, Own1);
		_ ->
			IsMarked orelse (self() ! {stanzagate, mark}),
			Own1#own{is_marked = true}
	end.

tell_done(Socket, #own{done = Count, done_cost = Cost} = Own) when Count > 0, Socket =/= none ->
	tell(Socket, {done, Count, Cost}),
	Own#own{done = 0, done_cost = 0};
tell_done(_, Own) ->
	Own#own{done = 0, done_cost = 0}.

shape(_, _, #own{shaper = none} = Own) ->
	Own;
shape(Size, Socket, #own{shaper = Shaper} = Own) ->
	{Shaper1, Ms} = p1_shaper:update(Shaper, Size),
	case Ms > 0 of
		true -> tell(Socket, {wait, Ms});
		false -> ok
	end,
	Own#own{shaper = Shaper1}.

%% What of an element has to be known by whoever adopts the session.
note(Element, #own{bound = true, elements = Elements} = Own) ->
	note_bound(Element, Own#own{elements = (Elements + 1) band ?U32});
note(_, Own) ->
	Own.

note_bound(#xmlel{name = Name, attrs = Attributes, children = Children}, #own{in = In, kept = Kept} = Own) ->
	case is_stanza(Name) of
		true when Name =:= <<"iq">> -> note_carbons(Children, Own#own{in = (In + 1) band ?U32});
		true -> Own#own{in = (In + 1) band ?U32};
		false ->
			case {Name, proplists:get_value(<<"xmlns">>, Attributes)} of
				{<<"enable">>, <<"urn:xmpp:sm:", _/binary>>} -> Own#own{enable_in = In};
				{<<"active">>, <<"urn:xmpp:csi:0">>} -> Own#own{kept = maps:remove(inactive, Kept)};
				{<<"inactive">>, <<"urn:xmpp:csi:0">>} -> Own#own{kept = Kept#{inactive => true}};
				_ -> Own
			end
	end.

note_carbons(Children, #own{kept = Kept} = Own) ->
	case [{Name, Ns} || #xmlel{name = Name, attrs = [{<<"xmlns">>, <<"urn:xmpp:carbons:2">> = Ns}]} <- Children] of
		[{<<"enable">>, Ns}] -> Own#own{kept = Kept#{carbons => Ns}};
		[{<<"disable">>, _}] -> Own#own{kept = maps:remove(carbons, Kept)};
		_ -> Own
	end.

%% mod_push has made an entry for this session, or removed it.
c2s_handle_cast(State, {push_enable, Id}) ->
	note_push(State, fun(Kept) -> Kept#{push => Id} end);
c2s_handle_cast(State, push_disable) ->
	note_push(State, fun(Kept) -> maps:remove(push, Kept) end);
c2s_handle_cast(State, _) ->
	State.

note_push(State, How) ->
	case socket(State) of
		none -> ok;
		Socket -> put_own(tell_kept(Socket, (own())#own{kept = How((own())#own.kept)}))
	end,
	State.

%% Whoever adopts the session gets it.
tell_kept(_, #own{kept = Same, told = Same} = Own) ->
	Own;
tell_kept(Socket, #own{kept = Kept} = Own) ->
	case term_to_binary({?KEEP_VERSION, Kept}) of
		Bytes when byte_size(Bytes) =< ?KEEP_BYTES_MAX -> tell(Socket, {keep, Bytes});
		_ -> ok
	end,
	Own#own{told = Kept}.

keep_sm(Socket, Sm, #own{kept = Kept} = Own) ->
	put_own(tell_kept(Socket, Own#own{kept = Kept#{sm => Sm}})).

%% Stream management begins. The counts are those of this point of the stream.
keep_enabled(Socket, #xmlel{attrs = Attributes}) ->
	Value = fun(Name) -> proplists:get_value(Name, Attributes, <<>>) end,
	case {Value(<<"xmlns">>), own()} of
		{<<"urn:xmpp:sm:", _/binary>> = Ns, #own{enable_in = In, out = Out} = Own} ->
			keep_sm(Socket, #{ns => Ns, id => Value(<<"id">>), max => Value(<<"max">>), in => In, out => Out}, Own);
		_ ->
			ok
	end.

%% ---- what the session has become ----

c2s_auth_result(State, true, User) ->
	case {socket(State), State} of
		{none, _} -> State;
		{Socket, #{lserver := Server}} ->
			tell(Socket, {authenticated, jid:encode(jid:make(User, Server))}),
			State
	end;
c2s_auth_result(State, _, _) ->
	State.

c2s_session_opened(State) ->
	bound(socket(State), State).

%% A session of stream management is about to go on here.
c2s_copy_session(State, _) ->
	bound(socket(State), State).

bound(none, State) ->
	State;
bound(Socket, #{jid := Jid} = State) ->
	put_own((own())#own{in = 0, out = 0, elements = 0, bound = true, kept = #{}, told = #{}}),
	tell(Socket, {bound, jid:encode(Jid)}),
	State.

%% What was sent again since counts here, and does not in stream management.
c2s_session_resumed(#{mgmt_state := active, mgmt_id := Id, resource := Resource, mgmt_xmlns := Ns, mgmt_timeout := TimeoutMs,
		mgmt_stanzas_in := In, mgmt_stanzas_out := Out} = State) ->
	case socket(State) of
		none -> ok;
		Socket ->
			#own{in = OwnIn, out = OwnOut} = Own = own(),
			keep_sm(Socket, #{ns => Ns, id => misc:term_to_base64({Resource, Id}), max => integer_to_binary(TimeoutMs div 1000),
				in => (OwnIn - In) band ?U32, out => (OwnOut - Out) band ?U32}, Own)
	end,
	State;
c2s_session_resumed(State) ->
	State.

%% ---- adoption ----

%% A session that another server had, or this one before it was started anew, goes on as if it had been here all the time: nobody
%% is told anything, since nobody was told that it was away.
adopt(none, _, State) ->
	State;
adopt(Socket, #{jid := Text} = Fields, #{stream_state := wait_for_sasl_request, lserver := Server} = State) ->
	try jid:tolower(jid:decode(Text)) of
		{User, Server, Resource} when User =/= <<>>, Resource =/= <<>> ->
			case ejabberd_auth:user_exists(User, Server) of
				true -> adopt_user(Socket, Fields, element(4, jid:decode(Text)), take_over(User, Server, Resource), State#{user => User});
				false -> refuse(Socket, <<"no such user">>, State)
			end;
		_ -> refuse(Socket, <<"this is no session of the domain">>, State)
	catch error:_ -> refuse(Socket, <<"this is no address">>, State)
	end;
adopt(Socket, _, State) ->
	refuse(Socket, <<"the domain is not served">>, State).

refuse(Socket, Reason, State) ->
	tell(Socket, {refused, Reason}),
	self() ! {'$gen_event', closed},
	State.

%% The session may still live, here or on another node of the cluster, which the gate cannot reach: its process tells all it knows,
%% and ends without a word to anybody. Else it is replaced, as by a client that comes anew.
take_over(User, Server, Resource) ->
	case ejabberd_sm:get_session_pid(User, Server, Resource) of
		none ->
			none;
		Pid ->
			Monitor = monitor(process, Pid),
			Answer = try ejabberd_c2s:call(Pid, stanzagate_take, ?TAKE_MS) of
				{stanzagate, Old, Own} -> {Old, Own};
				_ -> replaced
			catch exit:_ -> replaced
			end,
			receive {'DOWN', Monitor, _, _, _} -> ok after ?TAKE_MS -> demonitor(Monitor, [flush]) end,
			Answer
	end.

c2s_handle_call(#{sid := _} = State, stanzagate_take, From) ->
	Queue = case State of
		#{mgmt_queue := Any} -> #{mgmt_queue => p1_queue:file_to_ram(Any)};
		_ -> #{}
	end,
	ejabberd_c2s:reply(From, {stanzagate, maps:merge(State, Queue), own()}),
	{stop, leave(State)};
c2s_handle_call(State, _, _) ->
	State.

adopt_user(Socket, Fields, Resource, Before, #{user := User, lserver := Server} = State) ->
	Jid = jid:make(User, Server, Resource),
	{State1, Own} = inherit(Before, Fields, State),
	put_own(Own),
	State2 = sm_state(Before, Own, State1#{
		resource => Resource, auth_module => maps:get(auth_module, State1, hd(ejabberd_auth:auth_modules(Server))),
		sid => ejabberd_sm:make_sid(), stream_restarted => true
	}),
	State3 = client_state(Own#own.kept, ejabberd_c2s:open_session(State2)),
	State4 = present(Fields, ejabberd_hooks:run_fold(c2s_session_resumed, Server, State3, [])),
	tell(Socket, {adopted, Own#own.elements}),
	Before =:= replaced andalso (self() ! {resend_presence, undefined}),
	?LOG_INFO("Adopted session of ~ts", [jid:encode(Jid)]),
	send_untaken(Before, Own, State4).

%% What the gate tells of the session; the process that had it may have handled more than it could say.
inherit({Old, #own{elements = Elements, in = In} = Its}, #{acked := Acked, stanzas_out := Out}, State)
		when (Elements - Acked) band ?U32 < 16#80000000 ->
	Kept = Its#own.kept,
	Own = (own())#own{elements = Elements, in = In, out = Out, bound = true, kept = Kept, told = Kept},
	{ejabberd_c2s:copy_state(State, Old), Own};
inherit(_, #{acked := Acked, stanzas_in := In, stanzas_out := Out} = Fields, State) ->
	Kept = kept(Fields),
	{State, (own())#own{elements = Acked, in = In, out = Out, bound = true, kept = Kept, told = Kept}}.

kept(#{keep := Bytes}) ->
	try binary_to_term(Bytes, [safe]) of
		{?KEEP_VERSION, #{} = Kept} -> Kept;
		_ -> #{}
	catch error:badarg ->
		#{}
	end;
kept(_) ->
	#{}.

%% Stream management goes on at the counts of the gate. Before: what another process knew of stanzas that the client has not
%% acknowledged.
sm_state(Before, #own{in = In, out = Out, kept = #{sm := #{ns := Ns, id := Text, max := Max} = Sm}}, #{mgmt_queue_type := Type} = State) ->
	#{in := InFrom, out := OutFrom} = Sm,
	Sent = (Out - OutFrom) band ?U32,
	{Id, Timeout} = case misc:base64_to_term(Text) of
		{term, {_, Bytes}} -> {Bytes, binary_to_integer(Max) * 1000};
		_ -> {p1_rand:bytes(8), 0}
	end,
	State#{
		mgmt_state => active, mgmt_xmlns => Ns, mgmt_id => Id, mgmt_timeout => Timeout,
		mgmt_queue => p1_queue:from_list([Entry || {N, _, _} = Entry <- unacked(Before), is_sent(N, Sent)], Type),
		mgmt_stanzas_in => (In - InFrom) band ?U32, mgmt_stanzas_out => Sent, mgmt_stanzas_req => Sent
	};
sm_state(_, _, State) ->
	State.

unacked({#{mgmt_queue := Queue}, _}) -> p1_queue:to_list(Queue);
unacked(_) -> [].

is_sent(Number, Sent) -> (Sent - Number) band ?U32 < 16#80000000.

%% Stanzas that the other process has sent, and that have not come to the gate.
send_untaken(Before, #own{out = Out, kept = #{sm := #{out := OutFrom}}}, State) ->
	Sent = (Out - OutFrom) band ?U32,
	Untaken = [Packet || {N, _, Packet} <- unacked(Before), not is_sent(N, Sent)],
	lists:foldl(fun(Packet, Acc) -> ejabberd_c2s:send(Acc, Packet) end, State, Untaken);
send_untaken(_, _, State) ->
	State.

client_state(Kept, State) ->
	maps:merge(State, maps:from_list(
		[{csi_state, inactive} || is_map_key(inactive, Kept), is_map_key(csi_state, State)]
		++ [{carboncopy, Ns} || #{carbons := Ns} <- [Kept]]
		++ [Pair || #{push := Id} <- [Kept], Pair <- [{push_enabled, true}, {push_session_id, Id}]])).

%% The presence is what everybody knows already. Messages that came while nobody had the session have waited in the offline store.
present(#{presence := Xml}, #{sid := Sid, user := User, server := Server, resource := Resource, jid := Jid} = State) ->
	case fxml_stream:parse_element(Xml) of
		#xmlel{} = Element ->
			try xmpp:decode(Element, <<"jabber:client">>, []) of
				Decoded ->
					Presence = xmpp:set_from_to(Decoded, Jid, jid:remove_resource(Jid)),
					ejabberd_sm:set_presence(Sid, User, Server, Resource, priority(Element), Presence),
					offline_messages(Presence, State)
			catch _:_ -> State
			end;
		_ -> State
	end;
present(_, State) ->
	State.

priority(Element) ->
	try binary_to_integer(fxml:get_path_s(Element, [{elem, <<"priority">>}, cdata]))
	catch error:badarg -> 0
	end.

offline_messages(Presence, #{lserver := Server} = State) ->
	State1 = case gen_mod:is_loaded(Server, mod_offline) of
		true -> element(2, mod_offline:c2s_self_presence({Presence, maps:remove(pres_last, State)}));
		false -> State
	end,
	State1#{pres_last => Presence, pres_timestamp => erlang:timestamp()}.

%% ---- the server goes ----

%% The session ends here without a word to anybody: it goes on at whoever adopts it.
leave(State) ->
	case socket(State) of
		none -> ok;
		Socket -> tell(Socket, left)
	end,
	ejabberd_c2s:stop_async(self()),
	State#{stanzagate_left => true}.

c2s_terminated(#{stanzagate_left := true, sid := Sid, jid := Jid} = State, _) ->
	{User, Server, Resource} = jid:tolower(Jid),
	ejabberd_sm:close_session(Sid, User, Server, Resource),
	ejabberd_c2s:bounce_message_queue(Sid, Jid),
	{stop, State};
c2s_terminated(State, _) ->
	State.
