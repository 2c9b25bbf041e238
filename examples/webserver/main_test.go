package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/pooltender/pool"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func testConfig() *config {
	return &config{
		pool:    pool.Options{Size: 2, MaxWaiting: 2},
		maxWait: 300 * time.Millisecond,
		drain:   5 * time.Second,
		log:     slog.New(slog.DiscardHandler),
	}
}

func TestTheDemoServesABurstAndEnds(t *testing.T) {
	ctx, terminate := context.WithCancel(t.Context())
	var out strings.Builder
	require.NoError(t, testConfig().demo(ctx, &out, terminate))
	assert.Regexp(t, `40 clients at once: [1-9]\d* were served \(200\), [1-9]\d* were told to come back after 1 s \(503\)`, out.String())
	assert.Contains(t, out.String(), "the renderer is free again")
	assert.Contains(t, out.String(), "answered all the same: 200, the-long-one")
	assert.Contains(t, out.String(), "The server has ended")
}

func TestARequestThatFindsNoRendererIsToldWhenToComeBack(t *testing.T) {
	c := testConfig()
	c.maxWait = time.Millisecond
	reg := pool.NewRegistry()
	defer reg.Close()
	renderers, err := pool.Start(t.Context(), reg, "renderers", rendererSpec, pool.Options{Size: 1})
	require.NoError(t, err)
	lease, err := renderers.Checkout(t.Context())
	require.NoError(t, err)

	handler := c.handler(reg, renderers)
	answer := get(t, handler, "/render/home")
	assert.Equal(t, http.StatusServiceUnavailable, answer.Code)
	assert.Equal(t, "1", answer.Header().Get("Retry-After"))

	lease.Checkin()
	answer = get(t, handler, "/render/home?takes=0s")
	assert.Equal(t, http.StatusOK, answer.Code)
	assert.Equal(t, "home, by renderer 0\n", answer.Body.String())

	var info struct{ Pools []struct{ Stats stats } }
	require.NoError(t, json.Unmarshal(get(t, handler, "/stats").Body.Bytes(), &info))
	assert.Equal(t, stats{State: pool.StateReady, Size: 1, Checkouts: 2, Waited: 1, Shed: 1}, info.Pools[0].Stats)
}

func get(t *testing.T, handler http.Handler, path string) *httptest.ResponseRecorder {
	t.Helper()
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	return answer
}

func TestRequestsThatTakeTooLongAreCutOffAtTheEnd(t *testing.T) {
	c := testConfig()
	c.drain = 50 * time.Millisecond
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, terminate := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- c.serve(ctx, listener) }()

	v := &visitors{url: "http://" + listener.Addr().String(), answers: make(map[int]int)}
	defer v.client.CloseIdleConnections()
	cut := make(chan error, 1)
	go func() {
		_, _, err := v.get(t.Context(), "/render/endless?takes=5s")
		cut <- err
	}()
	require.NoError(t, v.until(t.Context(), func(s stats) bool { return s.Leased == 1 }))
	terminate()
	require.ErrorContains(t, <-served, "cut off")
	require.Error(t, <-cut)
}

func TestRetryAfterIsInWholeSecondsAndAtLeastOne(t *testing.T) {
	for d, seconds := range map[time.Duration]int{
		0: 1, time.Millisecond: 1, time.Second: 1, time.Second + 1: 2, 90 * time.Second: 90,
	} {
		assert.Equal(t, seconds, retryAfter(d), d)
	}
}
