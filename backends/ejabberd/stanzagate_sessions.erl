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
%%
%% A session is open while it is not paused and less than UNACKED_BYTES of its elements are on the link, not acknowledged. What comes
%% meanwhile is held; when it may go on, the session stands in its link's line, from which one after the other gives a slice.
-module(stanzagate_sessions).
-export([new/1, link/4, frame/6, news/1, take/2, links_with_output/1, ack/3, cut/2, expire/2, put/3]).
-export([set_client/3, element/3, state/3, keep/3, close/3, pause/3, adopted/3, refused/3]).
-export([session_count/1, is_holding/2]).
-export_type([sessions/0]).

-define(U32, 16#ffffffff).
-define(WINDOW_SLACK, (16777216 + 12)).
-define(UNACKED_BYTES, 131072). % of a session's elements, that its gate is given before it has taken them
-define(SLICE_BYTES, 16384).
-define(SERVED_SHARE, 4).       % one part of so many of the window is for what was held: others find the rest free

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
	unacked_bytes = 0 :: non_neg_integer(), % of its elements on this link
	again = [] :: [tuple()],            % what may have been lost in the cut
	held = queue:new() :: queue:queue(),
	held_bytes = 0 :: non_neg_integer(),
	link_bytes = 0 :: non_neg_integer(), % the first of them, held before it was slow
	slow = false :: boolean(),          % what is held is so because of its client, and not of its link
	is_due = false :: boolean()         % it stands in its link's line
}).

%% Entries: what is sent, numbered in its session. new: not sent yet; 0: of a session that was not bound. serial: of the session, when
%% it was given to the link.
-record(entry, {number = new :: new | non_neg_integer(), session, serial, name, payload, size = 0}).

-record(link, {
	window :: pos_integer(),
	patience_ms :: non_neg_integer(),
	out = [] :: iodata(),
	handled = 0, handled_said = 0,
	sent = 0, acked = 0,
	unacked = queue:new(), unacked_bytes = 0,
	waiting = queue:new(), waiting_bytes = 0,
	due = queue:new(),                  % sessions whose held elements may go on
	behind_bytes = 0,                   % held by sessions that are not slow
	inbox = queue:new(), inbox_bytes = 0
}).

-record(gate, {config, sessions = #{}, links = #{}, orphans = #{}, dirty = [], news = []}).

-type sessions() :: #gate{}.
-type config() :: #{window := pos_integer(), held_bytes_max := pos_integer(), waiting_bytes_max := pos_integer()}.

%% window: as in our HELLO; held_bytes_max: for one session that cannot take elements; waiting_bytes_max: for a link whose gate
%% acknowledges too little.
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

%% Whether elements that were said are not on the session's link.
is_holding(Number, #gate{sessions = Sessions}) ->
	case Sessions of
		#{Number := #session{link = Link, attaching = Attaching, held = Held}} -> Link =:= none orelse Attaching orelse not queue:is_empty(Held);
		_ -> true
	end.

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

push_entry(#session{link = Link, attaching = Attaching} = Session, Entry, Gate) when Link =:= none; Attaching ->
	hold(Session, Entry, Gate);
push_entry(Session, #entry{name = element} = Entry, Gate) ->
	case is_open(Session) of
		true -> queue(Session, Entry, Gate);
		false -> hold(Session, Entry, Gate)
	end;
%% What is no element waits for no client: if one is slow, what waits for it is overtaken, and dropped at its end; else it goes before.
push_entry(#session{paused = true} = Session, #entry{name = Name} = Entry, Gate) ->
	queue(case Name of close -> drop_held(Session); _ -> Session end, Entry, Gate);
push_entry(#session{number = Number} = Session, Entry, Gate) ->
	#gate{sessions = #{Number := Flushed}} = Gate1 = give_all(Session, Gate),
	queue(Flushed, Entry, Gate1).

is_open(#session{paused = true}) -> false;
is_open(#session{bound = false}) -> true;
is_open(#session{unacked_bytes = Bytes, held = Held}) -> Bytes < ?UNACKED_BYTES andalso queue:is_empty(Held).

hold(#session{held = Held, held_bytes = Bytes, link_bytes = Before} = Session, Entry, #gate{config = Config} = Gate) ->
	Size = held_size(Entry),
	Session1 = Session#session{held = queue:in(Entry, Held), held_bytes = Bytes + Size},
	case is_behind(Session) of
		true -> behind(Session, Size, store(Session1, Gate));
		false ->
			case Bytes + Size - Before > map_get(held_bytes_max, Config) of
				true -> overflow(Session1, Gate);
				false -> store(Session1, Gate)
			end
	end.

held_size(#entry{payload = Payload}) when is_binary(Payload) -> byte_size(Payload);
held_size(_) -> 0.

%% Whether what it holds is its link's fault.
is_behind(#session{link = Link, attaching = Attaching, paused = Paused, slow = Slow}) ->
	Link =/= none andalso not (Attaching orelse Paused orelse Slow).

behind(_, 0, Gate) ->
	Gate;
behind(#session{link = Id}, More, #gate{links = Links} = Gate) ->
	#{Id := #link{behind_bytes = Bytes} = Link} = Links,
	tell_stuck(Id, Link, Gate#gate{links = Links#{Id := Link#link{behind_bytes = Bytes + More}}}).

%% What it holds is not its link's fault any more; but it was.
slow(#session{held_bytes = Bytes} = Session) ->
	case is_behind(Session) of
		true -> Session#session{link_bytes = Bytes, slow = true};
		false -> Session#session{slow = true}
	end.

behind_forget(#session{held_bytes = Bytes} = Session, Gate) ->
	case is_behind(Session) of
		true -> behind(Session, -Bytes, Gate);
		false -> Gate
	end.

drop_held(Session) ->
	Session#session{held = queue:new(), held_bytes = 0, link_bytes = 0, slow = false}.

%% An element too many for who cannot take it: the session is ended, as one whose client was lost.
overflow(#session{link = Link, attaching = Attaching} = Session, Gate) when Link =:= none; Attaching ->
	over(Session, Gate);
overflow(#session{number = Number, client = Client} = Session, Gate) ->
	Fields = [{condition, <<"policy-violation">>}, {reason, <<"too much waits for this client">>}],
	Empty = drop_held(Session#session{closed = true}),
	tell({over, Client}, queue(Empty, #entry{session = Number, name = close, payload = Fields}, Gate)).

%% Sends a numbered frame, or lets it wait for credit.
queue(#session{link = Id, number = Number} = Session, #entry{name = Name, payload = Payload} = Entry, #gate{links = Links} = Gate) ->
	Bytes = frame_bytes(Name, Number, Payload),
	Sized = Entry#entry{size = iolist_size(Bytes), number = new, serial = Session#session.serial},
	Counted = count_unacked(Session, Sized),
	#{Id := Link} = Links,
	case queue:is_empty(Link#link.waiting) andalso has_credit(Link, Sized) of
		true -> emit(Id, Link, Counted, Sized, Bytes, Gate);
		false -> await_credit(Id, Link, Sized, store(Counted, Gate))
	end.

count_unacked(#session{unacked_bytes = Bytes} = Session, #entry{name = element, size = Size}) ->
	Session#session{unacked_bytes = Bytes + Size};
count_unacked(Session, _) ->
	Session.

has_credit(#link{unacked_bytes = 0}, _) -> true;
has_credit(#link{unacked_bytes = Bytes, window = Window}, #entry{size = Size}) -> Bytes + Size =< Window.

await_credit(Id, #link{waiting = Waiting, waiting_bytes = Bytes} = Link, #entry{size = Size} = Entry, #gate{links = Links} = Gate) ->
	Link1 = Link#link{waiting = queue:in(Entry, Waiting), waiting_bytes = Bytes + Size},
	tell_stuck(Id, Link, Gate#gate{links = Links#{Id := Link1}}).

%% Told when the bound is passed. Before: the link as it was.
tell_stuck(Id, Before, #gate{links = Links, config = Config} = Gate) ->
	Most = map_get(waiting_bytes_max, Config),
	case kept_bytes(Before) =< Most andalso kept_bytes(map_get(Id, Links)) > Most of
		true -> tell({stuck, Id}, Gate);
		false -> Gate
	end.

kept_bytes(#link{waiting_bytes = Waiting, behind_bytes = Behind}) ->
	Waiting + Behind.

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
		{value, #entry{session = Number, serial = Serial, name = Name, payload = Payload, size = Size} = Entry} ->
			case has_credit(Link, Entry) of
				true ->
					Link1 = Link#link{waiting = queue:drop(Waiting), waiting_bytes = Bytes - Size},
					Frame = frame_bytes(Name, Number, Payload),
					send_waiting(Id, case Sessions of
						#{Number := #session{link = Id, serial = Serial} = Session} -> emit(Id, Link1, Session, Entry, Frame, Gate);
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

%% ---- what was held ----

%% The session can go on. What went before the cut comes again at once: more than its share of the link it was not.
go_on(#session{number = Number, link = Id, again = Again} = Session, Gate) ->
	Gate1 = lists:foldl(
		fun(Entry, #gate{sessions = #{Number := Its}} = Acc) -> queue(Its, Entry, Acc) end,
		store(Session#session{again = []}, Gate), Again),
	#gate{sessions = #{Number := Session1}} = Gate1,
	case Session1#session.closed orelse not Session1#session.bound of
		true -> give_all(Session1, Gate1);
		false -> serve(Id, stand_in_line(Session1, Gate1))
	end.

may_go_on(#session{link = Link, attaching = Attaching, paused = Paused, unacked_bytes = Bytes, held = Held}) ->
	Link =/= none andalso not Attaching andalso not Paused andalso Bytes < ?UNACKED_BYTES andalso not queue:is_empty(Held).

stand_in_line(#session{is_due = false, link = Id, number = Number} = Session, #gate{links = Links} = Gate) ->
	case may_go_on(Session) of
		true ->
			#{Id := #link{due = Due} = Link} = Links,
			store(Session#session{is_due = true}, Gate#gate{links = Links#{Id := Link#link{due = queue:in(Number, Due)}}});
		false -> store(Session, Gate)
	end;
stand_in_line(Session, Gate) ->
	store(Session, Gate).

%% Gives from the line while there is little under way.
serve(Id, #gate{links = Links} = Gate) ->
	#{Id := #link{due = Due} = Link} = Links,
	case not queue:is_empty(Due) andalso is_served(Link) of
		true -> serve(Id, serve_one(Id, Gate));
		false -> Gate
	end.

is_served(#link{waiting = Waiting, unacked_bytes = Bytes, window = Window}) ->
	queue:is_empty(Waiting) andalso (Bytes =:= 0 orelse Bytes < Window div ?SERVED_SHARE).

%% Whoever has gone since, or was paused, leaves the line when it is his turn.
serve_one(Id, #gate{links = Links, sessions = Sessions} = Gate) ->
	#{Id := #link{due = Due} = Link} = Links,
	case queue:out(Due) of
		{{value, Number}, Rest} ->
			Gate1 = Gate#gate{links = Links#{Id := Link#link{due = Rest}}},
			case Sessions of
				#{Number := #session{link = Id, is_due = true} = Session} ->
					#gate{sessions = #{Number := Session1}} = Gate2 = give_slice(Session#session{is_due = false}, 0, Gate1),
					stand_in_line(Session1, Gate2);
				_ -> Gate1
			end;
		{empty, _} ->
			Gate
	end.

give_slice(#session{number = Number} = Session, Given, Gate) ->
	case Given < ?SLICE_BYTES andalso may_go_on(Session) of
		true ->
			{Size, #gate{sessions = #{Number := Session1}} = Gate1} = give_one(Session, Gate),
			give_slice(Session1, Given + Size, Gate1);
		false -> store(Session, Gate)
	end.

give_all(#session{number = Number, held = Held} = Session, Gate) ->
	case queue:is_empty(Held) of
		true -> store(Session, Gate);
		false ->
			{_, #gate{sessions = #{Number := Session1}} = Gate1} = give_one(Session, Gate),
			give_all(Session1, Gate1)
	end.

give_one(#session{held = Held, held_bytes = Bytes, link_bytes = Before, slow = Slow} = Session, Gate) ->
	{{value, Entry}, Rest} = queue:out(Held),
	Size = held_size(Entry),
	Gate1 = case is_behind(Session) of
		true -> behind(Session, -Size, Gate);
		false -> Gate
	end,
	Session1 = Session#session{
		held = Rest, held_bytes = Bytes - Size, link_bytes = max(0, Before - Size), slow = Slow andalso not queue:is_empty(Rest)
	},
	{Size, queue(Session1, Entry, Gate1)}.

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
	Home = Session#session{
		link = Id, attaching = false, paused = false, left = none, is_due = false, unacked_bytes = 0, link_bytes = 0, slow = false
	},
	Gate1 = put(Id, frame_bytes(attached, Number, [{received, Count}]), Gate),
	Gate2 = case Pausing of
		true -> put(Id, frame_bytes(pause, Number, []), Gate1);
		false -> Gate1
	end,
	go_on(Home, behind(Home, Home#session.held_bytes, Gate2)).

%% ---- what the gate sends ----

%% A frame of a link that is up; its payload's meaning is of stanzagate_frames:body/2, Size that of the whole frame.
frame(Id, Name, Number, Body, Size, #gate{links = Links} = Gate) ->
	#{Id := #link{inbox = Inbox} = Link} = Links,
	case stanzagate_frames:is_numbered(Name) of
		true ->
			case has_room(Link) andalso queue:is_empty(Inbox) of
				true -> handle_numbered(Id, Name, Number, Body, Gate);
				false -> delay(Id, Link, {Name, Number, Body, Size}, Gate)
			end;
		false ->
			handle(Name, Id, Number, Body, Gate)
	end.

has_room(#link{waiting = Waiting, behind_bytes = Behind, window = Window}) ->
	queue:is_empty(Waiting) andalso Behind =< Window.

%% What it leads to would have no credit.
delay(Id, #link{inbox = Inbox, inbox_bytes = Bytes} = Link, {_, _, _, Size} = Frame, #gate{config = Config} = Gate) ->
	Link1 = Link#link{inbox = queue:in(Frame, Inbox), inbox_bytes = Bytes + Size},
	Gate1 = Gate#gate{links = (Gate#gate.links)#{Id := Link1}},
	case Bytes + Size > map_get(window, Config) + ?WINDOW_SLACK of
		true -> {error, window, Gate1};
		false -> {ok, Gate1}
	end.

handle_inbox(Id, #gate{links = Links} = Gate) ->
	#{Id := #link{inbox = Inbox, inbox_bytes = Bytes} = Link} = Links,
	case has_room(Link) andalso queue:out(Inbox) of
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
	#{Id := #link{acked = Acked, sent = Sent}} = Links,
	case Count >= Acked andalso Count =< Sent of
		% One of those who wait gets its turn in any case: others may keep the link full.
		true -> handle_inbox(Id, serve(Id, serve_one(Id, send_waiting(Id, link_acked(Id, Count - Acked, Gate)))));
		false -> {error, ack, Gate}
	end;
handle(ping, Id, _, Bytes, Gate) ->
	{ok, put(Id, frame_bytes(pong, 0, Bytes), Gate)};
handle(Name, _, _, _, Gate) when Name =:= pong; Name =:= drain ->
	{ok, Gate};
handle(pause, Id, Number, _, #gate{sessions = Sessions} = Gate) ->
	case Sessions of
		#{Number := #session{link = Id, paused = false, attaching = false} = Session} ->
			{ok, store((slow(Session))#session{paused = true}, behind_forget(Session, Gate))};
		_ -> {ok, Gate}
	end;
handle(resume, Id, Number, _, #gate{sessions = Sessions} = Gate) ->
	case Sessions of
		#{Number := #session{link = Id, paused = true, held = Held} = Session} -> {ok, go_on(Session#session{paused = false, slow = not queue:is_empty(Held)}, Gate)};
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

link_acked(Id, Count, #gate{links = Links, sessions = Sessions} = Gate) ->
	#{Id := #link{acked = Acked, unacked = Unacked, unacked_bytes = Bytes} = Link} = Links,
	{Taken, Rest} = queue:split(Count, Unacked),
	Entries = queue:to_list(Taken),
	Sum = lists:foldl(fun(#entry{size = Size}, Acc) -> Acc + Size end, 0, Entries),
	Link1 = Link#link{acked = Acked + Count, unacked = Rest, unacked_bytes = Bytes - Sum},
	{Sessions1, Due} = lists:foldl(fun(Entry, Acc) -> session_acked(Id, Entry, Acc) end, {Sessions, []}, Entries),
	lists:foldl(
		fun(Number, Acc) -> stand_in_line(map_get(Number, Acc#gate.sessions), Acc) end,
		Gate#gate{links = Links#{Id := Link1}, sessions = Sessions1}, lists:reverse(Due)).

%% Due: who holds something, and may go on perhaps.
session_acked(Id, #entry{name = element, session = Number, serial = Serial, size = Size}, {Sessions, Due}) ->
	case Sessions of
		#{Number := #session{link = Id, serial = Serial, unacked_bytes = Bytes, held = Held} = Session} ->
			Sessions1 = Sessions#{Number := Session#session{unacked_bytes = Bytes - Size}},
			case queue:is_empty(Held) of
				true -> {Sessions1, Due};
				false -> {Sessions1, [Number | Due]}
			end;
		_ -> {Sessions, Due}
	end;
session_acked(_, _, Acc) ->
	Acc.

closed(#session{closed = true, client = Client} = Session, _, Gate) ->
	tell({ended, Client}, forget(Session, Gate));
closed(#session{number = Number, client = Client} = Session, Fields, Gate) ->
	Empty = drop_held(Session#session{closed = true}),
	Gate1 = queue(Empty, #entry{session = Number, name = close, payload = []}, behind_forget(Session, Gate)),
	tell({closed, Client, Fields}, forget(Empty, Gate1)).

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
reattach(#session{sent = Sent, received = Count, closed = Closed, client = Client} = Session, Id, _, Received, Gate) ->
	Taken = case Received of none -> Sent; _ -> Received end,
	Gate1 = attach((forget_taken(Session, Received))#session{sent = Taken, acked = Taken}, Id, Count, Gate),
	case Closed of
		true -> Gate1;
		false -> tell({reattached, Client}, Gate1)
	end.

%% Of what is kept after a cut: what the gate has not taken; or only the end, for a client that is gone.
forget_taken(#session{again = Again, held = Held} = Session, none) ->
	Ends = [Entry || #entry{name = close} = Entry <- Again ++ queue:to_list(Held)],
	(drop_held(Session))#session{again = Ends};
forget_taken(#session{again = Again, sent = Sent} = Session, Received) ->
	Session#session{again = [Entry || Entry <- Again, is_not_taken(Entry, Sent, Received)]}.

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
			Session = map_get(Number, Sessions),
			Unsure = lists:reverse(maps:get(Number, Entries, [])),
			store((slow(Session))#session{
				link = none, left = Id, is_due = false, acked = acked(Session, Unsure), again = Unsure
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
