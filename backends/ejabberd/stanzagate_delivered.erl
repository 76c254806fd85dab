%% Which messages of clients of gates have been given to their receivers: so that none is given twice when a node is gone.
%%
%% An element of a client has the same number on whichever node it is handled, since it is the gate that counts; with the session's it makes
%% a tag, which goes with the message. When a node is gone, messages come again that it may have handed on already: from senders' gates,
%% what it had not acknowledged, and from other nodes, what they had no receipt for (stanzagate_receipts). These are marked, and
%% whoever has had one before does not get it:
%%
%% - a client whose node has stayed: the node has noted what came from others lately;
%% - a client whose node has gone: the gate has kept the tags of the last messages, each behind its message (KEEP), and whoever adopts the
%%   session notes them. Where a message has come into the offline store before, it is left out when it comes out of there.
-module(stanzagate_delivered).

-export([tag/2, mark/1, add/2, pack/2, unpack/1, note/1]).
-export([init/0, routed/2, forget_old/0]).
-export([c2s_handle_info/2, offline_message_hook/1]).

-include("stanzagate_client.hrl").

-define(DELIVERED, stanzagate_delivered).   % {Tag, Ms}
-define(ROUTED, stanzagate_routed).         % {What the message looks like, Tag, Ms}: into the offline store, and marked
-define(TAG_BYTES, 8).
-define(TAGS_MAX, 48).                      % of the messages that were given to a client last
-define(KEEP_BYTES_MAX, 1024).
-define(OLD_MS, 10000).

%% Source: of the client's #own; Number: of its element.
tag(Source, Number) ->
	binary:part(erlang:md5(<<Source/binary, Number:32>>), 0, ?TAG_BYTES).

%% It may have been handed on before.
mark(Packet) ->
	xmpp:put_meta(Packet, stanzagate_again, true).

is_marked(Packet) ->
	xmpp:get_meta(Packet, stanzagate_again, false).

%% ---- KEEP ----

%% Tags: newest first, and so many at most.
add(Tag, Tags) ->
	lists:sublist([Tag | Tags], ?TAGS_MAX).

%% Tags are left out where there is no room for them.
pack([_ | _] = Tags, Kept) when length(Tags) * ?TAG_BYTES + byte_size(Kept) < ?KEEP_BYTES_MAX ->
	iolist_to_binary([length(Tags), Tags, Kept]);
pack(_, Kept) ->
	Kept.

%% What others have put there begins with a greater byte.
unpack(<<Count, Rest/binary>>) when Count =< ?TAGS_MAX, byte_size(Rest) >= Count * ?TAG_BYTES ->
	<<Tags:(Count * ?TAG_BYTES)/binary, Kept/binary>> = Rest,
	{[Tag || <<Tag:?TAG_BYTES/binary>> <= Tags], Kept};
unpack(Kept) ->
	{[], Kept}.

%% ---- what is noted, in tables that stanzagate_receipts owns ----

init() ->
	ets:new(?DELIVERED, [named_table, public, {write_concurrency, true}]),
	ets:new(?ROUTED, [named_table, public, {read_concurrency, true}]).

note(Tags) ->
	ets:insert(?DELIVERED, [{Tag, now_ms()} || Tag <- Tags]).

%% It is about to come into the offline store, and is marked.
routed(Looks, Tag) ->
	ets:insert(?ROUTED, {Looks, Tag, now_ms()}).

forget_old() ->
	Before = now_ms() - ?OLD_MS,
	ets:select_delete(?DELIVERED, [{{'_', '$1'}, [{'<', '$1', Before}], [true]}]),
	ets:select_delete(?ROUTED, [{{'_', '_', '$1'}, [{'<', '$1', Before}], [true]}]).

now_ms() ->
	erlang:monotonic_time(millisecond).

%% ---- in whichever process a message has come to ----

%% Before ejabberd's own. Whoever waits for a receipt gets it. The tag goes to the gate's process with the message, so that there is no
%% writing with one of them alone; stanzagate_receipts forgets it, if no message has come of this one.
c2s_handle_info(State, {route, Packet} = Info) when element(1, Packet) =:= message ->
	case is_again(Packet) of
		true -> {stop, stanzagate_receipts:c2s_handle_info(State, Info)};
		false -> hold_tag(xmpp:get_meta(Packet, stanzagate, none)), State
	end;
c2s_handle_info(State, _) ->
	State.

hold_tag({_, {_, Tag}}) -> stanzagate_client:put_own((stanzagate_client:own())#own{tag = Tag});
hold_tag(none) -> ok.

is_again(Packet) ->
	case xmpp:get_meta(Packet, stanzagate, none) of
		{_, {_, Tag}} -> is_marked(Packet) andalso ets:member(?DELIVERED, Tag);
		none -> xmpp:get_meta(Packet, from_offline, false) andalso ets:info(?ROUTED, size) > 0 andalso was_routed(looks(Packet))
	end.

was_routed(Looks) ->
	case ets:lookup(?ROUTED, Looks) of
		[{_, Tag, _}] -> ets:member(?DELIVERED, Tag);
		[] -> false
	end.

%% What a message keeps in the offline store.
looks(Packet) ->
	{From, To} = {xmpp:get_from(Packet), xmpp:get_to(Packet)},
	{jid:tolower(From), jid:tolower(jid:remove_resource(To)), xmpp:get_id(Packet), erlang:phash2(xmpp:get_text(element(8, Packet)), 1 bsl 32)}.

%% Before mod_offline's own. Who adopts the session may be another node.
offline_message_hook({_, Packet} = Any) ->
	case xmpp:get_meta(Packet, stanzagate, none) of
		{_, {_, Tag}} ->
			is_marked(Packet) andalso begin
				Looks = looks(Packet),
				routed(Looks, Tag),
				gen_server:abcast(nodes(), stanzagate_receipts, {routed, Looks, Tag})
			end,
			Any;
		none -> Any
	end;
offline_message_hook(Any) ->
	Any.
