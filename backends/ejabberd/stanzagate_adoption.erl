%% Sessions that come from another node or an earlier life of this one, and that go there (docs/link-protocol.md, section 7).
%%
%% All of this runs in a client's ejabberd_c2s, as stanzagate_client does. A session that is adopted goes on as if it had been here all
%% the time: nobody is told anything, since nobody was told that it was away.
-module(stanzagate_adoption).

-export([adopt/3, leave/1, late_messages/1]).
-export([c2s_handle_call/3, c2s_terminated/2]).

-include_lib("kernel/include/logger.hrl").
-include("stanzagate_client.hrl").

-define(TAKE_MS, 3000).
-define(AGAIN_MS, 10000). % so long elements may come that another node has handled: more than the gate needs to send them

%% Socket: of this client; Fields: of ADOPT. Answers through the socket: {adopted, Count} or {refused, Reason}.
adopt(none, _, State) ->
	State;
adopt(Socket, Fields, State) ->
	try adopt_address(Socket, Fields, State)
	catch Class:Why:Stack ->
		?LOG_ERROR("A session cannot be adopted: ~tp:~tp~n~tp", [Class, Why, Stack]),
		refuse(Socket, <<"internal error">>, State)
	end.

adopt_address(Socket, #{jid := Text} = Fields, #{stream_state := wait_for_sasl_request, lserver := Server} = State) ->
	try jid:tolower(jid:decode(Text)) of
		{User, Server, Resource} when User =/= <<>>, Resource =/= <<>> ->
			case ejabberd_auth:user_exists(User, Server) of
				true -> adopt_user(Socket, Fields, element(4, jid:decode(Text)), take_over(User, Server, Resource), State#{user => User});
				false -> refuse(Socket, <<"no such user">>, State)
			end;
		_ -> refuse(Socket, <<"this is no session of the domain">>, State)
	catch error:_ -> refuse(Socket, <<"this is no address">>, State)
	end;
adopt_address(Socket, _, State) ->
	refuse(Socket, <<"the domain is not served">>, State).

refuse(Socket, Reason, State) ->
	stanzagate_client:tell(Socket, {refused, Reason}),
	self() ! {'$gen_event', closed},
	State.

%% The session may still live, here or on another node of the cluster, which the gate cannot reach: its process tells all it knows,
%% and ends without a word to anybody. Else it is replaced, as by a client that comes anew.
take_over(User, Server, Resource) ->
	case ejabberd_sm:get_session_pid(User, Server, Resource) of
		none ->
			none;
		Pid ->
			% Who asks a node that has gone waits for an attempt to connect to it.
			case lists:member(node(Pid), [node() | nodes()]) of
				true -> ask(Pid);
				false -> none
			end
	end.

ask(Pid) ->
	Monitor = monitor(process, Pid),
	Answer = try ejabberd_c2s:call(Pid, stanzagate_take, ?TAKE_MS) of
		{stanzagate, Old, Own} -> {Old, Own};
		_ -> replaced
	catch
		exit:{timeout, _} -> replaced;
		exit:_ -> none % it has died
	end,
	receive {'DOWN', Monitor, _, _, _} -> ok after ?TAKE_MS -> demonitor(Monitor, [flush]) end,
	Answer.

c2s_handle_call(#{sid := _} = State, stanzagate_take, From) ->
	Queue = case State of
		#{mgmt_queue := Any} -> #{mgmt_queue => p1_queue:file_to_ram(Any)};
		_ -> #{}
	end,
	ejabberd_c2s:reply(From, {stanzagate, maps:merge(State, Queue), stanzagate_client:own()}),
	{stop, leave(State)};
c2s_handle_call(State, _, _) ->
	State.

adopt_user(Socket, Fields, Resource, Before, #{user := User, lserver := Server} = State) ->
	Jid = jid:make(User, Server, Resource),
	{State1, Own} = inherit(Before, Fields, State),
	stanzagate_client:put_own(Own#own{jid = jid:tolower(Jid)}),
	State2 = sm_state(Before, Own, State1#{
		resource => Resource, auth_module => maps:get(auth_module, State1, hd(ejabberd_auth:auth_modules(Server))),
		sid => ejabberd_sm:make_sid(), stream_restarted => true
	}),
	State3 = client_state(Own#own.kept, ejabberd_c2s:open_session(State2)),
	State4 = present(Fields, ejabberd_hooks:run_fold(c2s_session_resumed, Server, State3, [])),
	stanzagate_client:tell(Socket, {adopted, Own#own.elements}),
	Before =:= replaced andalso (self() ! {resend_presence, undefined}),
	?LOG_INFO("Adopted session of ~ts", [jid:encode(Jid)]),
	routed(send_untaken(Before, Own, State4)).

%% What the gate tells of the session; the process that had it may have handled more than it could say.
inherit({Old, #own{elements = Elements, in = In} = Its}, #{acked := Acked, stanzas_out := Out}, State)
		when (Elements - Acked) band ?U32 < 16#80000000 ->
	Kept = Its#own.kept,
	Own = (stanzagate_client:own())#own{elements = Elements, in = In, out = Out, bound = true, kept = Kept, told = Kept},
	{ejabberd_c2s:copy_state(State, Old), Own};
inherit(_, #{acked := Acked, stanzas_in := In, stanzas_out := Out} = Fields, State) ->
	{Delivered, Bytes} = stanzagate_delivered:unpack(maps:get(keep, Fields, <<>>)),
	stanzagate_delivered:note(Delivered),
	Kept = kept(Bytes),
	{State, (stanzagate_client:own())#own{
		elements = Acked, in = In, out = Out, bound = true, kept = Kept, told = Kept,
		again_until_ms = erlang:monotonic_time(millisecond) + ?AGAIN_MS
	}}.

kept(Bytes) ->
	try binary_to_term(Bytes, [safe]) of
		{?KEEP_VERSION, #{} = Kept} -> Kept;
		_ -> #{}
	catch error:badarg ->
		#{}
	end.

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

%% To look for them is a transaction, which writes to the disk even where there are none; just after a node has gone, when mnesia has much
%% to do and many sessions are adopted, they take seconds.
offline_messages(Presence, #{user := User, lserver := Server} = State) ->
	State1 = case gen_mod:is_loaded(Server, mod_offline) of
		true -> stanzagate_store:locked({User, Server}, fun() -> empty_store(Presence, State) end);
		false -> State
	end,
	State1#{pres_last => Presence, pres_timestamp => erlang:timestamp()}.

empty_store(Presence, #{user := User, lserver := Server} = State) ->
	case mod_offline:count_offline_messages(User, Server) > 0 of
		true -> element(2, mod_offline:c2s_self_presence({Presence, maps:remove(pres_last, State)}));
		false -> State
	end.

%% Messages have come while the session was opened, before those of the offline store, which are older: these go first.
routed(State) ->
	{Old, New} = lists:partition(fun(Packet) -> xmpp:get_meta(Packet, from_offline, false) end, routed_packets()),
	lists:foldl(fun(Packet, Acc) -> stanzagate_client:handle({route, Packet}, Acc) end, State, Old ++ New).

routed_packets() ->
	receive {route, Packet} -> [Packet | routed_packets()]
	after 0 -> []
	end.

%% Messages have come into the offline store, although the session is here (stanzagate_receipts).
late_messages(#{pres_last := Presence} = State) ->
	offline_messages(Presence, State);
late_messages(State) ->
	State.

%% The session ends here without a word to anybody: it goes on at whoever adopts it.
leave(State) ->
	case stanzagate_client:socket(State) of
		none -> ok;
		Socket -> stanzagate_client:tell(Socket, left)
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
