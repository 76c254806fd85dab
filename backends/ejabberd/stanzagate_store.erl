%% The offline store of a user: one process at a time writes to it, or empties it.
%%
%% To empty it, ejabberd reads all of it and then removes all of it, in a transaction; but what it stores is written without one. So what
%% is written between the two is gone. When a node has gone this is no rare case: its sessions are adopted while what was on its way to
%% them goes to the store. Here messages of clients of gates and adopted sessions wait for each other, within one node.
-module(stanzagate_store).

-export([init/0, locked/2, unlock/1]).
-export([offline_message_hook/1]).

-define(LOCKS, stanzagate_locks).   % {{User, Server}, Pid, Ms}
-define(OLD_MS, 3000).              % whoever was stopped on his way to unlock/1 has no lock any more
-define(AGAIN_MS, 2).

%% The table is the caller's.
init() ->
	ets:new(?LOCKS, [named_table, public, {write_concurrency, true}]).

%% User: {User, Server}. What a process does that has the lock already is no different.
locked(User, What) ->
	lock(User),
	try What() after unlock(User) end.

lock(User) ->
	Now = erlang:monotonic_time(millisecond),
	ets:insert_new(?LOCKS, {User, self(), Now}) orelse lock_again(ets:lookup(?LOCKS, User), User, Now).

lock_again([{_, Pid, _}], _, _) when Pid =:= self() ->
	true;
lock_again([{_, Pid, AtMs} = Lock], User, Now) ->
	case Now - AtMs >= ?OLD_MS orelse not is_process_alive(Pid) of
		true -> ets:delete_object(?LOCKS, Lock);
		false -> timer:sleep(?AGAIN_MS)
	end,
	lock(User);
lock_again([], User, _) ->
	lock(User).

unlock(User) ->
	ets:match_delete(?LOCKS, {User, self(), '_'}).

%% Just before mod_offline's own; stanzagate_receipts unlocks, behind it.
offline_message_hook({_, Packet} = Any) ->
	xmpp:get_meta(Packet, stanzagate, none) =:= none orelse begin
		{User, Server, _} = jid:tolower(xmpp:get_to(Packet)),
		lock({User, Server})
	end,
	Any;
offline_message_hook(Any) ->
	Any.
