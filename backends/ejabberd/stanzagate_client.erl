%% A client that came over a link, as ejabberd_c2s sees it: a socket of its own (xmpp_socket), whose other end is the process of
%% the gate's worker (stanzagate_gate).
%%
%% All of this runs in the client's ejabberd_c2s. It gets elements as {stanzagate, Xml}, by the hook c2s_handle_info, so that they
%% are parsed on as many processors as there are, and are handled at once, as the events that ejabberd's own parsers make. What
%% ejabberd_c2s sends is made into XML here, too, and told to the gate's process as {stanzagate, Number, What}:
%%
%%    {element, Xml}, {features, Xml}      Xml of features: without its parent
%%    {element, Xml, Tag}                  a message that has a tag (stanzagate_delivered)
%%    {error, Condition, Text}, trailer    the end of the stream
%%    close                                the socket is closed
%%    {authenticated, Jid}, {bound, Jid}   before the element that tells the client
%%    {keep, Bytes}                        for whoever adopts the session, also before
%%    {done, Count, Cost, Receipts}        so many elements, of so much cost/1, have been handled; these receipts are awaited for them
%%    {receipt, Gate, Receipt}             what was sent before has come in a message for which Gate waits (stanzagate_receipts)
%%    {wait, Milliseconds}                 the client shall be slower, by that much
%%    {adopted, Count}, {refused, Reason}  what has come of an adoption
%%    left                                 the session ends here, and goes on elsewhere
-module(stanzagate_client).
-behaviour(xmpp_socket).

-export([start/5, header/2, hand_over/2, cost/1]).
-export([own/0, put_own/1, socket/1, tell/2, handle/2]).
-export([send/2, send_xml/2, get_owner/1, get_transport/1, change_shaper/2, controlling_process/2, close/1, sockname/1,
	peername/1, setopts/2, reset_stream/1, get_tls_last_message/2, get_tls_cb_exporter/1, get_negotiated_cipher/1]).
-export([c2s_init/2, c2s_handle_info/2, c2s_handle_cast/2, c2s_auth_result/3, c2s_session_opened/1, c2s_copy_session/2,
	c2s_session_resumed/1]).

-include_lib("kernel/include/logger.hrl").
-include("stanzagate_client.hrl").

-define(DONE_COST, 16384).
-define(ELEMENT_COST, 256).
-define(STREAM_NS, <<"http://etherx.jabber.org/streams">>).
-define(KEEP_BYTES_MAX, 1024).

-type socket() :: #stanzagate{}.

%% ---- for the gate's process ----

%% Starts the ejabberd_c2s of a client; Fields are those of OPEN or ADOPT. Elements are given to it with hand_over/2.
-spec start(pid(), non_neg_integer(), map(), [proplists:property()], pos_integer() | infinity) -> {ok, pid(), socket()} | {error, term()}.
start(Gate, Number, Fields, Options, SizeMax) ->
	Socket = #stanzagate{
		gate = Gate, number = Number, epoch = maps:get(epoch, Fields, 0), peer = peer(Fields), tls = is_map_key(tls_version, Fields),
		exporter = maps:get(tls_exporter, Fields, none), cipher = maps:get(tls_cipher, Fields, none),
		users = stanzagate_external:users(Fields)
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
%% leave: this server goes, and others adopt; offline: messages have come into the offline store.
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
	#own{tag = Tag} = Own = own(),
	case is_stanza(Name) of
		true when Name =:= <<"message">>, Tag =/= none ->
			put_own(count_out(Own#own{tag = none})),
			tell(Socket, {element, fxml:element_to_binary(Element), Tag});
		IsStanza ->
			IsStanza andalso put_own(count_out(Own)),
			tell(Socket, {element, fxml:element_to_binary(Element)})
	end.

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
			#stanzagate{gate = Gate, number = Number, epoch = Epoch, tls = IsEncrypted, users = Users} = socket(State),
			put_own(#own{size_max = SizeMax, gate = Gate, source = <<Epoch:64, Number:56>>}),
			{ok, State#{stream_encrypted => IsEncrypted, tls_verify => Users =/= []}} % so EXTERNAL is offered
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
	stanzagate_adoption:adopt(socket(State), Fields, State);
take(leave, State) ->
	stanzagate_adoption:leave(State);
take(offline, State) ->
	stanzagate_adoption:late_messages(State).

parse(Xml, #own{size_max = Most} = Own) when byte_size(Xml) > Most ->
	{{xmlstreamerror, <<"XML stanza is too big">>}, Own};
parse(Xml, Own) ->
	case fxml_stream:parse_element(Xml) of
		#xmlel{} = Element -> {{xmlstreamelement, Element}, note(Element, Own)};
		_ -> {{xmlstreamerror, {1, <<"not well-formed">>}}, Own}
	end.

%% As if it had come as a message of its own. A fault in here would be forgiven by ejabberd_hooks, and the element forgotten.
handle(Event, State) ->
	try handle_info(Event, State) of
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

handle_info({'$gen_event', {xmlstreamelement, #xmlel{name = <<"auth">>} = Element}} = Event, State) ->
	case stanzagate_external:authenticate(Element, State) of
		none -> xmpp_stream_in:handle_info(Event, State);
		State1 -> {noreply, State1, infinity}
	end;
handle_info(Event, State) ->
	xmpp_stream_in:handle_info(Event, State).

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

tell_done(Socket, #own{done = Count, done_cost = Cost, awaited = Awaited} = Own) when Count > 0, Socket =/= none ->
	tell(Socket, {done, Count, Cost, Awaited}),
	Own#own{done = 0, done_cost = 0, awaited = []};
tell_done(_, Own) ->
	Own#own{done = 0, done_cost = 0, awaited = []}.

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

%% What other modules know of a session that goes on here, and that its client has asked for before.
kept(#{user := User, server := Server, resource := Resource} = State) ->
	Carbons = case ejabberd_sm:get_user_info(User, Server, Resource) of
		Info when is_list(Info) -> [{carbons, Ns} || {carboncopy, Ns} <- Info];
		_ -> []
	end,
	maps:from_list(Carbons ++ [{push, Id} || #{push_session_id := Id} <- [State]]).

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
	put_own((own())#own{in = 0, out = 0, elements = 0, bound = true, kept = #{}, told = #{}, jid = jid:tolower(Jid)}),
	tell(Socket, {bound, jid:encode(Jid)}),
	State.

%% What was sent again since counts here, and does not in stream management.
c2s_session_resumed(#{mgmt_state := active, mgmt_id := Id, resource := Resource, mgmt_xmlns := Ns, mgmt_timeout := TimeoutMs,
		mgmt_stanzas_in := In, mgmt_stanzas_out := Out} = State) ->
	case socket(State) of
		none -> ok;
		Socket ->
			#own{in = OwnIn, out = OwnOut, kept = Kept} = Own = own(),
			keep_sm(Socket, #{ns => Ns, id => misc:term_to_base64({Resource, Id}), max => integer_to_binary(TimeoutMs div 1000),
				in => (OwnIn - In) band ?U32, out => (OwnOut - Out) band ?U32}, Own#own{kept = maps:merge(Kept, kept(State))})
	end,
	State;
c2s_session_resumed(State) ->
	State.
