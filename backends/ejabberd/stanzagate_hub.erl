%% What all gates of this node share: the domains with their features, how busy the node is, and which process has which worker of
%% a gate. Others read it from a table, and wait for nobody.
-module(stanzagate_hub).
-behaviour(gen_server).

-export([start/0, refresh/0, leave/0, gate/3, epoch/0, await/0, domains/0, is_served/1, load/1, forget/1, count/1]).
-export([start_link/0, init/1, handle_call/3, handle_cast/2, handle_info/2, terminate/2]).

-include_lib("kernel/include/logger.hrl").

-define(TABLE, stanzagate).
-define(REFRESH_MS, 200).
-define(LOAD_MS, 2000).
-define(PROBE_MS, 5000).
-define(LEAVE_MS, 5000).
-define(FEATURES_BYTES_MAX, 16384).

%% gates: epoch -> process. planned: what domains offer is about to be found out; known: it has been once.
-record(state, {gates = #{}, planned = false, known = false, busy}).

%% ---- for others ----

%% Starts it, and what keeps messages for other nodes, once on a node.
start() ->
	case start(stanzagate_receipts) of
		ok -> start(?MODULE);
		Fault -> Fault
	end.

start(Module) ->
	Spec = #{id => Module, start => {Module, start_link, []}, restart => permanent, shutdown => 5000},
	case supervisor:start_child(ejabberd_gen_mod_sup, Spec) of
		{ok, _} -> ok;
		{error, {already_started, _}} -> ok;
		Fault -> Fault
	end.

%% Domains, or what they offer, may have changed.
refresh() ->
	gen_server:cast(?MODULE, refresh).

%% The node stops: gates are told, and no link is taken any more.
leave() ->
	gen_server:call(?MODULE, leave, 30000).

%% The process of a worker, by its epoch.
-spec gate(non_neg_integer(), binary(), map()) -> {ok, pid()} | {error, term()}.
gate(Epoch, Name, Options) ->
	gen_server:call(?MODULE, {gate, Epoch, Name, Options}).

%% The epoch of this node's life.
epoch() ->
	ets:lookup_element(?TABLE, epoch, 2).

%% Until it is known what the domains offer.
await() ->
	gen_server:call(?MODULE, await, 30000).

%% Fields of a DOMAIN for each domain.
domains() ->
	[Fields || {{domain, _}, Fields} <- ets:tab2list(?TABLE)].

is_served(Domain) ->
	case ets:lookup(?TABLE, {domain, Domain}) of
		[{_, [_, {features, <<_, _/binary>>} | _]}] -> true;
		_ -> false
	end.

%% {sessions, thousandths of capacity in use}; none when that has been said on this link before.
load(Id) ->
	Load = ets:lookup_element(?TABLE, load, 2),
	case ets:lookup(?TABLE, {said, Id}) of
		[{_, Load}] -> none;
		_ -> ets:insert(?TABLE, {{said, Id}, Load}), Load
	end.

forget(Id) ->
	ets:delete(?TABLE, {said, Id}).

%% The calling process has so many sessions more.
count(More) ->
	ets:update_counter(?TABLE, {sessions, self()}, More, {none, 0}).

%% ---- gen_server ----

start_link() ->
	gen_server:start_link({local, ?MODULE}, ?MODULE, [], []).

init([]) ->
	ets:new(?TABLE, [named_table, public, {read_concurrency, true}]),
	ets:insert(?TABLE, [{epoch, binary:decode_unsigned(crypto:strong_rand_bytes(8))}, {load, {0, 0}}]),
	erlang:system_flag(scheduler_wall_time, true),
	erlang:send_after(?LOAD_MS, self(), load),
	{ok, #state{busy = busy()}}.

handle_call({gate, Epoch, Name, Options}, _, #state{gates = Gates} = State) ->
	case Gates of
		stopping ->
			{reply, {error, stopping}, State};
		#{Epoch := Pid} ->
			{reply, {ok, Pid}, State};
		_ ->
			{ok, Pid} = stanzagate_gate:start(Name, Options#{epoch => Epoch}),
			monitor(process, Pid, [{tag, {down, Epoch}}]),
			{reply, {ok, Pid}, State#state{gates = Gates#{Epoch => Pid}}}
	end;
handle_call(await, _, #state{known = true} = State) ->
	{reply, ok, State};
handle_call(await, _, State) ->
	{reply, ok, find_out(State)};
handle_call(leave, _, #state{gates = Gates} = State) when is_map(Gates) ->
	Asked = [stanzagate_gate:leave(Pid) || Pid <- maps:values(Gates)],
	[gen_server:receive_response(Request, ?LEAVE_MS) || Request <- Asked],
	{reply, ok, State#state{gates = stopping}};
handle_call(leave, _, State) ->
	{reply, ok, State}.

handle_cast(refresh, #state{planned = false} = State) ->
	erlang:send_after(?REFRESH_MS, self(), refresh),
	{noreply, State#state{planned = true}};
handle_cast(refresh, State) ->
	{noreply, State}.

handle_info(refresh, State) ->
	{noreply, find_out(State#state{planned = false})};
handle_info(load, #state{busy = Before} = State) ->
	Busy = busy(),
	Sessions = lists:sum(ets:select(?TABLE, [{{{sessions, '_'}, '$1'}, [], ['$1']}])),
	ets:insert(?TABLE, {load, {Sessions, share(Before, Busy)}}),
	erlang:send_after(?LOAD_MS, self(), load),
	{noreply, State#state{busy = Busy}};
handle_info({{down, Epoch}, _, process, Pid, _}, #state{gates = Gates} = State) ->
	ets:delete(?TABLE, {sessions, Pid}),
	case Gates of
		#{Epoch := Pid} -> {noreply, State#state{gates = maps:remove(Epoch, Gates)}};
		_ -> {noreply, State}
	end;
handle_info(_, State) ->
	{noreply, State}.

terminate(_, _) ->
	ok.

%% Time that schedulers were at work, and that there was.
busy() ->
	lists:foldl(fun({_, Active, All}, {A, B}) -> {A + Active, B + All} end, {0, 0}, erlang:statistics(scheduler_wall_time)).

share({Active1, All1}, {Active2, All2}) when All2 > All1 ->
	min(1000, (Active2 - Active1) * 1000 div (All2 - All1));
share(_, _) ->
	0.

%% ---- domains ----

find_out(#state{gates = Gates} = State) ->
	Changed = changed_domains(),
	[stanzagate_gate:domains(Pid, Changed) || Changed =/= [], is_map(Gates), Pid <- maps:values(Gates)],
	State#state{known = true}.

%% All domains anew; answers the fields of those that are not as they were. One that is gone offers nothing any more.
changed_domains() ->
	Served = [Host || Host <- ejabberd_option:hosts(), gen_mod:is_loaded(Host, mod_stanzagate)],
	Old = [{Domain, Fields} || {{domain, Domain}, Fields} <- ets:tab2list(?TABLE)],
	Gone = [{Domain, [{domain, Domain}, {features, <<>>}]} || {Domain, _} <- Old, not lists:member(Domain, Served)],
	Changed = (Gone ++ lists:flatmap(fun domain/1, Served)) -- Old,
	ets:insert(?TABLE, [{{domain, Domain}, Fields} || {Domain, Fields} <- Changed]),
	[Fields || {_, Fields} <- Changed].

%% One of which nothing can be found out stays as it is, till then.
domain(Domain) ->
	try [{Domain, domain_fields(Domain)}]
	catch throw:silent ->
		?LOG_ERROR("What ~ts offers before login cannot be found out", [Domain]),
		erlang:send_after(?PROBE_MS, self(), refresh),
		[]
	end.

domain_fields(Domain) ->
	[Plain, Binding, Certificate] = [features(Domain, Facts) || Facts <- [
		#{},
		#{tls_exporter => <<0:256>>},
		#{tls_exporter => <<0:256>>, client_cert_xmpp_addr => <<"somebody@", Domain/binary>>}
	]],
	[{domain, Domain}, {features, Plain}] ++ [{features_binding, Binding} || Binding =/= Plain]
		++ [{features_certificate, Certificate} || Certificate =/= Binding].

%% Offered to a client of whom that is known.
features(Domain, Facts) ->
	Children = offered(Domain, Facts),
	features(case is_map_key(tls_exporter, Facts) andalso erlang:function_exported(xmpp_socket, get_tls_cb_exporter, 1) of
		true -> Children;
		false -> without_binding(Children)
	end).

features(Children) ->
	case iolist_to_binary([fxml:element_to_binary(Child) || Child <- Children]) of
		Features when byte_size(Features) =< ?FEATURES_BYTES_MAX ->
			Features;
		_ ->
			?LOG_ERROR("The features of a domain are longer than a gate takes", []),
			<<>>
	end.

%% What ejabberd offers before login, found out by a client that looks and goes. Each has a number of its own: one may answer late.
offered(Domain, Facts) ->
	Fields = Facts#{domain => Domain, address => <<"127.0.0.1">>, tls_version => 16#0304, tls_cipher => <<"TLS_AES_128_GCM_SHA256">>},
	Number = erlang:unique_integer([positive]),
	case stanzagate_client:start(self(), Number, Fields, [], infinity) of
		{ok, Pid, _} -> look(Pid, Number, Domain);
		{error, _} -> throw(silent)
	end.

look(Pid, Number, Domain) ->
	Monitor = monitor(process, Pid),
	stanzagate_client:hand_over(Pid, stanzagate_client:header(Domain, none)),
	Answer = receive
		{stanzagate, Number, {features, Children}} -> Children;
		{'DOWN', Monitor, process, _, _} -> silent
	after ?PROBE_MS ->
		silent
	end,
	demonitor(Monitor, [flush]),
	stanzagate_client:hand_over(Pid, closed),
	is_list(Answer) orelse throw(Answer),
	Answer.

%% For a client without a channel binding: mechanisms that need one are left out.
without_binding(Children) ->
	[without_plus(Child) || Child <- Children, element(2, Child) =/= <<"sasl-channel-binding">>].

without_plus({xmlel, <<"mechanisms">> = Name, Attributes, Children}) ->
	{xmlel, Name, Attributes, [Child || Child <- Children, not is_plus(fxml:get_tag_cdata(Child))]};
without_plus(Child) ->
	Child.

is_plus(Mechanism) ->
	binary:longest_common_suffix([Mechanism, <<"-PLUS">>]) =:= 5.
