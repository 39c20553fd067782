/* The yardstick of the wire benchmark: the least a client can do. Two WebSocket connections; each frame on the first is
 * answered with one prepared order frame on the second. Busy-poll ("spin") or epoll ("block"), plain or TLS.
 * usage: wire_echo PORT spin|block plain|tls
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#ifdef WITH_TLS
#include <openssl/ssl.h>
#endif

typedef struct { int fd; void *ssl; } Conn;
static char buffer[1 << 20];

static long conn_read(Conn *c, char *out, size_t size) {
#ifdef WITH_TLS
    if (c->ssl) {
        int n = SSL_read(c->ssl, out, (int)size);
        if (n > 0) return n;
        int e = SSL_get_error(c->ssl, n);
        return e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE ? 0 : -1;
    }
#endif
    long n = recv(c->fd, out, size, 0);
    if (n == 0) return -1;
    return n < 0 ? (errno == EAGAIN || errno == EINTR ? 0 : -1) : n;
}

static void conn_write(Conn *c, const char *data, size_t size) {
#ifdef WITH_TLS
    if (c->ssl) { SSL_write(c->ssl, data, (int)size); return; }
#endif
    if (send(c->fd, data, size, MSG_NOSIGNAL) < 0) exit(3);
}

static Conn *dial(int port, const char *path, void *tls) {
    Conn *c = calloc(1, sizeof *c);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(c->fd, (struct sockaddr *)&a, sizeof a)) { perror("connect"); exit(2); }
    int one = 1;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
#ifdef WITH_TLS
    if (tls) {
        SSL *ssl = SSL_new(tls);
        SSL_set_fd(ssl, c->fd);
        if (SSL_connect(ssl) != 1) { fprintf(stderr, "tls handshake failed\n"); exit(2); }
        c->ssl = ssl;
    }
#else
    (void)tls;
#endif
    int n = snprintf(buffer, sizeof buffer,
        "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n", path);
    conn_write(c, buffer, (size_t)n);
    size_t have = 0;
    while (!memmem(buffer, have, "\r\n\r\n", 4)) {
        long got = conn_read(c, buffer + have, sizeof buffer - have);
        if (got < 0) exit(2);
        have += (size_t)got;
    }
    fcntl(c->fd, F_SETFL, fcntl(c->fd, F_GETFL) | O_NONBLOCK);
    return c;
}

int main(int argc, char **argv) {
    if (argc < 4) { fprintf(stderr, "usage: wire_echo PORT spin|block plain|tls\n"); return 2; }
    int spin = !strcmp(argv[2], "spin");
    void *tls = NULL;
#ifdef WITH_TLS
    if (!strcmp(argv[3], "tls")) tls = SSL_CTX_new(TLS_client_method());
#endif
    Conn *market = dial(atoi(argv[1]), "/echo-market", tls);
    Conn *orders = dial(atoi(argv[1]), "/echo-orders", tls);
    /* one masked text frame of an order's usual size */
    static unsigned char frame[8 + 256];
    frame[0] = 0x81; frame[1] = 0x80 | 126; frame[2] = 1; frame[3] = 0;
    memset(frame + 8, 'o', 256);
    int poller = epoll_create1(0);
    struct epoll_event e = {.events = EPOLLIN};
    epoll_ctl(poller, EPOLL_CTL_ADD, market->fd, &e);
    size_t have = 0;
    for (;;) {
        if (!spin) { struct epoll_event got; epoll_wait(poller, &got, 1, -1); }
        long n = conn_read(market, buffer + have, sizeof buffer - have);
        if (n < 0) return 0;
        have += (size_t)n;
        for (;;) {
            unsigned char *p = (unsigned char *)buffer;
            if (have < 2) break;
            size_t size = p[1] & 127, at = 2;
            if (size == 126) { if (have < 4) break; size = (size_t)p[2] << 8 | p[3]; at = 4; }
            if (have < at + size) break;
            conn_write(orders, (char *)frame, sizeof frame);
            have -= at + size;
            memmove(buffer, buffer + at + size, have);
        }
    }
}
