%% EXTERNAL (RFC 4422, appendix A; XEP-0178): a client is whom its certificate names. The gate has had the certificate from it, has
%% verified it, and tells which XmppAddrs are in it; here it is judged whom the client may be.
%%
%% ejabberd judges certificates itself, with what its own TLS has of them; so <auth/> with this mechanism does not go on to it. All of
%% this runs in the client's ejabberd_c2s.
-module(stanzagate_external).

-export([users/1, authenticate/2]).

-include("stanzagate_client.hrl").

-define(MECHANISM, <<"EXTERNAL">>).
-define(SASL_NS, <<"urn:ietf:params:xml:ns:xmpp-sasl">>).

%% The users of the client's domain that its certificate names. Fields: of OPEN.
-spec users(map()) -> [binary()].
users(#{client_cert_xmpp_addr := Lines, domain := Domain}) ->
	lists:usort([User || Line <- binary:split(Lines, <<"\n">>, [global]), {User, Server, <<>>} <- [address(Line)],
		User =/= <<>>, Server =:= Domain]);
users(_) ->
	[].

address(Text) ->
	try jid:tolower(jid:decode(Text))
	catch error:_ -> error
	end.

%% What comes of <auth/>: another state; none: it is not for us.
-spec authenticate(#xmlel{}, map()) -> map() | none.
authenticate(#xmlel{attrs = Attributes} = Element, #{stream_state := Stage, lserver := Server} = State)
		when Stage =:= wait_for_sasl_request; Stage =:= wait_for_sasl_response ->
	Is = fun(Name, Value) -> proplists:get_value(Name, Attributes) =:= Value end,
	case {offered(State), Is(<<"xmlns">>, ?SASL_NS) andalso Is(<<"mechanism">>, ?MECHANISM)} of
		{[_ | _] = Users, true} -> answer(who(fxml:get_tag_cdata(Element), Users, Server), State#{sasl_mech => ?MECHANISM});
		_ -> none
	end;
authenticate(_, _) ->
	none.

offered(#{lserver := Server} = State) ->
	case {stanzagate_client:socket(State), lists:member(?MECHANISM, ejabberd_option:disable_sasl_mechanisms(Server))} of
		{#stanzagate{users = Users}, false} -> Users;
		_ -> []
	end.

%% Whom the client wants to be. It need not say so where there is no choice; "=" says nothing, too.
who(<<"=">>, Users, Server) ->
	who(<<>>, Users, Server);
who(<<>>, [User], Server) ->
	allowed(User, Server);
who(Text, Users, Server) ->
	try address(base64:decode(Text)) of
		{User, Server, <<>>} -> case lists:member(User, Users) of
			true -> allowed(User, Server);
			false -> {refused, <<"invalid-authzid">>}
		end;
		_ -> {refused, <<"invalid-authzid">>}
	catch error:_ ->
		{refused, <<"incorrect-encoding">>}
	end.

%% A certificate lives longer than some accounts.
allowed(User, Server) ->
	case ejabberd_auth:user_exists(User, Server) of
		true -> {ok, User};
		false -> {refused, <<"not-authorized">>}
	end.

%% As xmpp_stream_in does behind any mechanism.
answer({ok, User}, State) ->
	State1 = ejabberd_c2s:handle_auth_success(User, ?MECHANISM, pkix, State),
	State2 = xmpp_stream_in:send(State1, sasl(<<"success">>, [])),
	(done(State2))#{
		user => User, stream_id => xmpp_stream:new_id(), stream_authenticated => true, stream_header_sent => false,
		stream_restarted => true, stream_state => wait_for_stream
	};
answer({refused, Condition}, State) ->
	State1 = ejabberd_c2s:handle_auth_failure(<<>>, ?MECHANISM, Condition, State),
	State2 = xmpp_stream_in:send(State1, sasl(<<"failure">>, [#xmlel{name = Condition}])),
	(done(State2))#{stream_state => wait_for_sasl_request}.

done(State) ->
	maps:without([sasl_mech, sasl_state, sasl_channel_bindings], State).

sasl(Name, Children) ->
	#xmlel{name = Name, attrs = [{<<"xmlns">>, ?SASL_NS}], children = Children}.
