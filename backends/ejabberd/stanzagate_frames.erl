%% The frames and fields of the link protocol (docs/link-protocol.md, sections 2 and 3), in bytes.
%%
%% Pure: binaries in, terms out. What is wrong is answered as an atom, whose name is the error's of section 10 in lower case, and
%% never raised. Frames and fields go by atoms too: the names of the tables in lower case.
-module(stanzagate_frames).
-export([encode/3, head/1, body/2, is_numbered/1, sender/1]).
-export_type([name/0, error/0, fields/0]).

-define(PAYLOAD_MAX, 16777216).
-define(FIELDS_MAX, 65535).
-define(HEAD, 8).
-define(WINDOW_MIN, 65536).
-define(SESSIONS_MAX, 4096).

-type name() :: atom().
-type error() :: length | type | session | payload | field | missing | fanout.
-type fields() :: #{atom() => binary() | non_neg_integer()}.

%% id -> {name, who sends it, of a session, numbered, payload: fields or {least, most}}
kind(16#01) -> {hello, both, false, false, fields};
kind(16#02) -> {domain, backend, false, false, fields};
kind(16#03) -> {ping, both, false, false, {0, 16}};
kind(16#04) -> {pong, both, false, false, {0, 16}};
kind(16#05) -> {drain, both, false, false, {0, 0}};
kind(16#06) -> {ack, both, false, false, {8, 8}};
kind(16#07) -> {proof, both, false, false, {32, 32}};
kind(16#08) -> {load, backend, false, false, fields};
kind(16#09) -> {fanout, backend, false, true, {10, ?PAYLOAD_MAX}};
kind(16#10) -> {open, gate, true, true, fields};
kind(16#11) -> {element, both, true, true, {1, ?PAYLOAD_MAX}};
kind(16#12) -> {state, backend, true, true, fields};
kind(16#13) -> {close, both, true, true, fields};
kind(16#14) -> {pause, both, true, false, {0, 0}};
kind(16#15) -> {resume, both, true, false, {0, 0}};
kind(16#16) -> {keep, backend, true, true, {0, 1024}};
kind(16#17) -> {reattach, gate, true, false, fields};
kind(16#18) -> {adopt, gate, true, false, fields};
kind(16#19) -> {attached, backend, true, false, fields};
kind(16#1a) -> {lost, backend, true, false, fields};
kind(_) -> none.

id(hello) -> 16#01;
id(domain) -> 16#02;
id(ping) -> 16#03;
id(pong) -> 16#04;
id(drain) -> 16#05;
id(ack) -> 16#06;
id(proof) -> 16#07;
id(load) -> 16#08;
id(fanout) -> 16#09;
id(open) -> 16#10;
id(element) -> 16#11;
id(state) -> 16#12;
id(close) -> 16#13;
id(pause) -> 16#14;
id(resume) -> 16#15;
id(keep) -> 16#16;
id(reattach) -> 16#17;
id(adopt) -> 16#18;
id(attached) -> 16#19;
id(lost) -> 16#1a.

%% key -> {name, sort and bytes, frames that may have it}
field(16#01) -> {version_min, {uint, 2}, [hello]};
field(16#02) -> {version_max, {uint, 2}, [hello]};
field(16#03) -> {epoch, {uint, 8}, [hello]};
field(16#04) -> {name, {text, 255}, [hello]};
field(16#05) -> {software, {text, 255}, [hello]};
field(16#06) -> {window, {uint, 4}, [hello]};
field(16#07) -> {patience_ms, {uint, 4}, [hello]};
field(16#08) -> {nonce, {bytes, 32}, [hello]};
field(16#10) -> {domain, {text, 1023}, [domain, open, adopt]};
field(16#11) -> {features, {text, 16384}, [domain, state]};
field(16#12) -> {features_binding, {text, 16384}, [domain]};
field(16#13) -> {features_certificate, {text, 16384}, [domain]};
field(16#20) -> {stream_id, {text, 64}, [open]};
field(16#21) -> {address, {text, 64}, [open, adopt]};
field(16#22) -> {port, {uint, 2}, [open, adopt]};
field(16#23) -> {tls_version, {uint, 2}, [open, adopt]};
field(16#24) -> {tls_cipher, {text, 64}, [open, adopt]};
field(16#25) -> {tls_exporter, {bytes, 32}, [open]};
field(16#26) -> {tls_end_point, {bytes, 64}, [open]};
field(16#27) -> {lang, {text, 64}, [open, adopt]};
field(16#28) -> {direct, {range, 0, 1}, [open, adopt]};
field(16#29) -> {client_cert_xmpp_addr, {text, 3071}, [open]};
field(16#2a) -> {client_cert_names, {text, 1023}, [open]};
field(16#30) -> {stage, {range, 1, 2}, [state]};
field(16#31) -> {jid, {text, 3071}, [state, adopt]};
field(16#32) -> {no_restart, {range, 0, 1}, [state]};
field(16#40) -> {condition, {text, 64}, [close]};
field(16#41) -> {reason, {text, 1024}, [close, lost]};
field(16#42) -> {clean, {range, 0, 1}, [close]};
field(16#50) -> {sessions, {uint, 4}, [load]};
field(16#51) -> {load, {uint, 2}, [load]};
field(16#60) -> {received, {uint, 4}, [reattach, adopt, attached]};
field(16#61) -> {acked, {uint, 4}, [adopt]};
field(16#62) -> {keep, {bytes, 1024}, [adopt]};
field(16#63) -> {stanzas_in, {uint, 4}, [adopt]};
field(16#64) -> {stanzas_out, {uint, 4}, [adopt]};
field(16#65) -> {presence, {text, 16384}, [adopt]};
field(16#66) -> {serial, {uint, 8}, [reattach, adopt]};
field(_) -> none.

key(version_min) -> 16#01;
key(version_max) -> 16#02;
key(epoch) -> 16#03;
key(name) -> 16#04;
key(software) -> 16#05;
key(window) -> 16#06;
key(patience_ms) -> 16#07;
key(nonce) -> 16#08;
key(domain) -> 16#10;
key(features) -> 16#11;
key(features_binding) -> 16#12;
key(features_certificate) -> 16#13;
key(stream_id) -> 16#20;
key(address) -> 16#21;
key(port) -> 16#22;
key(tls_version) -> 16#23;
key(tls_cipher) -> 16#24;
key(tls_exporter) -> 16#25;
key(tls_end_point) -> 16#26;
key(lang) -> 16#27;
key(direct) -> 16#28;
key(client_cert_xmpp_addr) -> 16#29;
key(client_cert_names) -> 16#2a;
key(stage) -> 16#30;
key(jid) -> 16#31;
key(no_restart) -> 16#32;
key(condition) -> 16#40;
key(reason) -> 16#41;
key(clean) -> 16#42;
key(sessions) -> 16#50;
key(load) -> 16#51;
key(received) -> 16#60;
key(acked) -> 16#61;
key(keep) -> 16#62;
key(stanzas_in) -> 16#63;
key(stanzas_out) -> 16#64;
key(presence) -> 16#65;
key(serial) -> 16#66.

needed(hello) -> [version_min, version_max, epoch, name, window];
needed(domain) -> [domain, features];
needed(load) -> [sessions, load];
needed(open) -> [domain, stream_id, address];
needed(state) -> [stage, jid];
needed(close) -> [];
needed(reattach) -> [serial];
needed(adopt) -> [domain, jid, address, received, acked, stanzas_in, stanzas_out, serial];
needed(attached) -> [received];
needed(lost) -> [].

-spec is_numbered(name()) -> boolean().
is_numbered(Name) ->
	element(4, kind(id(Name))).

-spec sender(name()) -> both | gate | backend.
sender(Name) ->
	element(2, kind(id(Name))).

%% A whole frame. Payload: bytes, or for frames of fields a list of {name, value}, in order. The caller keeps to the sizes of the
%% table.
-spec encode(name(), non_neg_integer(), iodata() | [{atom(), binary() | integer()}]) -> iodata().
encode(Name, Session, [{_, _} | _] = Fields) ->
	encode(Name, Session, [encode_field(Field, Value) || {Field, Value} <- Fields]);
encode(Name, Session, Payload) ->
	[<<(?HEAD + iolist_size(Payload)):32, (id(Name)), Session:56>>, Payload].

encode_field(Name, Value) ->
	Key = key(Name),
	case field(Key) of
		{_, {uint, Size}, _} -> <<Key, Size:16, Value:Size/unit:8>>;
		{_, {range, _, _}, _} -> <<Key, 1:16, Value>>;
		_ -> <<Key, (byte_size(Value)):16, Value/binary>>
	end.

%% What the bytes begin with: name, session, and size of the payload, which comes after the 12 bytes of the head. more: too few
%% bytes to tell.
-spec head(binary()) -> {name(), non_neg_integer(), non_neg_integer()} | more | {error, error()}.
head(<<Length:32, _/binary>>) when Length < ?HEAD; Length > ?HEAD + ?PAYLOAD_MAX ->
	{error, length};
head(<<Length:32, Id, Session:56, _/binary>>) ->
	Size = Length - ?HEAD,
	case kind(Id) of
		none -> {error, type};
		{_, _, OfSession, _, _} when (Session =/= 0) =/= OfSession -> {error, session};
		{_, _, _, _, fields} when Size > ?FIELDS_MAX -> {error, payload};
		{_, _, _, _, {Least, Most}} when Size < Least; Size > Most -> {error, payload};
		{Name, _, _, _, _} -> {Name, Session, Size}
	end;
head(_) ->
	more.

%% What the payload of a whole frame means: its fields, or its bytes.
-spec body(name(), binary()) -> {ok, fields() | binary()} | {error, error()}.
body(fanout, Payload) ->
	check_fanout(Payload);
body(Name, Payload) ->
	case kind(id(Name)) of
		{_, _, _, _, fields} -> decode_fields(Name, Payload, #{}, []);
		_ -> {ok, Payload}
	end.

check_fanout(<<Count:16, Rest/binary>> = Payload) when Count > 0, Count =< ?SESSIONS_MAX, byte_size(Rest) > Count * 7 ->
	<<List:(Count * 7)/binary, _/binary>> = Rest,
	case lists:member(0, [Session || <<Session:56>> <= List]) of
		true -> {error, fanout};
		false -> {ok, Payload}
	end;
check_fanout(_) ->
	{error, fanout}.

decode_fields(Name, <<>>, Found, _) ->
	case lists:all(fun(Field) -> is_map_key(Field, Found) end, needed(Name)) of
		false -> {error, missing};
		true when Name =:= hello, map_get(window, Found) < ?WINDOW_MIN -> {error, field};
		true -> {ok, Found}
	end;
decode_fields(Name, <<Key, Size:16, Value:Size/binary, Rest/binary>>, Found, Seen) ->
	case lists:member(Key, Seen) orelse decode_field(Name, field(Key), Value) of
		{ok, Field, Meaning} -> decode_fields(Name, Rest, Found#{Field => Meaning}, [Key | Seen]);
		skip -> decode_fields(Name, Rest, Found, [Key | Seen]);
		_ -> {error, field}
	end;
decode_fields(_, _, _, _) ->
	{error, field}.

decode_field(_, none, _) ->
	skip;
decode_field(Frame, {Name, Sort, Frames}, Value) ->
	case lists:member(Frame, Frames) of
		true -> decode_value(Name, Sort, Value);
		false -> error
	end.

decode_value(Name, {uint, Size}, Value) when byte_size(Value) =:= Size ->
	{ok, Name, binary:decode_unsigned(Value)};
decode_value(Name, {range, Least, Most}, <<Value>>) when Value >= Least, Value =< Most ->
	{ok, Name, Value};
decode_value(Name, {bytes, Size}, Value) when byte_size(Value) =< Size ->
	{ok, Name, Value};
decode_value(Name, {text, Size}, Value) when byte_size(Value) =< Size ->
	case binary:match(Value, <<0>>) =:= nomatch andalso is_list(unicode:characters_to_list(Value)) of
		true -> {ok, Name, Value};
		false -> error
	end;
decode_value(_, _, _) ->
	error.
