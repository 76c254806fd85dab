%% One worker of a gate: its links' sockets, and its sessions with their clients, over all of its links. The numbers and what must
%% be sent again are stanzagate_sessions' to keep; here are time, sockets, and what ejabberd_c2s and the gate tell each other.
%%
%% Bytes are written once a round: when there is nothing more to be handled, or much has been.
-module(stanzagate_gate).
-behaviour(gen_server).

-export([start/2, link/6, domains/2, leave/1]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, terminate/2]).

-include_lib("kernel/include/logger.hrl").

-define(TICK_MS, 1000).
-define(PATIENCE_MARGIN_MS, 5000).
-define(ROUND_MAX, 100).            % messages that are handled before bytes are written
-define(REASON_BYTES_MAX, 256).
-define(AHEAD_MAX, 131072).         % cost of elements that a client's process has not taken; then its gate is told to pause
-define(ACTIVE, 100).               % deliveries of a socket before it asks for more
-define(LEAVE_MS, 3000).
-define(UNHANDLED_MS, 5000).        % so long an element keeps back the acknowledgement of all that came behind it
-define(UNHANDLED_MS_LEAST, 100).   % and so long where that is half the window
-define(WRITE_SLACK, 1048576).
-define(TAGS_MS, 10000).            % so long a gate keeps tags of messages, when nothing comes behind

%% A socket: transport is gen_tcp or ssl. link: stanzagate_link, in the middle of what it has heard. given: {Count, Ms, Cost} of elements
%% that clients' processes have been given, in their order; done: those of them that have been handled, each with
%% the receipts that it waits for, and those of whose messages all have been acknowledged with it.
-record(connection, {transport, socket, link, patience_ms, heard_ms, pinged = false, given = queue:new(), given_cost = 0, done = #{}}).

%% stage: what the gate knows of it; 0 until it is authenticated, 2 when it is bound. adopting: nothing may be said yet.
%% inbox: elements that wait here, because its process is behind: a message queue that grows too long would be the end of it. given:
%% {Link, Count} of each element that is not handled yet. kept: what the process has told to be kept.
-record(client, {
	pid, monitor, domain, lang = none, stage = 0 :: 0 | 1 | 2 | adopting, jid = none, waiting = [], error = [],
	ahead = 0, is_ahead = false, is_waiting = false, inbox = queue:new(), given = queue:new(),
	kept = <<>>
}).

%% leaving: who waits for the end, when this server goes. receipts: {Newer, Older, Ms since there are newer ones}, each with the process
%% like this one that has given it, or none; released: those for which no acknowledgement waits any more. owed: to such
%% processes, when bytes have been written. tags: {newest first, Ms} of messages that were given to a client lately; tagged: clients whose
%% gate does not know the newest; settled: tags of which the sender has been acknowledged, in this second, and in the one before.
-record(state, {name, options, sessions, connections = #{}, clients = #{}, rounds = 0, leaving = none, receipts = {#{}, #{}, 0}, released = [],
	owed = #{}, tags = #{}, tagged = #{}, settled = {#{}, #{}}}).

%% ---- for others ----

%% Options: of the listener, as a map; see mod_stanzagate.
start(Name, Options) ->
	gen_server:start(?MODULE, {Name, Options}, []).

%% A link of this worker is up. The caller owns the socket until now; Items are what has come behind the beginning. Domains: whose
%% fields the gate has been told.
link(Pid, {Transport, Socket}, Link, Peer, Items, Domains) ->
	case Transport:controlling_process(Socket, Pid) of
		ok -> gen_server:cast(Pid, {link, {Transport, Socket}, Link, Peer, Items, Domains});
		Fault -> Fault
	end.

%% Fields of DOMAINs that are new, or have changed.
domains(Pid, List) ->
	gen_server:cast(Pid, {domains, List}).

%% This server goes: the gate shall have its sessions adopted. A request that is answered once they have gone.
leave(Pid) ->
	gen_server:send_request(Pid, leave).

%% ---- gen_server ----

init({Name, #{window := Window, held_bytes_max := HeldMax} = Options}) ->
	Config = #{window => Window, held_bytes_max => HeldMax, waiting_bytes_max => 64 * HeldMax},
	erlang:send_after(?TICK_MS, self(), tick),
	{ok, #state{name = Name, options = Options, receipts = {#{}, #{}, now_ms()}, sessions = stanzagate_sessions:new(Config)}}.

%% What clients' processes have been given, they handle; nothing more is taken. When they have gone, and all that they had to say is
%% written, the links end.
handle_call(leave, From, #state{clients = Clients, connections = Connections} = State) ->
	[set_options(Transport, Id, [{active, false}]) || {Id, #connection{transport = Transport}} <- maps:to_list(Connections)],
	Left = maps:map(fun(_, #client{pid = Pid, inbox = Inbox} = Client) ->
		[stanzagate_client:hand_over(Pid, What) || What <- queue:to_list(Inbox) ++ [leave]],
		Client#client{inbox = queue:new()}
	end, Clients),
	erlang:send_after(?LEAVE_MS, self(), left),
	next(State#state{leaving = From, clients = Left}).

handle_cast({link, {Transport, Socket}, Link, #{name := Name, window := Window} = Peer, Items, Domains}, State) ->
	Patience = maps:get(patience_ms, Peer, 0),
	?LOG_INFO("Gate ~ts is here (~ts)", [Name, maps:get(software, Peer, <<"unknown software">>)]),
	set_options(Transport, Socket, [{high_watermark, min(Window, 16#3fffffff) + ?WRITE_SLACK}, {active, ?ACTIVE}]),
	Connection = #connection{transport = Transport, socket = Socket, link = Link, patience_ms = Patience, heard_ms = now_ms()},
	State1 = State#state{
		sessions = stanzagate_sessions:link(Socket, Window, Patience, State#state.sessions),
		connections = (State#state.connections)#{Socket => Connection}
	},
	State2 = say_domains([Socket], stanzagate_hub:domains() -- Domains, State1),
	next(heard(Items, Socket, say_load(Socket, State2)));
handle_cast({domains, List}, #state{connections = Connections} = State) ->
	Gone = [Domain || [{domain, Domain}, {features, <<>>}] <- List],
	next(say_domains(maps:keys(Connections), List, maps:fold(fun(Number, Client, Acc) -> domain_gone(Number, Client, Gone, Acc) end,
		State, State#state.clients))).

handle_info({stanzagate, _, {receipt, Gate, Receipt}}, #state{owed = Owed} = State) ->
	next(State#state{owed = maps:update_with(Gate, fun(List) -> [Receipt | List] end, [Receipt], Owed)});
handle_info({stanzagate_receipts, List}, State) ->
	next(take_receipts(none, List, State));
handle_info({stanzagate_receipts, From, List}, State) ->
	next(take_receipts(From, List, State));
handle_info({stanzagate_settled, Tags}, State) ->
	next(settle(Tags, State));
handle_info({stanzagate, Number, What}, #state{clients = Clients} = State) ->
	next(case Clients of
		#{Number := Client} -> client_says(What, Number, Client, State);
		_ -> State
	end);
handle_info({Kind, Socket, Data}, #state{leaving = none} = State) when Kind =:= tcp; Kind =:= ssl ->
	next(incoming(Socket, Data, State));
handle_info({Kind, Socket}, #state{connections = Connections, leaving = From} = State) when Kind =:= tcp_passive; Kind =:= ssl_passive ->
	case Connections of
		#{Socket := #connection{transport = Transport}} when From =:= none -> set_options(Transport, Socket, [{active, ?ACTIVE}]);
		_ -> ok
	end,
	next(State);
handle_info({Kind, Socket}, State) when Kind =:= tcp_closed; Kind =:= ssl_closed ->
	next(lose(Socket, "connection closed", State));
handle_info({Kind, Socket, Reason}, State) when Kind =:= tcp_error; Kind =:= ssl_error ->
	next(lose(Socket, Reason, State));
handle_info(timeout, #state{leaving = From, clients = Clients} = State) when From =/= none, map_size(Clients) =:= 0 ->
	leave_now(State);
handle_info(left, State) ->
	leave_now(State);
handle_info(timeout, State) ->
	{noreply, flush(State)};
handle_info({{down, Number}, Monitor, process, _, _}, State) ->
	next(client_down(Number, Monitor, State));
handle_info({go, Number}, #state{clients = Clients} = State) ->
	next(case Clients of
		#{Number := Client} -> pause(Number, Client#client{is_waiting = false}, State);
		_ -> State
	end);
handle_info({expire, Socket}, #state{sessions = Sessions} = State) ->
	next(news(State#state{sessions = stanzagate_sessions:expire(Socket, Sessions)}));
handle_info(tick, #state{connections = Connections, sessions = Sessions, name = Name} = State) ->
	case map_size(Connections) =:= 0 andalso stanzagate_sessions:session_count(Sessions) =:= 0 of
		true ->
			?LOG_DEBUG("Nothing is left of gate ~ts", [Name]),
			{stop, normal, State};
		false ->
			erlang:send_after(?TICK_MS, self(), tick),
			next(lists:foldl(fun watch/2, age(State), maps:values(Connections)))
	end;
handle_info(_, State) ->
	next(State).

terminate(_, _) ->
	ok.

now_ms() ->
	erlang:monotonic_time(millisecond).

age(#state{settled = {Settled, _}, tags = All} = State) ->
	Before = now_ms() - ?TAGS_MS,
	Old = [Number || {Number, {_, AtMs}} <- maps:to_list(All), AtMs < Before],
	State1 = age_receipts(State#state{settled = {#{}, Settled}, tags = maps:without(Old, All)}),
	State1#state{tagged = maps:merge(State1#state.tagged, maps:from_keys(Old, true))}.

%% What came before the oldest element that is not acknowledged is not for it, nor for one behind it.
age_receipts(#state{receipts = {New, _, SinceMs}, connections = Connections} = State) ->
	case [AtMs || #connection{given = Given} <- maps:values(Connections), {value, {_, AtMs, _}} <- [queue:peek(Given)], AtMs < SinceMs] of
		[] -> State#state{receipts = {#{}, New, now_ms()}};
		_ -> State
	end.

%% The end of a message: bytes are written when there is no other.
next(#state{rounds = Rounds} = State) when Rounds >= ?ROUND_MAX ->
	{noreply, flush(State), 0};
next(#state{rounds = Rounds} = State) ->
	{noreply, State#state{rounds = Rounds + 1}, 0}.

leave_now(#state{leaving = From, connections = Connections} = State) ->
	Ids = maps:keys(Connections),
	State1 = flush(lists:foldl(fun(Id, Acc) -> say(Id, stanzagate_frames:encode(drain, 0, []), Acc) end, State, Ids)),
	gen_server:reply(From, ok),
	{stop, normal, lists:foldl(fun close_connection/2, State1, Ids)}.

%% ---- sockets ----

set_options(gen_tcp, Socket, Options) -> inet:setopts(Socket, Options);
set_options(ssl, Socket, Options) -> ssl:setopts(Socket, [Option || {active, _} = Option <- Options]).

%% Receipts for this process itself are as good as given: what they are for is written before the acknowledgement.
flush(#state{connections = Connections} = State) ->
	#state{sessions = Sessions} = Acked = lists:foldl(fun acknowledge/2, take_own_receipts(keep_tags(State)), maps:values(Connections)),
	Ids = stanzagate_sessions:links_with_output(Sessions),
	tell_settled(give_receipts(lists:foldl(fun write/2, Acked#state{rounds = 0}, Ids))).

%% The gate is told in the same writing as it is given the messages, behind them; of those that have to wait here, it is not.
tag(Number, Tag, #state{clients = Clients, tags = All, tagged = Tagged} = State) when is_map_key(Number, Clients) ->
	{Before, _} = maps:get(Number, All, {[], 0}),
	State#state{tags = All#{Number => {stanzagate_delivered:add(Tag, Before), now_ms()}}, tagged = Tagged#{Number => true}};
tag(_, _, State) ->
	State.

keep_tags(#state{tagged = Tagged} = State) when map_size(Tagged) =:= 0 ->
	State;
keep_tags(#state{tagged = Tagged} = State) ->
	maps:fold(fun keep_tags/3, State#state{tagged = #{}}, Tagged).

keep_tags(Number, _, #state{clients = Clients, sessions = Sessions} = State) ->
	case Clients of
		#{Number := #client{stage = 2} = Client} ->
			case stanzagate_sessions:is_holding(Number, Sessions) of
				true -> State;
				false -> keep(Number, Client, State)
			end;
		_ -> State
	end.

%% What has been acknowledged to its sender's gate does not come again.
keep(Number, #client{kept = Kept}, #state{tags = All, settled = {New, Old}, sessions = Sessions} = State) ->
	{Before, AtMs} = maps:get(Number, All, {[], 0}),
	Tags = [Tag || Tag <- Before, not is_map_key(Tag, New), not is_map_key(Tag, Old)],
	Bytes = stanzagate_delivered:pack(Tags, Kept),
	State#state{
		tags = maps:merge(All, maps:from_list([{Number, {Tags, AtMs}} || is_map_key(Number, All)])),
		sessions = stanzagate_sessions:keep(Number, Bytes, Sessions)
	}.

take_own_receipts(#state{owed = Owed} = State) ->
	case maps:take(self(), Owed) of
		{List, Rest} -> take_receipts(self(), List, State#state{owed = Rest});
		error -> State
	end.

take_receipts(From, List, #state{receipts = {New, Old, SinceMs}} = State) ->
	stanzagate_receipts:forget(List),
	State#state{receipts = {maps:merge(New, maps:from_keys(List, From)), Old, SinceMs}}.

give_receipts(#state{owed = Owed} = State) when map_size(Owed) =:= 0 ->
	State;
give_receipts(#state{owed = Owed} = State) ->
	[Gate ! {stanzagate_receipts, self(), List} || {Gate, List} <- maps:to_list(Owed)],
	State#state{owed = #{}}.

%% Behind the acknowledgement: whoever has given a receipt need not have its tag kept any more.
tell_settled(#state{released = []} = State) ->
	State;
tell_settled(#state{released = Released, receipts = {New, Old, _}} = State) ->
	Tags = lists:foldl(fun({_, Tag} = Receipt, Acc) ->
		maps:update_with(maps:get(Receipt, New, maps:get(Receipt, Old, none)), fun(List) -> [Tag | List] end, [Tag], Acc)
	end, #{}, Released),
	[Gate ! {stanzagate_settled, List} || {Gate, List} <- maps:to_list(Tags), Gate =/= none, Gate =/= self()],
	settle(maps:get(self(), Tags, []), State#state{released = []}).

settle(Tags, #state{settled = {New, Old}} = State) ->
	State#state{settled = {maps:merge(New, maps:from_keys(Tags, true)), Old}}.

%% What a client's process has not handled, and what has not come to where it was sent, is not acknowledged, for a while: if this node
%% dies now, whoever adopts the session gets it. What takes longer must not keep all others waiting.
acknowledge(#connection{socket = Id, given = Given} = Connection, #state{connections = Connections, sessions = Sessions} = State) ->
	case forget_done(Connection, now_ms() - unhandled_ms(Connection, State), State) of
		{#connection{given = Given}, State1} ->
			State1#state{sessions = stanzagate_sessions:ack(Id, handled(Given), Sessions)};
		{#connection{given = Rest} = Connection1, State1} ->
			State1#state{connections = Connections#{Id := Connection1}, sessions = stanzagate_sessions:ack(Id, handled(Rest), Sessions)}
	end.

unhandled_ms(#connection{given_cost = Cost}, #state{options = #{window := Window}}) when Cost > Window div 2 -> ?UNHANDLED_MS_LEAST;
unhandled_ms(_, _) -> ?UNHANDLED_MS.

handled(Given) ->
	case queue:peek(Given) of
		{value, {Count, _, _}} -> Count - 1;
		empty -> all
	end.

forget_done(#connection{given = Given, given_cost = Sum, done = Done} = Connection, OldMs, State) ->
	#state{receipts = Receipts, released = Released} = State,
	case queue:peek(Given) of
		{value, {Count, AtMs, Cost}} ->
			case AtMs < OldMs orelse is_done(Done, Count, Receipts) of
				true ->
					Rest = Connection#connection{given = queue:drop(Given), given_cost = Sum - Cost, done = maps:remove(Count, Done)},
					{_, Settled} = maps:get(Count, Done, {[], []}),
					forget_done(Rest, OldMs, State#state{released = Settled ++ Released});
				false -> {Connection, State}
			end;
		empty -> {Connection, State}
	end.

is_done(Done, Count, {New, Old, _}) ->
	case Done of
		#{Count := {Awaited, _}} -> lists:all(fun(Receipt) -> is_map_key(Receipt, New) orelse is_map_key(Receipt, Old) end, Awaited);
		_ -> false
	end.

given(Id, Count, Cost, #state{connections = Connections} = State) ->
	case Connections of
		#{Id := #connection{given = Given, given_cost = Sum} = Connection} ->
			Entry = {Count, now_ms(), Cost},
			State#state{connections = Connections#{Id := Connection#connection{given = queue:in(Entry, Given), given_cost = Sum + Cost}}};
		_ -> State
	end.

%% Of a row of elements the first one waits for what all have led to, and the others behind it; with the last one all are acknowledged.
done([], _, _, State) ->
	State;
done([{Id, Count} | Rest], Awaited, All, #state{connections = Connections} = State) ->
	case Connections of
		#{Id := #connection{given = Given, done = Done} = Connection} ->
			case queue:peek(Given) of
				{value, {First, _, _}} when Count >= First ->
					Done1 = Done#{Count => {Awaited, [Receipt || Rest =:= [], Receipt <- All]}},
					done(Rest, [], All, State#state{connections = Connections#{Id := Connection#connection{done = Done1}}});
				_ -> done(Rest, Awaited, All, State)
			end;
		_ -> done(Rest, Awaited, All, State)
	end.

write(Id, #state{connections = Connections, sessions = Sessions} = State) ->
	{Bytes, Sessions1} = stanzagate_sessions:take(Id, Sessions),
	State1 = State#state{sessions = Sessions1},
	case Connections of
		#{Id := #connection{transport = Transport}} ->
			case Transport:send(Id, Bytes) of
				ok -> State1;
				{error, Reason} -> lose(Id, Reason, State1)
			end;
		_ ->
			State1
	end.

say(Id, Bytes, #state{sessions = Sessions} = State) ->
	State#state{sessions = stanzagate_sessions:put(Id, Bytes, Sessions)}.

say_domains(Ids, List, State) ->
	lists:foldl(
		fun({Id, Fields}, Acc) -> say(Id, stanzagate_frames:encode(domain, 0, Fields), Acc) end,
		State, [{Id, Fields} || Fields <- List, Id <- Ids]).

say_load(Id, State) ->
	case stanzagate_hub:load(Id) of
		none -> State;
		{Sessions, Load} -> say(Id, stanzagate_frames:encode(load, 0, [{sessions, Sessions}, {load, Load}]), State)
	end.

watch(#connection{socket = Id, heard_ms = Heard, pinged = Pinged} = Connection, #state{connections = Connections, options = Options} = State) ->
	#{ping_ms := PingMs, silence_ms := SilenceMs} = Options,
	case now_ms() - Heard of
		Silent when Silent >= SilenceMs ->
			lose(Id, "it is silent", State);
		Silent when Silent >= PingMs, not Pinged ->
			say(Id, stanzagate_frames:encode(ping, 0, []), State#state{connections = Connections#{Id := Connection#connection{pinged = true}}});
		_ ->
			say_load(Id, State)
	end.

%% The gate gets all that was written.
close_connection(Id, State) ->
	close_connection(fun(Transport) -> Transport:close(Id) end, Id, State).

%% What was written need not arrive: it is sent again on another link. Closing, Erlang waits for a peer that reads nothing, five
%% seconds at least, and for one that does not answer with TLS; nobody shall wait here with it.
drop_connection(Id, State) ->
	close_connection(fun(Transport) ->
		spawn(fun() -> set_options(Transport, Id, [{linger, {true, 0}}]), Transport:close(Id) end)
	end, Id, State).

close_connection(Close, Id, #state{connections = Connections} = State) ->
	case maps:take(Id, Connections) of
		{#connection{transport = Transport, patience_ms = PatienceMs}, Rest} ->
			Close(Transport),
			stanzagate_hub:forget(Id),
			erlang:send_after(PatienceMs + ?PATIENCE_MARGIN_MS, self(), {expire, Id}),
			State#state{connections = Rest};
		error ->
			State
	end.

%% The link has ended, or has to.
lose(Id, Why, #state{name = Name, sessions = Sessions, connections = Connections} = State) ->
	case is_map_key(Id, Connections) of
		true ->
			?LOG_INFO("Gate ~ts is gone: ~tp", [Name, Why]),
			news(drop_connection(Id, State#state{sessions = stanzagate_sessions:cut(Id, Sessions)}));
		false ->
			State
	end.

incoming(Id, Data, #state{connections = Connections} = State) ->
	case Connections of
		#{Id := #connection{link = Link} = Connection} ->
			{Items, Link1} = stanzagate_link:hears(Data, Link),
			Connection1 = Connection#connection{link = Link1, heard_ms = now_ms(), pinged = false},
			heard(Items, Id, State#state{connections = Connections#{Id := Connection1}});
		_ ->
			State
	end.

heard([{frame, Name, Number, Body, Size} | Rest], Id, #state{sessions = Sessions, connections = Connections} = State)
		when is_map_key(Id, Connections) ->
	case stanzagate_sessions:frame(Id, Name, Number, Body, Size, Sessions) of
		{ok, Sessions1} -> heard(Rest, Id, news(Id, State#state{sessions = Sessions1}));
		{error, Fault, Sessions1} -> broken(Fault, Id, news(Id, State#state{sessions = Sessions1}))
	end;
heard([{error, Fault} | _], Id, State) ->
	broken(Fault, Id, State);
heard(_, _, State) ->
	State.

broken(Fault, Id, #state{name = Name} = State) ->
	?LOG_ERROR("Gate ~ts broke the protocol: ~ts", [Name, string:uppercase(atom_to_list(Fault))]),
	lose(Id, Fault, State).

%% ---- what the gate tells of sessions ----

news(State) ->
	news(none, State).

%% Elements can only be news of a link that has brought them.
news(Id, #state{sessions = Sessions} = State) ->
	case stanzagate_sessions:news(Sessions) of
		{[], _} -> State;
		{Events, Sessions1} -> lists:foldl(fun(Event, Acc) -> event(Event, Id, Acc) end, State#state{sessions = Sessions1}, Events)
	end.

event({element, Number, Xml, Count}, Id, #state{clients = Clients} = State) ->
	case Clients of
		% A copy: else every client would hold on to all that came with its element.
		#{Number := #client{inbox = Inbox, given = Given} = Client} ->
			Client1 = Client#client{inbox = queue:in(binary:copy(Xml), Inbox), given = queue:in({Id, Count}, Given)},
			pause(Number, hand_over_some(Client1), given(Id, Count, stanzagate_client:cost(Xml), State));
		_ -> State
	end;
event(Event, _, State) ->
	event(Event, State).

event({opened, Number, Fields}, State) ->
	open(Number, Fields, #client{}, State);
event({adopt, Number, Fields}, State) ->
	{_, Kept} = stanzagate_delivered:unpack(maps:get(keep, Fields, <<>>)),
	adopt(Number, Fields, open(Number, Fields, #client{stage = adopting, kept = Kept}, State));
event({closed, Number, #{clean := 1}}, State) ->
	client_end(Number, 'end', State);
event({Word, Number, _}, State) when Word =:= closed ->
	client_end(Number, closed, State);
event({Word, Number}, State) when Word =:= ended; Word =:= over ->
	client_end(Number, closed, State);
event({reattached, Number}, #state{clients = Clients} = State) ->
	case Clients of
		#{Number := Client} -> pause(Number, Client, State);
		_ -> State
	end;
event({dead, Id}, #state{name = Name} = State) ->
	?LOG_INFO("Gate ~ts has a new link", [Name]),
	drop_connection(Id, State);
event({stuck, Id}, State) ->
	lose(Id, "it acknowledges too little", State).

hand_over_some(#client{ahead = Ahead, inbox = Inbox, pid = Pid} = Client) ->
	case Ahead =< ?AHEAD_MAX andalso queue:out(Inbox) of
		{{value, Xml}, Rest} ->
			stanzagate_client:hand_over(Pid, Xml),
			hand_over_some(Client#client{ahead = Ahead + stanzagate_client:cost(Xml), inbox = Rest});
		_ ->
			Client
	end.

open(Number, #{domain := Domain} = Fields, Client, #state{options = Options, sessions = Sessions, clients = Clients} = State) ->
	#{c2s_options := C2s, max_stanza_size := SizeMax} = Options,
	About = Fields#{epoch => map_get(epoch, Options)},
	case stanzagate_hub:is_served(Domain) andalso stanzagate_client:start(self(), Number, About, C2s, SizeMax) of
		{ok, Pid, _} ->
			Lang = maps:get(lang, Fields, none),
			stanzagate_client:hand_over(Pid, stanzagate_client:header(Domain, Lang)),
			stanzagate_hub:count(1),
			Started = Client#client{pid = Pid, monitor = monitor(process, Pid, [{tag, {down, Number}}]), domain = Domain, lang = Lang},
			State#state{clients = Clients#{Number => Started}, sessions = stanzagate_sessions:set_client(Number, Number, Sessions)};
		_ when Client#client.stage =:= adopting ->
			State#state{sessions = stanzagate_sessions:refused(Number, <<"the domain is not served">>, Sessions)};
		_ ->
			Condition = [{condition, <<"host-unknown">>}],
			State#state{sessions = stanzagate_sessions:close(Number, Condition, stanzagate_sessions:set_client(Number, Number, Sessions))}
	end.

adopt(Number, Fields, #state{clients = Clients} = State) ->
	case Clients of
		#{Number := #client{pid = Pid}} -> stanzagate_client:hand_over(Pid, {adopt, Fields});
		_ -> ok
	end,
	State.

%% Our client's process has to hear of its end, if that is not known there, and nothing of it matters any more.
client_end(Number, How, #state{clients = Clients} = State) ->
	case maps:take(Number, Clients) of
		{#client{pid = Pid, monitor = Monitor, inbox = Inbox, given = Given}, Rest} ->
			demonitor(Monitor, [flush]),
			[stanzagate_client:hand_over(Pid, What) || How =/= known, What <- queue:to_list(Inbox) ++ [How]],
			stanzagate_hub:count(-1),
			done(queue:to_list(Given), [], [], State#state{clients = Rest, tags = maps:remove(Number, State#state.tags)});
		error ->
			State
	end.

%% It has died without a word.
client_down(Number, Monitor, #state{clients = Clients, sessions = Sessions} = State) ->
	case Clients of
		#{Number := #client{monitor = Monitor} = Client} ->
			Fault = [{condition, <<"internal-server-error">>}],
			client_end(Number, known, State#state{sessions = close_session(Number, Fault, Client, Sessions)});
		_ ->
			State
	end.

%% Its domain is not served any more, and so its process does not hear us any more.
domain_gone(Number, #client{pid = Pid, domain = Domain} = Client, Gone, #state{sessions = Sessions} = State) ->
	case lists:member(Domain, Gone) of
		true ->
			Pid ! {tcp_closed, none},
			client_end(Number, known, State#state{sessions = close_session(Number, [{condition, <<"host-gone">>}], Client, Sessions)});
		false ->
			State
	end.

close_session(Number, _, #client{stage = adopting}, Sessions) ->
	stanzagate_sessions:refused(Number, <<"the session cannot be adopted">>, Sessions);
close_session(Number, Fields, _, Sessions) ->
	stanzagate_sessions:close(Number, Fields, Sessions).

%% The gate is told to pause a session whose process is behind, or that has to be slower.
pause(Number, #client{ahead = Ahead, is_ahead = IsAhead, is_waiting = IsWaiting} = Client, #state{clients = Clients, sessions = Sessions} = State) ->
	IsStill = Ahead > ?AHEAD_MAX orelse (IsAhead andalso Ahead > ?AHEAD_MAX div 2),
	Known = Clients#{Number := Client#client{is_ahead = IsStill}},
	State#state{clients = Known, sessions = stanzagate_sessions:pause(Number, IsStill orelse IsWaiting, Sessions)}.

%% ---- what our clients' processes tell ----

client_says({element, Xml}, Number, Client, State) ->
	client_element(Xml, Number, Client, State);
client_says({element, Xml, Tag}, Number, Client, State) ->
	tag(Number, Tag, client_element(Xml, Number, Client, State));
client_says({done, Count, Cost, Awaited}, Number, #client{ahead = Ahead, given = Given} = Client, State) ->
	{Handled, Rest} = queue:split(min(Count, queue:len(Given)), Given),
	Client1 = hand_over_some(Client#client{ahead = Ahead - Cost, given = Rest}),
	pause(Number, Client1, done(queue:to_list(Handled), Awaited, Awaited, State));
client_says({wait, Ms}, Number, #client{is_waiting = false} = Client, State) ->
	erlang:send_after(Ms, self(), {go, Number}),
	pause(Number, Client#client{is_waiting = true}, State);
client_says({wait, _}, _, _, State) ->
	State;
client_says({authenticated, Jid}, Number, Client, State) ->
	store(Number, Client#client{jid = Jid}, State);
client_says({features, Children}, Number, #client{stage = 0, jid = Jid, waiting = [_ | _] = Waiting} = Client, State) when Jid =/= none ->
	Features = iolist_to_binary([fxml:element_to_binary(Child) || Child <- Children]),
	State1 = session_state([{stage, 1}, {jid, Jid}, {features, Features}], Number, State),
	State2 = store(Number, Client#client{stage = 1, waiting = []}, State1),
	lists:foldl(fun(Xml, Acc) -> session_element(Xml, Number, Acc) end, State2, lists:reverse(Waiting));
client_says({features, _}, _, _, State) ->
	State;
client_says({bound, Jid}, Number, #client{stage = 1} = Client, State) ->
	session_state([{stage, 2}, {jid, Jid}], Number, store(Number, Client#client{stage = 2, jid = Jid}, State));
client_says({keep, Bytes}, Number, #client{stage = 2} = Client, #state{sessions = Sessions} = State) ->
	Keeping = Client#client{kept = Bytes},
	State1 = store(Number, Keeping, State),
	case stanzagate_sessions:is_holding(Number, Sessions) of
		true -> State1#state{sessions = stanzagate_sessions:keep(Number, Bytes, Sessions)};
		false -> keep(Number, Keeping, State1)
	end;
client_says({error, Condition, Text}, Number, Client, State) ->
	Error = [{condition, Condition} | [{reason, cut(Text, ?REASON_BYTES_MAX)} || Text =/= <<>>]],
	store(Number, Client#client{error = Error}, State);
client_says({adopted, Count}, Number, #client{stage = adopting} = Client, #state{sessions = Sessions} = State) ->
	store(Number, Client#client{stage = 2}, State#state{sessions = stanzagate_sessions:adopted(Number, Count, Sessions)});
client_says(left, Number, _, State) ->
	client_end(Number, known, State);
client_says({refused, Reason}, Number, _, #state{sessions = Sessions} = State) ->
	client_end(Number, closed, State#state{sessions = stanzagate_sessions:refused(Number, Reason, Sessions)});
client_says(Word, Number, #client{error = Error} = Client, #state{sessions = Sessions} = State) when Word =:= trailer; Word =:= close ->
	client_end(Number, known, news(State#state{sessions = close_session(Number, Error, Client, Sessions)}));
client_says(_, _, _, State) ->
	State.

%% The success of an authentication waits until the features behind it are known: STATE has both, and goes first. So the new
%% stream, whose header the client sends when it sees the success, begins here before.
client_element(Xml, Number, #client{stage = 0, jid = Jid, waiting = Waiting} = Client, State) when Jid =/= none ->
	case Client of
		#client{waiting = [], pid = Pid, domain = Domain, lang = Lang} ->
			stanzagate_client:hand_over(Pid, stanzagate_client:header(Domain, Lang));
		_ -> ok
	end,
	store(Number, Client#client{waiting = [Xml | Waiting]}, State);
client_element(Xml, Number, _, State) ->
	session_element(Xml, Number, State).

store(Number, Client, #state{clients = Clients} = State) ->
	State#state{clients = Clients#{Number := Client}}.

session_element(Xml, Number, #state{sessions = Sessions} = State) ->
	news(State#state{sessions = stanzagate_sessions:element(Number, Xml, Sessions)}).

session_state(Fields, Number, #state{sessions = Sessions} = State) ->
	State#state{sessions = stanzagate_sessions:state(Number, Fields, Sessions)}.

%% At most so many bytes, and no part of a character.
cut(Text, Most) when byte_size(Text) =< Most ->
	Text;
cut(Text, Most) ->
	case unicode:characters_to_binary(binary:part(Text, 0, Most)) of
		{incomplete, Whole, _} -> Whole;
		Whole -> Whole
	end.
