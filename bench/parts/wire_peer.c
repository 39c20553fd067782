/* The venue's end of the wire benchmark, as a shared library: sockets (plain or TLS), WebSocket frames, and the loop that
 * sends one market-data frame and waits, busy, for the order frame that answers it.
 * Built by bench/wire.py:  cc -O2 -shared -fPIC [-DWITH_TLS] parts/wire_peer.c -o wire_peer.so [-lssl -lcrypto]
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#ifdef WITH_TLS
#include <openssl/ssl.h>
#endif

enum { BUFFER_SIZE = 1 << 20 };

typedef struct {
    int fd;
    void *ssl;
    size_t have;              /* bytes in buffer */
    unsigned char buffer[BUFFER_SIZE];
} Conn;

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int has_tls(void) {
#ifdef WITH_TLS
    return 1;
#else
    return 0;
#endif
}

void *tls_server(const char *certificate, const char *key) {
#ifdef WITH_TLS
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    if (!ctx || SSL_CTX_use_certificate_chain_file(ctx, certificate) != 1 ||
        SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1) return NULL;
    return ctx;
#else
    (void)certificate; (void)key;
    return NULL;
#endif
}

static void tune(int fd) {
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

/* Take over an accepted socket; with a TLS context the handshake is done here. NULL on failure. */
Conn *conn_open(int fd, void *tls) {
    Conn *c = calloc(1, sizeof *c);
    if (!c) return NULL;
    c->fd = fd;
#ifdef WITH_TLS
    if (tls) {
        fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
        SSL *ssl = SSL_new((SSL_CTX *)tls);
        SSL_set_fd(ssl, fd);
        if (SSL_accept(ssl) != 1) { SSL_free(ssl); free(c); return NULL; }
        SSL_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
        c->ssl = ssl;
    }
#else
    if (tls) { free(c); return NULL; }
#endif
    tune(fd);
    return c;
}

/* One non-blocking read into the buffer: > 0 bytes, 0 nothing now, -1 closed. */
static long pull(Conn *c) {
    long n;
#ifdef WITH_TLS
    if (c->ssl) {
        n = SSL_read((SSL *)c->ssl, c->buffer + c->have, (int)(BUFFER_SIZE - c->have));
        if (n <= 0) {
            int e = SSL_get_error((SSL *)c->ssl, (int)n);
            return e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE ? 0 : -1;
        }
        c->have += (size_t)n;
        return n;
    }
#endif
    n = recv(c->fd, c->buffer + c->have, BUFFER_SIZE - c->have, 0);
    if (n == 0) return -1;
    if (n < 0) return errno == EAGAIN || errno == EINTR ? 0 : -1;
    c->have += (size_t)n;
    return n;
}

int conn_write(Conn *c, const char *data, long size) {
    while (size > 0) {
        long n;
#ifdef WITH_TLS
        if (c->ssl) {
            n = SSL_write((SSL *)c->ssl, data, (int)size);
            if (n <= 0) {
                int e = SSL_get_error((SSL *)c->ssl, (int)n);
                if (e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE) continue;
                return -1;
            }
        } else
#endif
        {
            n = send(c->fd, data, (size_t)size, MSG_NOSIGNAL);
            if (n < 0) { if (errno == EAGAIN || errno == EINTR) continue; return -1; }
        }
        data += n;
        size -= n;
    }
    return 0;
}

static size_t frame_header(unsigned char *out, size_t size) {
    out[0] = 0x81;
    if (size < 126) { out[1] = (unsigned char)size; return 2; }
    if (size < 65536) { out[1] = 126; out[2] = (unsigned char)(size >> 8); out[3] = (unsigned char)size; return 4; }
    out[1] = 127;
    for (int i = 0; i < 8; i++) out[2 + i] = (unsigned char)((uint64_t)size >> (56 - 8 * i));
    return 10;
}

static unsigned char scratch[BUFFER_SIZE + 16];

int conn_send_text(Conn *c, const char *data, long size) {
    size_t header = frame_header(scratch, (size_t)size);
    memcpy(scratch + header, data, (size_t)size);
    return conn_write(c, (const char *)scratch, (long)(header + (size_t)size));
}

/* Raw bytes (the upgrade request): waits up to timeout_ms for the blank line. Returns their count, 0 timeout, -1 closed. */
long conn_read_head(Conn *c, char *out, long capacity, int timeout_ms) {
    int64_t deadline = now_ns() + (int64_t)timeout_ms * 1000000;
    while (now_ns() < deadline) {
        unsigned char *end = memmem(c->buffer, c->have, "\r\n\r\n", 4);
        if (end) {
            long size = (long)(end - c->buffer) + 4;
            if (size > capacity) return -1;
            memcpy(out, c->buffer, (size_t)size);
            memmove(c->buffer, c->buffer + size, c->have - (size_t)size);
            c->have -= (size_t)size;
            return size;
        }
        long n = pull(c);
        if (n < 0) return -1;
        if (n == 0) usleep(500);
    }
    return 0;
}

/* Cut one complete frame off the buffer. Returns payload size (unmasked into out), -2 incomplete, -1 broken. */
static long cut_frame(Conn *c, char *out, long capacity, int *opcode) {
    unsigned char *p = c->buffer;
    if (c->have < 2) return -2;
    size_t size = p[1] & 127, at = 2;
    if (size == 126) { if (c->have < 4) return -2; size = (size_t)p[2] << 8 | p[3]; at = 4; }
    else if (size == 127) { if (c->have < 10) return -2; size = 0; for (int i = 0; i < 8; i++) size = size << 8 | p[2 + i]; at = 10; }
    int masked = p[1] & 128;
    unsigned char *mask = p + at;
    if (masked) at += 4;
    if (size > BUFFER_SIZE - 64 || (long)size > capacity) return -1;
    if (c->have < at + size) return -2;
    *opcode = p[0] & 15;
    if (masked) for (size_t i = 0; i < size; i++) out[i] = (char)(p[at + i] ^ mask[i & 3]);
    else memcpy(out, p + at, size);
    memmove(c->buffer, c->buffer + at + size, c->have - at - size);
    c->have -= at + size;
    return (long)size;
}

/* Next text frame, pings answered. Size, 0 timeout, -1 closed. */
long conn_read_text(Conn *c, char *out, long capacity, int timeout_ms) {
    int64_t deadline = now_ns() + (int64_t)timeout_ms * 1000000;
    for (;;) {
        int opcode = 0;
        long size = cut_frame(c, out, capacity, &opcode);
        if (size == -1) return -1;
        if (size >= 0) {
            if (opcode == 1 || opcode == 2) return size;
            if (opcode == 8) return -1;
            if (opcode == 9) { unsigned char pong[2] = {0x8A, 0}; conn_write(c, (char *)pong, 2); }
            continue;
        }
        long n = pull(c);
        if (n < 0) return -1;
        if (n == 0) { if (now_ns() >= deadline) return 0; usleep(200); }
    }
}

/* The text after `key` up to the closing quote; its length, or -1. */
static int text_of(const char *request, long size, const char *key, const char **text) {
    const char *at = memmem(request, (size_t)size, key, strlen(key));
    if (!at) return -1;
    *text = at + strlen(key);
    const char *end = memchr(*text, '"', (size_t)(request + size - *text));
    return end ? (int)(end - *text) : -1;
}

/* Answer order.place as the exchange answers an IOC order that finds nobody: acknowledged, then expired without a trade.
 * So no order stays open, and none is rejected. */
int answer_order(Conn *c, const char *request, long size) {
    static char reply[1024];
    static int64_t order_id = 1000;
    const char *client_id;
    int client_id_size = text_of(request, size, "\"newClientOrderId\":\"", &client_id);
    const char *id = memmem(request, (size_t)size, "\"id\":", 5);
    if (!id || client_id_size < 0) return -1;
    id += 5;
    const char *end = id;
    const char *limit = request + size;
    if (*id == '"') { end++; while (end < limit && *end != '"') end++; end++; }
    else while (end < limit && *end != ',' && *end != '}') end++;
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    long long now_ms = (long long)t.tv_sec * 1000 + t.tv_nsec / 1000000;
    long long number = ++order_id;
    int n = snprintf(reply, sizeof reply,
        "{\"id\":%.*s,\"status\":200,\"result\":{\"symbol\":\"BTCUSDT\",\"orderId\":%lld,\"orderListId\":-1,"
        "\"clientOrderId\":\"%.*s\",\"transactTime\":%lld}}",
        (int)(end - id), id, number, client_id_size, client_id, now_ms);
    if (conn_send_text(c, reply, n) < 0) return -1;
    n = snprintf(reply, sizeof reply,
        "{\"subscriptionId\":0,\"event\":{\"e\":\"executionReport\",\"E\":%lld,\"s\":\"BTCUSDT\",\"c\":\"%.*s\",\"S\":\"BUY\","
        "\"o\":\"LIMIT\",\"f\":\"IOC\",\"q\":\"0.00100000\",\"p\":\"59999.99000000\",\"P\":\"0.00000000\",\"F\":\"0.00000000\","
        "\"g\":-1,\"C\":\"\",\"x\":\"EXPIRED\",\"X\":\"EXPIRED\",\"r\":\"NONE\",\"i\":%lld,\"l\":\"0.00000000\","
        "\"z\":\"0.00000000\",\"L\":\"0.00000000\",\"n\":\"0\",\"N\":null,\"T\":%lld,\"t\":-1,\"I\":%lld,\"w\":false,\"m\":false,"
        "\"M\":false,\"O\":%lld,\"Z\":\"0.00000000\",\"Y\":\"0.00000000\",\"Q\":\"0.00000000\",\"V\":\"EXPIRE_MAKER\"}}",
        now_ms, client_id_size, client_id, number, now_ms, number, now_ms);
    return conn_send_text(c, reply, n);
}

/* Send each frame on `market`, wait busily for the order frame on `orders`, answer it, pause. out_ns[i] = -1 on time-out.
 * Returns the number of answered frames, -1 when a connection closed. */
int measure(Conn *market, Conn *orders, const char *frames, const uint32_t *offsets, int count, int64_t *out_ns,
            int pause_us, int timeout_ms, int answer) {
    static char payload[BUFFER_SIZE];
    int answered = 0;
    for (int i = 0; i < count; i++) {
        size_t size = offsets[i + 1] - offsets[i];
        size_t header = frame_header(scratch, size);
        int opcode = 0;
        memcpy(scratch + header, frames + offsets[i], size);
        while (cut_frame(orders, payload, sizeof payload, &opcode) >= 0) { }
        while (pull(orders) > 0) { while (cut_frame(orders, payload, sizeof payload, &opcode) >= 0) { } }
        int64_t start = now_ns();
        if (conn_write(market, (char *)scratch, (long)(header + size)) < 0) return -1;
        int64_t deadline = start + (int64_t)timeout_ms * 1000000;
        out_ns[i] = -1;
        for (;;) {
            long n = pull(orders);
            int64_t now = now_ns();
            if (n < 0) return -1;
            if (n > 0) {
                long got = cut_frame(orders, payload, sizeof payload, &opcode);
                if (got == -1) return -1;
                /* the yardstick's frame is all 'o'; of the daemon only order.place counts, anything else is passed over */
                int is_order = got >= 0 && opcode == 1 &&
                    (payload[0] == 'o' || memmem(payload, (size_t)got, "order.place", 11));
                if (is_order) {
                    out_ns[i] = now - start;
                    answered++;
                    if (answer && answer_order(orders, payload, got) < 0) return -1;
                    break;
                }
            }
            if (now > deadline) break;
        }
        int64_t resume = now_ns() + (int64_t)pause_us * 1000;
        while (now_ns() < resume) { }
        /* what the client sends on the market connection (pongs) is read away */
        pull(market);
        market->have = 0;
    }
    return answered;
}

void conn_close(Conn *c) {
    if (!c) return;
#ifdef WITH_TLS
    if (c->ssl) SSL_free((SSL *)c->ssl);
#endif
    close(c->fd);
    free(c);
}
