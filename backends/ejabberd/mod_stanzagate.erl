%% ejabberd behind a gate: accepts links of stanzagate (docs/link-protocol.md), and makes of each client that comes over them a
%% client of ejabberd_c2s. docs/ejabberd.md tells how to set it up.
%%
%% Here is what ejabberd calls: a module of hosts (gen_mod), each of which is a domain for the gates, and a listener
%% (ejabberd_listener), whose connections are links. A connection's process sees to it that the other end is a gate of ours, and
%% hears its HELLO; then the socket goes to the process of the gate's worker (stanzagate_gate).
-module(mod_stanzagate).
-behaviour(gen_mod).
-behaviour(ejabberd_listener).

-export([start/2, stop/1, reload/3, depends/2, mod_options/1, mod_opt_type/1, mod_doc/0]).
-export([start/3, start_link/3, accept/1, tcp_init/2, listen_options/0, listen_opt_type/1]).
-export([domains_changed/0, domains_changed/1, stopping/0, connection/2]).

-include_lib("kernel/include/logger.hrl").

-define(HELLO_MS, 5000).
-define(SO_PEERCRED, {raw, 1, 17, 12}).
-define(SOCKET_MODE, 8#660).
-define(BUFFER_BYTES, 65536).
-define(WRITTEN_BYTES_MAX, 8388608). % so much is written without waiting for the gate: more than the window of most

%% ---- gen_mod ----

start(Host, _) ->
	case stanzagate_hub:start() of
		ok ->
			[ejabberd_hooks:add(Hook, Host, Module, Hook, Order) || {Hook, Module, Order} <- hooks()],
			ejabberd_hooks:add(c2s_init, stanzagate_client, c2s_init, 50),
			ejabberd_hooks:add(config_reloaded, ?MODULE, domains_changed, 90),
			[ejabberd_hooks:add(Hook, ?MODULE, domains_changed, 90) || Hook <- [host_up, host_down]],
			ejabberd_hooks:add(ejabberd_stopping, ?MODULE, stopping, 10),
			stanzagate_hub:refresh();
		Fault ->
			Fault
	end.

%% Hooks of all hosts stay: other hosts may have the module.
stop(Host) ->
	stanzagate_hub:refresh(),
	[ejabberd_hooks:delete(Hook, Host, Module, Hook, Order) || {Hook, Module, Order} <- hooks()],
	ok.

reload(_, _, _) ->
	stanzagate_hub:refresh().

hooks() ->
	[
		{c2s_handle_info, stanzagate_client, 10},
		{c2s_handle_cast, stanzagate_client, 10},
		{c2s_auth_result, stanzagate_client, 90},
		{c2s_session_opened, stanzagate_client, 90},
		{c2s_copy_session, stanzagate_client, 90},
		{c2s_session_resumed, stanzagate_client, 90},
		{c2s_handle_call, stanzagate_adoption, 10},
		{c2s_terminated, stanzagate_adoption, 10}
		| stanzagate_receipts:hooks()
	].

depends(_, _) -> [].
mod_options(_) -> [].
mod_opt_type(_) -> econf:any().

mod_doc() ->
	#{desc => <<"Takes clients from gates (stanzagate). The listener of the same name accepts the gates' links.">>}.

domains_changed() -> stanzagate_hub:refresh().
domains_changed(_) -> stanzagate_hub:refresh().
stopping() -> stanzagate_hub:leave().

%% ---- ejabberd_listener ----

%% Whoever has a link can log in anybody: who may have one is in docs/link-protocol.md, "Authority".
listen_options() ->
	[{name, undefined}, {secret, undefined}, {uids, []}, {unix_socket, #{mode => ?SOCKET_MODE}}, {tls, false}, {certfile, undefined}, {cafile, undefined}, {gates, []},
		{window, 4194304}, {held_bytes_max, 1048576}, {ping, 10000}, {silence, 30000},
		{access, all}, {shaper, none}, {max_stanza_size, infinity}, {max_fsm_queue, 10000}].

%% Others are checked by ejabberd_listener. A secret has 32 bytes at least.
listen_opt_type(name) -> econf:binary();
listen_opt_type(secret) -> econf:file();
listen_opt_type(uids) -> econf:list(econf:non_neg_int());
listen_opt_type(unix_socket) ->
	econf:and_then(
		econf:options(#{mode => econf:octal(), owner => econf:non_neg_int(), group => econf:non_neg_int()}, [unique, {return, map}]),
		fun(Given) -> maps:merge(#{mode => ?SOCKET_MODE}, Given) end);
listen_opt_type(certfile) -> econf:file();
listen_opt_type(cafile) -> econf:file();
listen_opt_type(gates) -> econf:list(econf:binary());
listen_opt_type(window) -> econf:int(65536, 16#ffffffff);
listen_opt_type(held_bytes_max) -> econf:pos_int();
listen_opt_type(ping) -> econf:timeout(second);
listen_opt_type(silence) -> econf:timeout(second).

%% A listener begins: its Unix socket gets its rights, and the log is told who may have a link that is not guarded.
tcp_init(Socket, List) ->
	Options = options(List),
	case inet:sockname(Socket) of
		{ok, {local, Path}} ->
			socket_own(Path, map_get(unix_socket, Options)),
			socket_warn(Path, Options);
		{ok, {Ip, Port}} ->
			port_warn(is_loopback(Ip), io_lib:format("~ts:~b", [ntoa(Ip), Port]), Options)
	end,
	List.

options(List) ->
	maps:merge(maps:from_list(listen_options()), maps:from_list(List)).

%% The mode last: before it nobody but ejabberd's own user can connect, unless its umask lets others write. From 23.10 ejabberd does all of this
%% itself, before the socket gets its name, and the one that it had is gone.
socket_own(Path, Rights) ->
	Done = [case Right of
		owner -> file:change_owner(Path, map_get(owner, Rights));
		group -> file:change_group(Path, map_get(group, Rights));
		mode -> file:change_mode(Path, map_get(mode, Rights))
	end || Right <- [owner, group, mode], is_map_key(Right, Rights)],
	case [Reason || {error, Reason} <- Done, Reason =/= enoent] of
		[] -> ok;
		[Reason | _] -> ?LOG_ERROR("unix_socket of ~ts cannot be had: ~tp", [Path, Reason])
	end.

socket_warn(Path, #{unix_socket := #{mode := Mode}, uids := [], secret := undefined}) when Mode band 8#002 =/= 0 ->
	?LOG_WARNING("Links at ~ts are not authenticated: with mode ~.8b whoever can enter its folder may be a gate, and log in anybody"
		" (unix_socket, uids, secret)", [Path, Mode]);
socket_warn(_, _) ->
	ok.

port_warn(_, _, #{tls := true}) ->
	ok;
port_warn(IsLoopback, Place, #{secret := Secret}) ->
	IsLoopback orelse ?LOG_WARNING("Links at ~ts have no TLS: only gates of this machine's loopback are let in, others need tls", [Place]),
	Secret =/= undefined orelse ?LOG_WARNING("Links at ~ts are not authenticated: whoever is on this machine may be a gate, and log in anybody"
		" (secret, tls, or a Unix socket)", [Place]).

ntoa(Ip) when tuple_size(Ip) =:= 8 -> [$[, inet:ntoa(Ip), $]];
ntoa(Ip) -> inet:ntoa(Ip).

start(Transport, Socket, Options) ->
	{ok, proc_lib:spawn(?MODULE, connection, [{Transport, Socket}, Options])}.

start_link(Transport, Socket, Options) ->
	{ok, proc_lib:spawn_link(?MODULE, connection, [{Transport, Socket}, Options])}.

accept(Pid) ->
	Pid ! accept.

%% A connection, from its first byte to HELLO and PROOF.
connection({gen_tcp, Socket}, List) ->
	Options = options(List),
	receive accept -> ok after ?HELLO_MS -> exit(normal) end,
	_ = inet:setopts(Socket, [binary, {packet, raw}, {active, false}, {buffer, ?BUFFER_BYTES},
		{send_timeout, ?HELLO_MS}, {high_watermark, ?WRITTEN_BYTES_MAX}]),
	_ = inet:setopts(Socket, [{nodelay, true}]),
	Address = address(Socket),
	case secure(Socket, Options) of
		{ok, Transport, Secured} ->
			greet(Transport, Secured, Options);
		{refused, Why} ->
			?LOG_ERROR("A gate at ~ts is refused: ~ts", [Address, Why]),
			gen_tcp:close(Socket)
	end.

address(Socket) ->
	case inet:peername(Socket) of
		{ok, {local, _}} -> "a Unix socket";
		{ok, {Ip, _}} -> inet:ntoa(Ip);
		_ -> "?"
	end.

secure(Socket, #{tls := true, secret := undefined} = Options) ->
	secure_tls(Socket, Options);
secure(_, #{tls := true}) ->
	{refused, "a shared key cannot be proved over TLS here"};
secure(Socket, #{uids := Uids}) ->
	case inet:peername(Socket) of
		{ok, {local, _}} -> secure_unix(Socket, Uids);
		{ok, {Ip, _}} ->
			%% A key without TLS proves who begins, and protects nothing that follows.
			case is_loopback(Ip) of
				true -> {ok, gen_tcp, Socket};
				false -> {refused, "links from other machines need TLS (tls)"}
			end;
		{error, Reason} -> {refused, atom_to_list(Reason)}
	end.

%% The socket's permissions admit whom they admit; uids, where there are any, no others.
secure_unix(Socket, []) ->
	{ok, gen_tcp, Socket};
secure_unix(Socket, Uids) ->
	case inet:getopts(Socket, [?SO_PEERCRED]) of
		{ok, [{raw, _, _, <<_:32, Uid:32/native, _:32>>}]} ->
			case lists:member(Uid, Uids) of
				true -> {ok, gen_tcp, Socket};
				false -> {refused, io_lib:format("its user ~b is none of uids", [Uid])}
			end;
		_ ->
			{refused, "its user cannot be found out"}
	end.

is_loopback({127, _, _, _}) -> true;
is_loopback({0, 0, 0, 0, 0, 0, 0, 1}) -> true;
is_loopback({0, 0, 0, 0, 0, 16#ffff, High, _}) -> High bsr 8 =:= 127;
is_loopback(_) -> false.

secure_tls(Socket, #{certfile := Certificate, cafile := Authority, gates := Names}) ->
	{ok, _} = application:ensure_all_started(ssl),
	Options = [{versions, ['tlsv1.3']}, {verify, verify_peer}, {fail_if_no_peer_cert, true}, {certfile, Certificate},
		{cacertfile, Authority}, {session_tickets, disabled}],
	case ssl:handshake(Socket, Options, ?HELLO_MS) of
		{ok, Secured} ->
			case is_named(Secured, Names) of
				true -> {ok, ssl, Secured};
				false -> {refused, "its certificate has none of the names in gates"}
			end;
		{error, Reason} ->
			{refused, io_lib:format("~tp", [Reason])}
	end.

%% Subjects do not count.
is_named(Secured, Names) ->
	case ssl:peercert(Secured) of
		{ok, Der} ->
			Wanted = [{dns_id, binary_to_list(Name)} || Name <- Names],
			public_key:pkix_verify_hostname(Der, Wanted, [{fqdn_fun, fun(_) -> undefined end}]);
		_ -> false
	end.

%% ---- HELLO ----

%% The domains go with our HELLO, or our PROOF: so that the gate knows of them when it knows of us.
greet(Transport, Socket, List) ->
	ok = stanzagate_hub:await(),
	Options = List#{domains => stanzagate_hub:domains()},
	{Hello, Link} = stanzagate_link:new(config(Options), <<>>),
	Deadline = now_ms() + ?HELLO_MS,
	case Transport:send(Socket, [Hello | [domains(Options) || map_get(secret, Options) =:= undefined]]) of
		ok -> hear(Transport, Socket, Link, Deadline, Options);
		{error, _} -> Transport:close(Socket)
	end.

domains(#{domains := List}) ->
	[stanzagate_frames:encode(domain, 0, Fields) || Fields <- List].

config(#{name := Name, secret := Secret, window := Window}) ->
	Config = #{name => name(Name), epoch => stanzagate_hub:epoch(), window => Window, software => software()},
	case Secret of
		undefined -> Config;
		Path ->
			{ok, <<_:32/binary, _/binary>> = Key} = file:read_file(Path),
			Config#{key => Key, nonce => crypto:strong_rand_bytes(32)}
	end.

name(undefined) -> atom_to_binary(node());
name(Name) -> Name.

software() ->
	<<"ejabberd ", (ejabberd_option:version())/binary>>.

now_ms() ->
	erlang:monotonic_time(millisecond).

hear(Transport, Socket, Link, Deadline, Options) ->
	case Transport:recv(Socket, 0, max(0, Deadline - now_ms())) of
		{ok, Data} ->
			{Items, Link1} = stanzagate_link:hears(Data, Link),
			heard(Items, Transport, Socket, Link1, Deadline, Options);
		{error, Reason} ->
			?LOG_INFO("A gate has gone before it said who it is: ~tp", [Reason]),
			Transport:close(Socket)
	end.

heard([], Transport, Socket, Link, Deadline, Options) ->
	hear(Transport, Socket, Link, Deadline, Options);
heard([{say, Proof} | Rest], Transport, Socket, Link, Deadline, Options) ->
	_ = Transport:send(Socket, [Proof | domains(Options)]),
	heard(Rest, Transport, Socket, Link, Deadline, Options);
heard([{error, Fault} | _], Transport, Socket, _, _, _) ->
	?LOG_ERROR("A gate broke the protocol: ~ts", [string:uppercase(atom_to_list(Fault))]),
	Transport:close(Socket);
heard([{up, #{epoch := Epoch, name := Name} = Peer} | Rest], Transport, Socket, Link, _, Options) ->
	case stanzagate_hub:gate(Epoch, Name, gate_options(Options)) of
		{ok, Pid} -> stanzagate_gate:link(Pid, {Transport, Socket}, Link, Peer, Rest, map_get(domains, Options));
		{error, Reason} ->
			?LOG_INFO("A link of gate ~ts is not taken: ~tp", [Name, Reason]),
			Transport:close(Socket)
	end.

gate_options(#{window := Window, held_bytes_max := HeldMax, ping := PingMs, silence := SilenceMs, max_stanza_size := SizeMax} = Options) ->
	#{window => Window, held_bytes_max => HeldMax, ping_ms => PingMs, silence_ms => SilenceMs, max_stanza_size => SizeMax,
		c2s_options => maps:to_list(maps:with([access, shaper, max_fsm_queue], Options))}.
