%% Round trips, crowds, crashes and starts of poolboy. The worker is a gen_server
%% that does nothing; all times are medians of rounds.
-module(measure).
-behaviour(gen_server).
-export([main/0, start_link/1, init/1, handle_call/3, handle_cast/2]).

-define(ROUNDS, 7).

start_link(Args) -> gen_server:start_link(?MODULE, Args, []).
init(_) -> {ok, none}.
handle_call(_, _, State) -> {reply, ok, State}.
handle_cast(_, State) -> {noreply, State}.

main() ->
    logger:set_primary_config(level, none),
    ok = io:setopts([{encoding, unicode}]),
    io:format("Erlang/OTP ~s, ~b schedulers~n~n", [erlang:system_info(otp_release), schedulers()]),
    io:format("| poolboy | time/op | spread | p50 of the wait | p99 | max |~n", []),
    io:format("| ------- | ------: | -----: | --------------: | --: | --: |~n", []),
    {ok, Server} = start_link([]),
    row("a call of a gen_server, for comparison", rounds(fun() ->
        repeat(50000, fun() -> gen_server:call(Server, hello) end)
    end)),
    row("uncontended: 1 client, 16 workers", rounds(fun() -> crowd(1, 16, 50000, none) end)),
    row("parallel: a client a scheduler, 16 workers", rounds(fun() -> crowd(schedulers(), 16, 25000, none) end)),
    row("crowd: 1000 clients, 10 workers", rounds(fun() -> crowd(1000, 10, 50, none) end)),
    row("crowd, yielding while holding", rounds(fun() -> crowd(1000, 10, 50, yield) end), waits(1000, 10, 100)),
    row("crash of a leased worker to its replacement at the client", rounds(fun() -> crashes(5000) end)),
    row("start, a worker of 10000", rounds(fun() -> start(10000) end)),
    io:format("~nMemory of an idle worker, of 100000: ~b bytes~n", [memory(100000)]).

schedulers() -> erlang:system_info(schedulers_online).

open(Size) ->
    {ok, Pool} = poolboy:start([{worker_module, ?MODULE}, {size, Size}, {max_overflow, 0}], []),
    Pool.

take(Pool) -> poolboy:checkout(Pool, true, infinity).

%% crowd returns the nanoseconds of a round trip: Clients make Share each.
crowd(Clients, Workers, Share, Hold) ->
    Pool = open(Workers),
    Client = fun() ->
        repeat(Share, fun() ->
            Worker = take(Pool),
            hold(Hold),
            poolboy:checkin(Pool, Worker)
        end)
    end,
    Elapsed = together(Clients, Client),
    poolboy:stop(Pool),
    Elapsed / (Clients * Share).

hold(none) -> ok;
hold(yield) -> erlang:yield().

%% waits returns how long clients of a crowd waited, in ascending order. The
%% first wait of each is for the crowd to gather.
waits(Clients, Workers, Share) ->
    Pool = open(Workers),
    Collector = self(),
    together(Clients, fun() ->
        Waits = [begin
            Asked = erlang:monotonic_time(nanosecond),
            Worker = take(Pool),
            Waited = erlang:monotonic_time(nanosecond) - Asked,
            erlang:yield(),
            poolboy:checkin(Pool, Worker),
            Waited
        end || _ <- lists:seq(1, Share)],
        Collector ! {waits, tl(Waits)}
    end),
    poolboy:stop(Pool),
    lists:sort(lists:append([receive {waits, W} -> W end || _ <- lists:seq(1, Clients)])).

%% crashes returns the nanoseconds from the death of the only worker, which the
%% client holds, to its having the next one.
crashes(N) ->
    Pool = open(1),
    Began = erlang:monotonic_time(nanosecond),
    lists:foldl(fun(_, Worker) ->
        exit(Worker, kill),
        take(Pool)
    end, take(Pool), lists:seq(1, N)),
    Elapsed = erlang:monotonic_time(nanosecond) - Began,
    poolboy:stop(Pool),
    Elapsed / N.

start(N) ->
    Began = erlang:monotonic_time(nanosecond),
    Pool = open(N),
    Elapsed = erlang:monotonic_time(nanosecond) - Began,
    poolboy:stop(Pool),
    Elapsed / N.

memory(N) ->
    erlang:garbage_collect(),
    Before = erlang:memory(total),
    Pool = open(N),
    [erlang:garbage_collect(P) || P <- processes()],
    Bytes = (erlang:memory(total) - Before) div N,
    poolboy:stop(Pool),
    Bytes.

%% together returns the nanoseconds from the moment when all processes may begin
%% until the last has ended.
together(N, Fun) ->
    Clients = [spawn_monitor(fun() -> receive go -> Fun() end end) || _ <- lists:seq(1, N)],
    Began = erlang:monotonic_time(nanosecond),
    [Pid ! go || {Pid, _} <- Clients],
    [receive {'DOWN', Ref, process, _, normal} -> ok end || {_, Ref} <- Clients],
    erlang:monotonic_time(nanosecond) - Began.

repeat(N, Fun) ->
    Began = erlang:monotonic_time(nanosecond),
    loop(N, Fun),
    (erlang:monotonic_time(nanosecond) - Began) / N.

loop(0, _) -> ok;
loop(N, Fun) -> Fun(), loop(N - 1, Fun).

rounds(Fun) -> lists:sort([Fun() || _ <- lists:seq(1, ?ROUNDS)]).

row(Name, Rounds) -> row(Name, Rounds, []).

row(Name, Rounds, Waits) ->
    Median = quantile(Rounds, 0.5),
    Spread = 100 * (quantile(Rounds, 0.75) - quantile(Rounds, 0.25)) / Median,
    Cells = [duration(quantile(Waits, Q)) || Q <- [0.5, 0.99, 1.0]],
    io:format("| ~ts | ~ts | ~b % | ~ts | ~ts | ~ts |~n", [Name, duration(Median), round(Spread) | Cells]).

quantile([], _) -> none;
quantile(Sorted, Q) -> lists:nth(1 + trunc(Q * (length(Sorted) - 1)), Sorted).

duration(none) -> <<"–"/utf8>>;
duration(Ns) when Ns < 1.0e3 -> unit(Ns / 1, "ns");
duration(Ns) when Ns < 1.0e6 -> unit(Ns / 1.0e3, "µs");
duration(Ns) -> unit(Ns / 1.0e6, "ms").

unit(X, Name) when X < 9.995 -> io_lib:format("~.2f ~ts", [X, Name]);
unit(X, Name) when X < 99.95 -> io_lib:format("~.1f ~ts", [X, Name]);
unit(X, Name) -> io_lib:format("~b ~ts", [round(X), Name]).
