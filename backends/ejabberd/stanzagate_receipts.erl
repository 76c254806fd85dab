%% Messages on their way from a client of a gate to other clients: until it is known that they have been handed on.
%%
%% ejabberd sends a message to the process of a session and forgets it; when a node is killed, what was on its way there or waited there
%% is gone. So whoever gets such a message, here or on another node, gives a receipt to the process of the sender's gate
%% (stanzagate_gate): when it is written to the gate of its client, or to another client's socket, or into the offline store. What has
%% no receipt yet is not acknowledged to the sender's gate; so it comes again, when the sender's node is killed.
%%
%% For messages to another node this process keeps a copy, till their receipt comes. When that node goes, they are routed again; and so
%% that this leads elsewhere, its sessions are removed before: ejabberd itself does so some time later, half a second where there is
%% much to do, and loses what is routed to them until then. What may have been handed on already is marked (stanzagate_delivered).
-module(stanzagate_receipts).
-behaviour(gen_server).

-export([start_link/0, hooks/0, forget/1]).
-export([sm_receive_packet/1, c2s_handle_info/2, offline_message_hook/1]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).

-include("stanzagate_client.hrl").

-define(KEPT, stanzagate_kept).     % {Receipt, Nodes, Message}; a receipt is {a number that rises, Tag}
-define(NODES, stanzagate_nodes).   % {Node, here | going | gone}: the others; none where there is no cluster
-define(REMEMBER_MS, 60000).        % so long it is known that a node has gone
-define(KEEP_MS, 10000).            % so long, or twice as long, a message is kept for which nobody gives a receipt
-define(WAIT_MS, 5000).

start_link() ->
	gen_server:start_link({local, ?MODULE}, ?MODULE, [], []).

%% Behind ejabberd's own, but for the first and the marks.
hooks() ->
	[{sm_receive_packet, ?MODULE, 10}, {c2s_handle_info, ?MODULE, 110}, {offline_message_hook, ?MODULE, 90},
		{c2s_handle_info, stanzagate_delivered, 20}, {offline_message_hook, stanzagate_delivered, 40},
		{offline_message_hook, stanzagate_store, 45}].

%% Receipts that have come.
forget(Receipts) ->
	[ets:delete(?KEPT, Receipt) || Receipt <- Receipts],
	ok.

%% ---- in whichever process routes a stanza to the sessions of a user ----

sm_receive_packet(drop) ->
	drop;
sm_receive_packet(Packet) ->
	{Receipt, Noted} = note(Packet),
	case ets:info(?NODES, size) of
		0 -> Noted;
		undefined -> Noted; % this node has just begun, or ends
		_ ->
			% Who empties an offline store has it locked, and would be waited for.
			is_one_going() andalso not xmpp:get_meta(Packet, from_offline, false) andalso await_routed(),
			keep(Receipt, away(Noted), Noted)
	end.

%% A client of a gate sends a message. Others are sent in its process, too, in the name of its user or of others.
note(Packet) when element(1, Packet) =:= message ->
	case {get(stanzagate), xmpp:get_meta(Packet, stanzagate, none)} of
		{#own{gate = Gate, jid = Jid} = Own, none} when is_pid(Gate) ->
			case jid:tolower(xmpp:get_from(Packet)) of
				Jid -> note(Own, Packet);
				_ -> {none, Packet}
			end;
		_ -> {none, Packet}
	end;
note(Packet) ->
	{none, Packet}.

note(#own{gate = Gate, awaited = Awaited, source = Source, elements = Number} = Own, Packet) ->
	Receipt = {erlang:unique_integer([monotonic]), stanzagate_delivered:tag(Source, Number)},
	stanzagate_client:put_own(Own#own{awaited = [Receipt | Awaited]}),
	{Receipt, mark(Own, xmpp:put_meta(Packet, stanzagate, {Gate, Receipt}))}.

%% What comes just after an adoption may have been handled by the node before.
mark(#own{again_until_ms = none}, Packet) ->
	Packet;
mark(#own{again_until_ms = UntilMs} = Own, Packet) ->
	case erlang:monotonic_time(millisecond) < UntilMs of
		true -> stanzagate_delivered:mark(Packet);
		false ->
			stanzagate_client:put_own((stanzagate_client:own())#own{again_until_ms = none}),
			mark(Own#own{again_until_ms = none}, Packet)
	end.

%% Sessions of the user on other nodes.
away(Packet) ->
	[Sid || {_, Pid} = Sid <- sids(Packet), node(Pid) =/= node()].

sids(Packet) ->
	{User, Server, _} = jid:tolower(xmpp:get_to(Packet)),
	ejabberd_sm:get_session_sids(User, Server).

%% Kept first, and only then is looked whether a node has gone: whoever takes it out of the table again, this process or that of this
%% module, routes it.
keep(_, [], Packet) ->
	Packet;
keep(Receipt, Sids, Packet) ->
	Receipt =:= none orelse ets:insert(?KEPT, {Receipt, [node(Pid) || {_, Pid} <- Sids], Packet}),
	case [Sid || {_, Pid} = Sid <- Sids, has_gone(node(Pid))] of
		[] -> Packet;
		Gone ->
			remove_sessions(Packet, Gone),
			await_routed(),
			case Receipt =:= none orelse ets:take(?KEPT, Receipt) of
				[] -> drop;
				_ -> Packet
			end
	end.

has_gone(Node) ->
	lists:member(ets:lookup(?NODES, Node), [[{Node, going}], [{Node, gone}]]).

%% What was kept for its sessions is older, and goes first.
is_one_going() ->
	lists:any(fun({Node, Word}) -> Word =:= going orelse is_missing(Node, Word) end, ets:tab2list(?NODES)).

is_missing(Node, Word) ->
	Word =:= here andalso not lists:member(Node, nodes()).

remove_sessions(Packet, Sids) ->
	{_, Server, _} = jid:tolower(xmpp:get_to(Packet)),
	[mnesia:dirty_delete(session, Sid) || ejabberd_option:sm_db_type(Server) =:= mnesia, Sid <- Sids].

await_routed() ->
	try self() =:= whereis(?MODULE) orelse gen_server:call(?MODULE, await, ?WAIT_MS)
	catch exit:_ -> ok
	end.

%% ---- in whichever process a message has come to ----

c2s_handle_info(State, {route, Packet}) when element(1, Packet) =:= message ->
	case xmpp:get_meta(Packet, stanzagate, none) of
		{Gate, {_, Tag} = Receipt} ->
			stanzagate_client:put_own((stanzagate_client:own())#own{tag = none}),
			node(Gate) =:= node() orelse stanzagate_delivered:note([Tag]),
			give(stanzagate_client:socket(State), Gate, Receipt);
		none -> ok
	end,
	State;
c2s_handle_info(State, _) ->
	State.

%% A gate's process gives it when it has written what came before.
give(none, Gate, Receipt) -> Gate ! {stanzagate_receipts, [Receipt]}, ok;
give(Socket, Gate, Receipt) -> stanzagate_client:tell(Socket, {receipt, Gate, Receipt}).

%% Whose session was opened while the message was on its way into the store has looked there too early.
offline_message_hook({offlined, Packet} = Stored) ->
	unlock(Packet),
	case xmpp:get_meta(Packet, stanzagate, none) of
		{Gate, Receipt} -> give(none, Gate, Receipt);
		none -> ok
	end,
	[stanzagate_client:hand_over(Pid, offline) || not xmpp:get_meta(Packet, from_offline, false), {_, Pid} <- sids(Packet)],
	Stored;
offline_message_hook({_, Packet} = Other) ->
	unlock(Packet),
	Other;
offline_message_hook(Other) ->
	Other.

unlock(Packet) ->
	{User, Server, _} = jid:tolower(xmpp:get_to(Packet)),
	stanzagate_store:unlock({User, Server}).

%% ---- gen_server ----

init([]) ->
	ets:new(?KEPT, [named_table, public, ordered_set, {write_concurrency, true}]),
	ets:new(?NODES, [named_table, {read_concurrency, true}]),
	stanzagate_delivered:init(),
	stanzagate_store:init(),
	ok = net_kernel:monitor_nodes(true),
	ets:insert(?NODES, [{Node, here} || Node <- nodes()]),
	erlang:send_after(?KEEP_MS, self(), {too_old, erlang:unique_integer([monotonic])}),
	{ok, none}.

handle_call(await, _, State) ->
	[node_down(Node) || {Node, Word} <- ets:tab2list(?NODES), is_missing(Node, Word)],
	{reply, ok, State}.

handle_cast({routed, Looks, Tag}, State) ->
	stanzagate_delivered:routed(Looks, Tag),
	{noreply, State};
handle_cast(_, State) ->
	{noreply, State}.

handle_info({nodeup, Node}, State) ->
	ets:insert(?NODES, {Node, here}),
	{noreply, State};
handle_info({nodedown, Node}, State) ->
	has_gone(Node) orelse node_down(Node),
	{noreply, State};
handle_info({remembered, Node}, State) ->
	has_gone(Node) andalso ets:delete(?NODES, Node),
	{noreply, State};
handle_info({too_old, Before}, State) ->
	ets:select_delete(?KEPT, [{{{'$1', '_'}, '_', '_'}, [{'<', '$1', Before}], [true]}]),
	% Sessions of a node that has gone may still be adopted.
	lists:any(fun({Node, _}) -> has_gone(Node) end, ets:tab2list(?NODES)) orelse stanzagate_delivered:forget_old(),
	erlang:send_after(?KEEP_MS, self(), {too_old, erlang:unique_integer([monotonic])}),
	{noreply, State};
handle_info(_, State) ->
	{noreply, State}.

node_down(Node) ->
	ets:insert(?NODES, {Node, going}),
	[route_again(Receipt) || {Receipt, Nodes, _} <- ets:tab2list(?KEPT), lists:member(Node, Nodes)],
	ets:insert(?NODES, {Node, gone}),
	erlang:send_after(?REMEMBER_MS, self(), {remembered, Node}).

route_again(Receipt) ->
	case ets:take(?KEPT, Receipt) of
		[{_, _, Packet}] -> ejabberd_sm:route(stanzagate_delivered:mark(Packet));
		[] -> ok
	end.
