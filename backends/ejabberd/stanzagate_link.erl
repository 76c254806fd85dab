%% One link of a gate, as bytes: its beginning (HELLO, and PROOF where a key is shared), and then its frames, cut out of what
%% comes in pieces of any size (docs/link-protocol.md, sections 2 and 4).
%%
%% Pure: randomness comes with the configuration. Framing is done here and not by the socket ({packet, 4}), so that what cannot be
%% right is found in the first bytes of a frame, before its payload has arrived, and so that all that has come is handled in one
%% round.
-module(stanzagate_link).
-export([new/2, hears/2]).
-export_type([link/0, item/0, peer/0]).

-define(VERSION, 1).

-record(link, {config, binding, phase = opening :: opening | proving | up, peer = #{}, buffer = <<>> :: binary(), needed = 12}).

-opaque link() :: #link{}.
%% epoch, name, window, patience_ms, and software and nonce where it said them.
-type peer() :: stanzagate_frames:fields().
%% After an error there is nothing more: the link is to be closed.
-type item() :: {say, iodata()} | {up, peer()} | {frame, stanzagate_frames:name(), non_neg_integer(), term(), pos_integer()}
	| {error, atom()}.

%% A gate has dialled. Config: name, epoch, software, window; with a shared key, key and nonce, 32 random bytes of this link.
%% Binding: the channel binding of its TLS, or <<>>. Answers our HELLO, which is to be sent at once.
-spec new(map(), binary()) -> {iodata(), link()}.
new(#{name := Name, epoch := Epoch, window := Window} = Config, Binding) ->
	Fields = [{version_min, ?VERSION}, {version_max, ?VERSION}, {epoch, Epoch}, {name, Name}]
		++ [{software, Software} || #{software := Software} <- [Config]]
		++ [{window, Window}]
		++ [{nonce, Nonce} || #{nonce := Nonce} <- [Config]],
	{stanzagate_frames:encode(hello, 0, Fields), #link{config = Config, binding = Binding}}.

%% What comes of more bytes of the gate.
-spec hears(binary(), link()) -> {[item()], link()}.
hears(Data, #link{buffer = <<>>} = Link) ->
	cut(Data, [], Link);
hears(Data, #link{buffer = Buffer, needed = Needed} = Link) ->
	Whole = <<Buffer/binary, Data/binary>>,
	case byte_size(Whole) < Needed of
		true -> {[], Link#link{buffer = Whole}};
		false -> cut(Whole, [], Link)
	end.

cut(Data, Items, #link{phase = Phase} = Link) ->
	case stanzagate_frames:head(Data) of
		{error, Fault} -> stop(Fault, Items, Link);
		more -> {lists:reverse(Items), Link#link{buffer = Data, needed = min(byte_size(Data) + 1, 12)}};
		{Name, Number, Size} ->
			case refusal(Phase, Name) of
				none -> cut_body(Data, Name, Number, Size, Items, Link);
				Fault -> stop(Fault, Items, Link)
			end
	end.

cut_body(Data, Name, Number, Size, Items, Link) ->
	case Data of
		<<_:12/binary, Payload:Size/binary, Rest/binary>> ->
			case stanzagate_frames:body(Name, Payload) of
				{error, Fault} -> stop(Fault, Items, Link);
				{ok, Body} -> take(Rest, Name, Number, Body, Size + 12, Items, Link)
			end;
		_ ->
			{lists:reverse(Items), Link#link{buffer = Data, needed = Size + 12}}
	end.

take(Rest, Name, Number, Body, Size, Items, #link{phase = up} = Link) ->
	cut(Rest, [{frame, Name, Number, Body, Size} | Items], Link);
take(Rest, hello, _, Peer, _, Items, Link) ->
	case hello(Peer, Link) of
		{error, Fault} -> stop(Fault, Items, Link);
		{More, Link1} -> cut(Rest, More ++ Items, Link1)
	end;
take(Rest, proof, _, Proof, _, Items, #link{peer = #{nonce := Theirs} = Peer, config = #{nonce := Ours}} = Link) ->
	case is_equal(Proof, proof("g", Ours, Theirs, Link)) of
		true -> cut(Rest, [{up, Peer} | Items], Link#link{phase = up});
		false -> stop(proof, Items, Link)
	end.

stop(Fault, Items, Link) ->
	{lists:reverse(Items, [{error, Fault}]), Link#link{buffer = <<>>}}.

%% What is wrong with a frame of this name now.
refusal(opening, hello) -> none;
refusal(opening, _) -> order;
refusal(proving, proof) -> none;
refusal(proving, _) -> proof;
refusal(up, Name) when Name =:= hello; Name =:= proof -> order;
refusal(up, Name) ->
	case stanzagate_frames:sender(Name) of
		backend -> direction;
		_ -> none
	end.

hello(#{version_min := Min, version_max := Max}, _) when Min > Max; Min > ?VERSION; Max < ?VERSION ->
	{error, version};
hello(#{nonce := Theirs} = Peer, #link{config = #{key := _, nonce := Ours}} = Link) when byte_size(Theirs) =:= 32 ->
	{[{say, stanzagate_frames:encode(proof, 0, proof("b", Theirs, Ours, Link))}], Link#link{phase = proving, peer = Peer}};
hello(#{nonce := _}, _) ->
	{error, proof};
hello(_, #link{config = #{key := _}}) ->
	{error, proof};
hello(Peer, Link) ->
	{[{up, Peer}], Link#link{phase = up, peer = Peer}}.

proof(Role, First, Second, #link{config = #{key := Key}, binding = Binding}) ->
	crypto:mac(hmac, sha256, Key, [Role, First, Second, Binding]).

%% In constant time.
is_equal(A, B) when byte_size(A) =:= byte_size(B) ->
	lists:foldl(fun({X, Y}, Acc) -> Acc bor (X bxor Y) end, 0, lists:zip(binary_to_list(A), binary_to_list(B))) =:= 0;
is_equal(_, _) ->
	false.
