%% The sessions of one worker of a gate, over all its links: numbers, acknowledgements, credit, and what must be sent again after
%% a cut (docs/link-protocol.md, sections 5 to 9).
%%
%% Pure: no process, socket, clock or log. Links are known by a name that the caller chooses, sessions by the gate's number.
%% Functions answer the new state; what happened meanwhile is fetched with news/1, in its order:
%%
%%    {opened, Number, Fields}         a client begins to authenticate: time for set_client/3
%%    {element, Client, Xml, Count}    one element of it, the Count-th numbered frame of its link
%%    {closed, Client, Fields}         the gate has ended it; the answer has been sent, and nothing that is said later will be
%%    {ended, Client}                  the gate has answered our own end of it
%%    {reattached, Client}             it goes on, after a cut
%%    {adopt, Number, Fields}          asks for set_client/3 and adopted/3, or refused/3, at once or later
%%    {over, Client}                   it is lost: nobody will hear what is said for it any more
%%    {dead, Link}                     its gate has another link now: to be closed; cut/2 is not needed any more
%%    {stuck, Link}                    its gate acknowledges too little for what waits: to be closed
%%
%% What goes out is fetched with take/2, and is then as good as written.
-module(stanzagate_sessions).
-export([new/1, link/4, frame/6, news/1, take/2, links_with_output/1, ack/3, cut/2, expire/2, put/3]).
-export([set_client/3, element/3, state/3, keep/3, close/3, pause/3, adopted/3, refused/3]).
-export([session_count/1]).
-export_type([sessions/0]).

-define(U32, 16#ffffffff).
-define(WINDOW_SLACK, (16777216 + 12)).

-record(session, {
	number :: pos_integer(),
	client :: term(),
	link = none :: term(),              % its home, or none: an orphan
	left = none :: term(),              % the link whose cut made it an orphan
	bound = false :: boolean(),
	attaching = false :: boolean(),     % ADOPT is not answered yet
	paused = false :: boolean(),        % by the gate
	pausing = false :: boolean(),       % by us
	closed = false :: boolean(),        % we have sent CLOSE, or will before anything else
	received = 0 :: non_neg_integer(),
	sent = 0 :: non_neg_integer(),
	acked = 0 :: non_neg_integer(),     % as it was when its last link was cut
	serial = -1 :: integer(),
	held = queue:new() :: queue:queue(),
	held_bytes = 0 :: non_neg_integer()
}).

%% Entries: what is sent, numbered in its session. new: not sent yet; 0: of a session that was not bound.
-record(entry, {number = new :: new | non_neg_integer(), session, name, payload, size = 0}).

-record(link, {
	window :: pos_integer(),
	patience_ms :: non_neg_integer(),
	out = [] :: iodata(),
	handled = 0, handled_said = 0,
	sent = 0, acked = 0,
	unacked = queue:new(), unacked_bytes = 0,
	waiting = queue:new(), waiting_bytes = 0,
	inbox = queue:new(), inbox_bytes = 0
}).

-record(gate, {config, sessions = #{}, links = #{}, orphans = #{}, dirty = [], news = []}).

-type sessions() :: #gate{}.
-type config() :: #{window := pos_integer(), held_bytes_max := pos_integer(), waiting_bytes_max := pos_integer()}.

%% window: as in our HELLO; held_bytes_max: for one session that cannot take elements; waiting_bytes_max: for a link without credit.
-spec new(config()) -> sessions().
new(Config) ->
	#gate{config = Config}.

%% A link is up. Window and patience are those of the gate's HELLO.
link(Id, Window, PatienceMs, Gate) ->
	Gate#gate{links = (Gate#gate.links)#{Id => #link{window = Window, patience_ms = PatienceMs}}}.

news(#gate{news = []} = Gate) ->
	{[], Gate};
news(#gate{news = News} = Gate) ->
	{lists:reverse(News), Gate#gate{news = []}}.

links_with_output(#gate{dirty = Dirty}) ->
	Dirty.

%% All that is to be written to the gate on this link.
take(Id, #gate{links = Links, dirty = Dirty} = Gate) ->
	case Links of
		#{Id := #link{out = Out} = Link} ->
			{Out, Gate#gate{links = Links#{Id := Link#link{out = []}}, dirty = lists:delete(Id, Dirty)}};
		_ ->
			{[], Gate#gate{dirty = lists:delete(Id, Dirty)}}
	end.

session_count(#gate{sessions = Sessions}) -> map_size(Sessions).

tell(Event, #gate{news = News} = Gate) ->
	Gate#gate{news = [Event | News]}.

%% Bytes of a frame that is not numbered.
put(Id, Bytes, #gate{links = Links} = Gate) ->
	case Links of
		#{Id := Link} -> put_bytes(Id, Link, Bytes, Gate);
		_ -> Gate
	end.

put_bytes(Id, #link{out = []} = Link, Bytes, #gate{links = Links, dirty = Dirty} = Gate) ->
	Gate#gate{links = Links#{Id := Link#link{out = [Bytes]}}, dirty = [Id | lists:delete(Id, Dirty)]};
put_bytes(Id, #link{out = Out} = Link, Bytes, #gate{links = Links} = Gate) ->
	Gate#gate{links = Links#{Id := Link#link{out = [Out, Bytes]}}}.

frame_bytes(Name, Number, Payload) ->
	stanzagate_frames:encode(Name, Number, Payload).

%% ---- what we send for a session ----

set_client(Number, Client, #gate{sessions = Sessions} = Gate) ->
	case Sessions of
		#{Number := Session} -> store(Session#session{client = Client}, Gate);
		_ -> Gate
	end.

store(#session{number = Number} = Session, #gate{sessions = Sessions} = Gate) ->
	Gate#gate{sessions = Sessions#{Number => Session}}.

forget(#session{number = Number}, #gate{sessions = Sessions} = Gate) ->
	Gate#gate{sessions = maps:remove(Number, Sessions)}.

over(#session{client = Client} = Session, Gate) ->
	tell({over, Client}, forget(Session, Gate)).

%% One element for the client. It waits while it cannot be sent.
element(Number, Xml, Gate) -> push(Number, element, Xml, Gate).
state(Number, Fields, Gate) -> push(Number, state, Fields, Gate).
keep(Number, Bytes, Gate) -> push(Number, keep, Bytes, Gate).
close(Number, Fields, Gate) -> push(Number, close, Fields, Gate).

push(Number, Name, Payload, #gate{sessions = Sessions} = Gate) ->
	case Sessions of
		#{Number := #session{closed = false} = Session} ->
			push_entry(Session#session{closed = Name =:= close}, #entry{session = Number, name = Name, payload = Payload}, Gate);
		_ ->
			Gate
	end.

push_entry(#session{link = Link, attaching = Attaching, paused = Paused} = Session, #entry{name = Name} = Entry, Gate) ->
	case Link =:= none orelse Attaching orelse (Paused andalso Name =:= element) of
		true -> hold(Session, Entry, Gate);
		false -> queue(Session, Entry, Gate)
	end.

hold(#session{held = Held, held_bytes = Bytes} = Session, #entry{payload = Payload} = Entry, #gate{config = Config} = Gate) ->
	Bytes1 = Bytes + if is_binary(Payload) -> byte_size(Payload); true -> 0 end,
	Session1 = Session#session{held = queue:in(Entry, Held), held_bytes = Bytes1},
	case Bytes1 > map_get(held_bytes_max, Config) of
		true -> overflow(Session1, Gate);
		false -> store(Session1, Gate)
	end.

%% An element too many for who cannot take it: the session is ended, as one whose client was lost.
overflow(#session{link = Link, attaching = Attaching} = Session, Gate) when Link =:= none; Attaching ->
	over(Session, Gate);
overflow(#session{number = Number, client = Client} = Session, Gate) ->
	Fields = [{condition, <<"policy-violation">>}, {reason, <<"too much waits for this client">>}],
	Empty = Session#session{held = queue:new(), held_bytes = 0, closed = true},
	tell({over, Client}, queue(Empty, #entry{session = Number, name = close, payload = Fields}, Gate)).

%% Sends a numbered frame, or lets it wait for credit.
queue(#session{link = Id, number = Number} = Session, #entry{name = Name, payload = Payload} = Entry, #gate{links = Links} = Gate) ->
	Bytes = frame_bytes(Name, Number, Payload),
	Sized = Entry#entry{size = iolist_size(Bytes)},
	#{Id := Link} = Links,
	case queue:is_empty(Link#link.waiting) andalso has_credit(Link, Sized) of
		true -> emit(Id, Link, Session, Sized, Bytes, Gate);
		false -> await_credit(Id, Link, Sized, store(Session, Gate))
	end.

has_credit(#link{unacked_bytes = 0}, _) -> true;
has_credit(#link{unacked_bytes = Bytes, window = Window}, #entry{size = Size}) -> Bytes + Size =< Window.

await_credit(Id, #link{waiting = Waiting, waiting_bytes = Bytes} = Link, #entry{size = Size} = Entry, #gate{config = Config} = Gate) ->
	Link1 = Link#link{waiting = queue:in(Entry, Waiting), waiting_bytes = Bytes + Size},
	Gate1 = Gate#gate{links = (Gate#gate.links)#{Id := Link1}},
	Most = map_get(waiting_bytes_max, Config),
	case Bytes =< Most andalso Bytes + Size > Most of
		true -> tell({stuck, Id}, Gate1);
		false -> Gate1
	end.

emit(Id, Link, Session, #entry{size = Size} = Entry, Bytes, Gate) ->
	{Session1, Number} = count_sent(Session, Entry),
	Link1 = Link#link{
		sent = Link#link.sent + 1,
		unacked = queue:in(Entry#entry{number = Number}, Link#link.unacked),
		unacked_bytes = Link#link.unacked_bytes + Size
	},
	put_bytes(Id, Link1, Bytes, store(Session1, Gate)).

count_sent(#session{bound = true, sent = Sent} = Session, _) ->
	Number = (Sent + 1) band ?U32,
	{Session#session{sent = Number}, Number};
count_sent(Session, #entry{name = state, payload = Fields}) ->
	case lists:member({stage, 2}, Fields) of
		true -> {Session#session{bound = true, sent = 0, acked = 0, received = 0}, 0};
		false -> {Session, 0}
	end;
count_sent(Session, _) ->
	{Session, 0}.

send_waiting(Id, #gate{links = Links, sessions = Sessions} = Gate) ->
	#{Id := #link{waiting = Waiting, waiting_bytes = Bytes} = Link} = Links,
	case queue:peek(Waiting) of
		{value, #entry{session = Number, name = Name, payload = Payload, size = Size} = Entry} ->
			case has_credit(Link, Entry) of
				true ->
					Link1 = Link#link{waiting = queue:drop(Waiting), waiting_bytes = Bytes - Size},
					Frame = frame_bytes(Name, Number, Payload),
					send_waiting(Id, case Sessions of
						#{Number := #session{link = Id} = Session} -> emit(Id, Link1, Session, Entry, Frame, Gate);
						_ when Name =:= close -> emit_orphaned(Id, Link1, Entry, Frame, Gate);
						_ -> Gate#gate{links = Links#{Id := Link1}}
					end);
				false ->
					Gate
			end;
		empty ->
			Gate
	end.

%% The CLOSE of a session that has been forgotten since.
emit_orphaned(Id, Link, #entry{size = Size} = Entry, Frame, Gate) ->
	Link1 = Link#link{
		sent = Link#link.sent + 1,
		unacked = queue:in(Entry#entry{number = 0}, Link#link.unacked),
		unacked_bytes = Link#link.unacked_bytes + Size
	},
	put_bytes(Id, Link1, Frame, Gate).

%% What waited in the session, now that it can go.
release(#session{number = Number, held = Held} = Session, Gate) ->
	lists:foldl(
		fun(Entry, #gate{sessions = Sessions} = Acc) -> queue(map_get(Number, Sessions), Entry#entry{number = new}, Acc) end,
		store(Session#session{held = queue:new(), held_bytes = 0}, Gate),
		queue:to_list(Held)
	).

%% Whether the gate shall send no elements of this session for now.
pause(Number, IsWanted, #gate{sessions = Sessions} = Gate) ->
	case Sessions of
		#{Number := #session{pausing = IsWanted}} -> Gate;
		#{Number := #session{link = Id, attaching = Attaching, closed = Closed} = Session} ->
			Gate1 = store(Session#session{pausing = IsWanted}, Gate),
			case Id =/= none andalso not Attaching andalso not Closed of
				true -> put(Id, frame_bytes(pause_name(IsWanted), Number, []), Gate1);
				false -> Gate1
			end;
		_ -> Gate
	end.

pause_name(true) -> pause;
pause_name(false) -> resume.

adopted(Number, Count, #gate{sessions = Sessions} = Gate) ->
	case Sessions of
		#{Number := #session{attaching = true, link = Id} = Session} ->
			attach(Session#session{bound = true, received = Count}, Id, Count, Gate);
		_ -> Gate
	end.

refused(Number, Reason, #gate{sessions = Sessions} = Gate) ->
	case Sessions of
		#{Number := #session{attaching = true, link = Id} = Session} ->
			put(Id, frame_bytes(lost, Number, [{reason, Reason} || Reason =/= none]), forget(Session, Gate));
		_ -> Gate
	end.

attach(#session{number = Number, pausing = Pausing} = Session, Id, Count, Gate) ->
	Home = Session#session{link = Id, attaching = false, paused = false, left = none},
	Gate1 = put(Id, frame_bytes(attached, Number, [{received, Count}]), Gate),
	Gate2 = case Pausing of
		true -> put(Id, frame_bytes(pause, Number, []), Gate1);
		false -> Gate1
	end,
	release(Home, Gate2).

%% ---- what the gate sends ----

%% A frame of a link that is up; its payload's meaning is of stanzagate_frames:body/2, Size that of the whole frame.
frame(Id, Name, Number, Body, Size, #gate{links = Links} = Gate) ->
	#{Id := #link{waiting = Waiting, inbox = Inbox} = Link} = Links,
	case stanzagate_frames:is_numbered(Name) of
		true ->
			case queue:is_empty(Waiting) andalso queue:is_empty(Inbox) of
				true -> handle_numbered(Id, Name, Number, Body, Gate);
				false -> delay(Id, Link, {Name, Number, Body, Size}, Gate)
			end;
		false ->
			handle(Name, Id, Number, Body, Gate)
	end.

%% What it leads to would have no credit.
delay(Id, #link{inbox = Inbox, inbox_bytes = Bytes} = Link, {_, _, _, Size} = Frame, #gate{config = Config} = Gate) ->
	Link1 = Link#link{inbox = queue:in(Frame, Inbox), inbox_bytes = Bytes + Size},
	Gate1 = Gate#gate{links = (Gate#gate.links)#{Id := Link1}},
	case Bytes + Size > map_get(window, Config) + ?WINDOW_SLACK of
		true -> {error, window, Gate1};
		false -> {ok, Gate1}
	end.

handle_inbox(Id, #gate{links = Links} = Gate) ->
	#{Id := #link{waiting = Waiting, inbox = Inbox, inbox_bytes = Bytes} = Link} = Links,
	case queue:is_empty(Waiting) andalso queue:out(Inbox) of
		{{value, {Name, Number, Body, Size}}, Rest} ->
			Link1 = Link#link{inbox = Rest, inbox_bytes = Bytes - Size},
			case handle_numbered(Id, Name, Number, Body, Gate#gate{links = Links#{Id := Link1}}) of
				{ok, Gate1} -> handle_inbox(Id, Gate1);
				Fault -> Fault
			end;
		_ ->
			{ok, Gate}
	end.

handle_numbered(Id, Name, Number, Body, Gate) ->
	case handle(Name, Id, Number, Body, Gate) of
		{ok, #gate{links = #{Id := Link} = Links} = Gate1} ->
			{ok, Gate1#gate{links = Links#{Id := Link#link{handled = Link#link.handled + 1}}}};
		Other ->
			Other
	end.

handle(element, Id, Number, Xml, #gate{sessions = Sessions, links = Links} = Gate) ->
	case Sessions of
		#{Number := #session{link = Id, received = Received, closed = Closed, client = Client} = Session} ->
			Gate1 = store(Session#session{received = (Received + 1) band ?U32}, Gate),
			{ok, case Closed of
				true -> Gate1;
				false -> tell({element, Client, Xml, (map_get(Id, Links))#link.handled + 1}, Gate1)
			end};
		_ ->
			{ok, Gate}
	end;
handle(ack, Id, _, <<Count:64>>, #gate{links = Links} = Gate) ->
	#{Id := #link{acked = Acked, sent = Sent} = Link} = Links,
	case Count >= Acked andalso Count =< Sent of
		true -> handle_inbox(Id, send_waiting(Id, Gate#gate{links = Links#{Id := link_acked(Link, Count - Acked)}}));
		false -> {error, ack, Gate}
	end;
handle(ping, Id, _, Bytes, Gate) ->
	{ok, put(Id, frame_bytes(pong, 0, Bytes), Gate)};
handle(Name, _, _, _, Gate) when Name =:= pong; Name =:= drain ->
	{ok, Gate};
handle(pause, Id, Number, _, #gate{sessions = Sessions} = Gate) ->
	case Sessions of
		#{Number := #session{link = Id} = Session} -> {ok, store(Session#session{paused = true}, Gate)};
		_ -> {ok, Gate}
	end;
handle(resume, Id, Number, _, #gate{sessions = Sessions} = Gate) ->
	case Sessions of
		#{Number := #session{link = Id, paused = true} = Session} -> {ok, release(Session#session{paused = false}, Gate)};
		_ -> {ok, Gate}
	end;
handle(open, Id, Number, Fields, #gate{sessions = Sessions} = Gate) ->
	case is_map_key(Number, Sessions) of
		true -> {error, in_use, Gate};
		false -> {ok, tell({opened, Number, Fields}, store(#session{number = Number, link = Id}, Gate))}
	end;
handle(close, Id, Number, Fields, #gate{sessions = Sessions} = Gate) ->
	case Sessions of
		#{Number := #session{link = Id} = Session} -> {ok, closed(Session, Fields, Gate)};
		_ -> {ok, Gate}
	end;
handle(reattach, Id, Number, #{serial := Serial} = Fields, Gate) ->
	case take_session(Id, Number, Serial, Gate) of
		{ok, Session, Gate1} -> {ok, reattach(Session, Id, Number, maps:get(received, Fields, none), Gate1)};
		Other -> Other
	end;
handle(adopt, Id, Number, #{serial := Serial} = Fields, Gate) ->
	case take_session(Id, Number, Serial, Gate) of
		{ok, none, Gate1} -> {ok, adopt(Id, Number, Fields, Gate1)};
		{ok, Session, Gate1} -> {ok, adopt(Id, Number, Fields, over(Session, Gate1))};
		Other -> Other
	end.

link_acked(#link{acked = Acked, unacked = Unacked, unacked_bytes = Bytes} = Link, Count) when Count > 0 ->
	{{value, #entry{size = Size}}, Rest} = queue:out(Unacked),
	link_acked(Link#link{acked = Acked + 1, unacked = Rest, unacked_bytes = Bytes - Size}, Count - 1);
link_acked(Link, 0) ->
	Link.

closed(#session{closed = true, client = Client} = Session, _, Gate) ->
	tell({ended, Client}, forget(Session, Gate));
closed(#session{number = Number, client = Client} = Session, Fields, Gate) ->
	Gate1 = queue(Session#session{closed = true, held = queue:new()}, #entry{session = Number, name = close, payload = []}, Gate),
	tell({closed, Client, Fields}, forget(Session, Gate1)).

%% Takes the session from another link, which must be dead. {ok, Gate}: what asks for it is of an older link, and comes too late.
take_session(Id, Number, Serial, #gate{sessions = Sessions} = Gate) ->
	case Sessions of
		#{Number := #session{link = Id}} -> {error, in_use, Gate};
		#{Number := #session{serial = Last}} when Serial < Last -> {ok, Gate};
		#{Number := #session{link = none} = Session} -> {ok, Session#session{serial = Serial}, Gate};
		#{Number := #session{link = Old}} ->
			#gate{sessions = After} = Gate1 = tell({dead, Old}, cut(Old, Gate)),
			case After of
				#{Number := Session} -> {ok, Session#session{serial = Serial}, Gate1};
				_ -> {ok, none, Gate1}
			end;
		_ -> {ok, none, Gate}
	end.

reattach(none, Id, Number, _, Gate) ->
	put(Id, frame_bytes(lost, Number, []), Gate);
reattach(#session{sent = Sent, acked = Acked} = Session, Id, Number, Received, Gate)
		when Received =/= none, (Received - Acked) band ?U32 > (Sent - Acked) band ?U32 ->
	over(Session, put(Id, frame_bytes(lost, Number, []), Gate));
reattach(#session{sent = Sent, received = Count, closed = Closed, client = Client, held = Held} = Session, Id, _, Received, Gate) ->
	Taken = case Received of none -> Sent; _ -> Received end,
	Rest = queue:filter(fun(Entry) -> is_not_taken(Entry, Sent, Received) end, Held),
	Gate1 = attach(Session#session{held = Rest, held_bytes = 0, sent = Taken, acked = Taken}, Id, Count, Gate),
	case Closed of
		true -> Gate1;
		false -> tell({reattached, Client}, Gate1)
	end.

%% Of what is held after a cut: what the gate has not taken; or only the end, for a client that is gone.
is_not_taken(#entry{name = Name}, _, none) -> Name =:= close;
is_not_taken(#entry{number = new}, _, _) -> true;
is_not_taken(#entry{number = Number}, Sent, Received) -> (Sent - Number) band ?U32 < (Sent - Received) band ?U32.

adopt(Id, Number, #{serial := Serial, received := Received} = Fields, Gate) ->
	Session = #session{number = Number, link = Id, attaching = true, serial = Serial, sent = Received, acked = Received},
	tell({adopt, Number, Fields}, store(Session, Gate)).

%% ---- links ----

%% Says how many numbered frames have been handled, if that is news: so many, or all that have been told of.
ack(Id, Count, #gate{links = Links} = Gate) ->
	case Links of
		#{Id := #link{handled = Handled, handled_said = Said} = Link} when Handled > Said, Count > Said ->
			Handled1 = min(Handled, Count), % an atom is greater than any number
			put_bytes(Id, Link#link{handled_said = Handled1}, frame_bytes(ack, 0, <<Handled1:64>>), Gate);
		_ -> Gate
	end.

%% The transport has ended. Bound sessions become orphans, when the gate has patience; others are over.
cut(Id, #gate{links = Links, sessions = Sessions, dirty = Dirty, orphans = Orphans} = Gate) ->
	case maps:take(Id, Links) of
		{#link{patience_ms = PatienceMs} = Link, Rest} ->
			Here = lists:sort([Number || {Number, #session{link = Of}} <- maps:to_list(Sessions), Of =:= Id]),
			{Kept, Lost} = lists:partition(fun(Number) -> PatienceMs > 0 andalso (map_get(Number, Sessions))#session.bound end, Here),
			Gate1 = Gate#gate{links = Rest, dirty = lists:delete(Id, Dirty), orphans = Orphans#{Id => Kept}},
			Gate2 = orphan(Id, Link, Kept, Gate1),
			lists:foldl(fun(Number, Acc) -> over(map_get(Number, Sessions), Acc) end, Gate2, Lost);
		error ->
			Gate
	end.

orphan(Id, #link{unacked = Unacked, waiting = Waiting}, Kept, Gate) ->
	Entries = lists:foldl(
		fun(#entry{number = 0}, Acc) -> Acc;
		   (#entry{session = Number} = Entry, Acc) -> maps:update_with(Number, fun(List) -> [Entry | List] end, [Entry], Acc)
		end, #{}, queue:to_list(Unacked) ++ queue:to_list(Waiting)),
	lists:foldl(
		fun(Number, #gate{sessions = Sessions} = Acc) ->
			#session{held = Held} = Session = map_get(Number, Sessions),
			Unsure = lists:reverse(maps:get(Number, Entries, [])),
			store(Session#session{
				link = none, left = Id, held_bytes = 0, acked = acked(Session, Unsure),
				held = queue:join(queue:from_list(Unsure), Held)
			}, Acc)
		end, Gate, Kept).

acked(_, [#entry{number = Number} | _]) when Number =/= new -> (Number - 1) band ?U32;
acked(#session{sent = Sent}, _) -> Sent.

%% The gate's patience, and ours, is over: orphans of this link that have not gone on elsewhere are lost.
expire(Id, #gate{orphans = Orphans} = Gate) ->
	lists:foldl(
		fun(Number, #gate{sessions = Sessions} = Acc) ->
			case Sessions of
				#{Number := #session{left = Id, link = none} = Session} -> over(Session, Acc);
				_ -> Acc
			end
		end, Gate#gate{orphans = maps:remove(Id, Orphans)}, maps:get(Id, Orphans, [])).
